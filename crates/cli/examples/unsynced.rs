//! A member whose disk only claims to sync, to prove that the power test notices: see
//! `tests/it/power.rs`. It takes the flags that the test gives to `quorate serve`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use quorate_server::{
    Config, Disk, DiskFile, DiskLock, EngineKind, HttpSettings, HttpUrl, LockError, MetricsDetail,
    OpenMode, RealDisk, Server, parse_initial_cluster,
};

/// `quorate serve` without syncs.
#[derive(Parser)]
struct Flags {
    #[arg(long)]
    name: String,
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long)]
    listen_client_urls: HttpUrl,
    #[arg(long)]
    advertise_client_urls: HttpUrl,
    #[arg(long)]
    listen_peer_urls: HttpUrl,
    #[arg(long)]
    initial_advertise_peer_urls: HttpUrl,
    #[arg(long)]
    initial_cluster: String,
    #[arg(long)]
    initial_cluster_token: String,
    #[arg(long)]
    initial_cluster_state: String,
    #[arg(long)]
    election_timeout: u64,
}

impl Flags {
    fn into_config(self) -> anyhow::Result<Config> {
        anyhow::ensure!(self.initial_cluster_state == "new", "it only makes clusters");
        Ok(Config {
            name: self.name,
            data_dir: self.data_dir,
            listen_client_urls: vec![self.listen_client_urls],
            advertise_client_urls: vec![self.advertise_client_urls],
            listen_peer_urls: vec![self.listen_peer_urls],
            initial_advertise_peer_urls: vec![self.initial_advertise_peer_urls],
            initial_cluster: parse_initial_cluster(&self.initial_cluster)?,
            initial_cluster_token: self.initial_cluster_token,
            heartbeat_interval: Duration::from_millis(100),
            election_timeout: Duration::from_millis(self.election_timeout),
            snapshot_count: 10_000,
            quota_backend_bytes: 2 << 30,
            max_request_bytes: 1_572_864,
            max_txn_ops: 128,
            watch_progress_notify_interval: Duration::from_mins(10),
            http: HttpSettings::default(),
            engine: EngineKind::Raft,
            wal_segment_bytes: 64 << 20,
            listen_metrics_urls: Vec::new(),
            metrics: MetricsDetail::Basic,
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Flags::parse().into_config()?;
    let mut entropy = [0; 8];
    let random = RealDisk.open(Path::new("/dev/urandom"), OpenMode::Existing)?;
    random.read_at(0, &mut entropy)?;
    let disk = Arc::new(UnsyncedDisk);
    let mut server = Server::start(config, disk, u64::from_le_bytes(entropy)).await?;
    anyhow::bail!("{}", server.failed().await)
}

/// The machine's file system, but for the syncs.
struct UnsyncedDisk;

impl Disk for UnsyncedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(UnsyncedFile(RealDisk.open(path, mode)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        RealDisk.unlink(path)
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }

    fn lock(&self, path: &Path) -> Result<Arc<dyn DiskLock>, LockError> {
        RealDisk.lock(path)
    }
}

struct UnsyncedFile(Arc<dyn DiskFile>);

impl DiskFile for UnsyncedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.0.drop_cache()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}
