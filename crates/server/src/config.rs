//! What a server is told when it starts, checked once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use quorate_codec::handshake::{ClusterId, EngineKind};
use quorate_consensus::{Members, NodeId};
use quorate_kv::Limits;

use crate::member::{MemberDetails, member_id};
use crate::url::{HttpUrl, UrlError};

/// A server's settings, named as etcd names its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This member's name in `initial_cluster`.
    pub name: String,
    /// Where everything durable is.
    pub data_dir: PathBuf,
    /// Where clients are served.
    pub listen_client_urls: Vec<HttpUrl>,
    /// Where clients are told to go.
    pub advertise_client_urls: Vec<HttpUrl>,
    /// Where peers are served.
    pub listen_peer_urls: Vec<HttpUrl>,
    /// Where peers are told to go.
    pub initial_advertise_peer_urls: Vec<HttpUrl>,
    /// All members the cluster starts with, by name.
    pub initial_cluster: BTreeMap<String, Vec<HttpUrl>>,
    /// Tells clusters with equal URLs apart.
    pub initial_cluster_token: String,
    /// How often an idle leader speaks.
    pub heartbeat_interval: Duration,
    /// How long a silent leader is waited for.
    pub election_timeout: Duration,
    /// Log entries between two cuts of the log.
    pub snapshot_count: u64,
    /// The cluster's quota in logical bytes, made the cluster's by whichever member leads.
    pub quota_backend_bytes: u64,
    /// Largest request a client may send, in bytes.
    pub max_request_bytes: u64,
    /// Most operations in one list of a transaction.
    pub max_txn_ops: usize,
    /// How long a watch stays quiet before it is told its progress, if it asked for that.
    pub watch_progress_notify_interval: Duration,
    /// What is offered over plain HTTP, and to whom.
    pub http: HttpSettings,
    /// The consensus protocol.
    pub engine: EngineKind,
    /// Size of one log segment, in bytes.
    pub wal_segment_bytes: u64,
    /// Where metrics and health are served besides the client URLs, and nothing else is.
    pub listen_metrics_urls: Vec<HttpUrl>,
    /// How much is measured.
    pub metrics: MetricsDetail,
}

/// How much is measured of each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsDetail {
    /// Counts.
    #[default]
    Basic,
    /// How long each took, too.
    Extensive,
}

/// What is offered over plain HTTP on the client port, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Whether etcd's services are offered as JSON too, under `/v3`.
    pub enable_grpc_gateway: bool,
    /// Web pages of which origins may read what is answered; `*` stands for all.
    pub cors: BTreeSet<String>,
    /// By which names requests may call this member; `*` stands for all, as does an empty set.
    pub host_whitelist: BTreeSet<String>,
}

/// As etcd's: everything, to everybody.
impl Default for HttpSettings {
    fn default() -> Self {
        let all = BTreeSet::from(["*".to_owned()]);
        Self { enable_grpc_gateway: true, cors: all.clone(), host_whitelist: all }
    }
}

