//! One cluster with an empty store, on this machine's loopback.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use quorate_etcdapi::etcdserverpb as pb;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use pb::kv_client::KvClient;

/// How long a server may take to serve.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// How long one request may take.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// How long to wait before asking again whether a server serves.
const RETRY: Duration = Duration::from_millis(50);

/// Elections are slow, so that the shortest lease outlives a sequence: it lasts one and a half
/// election timeouts.
const FLAGS: [&str; 2] = ["--heartbeat-interval=1000", "--election-timeout=10000"];

/// What can be started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// What reports call it.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What comes before the flags of the server.
    pub(crate) arguments: Vec<String>,
}

/// A cluster that runs. It ends, and its files go, when this is dropped.
pub(crate) struct Server {
    program: Program,
    processes: Vec<Child>,
    directory: TempDir,
    /// The connection to each member.
    pub(crate) channels: Vec<Channel>,
}

impl Server {
    /// Starts a cluster of so many members and waits until all of them serve.
    pub(crate) async fn start(program: &Program, members: usize) -> Result<Self> {
        let directory = TempDir::new().context("no temporary directory")?;
        let addresses = (0..members).map(|_| free_addresses()).collect::<Result<Vec<_>>>()?;
        let peer = |(member, (_, peer)): (usize, &(SocketAddr, SocketAddr))| {
            format!("{}=http://{peer}", name(member))
        };
        let initial: Vec<String> = addresses.iter().enumerate().map(peer).collect();
        let log = File::create(directory.path().join("log")).context("no log file")?;
        let (mut processes, mut channels) = (Vec::new(), Vec::new());
        for (member, (client, peer)) in addresses.into_iter().enumerate() {
            let mut command = Command::new(&program.path);
            command.args(&program.arguments).args(flags(directory.path(), member, client, peer));
            command.arg(format!("--initial-cluster={}", initial.join(",")));
            for (name, _) in std::env::vars_os() {
                if name.to_string_lossy().starts_with("ETCD_") {
                    command.env_remove(name);
                }
            }
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
            let process = command.spawn();
            let shown = program.path.display();
            processes.push(process.with_context(|| format!("{shown} does not start"))?);
            let endpoint = Endpoint::from_shared(format!("http://{client}"))?;
            channels.push(endpoint.tcp_nodelay(true).timeout(REQUEST_LIMIT).connect_lazy());
        }
        let mut server = Self { program: program.clone(), processes, directory, channels };
        for member in 0..members {
            server.wait_serving(member).await?;
        }
        Ok(server)
    }

    /// How a process ended, if one did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let ended = |process: &mut Child| process.try_wait().ok().flatten();
        let status = self.processes.iter_mut().find_map(ended)?;
        Some(format!("{} ended: {status}\n{}", self.program.name, self.last_words()))
    }

    async fn wait_serving(&mut self, member: usize) -> Result<()> {
        let begun = Instant::now();
        let mut client = KvClient::new(self.channels[member].clone());
        while begun.elapsed() < READY_LIMIT {
            if let Some(ended) = self.ended() {
                bail!("{ended}");
            }
            let read = pb::RangeRequest { key: "ready".into(), ..Default::default() };
            if client.range(read).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(RETRY).await;
        }
        bail!("{} does not serve:\n{}", self.program.name, self.last_words());
    }

    /// The last lines of its log.
    fn last_words(&self) -> String {
        let log = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.lines().count().saturating_sub(20);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself; the wait reaps it all the same.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn name(member: usize) -> String {
    format!("versus{member}")
}

fn flags(directory: &Path, member: usize, client: SocketAddr, peer: SocketAddr) -> Vec<String> {
    let name = name(member);
    let own = [
        format!("--data-dir={}", directory.join(&name).display()),
        format!("--name={name}"),
        format!("--listen-client-urls=http://{client}"),
        format!("--advertise-client-urls=http://{client}"),
        format!("--listen-peer-urls=http://{peer}"),
        format!("--initial-advertise-peer-urls=http://{peer}"),
    ];
    own.into_iter().chain(FLAGS.map(str::to_owned)).collect()
}

/// A client and a peer address on a loopback host of its own, other than the 127.0.0.1 that
/// connections go out from: so no connection takes a port between its choice and its use.
fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    static SERVERS: AtomicU32 = AtomicU32::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let [.., server] = SERVERS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let host = Ipv4Addr::new(127, 1 + high % 250, low, 1 + server % 250);
    let client = TcpListener::bind((host, 0)).context("no free port")?;
    let peer = TcpListener::bind((host, 0)).context("no free port")?;
    Ok((client.local_addr()?, peer.local_addr()?))
}
