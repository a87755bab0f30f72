//! The flags of `serve`, named and defaulted as etcd names and defaults its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use quorate_server::{
    Config, ConfigError, EngineKind, HttpUrl, MetricsDetail, UrlError, parse_initial_cluster,
};

use crate::client_flags::Timeout;
use crate::exit::Failure;
use crate::http_flags::HttpFlags;
use crate::logging::{LogFormat, LogLevel};

/// etcd's default of `--quota-backend-bytes`, which 0 stands for.
const QUOTA_BYTES_DEFAULT: u64 = 2 << 30;

/// etcd's default of `--snapshot-count`, which 0 stands for.
const SNAPSHOT_COUNT_DEFAULT: u64 = 10_000;

/// The flags of `serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeFlags {
    /// This member's name in --initial-cluster
    #[arg(long, default_value = "default", help_heading = "Member")]
    name: String,
    /// Where everything durable is [default: NAME.quorate]
    #[arg(long, value_name = "DIR", help_heading = "Member")]
    data_dir: Option<PathBuf>,
    /// Where to serve clients; needs --advertise-client-urls
    #[arg(long, value_name = "URLS", help_heading = "Member")]
    #[arg(default_value = "http://localhost:2379")]
    listen_client_urls: Urls,
    /// Where to serve the other members
    #[arg(long, value_name = "URLS", help_heading = "Member")]
    #[arg(default_value = "http://localhost:2380")]
    listen_peer_urls: Urls,
    /// Where to serve metrics and health besides the client URLs
    #[arg(long, value_name = "URLS", help_heading = "Member")]
    listen_metrics_urls: Option<Urls>,
    /// Whether to measure how long each request takes, too
    #[arg(long, value_name = "DETAIL", default_value = "basic", help_heading = "Member")]
    metrics: Detail,
    /// How often an idle leader speaks, in milliseconds
    #[arg(long, value_name = "MS", default_value = "100", help_heading = "Member")]
    heartbeat_interval: u64,
    /// How long a silent leader is waited for, in milliseconds
    #[arg(long, value_name = "MS", default_value = "1000", help_heading = "Member")]
    election_timeout: u64,
    /// Entries between two cuts of the log; 0 means 10000
    #[arg(long, value_name = "N", default_value = "10000", help_heading = "Member")]
    snapshot_count: u64,
    /// Limit of the data in bytes; 0 means 2 GiB, negative means none
    #[arg(long, value_name = "BYTES", default_value = "0", help_heading = "Member")]
    #[arg(allow_negative_numbers = true)]
    quota_backend_bytes: i64,
    /// Largest request of a client, in bytes
    #[arg(long, value_name = "BYTES", default_value = "1572864", help_heading = "Member")]
    max_request_bytes: u64,
    /// Most operations in one branch of a transaction
    #[arg(long, value_name = "N", default_value = "128", help_heading = "Member")]
    max_txn_ops: usize,
    /// How long a watch stays quiet before it is told how far it is, if it asked for that; at least
    /// 100ms
    #[arg(long, value_name = "DURATION", default_value = "10m", help_heading = "Member")]
    #[arg(alias = "experimental-watch-progress-notify-interval")]
    watch_progress_notify_interval: Timeout,
    #[command(flatten)]
    http: HttpFlags,
    /// Where the other members are told to go
    #[arg(long, value_name = "URLS", help_heading = "Cluster")]
    #[arg(default_value = "http://localhost:2380")]
    initial_advertise_peer_urls: Urls,
    /// All members, as NAME=URL,...; the same on each of them [default: this one]
    #[arg(long, value_name = "LIST", help_heading = "Cluster")]
    initial_cluster: Option<Cluster>,
    /// Whether this member makes the cluster or joins one
    #[arg(long, value_name = "STATE", default_value = "new", help_heading = "Cluster")]
    initial_cluster_state: ClusterState,
    /// Tells clusters with the same addresses apart
    #[arg(long, value_name = "TOKEN", default_value = "etcd-cluster", help_heading = "Cluster")]
    initial_cluster_token: String,
    /// Where clients are told to go
    #[arg(long, value_name = "URLS", help_heading = "Cluster")]
    #[arg(default_value = "http://localhost:2379")]
    advertise_client_urls: Urls,
    /// How members agree
    #[arg(long, default_value = "raft", help_heading = "Cluster")]
    engine: EngineName,
    /// The least severe log line that is written
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = "Logging")]
    pub(crate) log_level: LogLevel,
    /// Form of log lines [default: console on a terminal, else json]
    #[arg(long, value_name = "FORMAT", help_heading = "Logging")]
    pub(crate) log_format: Option<LogFormat>,
    /// Size of a segment of the log, written in full when it is made: small ones start sooner.
    #[arg(long, hide = true, value_name = "BYTES", default_value = "67108864")]
    #[arg(value_parser = clap::value_parser!(u64).range(1 << 20..=1 << 30))]
    wal_segment_bytes: u64,
    /// Stop when standard input ends, as a child of the demo does.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

