//! `snapshot restore`: the data directory of a member of a new cluster, out of a snapshot.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use quorate_server::{
    Bump, Config, HashCheck, HttpSettings, MetricsDetail, RealDisk, SnapshotFile, restore,
};

use crate::exit::Failure;
use crate::output;
use crate::serve;
use crate::serve_flags::{Cluster, EngineName, Urls};

/// The flags of `snapshot restore`.
#[derive(Args, Clone, Debug)]
pub(crate) struct RestoreFlags {
    /// The snapshot
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// The name of the member in --initial-cluster
    #[arg(long, default_value = "default")]
    name: String,
    /// The directory to make [default: NAME.quorate]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// All members of the new cluster, as NAME=URL,... [default: this one]
    #[arg(long, value_name = "LIST")]
    initial_cluster: Option<Cluster>,
    /// Where the other members will be told to go
    #[arg(long, value_name = "URLS", default_value = "http://localhost:2380")]
    initial_advertise_peer_urls: Urls,
    /// Tells the new cluster from the old
    #[arg(long, value_name = "TOKEN", default_value = "etcd-cluster")]
    initial_cluster_token: String,
    /// How the members will agree [default: as in the old cluster]
    #[arg(long)]
    engine: Option<EngineName>,
    /// Go on this much above the revision of the snapshot
    #[arg(long, value_name = "N", default_value = "0")]
    bump_revision: u32,
    /// Compact everything below, so that watches begin anew
    #[arg(long, requires = "bump_revision")]
    mark_compacted: bool,
    /// Take a file that has lost its hash
    #[arg(long)]
    skip_hash_check: bool,
    /// Size of a segment of the log
    #[arg(long, hide = true, value_name = "BYTES", default_value = "67108864")]
    #[arg(value_parser = clap::value_parser!(u64).range(1 << 20..=1 << 30))]
    wal_segment_bytes: u64,
}

/// Makes the directory.
pub(crate) fn run(flags: RestoreFlags) -> Result<(), Failure> {
    let check = if flags.skip_hash_check { HashCheck::Skip } else { HashCheck::Verify };
    let bump = match (flags.bump_revision, flags.mark_compacted) {
        (0, false) => Bump::Nothing,
        (0, true) => {
            return Err(Failure::usage("--mark-compacted needs --bump-revision above 0"));
        }
        (by, false) => Bump::Revision(by),
        (by, true) => Bump::RevisionCompacted(by),
    };
    let path = flags.path.clone();
    let config = config(flags, check)?;
    let restored = restore(&config, Arc::new(RealDisk), serve::entropy(), &path, check, bump)
        .map_err(Failure::error)?;
    output::say(format_args!(
        "Restored {} keys and {} leases at revision {} into {}.\nStart every member of the new \
         cluster with --initial-cluster-state=new and the same cluster flags",
        restored.keys,
        restored.leases,
        restored.revision,
        config.data_dir.display()
    ))
}

fn config(flags: RestoreFlags, check: HashCheck) -> Result<Config, Failure> {
    let engine = match flags.engine {
        Some(engine) => engine.into(),
        None => SnapshotFile::open(&flags.path, check).map_err(Failure::error)?.head().engine,
    };
    let data_dir = flags.data_dir.unwrap_or_else(|| format!("{}.quorate", flags.name).into());
    let own = flags.initial_advertise_peer_urls.0;
    let initial_cluster = flags
        .initial_cluster
        .map_or_else(|| [(flags.name.clone(), own.clone())].into(), |cluster| cluster.0);
    Ok(Config {
        name: flags.name,
        data_dir,
        listen_client_urls: Vec::new(),
        advertise_client_urls: Vec::new(),
        listen_peer_urls: Vec::new(),
        initial_advertise_peer_urls: own,
        initial_cluster,
        initial_cluster_token: flags.initial_cluster_token,
        heartbeat_interval: Duration::from_millis(100),
        election_timeout: Duration::from_secs(1),
        snapshot_count: 10_000,
        quota_backend_bytes: 2 << 30,
        max_request_bytes: 1_572_864,
        max_txn_ops: 128,
        watch_progress_notify_interval: Duration::from_mins(10),
        http: HttpSettings::default(),
        engine,
        wal_segment_bytes: flags.wal_segment_bytes,
        listen_metrics_urls: Vec::new(),
        metrics: MetricsDetail::Basic,
    })
}