/// Why a configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A URL does not parse.
    Url(UrlError),
    /// `--initial-cluster` is not a list of `name=url`.
    Cluster {
        /// The part that is not.
        part: String,
    },
    /// `--name` is not in `--initial-cluster`.
    NameMissing {
        /// The name.
        name: String,
    },
    /// `--initial-cluster` and `--initial-advertise-peer-urls` disagree about this member.
    PeerUrlsDiffer {
        /// The name.
        name: String,
    },
    /// Two members have the same peer URLs.
    Duplicate {
        /// One of their names.
        name: String,
    },
    /// The election timeout must be at least five heartbeats and at most 50 seconds.
    Timing {
        /// The heartbeat interval.
        heartbeat_interval: Duration,
        /// The election timeout.
        election_timeout: Duration,
    },
    /// Clients are served somewhere else than the default, but not told where.
    AdvertiseMissing,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(formatter),
            Self::Cluster { part } => write!(
                formatter,
                "--initial-cluster: {part:?} is not of the form name=http://host:port"
            ),
            Self::NameMissing { name } => write!(
                formatter,
                "--initial-cluster does not list this member: add {name}=<peer url>, or set --name"
            ),
            Self::PeerUrlsDiffer { name } => write!(
                formatter,
                "--initial-cluster gives {name} other peer URLs than \
                 --initial-advertise-peer-urls: make them equal"
            ),
            Self::Duplicate { name } => write!(
                formatter,
                "--initial-cluster gives {name} the peer URLs of another member: each needs its own"
            ),
            Self::Timing { heartbeat_interval, election_timeout } => write!(
                formatter,
                "--election-timeout ({election_timeout:?}) must be at least five times \
                 --heartbeat-interval ({heartbeat_interval:?}) and at most 50s"
            ),
            Self::AdvertiseMissing => write!(
                formatter,
                "--advertise-client-urls is required when --listen-client-urls is set: clients of \
                 other members are told to go there"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The longest election timeout, etcd's.
const ELECTION_TIMEOUT_MAX: Duration = Duration::from_secs(50);

impl Config {
    /// Checks what can be checked without touching disk or network.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let name = || self.name.clone();
        let Some(own) = self.initial_cluster.get(&self.name) else {
            return Err(ConfigError::NameMissing { name: name() });
        };
        if sorted(own) != sorted(&self.initial_advertise_peer_urls) {
            return Err(ConfigError::PeerUrlsDiffer { name: name() });
        }
        if self.election_timeout < 5 * self.heartbeat_interval
            || ELECTION_TIMEOUT_MAX < self.election_timeout
        {
            return Err(ConfigError::Timing {
                heartbeat_interval: self.heartbeat_interval,
                election_timeout: self.election_timeout,
            });
        }
        self.validate_members()
    }

    /// What one request may cost.
    pub(crate) fn limits(&self) -> Limits {
        let request_bytes_max = usize::try_from(self.max_request_bytes).unwrap_or(usize::MAX);
        Limits { txn_ops_max: self.max_txn_ops, request_bytes_max }
    }

    fn validate_members(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeMap::new();
        for name in self.initial_cluster.keys() {
            if seen.insert(self.id_of(name), name).is_some() {
                return Err(ConfigError::Duplicate { name: name.clone() });
            }
        }
        Ok(())
    }

    /// This member's id.
    pub fn node(&self) -> NodeId {
        self.id_of(&self.name)
    }

    fn id_of(&self, name: &str) -> NodeId {
        let urls = self.initial_cluster.get(name).map_or(&[][..], Vec::as_slice);
        member_id(urls, &self.initial_cluster_token)
    }

    /// The cluster's id: the same on every member that was told the same.
    pub fn cluster_id(&self) -> ClusterId {
        let members: Vec<(&str, String)> = self
            .initial_cluster
            .iter()
            .flat_map(|(name, urls)| urls.iter().map(|url| (name.as_str(), url.to_string())))
            .collect();
        let pairs = members.iter().map(|(name, url)| (*name, url.as_str()));
        ClusterId::of(pairs, &self.initial_cluster_token, self.engine)
    }

    /// The configuration the cluster starts with.
    pub fn initial_members(&self) -> Members {
        let details = self.initial_cluster.iter().map(|(name, urls)| {
            let details = MemberDetails { name: name.clone(), peer_urls: urls.clone() };
            (self.id_of(name), details.encode())
        });
        let details: BTreeMap<_, _> = details.collect();
        Members { details: details.clone(), ..Members::of_voters(details.into_keys()) }
    }
}

fn sorted(urls: &[HttpUrl]) -> Vec<&HttpUrl> {
    let mut urls: Vec<&HttpUrl> = urls.iter().collect();
    urls.sort();
    urls
}

/// Reads etcd's `name=url,name=url` list. A name may come more than once.
pub fn parse_initial_cluster(text: &str) -> Result<BTreeMap<String, Vec<HttpUrl>>, ConfigError> {
    let mut members: BTreeMap<String, Vec<HttpUrl>> = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, url)) = part.split_once('=') else {
            return Err(ConfigError::Cluster { part: part.to_owned() });
        };
        let url = url.parse().map_err(ConfigError::Url)?;
        members.entry(name.to_owned()).or_default().push(url);
    }
    Ok(members)
}