/// A list of URLs, separated by commas.
#[derive(Clone, Debug)]
pub(crate) struct Urls(pub(crate) Vec<HttpUrl>);

impl FromStr for Urls {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        text.split(',').map(|url| url.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// The value of `--initial-cluster`.
#[derive(Clone, Debug)]
pub(crate) struct Cluster(pub(crate) BTreeMap<String, Vec<HttpUrl>>);

impl FromStr for Cluster {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        parse_initial_cluster(text).map(Self)
    }
}

/// Whether a member without data makes a cluster or joins one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClusterState {
    New,
    Existing,
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Detail {
    /// Counts
    Basic,
    /// Histograms of requests, too
    Extensive,
}

impl From<Detail> for MetricsDetail {
    fn from(detail: Detail) -> Self {
        match detail {
            Detail::Basic => Self::Basic,
            Detail::Extensive => Self::Extensive,
        }
    }
}

/// The consensus protocol's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// Raft
    Raft,
    /// Multi-Paxos
    Paxos,
}

impl EngineName {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raft => "raft",
            Self::Paxos => "paxos",
        }
    }
}

impl From<EngineName> for EngineKind {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Raft => Self::Raft,
            EngineName::Paxos => Self::Paxos,
        }
    }
}

/// Where a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The user gave it.
    Given,
    /// Nobody did.
    Default,
}

/// Which of the settings that need each other the user gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origins {
    pub(crate) listen_client_urls: Origin,
    pub(crate) advertise_client_urls: Origin,
}

impl ServeFlags {
    /// The server's settings, checked.
    pub(crate) fn into_config(self, origins: Origins) -> Result<Config, Failure> {
        if origins.listen_client_urls == Origin::Given
            && origins.advertise_client_urls == Origin::Default
        {
            return Err(Failure::usage(ConfigError::AdvertiseMissing));
        }
        let data_dir = self.data_dir.unwrap_or_else(|| format!("{}.quorate", self.name).into());
        check_state(self.initial_cluster_state, &data_dir)?;
        let own = &self.initial_advertise_peer_urls.0;
        let initial_cluster = self.initial_cluster.map_or_else(
            || BTreeMap::from([(self.name.clone(), own.clone())]),
            |cluster| cluster.0,
        );
        let config = Config {
            name: self.name,
            data_dir,
            listen_client_urls: self.listen_client_urls.0,
            advertise_client_urls: self.advertise_client_urls.0,
            listen_peer_urls: self.listen_peer_urls.0,
            initial_advertise_peer_urls: self.initial_advertise_peer_urls.0,
            initial_cluster,
            initial_cluster_token: self.initial_cluster_token,
            heartbeat_interval: Duration::from_millis(self.heartbeat_interval),
            election_timeout: Duration::from_millis(self.election_timeout),
            snapshot_count: or_default(self.snapshot_count, SNAPSHOT_COUNT_DEFAULT),
            quota_backend_bytes: quota_bytes(self.quota_backend_bytes),
            max_request_bytes: self.max_request_bytes,
            max_txn_ops: self.max_txn_ops,
            watch_progress_notify_interval: self.watch_progress_notify_interval.0,
            http: self.http.into(),
            engine: self.engine.into(),
            wal_segment_bytes: self.wal_segment_bytes,
            listen_metrics_urls: self.listen_metrics_urls.map(|urls| urls.0).unwrap_or_default(),
            metrics: self.metrics.into(),
        };
        config.validate().map_err(Failure::usage)?;
        Ok(config)
    }
}

fn or_default(value: u64, default: u64) -> u64 {
    if value == 0 { default } else { value }
}

fn quota_bytes(flag: i64) -> u64 {
    match u64::try_from(flag) {
        Ok(bytes) => or_default(bytes, QUOTA_BYTES_DEFAULT),
        Err(_) => u64::MAX,
    }
}

/// As in etcd, the state says nothing to a member that has data already.
fn check_state(state: ClusterState, data_dir: &std::path::Path) -> Result<(), Failure> {
    let is_empty = std::fs::read_dir(data_dir).map_or(true, |mut entries| entries.next().is_none());
    if state == ClusterState::Existing && is_empty {
        return Err(Failure::usage(format!(
            "--initial-cluster-state=existing: {} holds no member, and joining a running cluster \
             is not in this version yet. Start the whole cluster with --initial-cluster-state=new, \
             or point --data-dir to this member's data",
            data_dir.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
