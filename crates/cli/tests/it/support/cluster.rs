//! A cluster of real processes on this machine.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Method;
use quorate_etcdapi::etcdserverpb as pb;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use pb::cluster_client::ClusterClient;
use pb::kv_client::KvClient;
use pb::maintenance_client::MaintenanceClient;

use super::guardian::{Guardian, Notice};
use super::http::Http;
use super::poll;
use super::program::Program;

/// How long a cluster may take to start, or to recover from anything.
pub(crate) const READY_LIMIT: Duration = Duration::from_mins(1);

/// How long a process may take to end after SIGTERM.
const TERMINATE_LIMIT: Duration = Duration::from_secs(20);

/// How long a question about status may take.
const STATUS_LIMIT: Duration = Duration::from_millis(500);

/// How long making a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// Lines of each log that a failed test shows.
const LOG_LINES_SHOWN: usize = 25;

/// What a cluster is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// What runs.
    pub(crate) program: Program,
    /// How many of it.
    pub(crate) members: usize,
    /// Flags for all members beside those that name and connect them: `--election-timeout=500`.
    pub(crate) flags: Vec<String>,
    /// A directory for each member to keep its data directory in, where it is not to be temporary.
    pub(crate) homes: Vec<PathBuf>,
}

impl Options {
    /// A cluster with default settings and temporary data.
    pub(crate) fn new(program: Program, members: usize) -> Self {
        Self { program, members, flags: Vec::new(), homes: Vec::new() }
    }
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    /// The last position cut off.
    pub(crate) compacted: u64,
    /// The last entry.
    pub(crate) last: u64,
}

/// Real processes, their addresses and files. Everything ends and goes when this is dropped; the
/// ends of the logs are shown if that happens because a test failed.
pub(crate) struct Cluster {
    program: Program,
    flags: Vec<String>,
    initial_cluster: String,
    members: Vec<Member>,
    guardian: Guardian,
    /// Last, so that it goes after the processes.
    _directory: TempDir,
}

struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    data: PathBuf,
    log: PathBuf,
    process: Option<Child>,
    channel: Channel,
}

impl Cluster {
    /// Starts all members. They may not be ready yet.
    ///
    /// Must be called in a tokio runtime, as all that makes a client.
    pub(crate) fn start(options: Options) -> Self {
        let mut cluster = Self::prepare(options);
        cluster.start_all();
        cluster
    }

    /// Starts all members and waits until they serve.
    pub(crate) async fn ready(options: Options) -> Self {
        let mut cluster = Self::start(options);
        cluster.wait_ready().await;
        cluster
    }

    /// Chooses addresses and directories, and starts nothing.
    pub(crate) fn prepare(options: Options) -> Self {
        let guardian = Guardian::new();
        let directory = tempfile::Builder::new().prefix("quorate-it-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        guardian.tell(Notice::Directory(directory.path()));
        let addresses = free_addresses(options.members);
        let members: Vec<Member> = addresses
            .iter()
            .enumerate()
            .map(|(place, &(client, peer))| {
                let home = options.homes.get(place).map_or(directory.path(), PathBuf::as_path);
                Member::new(place, (client, peer), home, directory.path())
            })
            .collect();
        let cluster: Vec<String> = members
            .iter()
            .map(|member| format!("{}=http://{}", member.name, member.peer))
            .collect();
        let (program, flags) = (options.program, options.flags);
        let initial_cluster = cluster.join(",");
        Self { program, flags, initial_cluster, members, guardian, _directory: directory }
    }

    /// How many members there are, running or not.
    pub(crate) fn size(&self) -> usize {
        self.members.len()
    }

    /// Starts every member that does not run.
    pub(crate) fn start_all(&mut self) {
        for member in 0..self.size() {
            if !self.is_running(member) {
                self.restart(member);
            }
        }
    }

    /// Starts a member that was killed, has ended, or was not started yet.
    ///
    /// Its log grows; its addresses and data stay.
    pub(crate) fn restart(&mut self, member: usize) {
        self.restart_with(member, &[]);
    }

    /// The same with flags for this member alone.
    pub(crate) fn restart_with(&mut self, member: usize, flags: &[&str]) {
        assert!(!self.is_running(member), "member {member} runs");
        let mut command = self.program.command();
        let member = &mut self.members[member];
        let log = File::options().create(true).append(true).open(&member.log);
        let log = log.expect("a log can be opened");
        command
            .args(member.flags(&self.initial_cluster))
            .args(&self.flags)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log);
        let process = command.spawn();
        let process = process.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        self.guardian.tell(Notice::Process(process.id()));
        member.process = Some(process);
    }

    /// Whether a member's process exists, even if it is stopped.
    pub(crate) fn is_running(&mut self, member: usize) -> bool {
        self.status_of_process(member).is_none() && self.members[member].process.is_some()
    }

    /// How a member's process ended by itself, if it did.
    pub(crate) fn status_of_process(&mut self, member: usize) -> Option<ExitStatus> {
        let process = self.members[member].process.as_mut()?;
        let ended = process.try_wait().expect("a child can be waited for")?;
        self.guardian.tell(Notice::Reaped(process.id()));
        self.members[member].process = None;
        Some(ended)
    }

    /// Ends a member by SIGKILL, at once. Nothing if it has ended already.
    pub(crate) fn kill(&mut self, member: usize) {
        let Some(mut process) = self.members[member].process.take() else { return };
        process.kill().expect("a child can be killed");
        process.wait().expect("a child can be waited for");
        self.guardian.tell(Notice::Reaped(process.id()));
    }

    /// Ends all members by SIGKILL, as near to the same moment as signals go.
    pub(crate) fn kill_all(&mut self) {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                process.kill().expect("a child can be killed");
            }
        }
        for member in 0..self.size() {
            self.kill(member);
        }
    }

    /// Pauses a member by SIGSTOP, and waits until it stands.
    pub(crate) fn stop(&mut self, member: usize) {
        let pid = self.pid(member);
        kill_process(pid, Signal::STOP).expect("a child can be signalled");
        let status = waitpid(Some(pid), WaitOptions::UNTRACED).expect("a child can be waited for");
        let (_, status) = status.expect("it waits until there is a status");
        assert!(status.stopped(), "member {member} ended instead of stopping");
    }

    /// Lets a paused member go on.
    pub(crate) fn resume(&mut self, member: usize) {
        kill_process(self.pid(member), Signal::CONT).expect("a child can be signalled");
    }

    /// Asks a member to end by SIGTERM, and says how it did.
    pub(crate) fn terminate(&mut self, member: usize) -> ExitStatus {
        kill_process(self.pid(member), Signal::TERM).expect("a child can be signalled");
        let ended = poll::until_blocking(TERMINATE_LIMIT, || self.status_of_process(member));
        ended.unwrap_or_else(|| panic!("member {member} did not end after SIGTERM"))
    }

    /// Waits until a member's process ends by itself, and says how it did.
    pub(crate) async fn wait_exit(&mut self, member: usize) -> ExitStatus {
        let what = format!("member {member} ends");
        poll::until(&what, READY_LIMIT, async || self.status_of_process(member)).await
    }

    /// A member's process number.
    pub(crate) fn pid(&self, member: usize) -> Pid {
        let process = self.members[member].process.as_ref().expect("the member runs");
        Pid::from_child(process)
    }

    /// Where a member serves clients.
    pub(crate) fn client_address(&self, member: usize) -> SocketAddr {
        self.members[member].client
    }

    /// Where a member serves its peers.
    pub(crate) fn peer_address(&self, member: usize) -> SocketAddr {
        self.members[member].peer
    }

    /// All client addresses, as `--endpoints` takes them.
    pub(crate) fn endpoints(&self) -> String {
        let all: Vec<String> =
            self.members.iter().map(|member| member.client.to_string()).collect();
        all.join(",")
    }

    /// Where a member keeps its data.
    pub(crate) fn data_directory(&self, member: usize) -> &Path {
        &self.members[member].data
    }

    /// Everything a member has logged since it was first started.
    pub(crate) fn log(&self, member: usize) -> String {
        let bytes = std::fs::read(&self.members[member].log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A connection to a member, made when first used and again when it broke. Clones share it.
    pub(crate) fn channel(&self, member: usize) -> Channel {
        self.members[member].channel.clone()
    }

    /// A new connection to a member, of which each request may take this long.
    pub(crate) fn connect(&self, member: usize, limit: Duration) -> Channel {
        endpoint(self.members[member].client).timeout(limit).connect_lazy()
    }

    /// A client of a member's key-value service. Its requests have no time limit.
    pub(crate) fn kv(&self, member: usize) -> KvClient<Channel> {
        KvClient::new(self.channel(member)).max_decoding_message_size(usize::MAX)
    }

    /// A client of a member's maintenance service.
    pub(crate) fn maintenance(&self, member: usize) -> MaintenanceClient<Channel> {
        MaintenanceClient::new(self.channel(member))
    }

    /// A client of a member's cluster service.
    pub(crate) fn members(&self, member: usize) -> ClusterClient<Channel> {
        ClusterClient::new(self.channel(member))
    }

    /// A member's status, if it answers soon.
    pub(crate) async fn status(&self, member: usize) -> Option<pb::StatusResponse> {
        let mut client = self.maintenance(member);
        let asked = tokio::time::timeout(STATUS_LIMIT, client.status(pb::StatusRequest {}));
        Some(asked.await.ok()?.ok()?.into_inner())
    }

    /// What a running member of Quorate says of its log.
    pub(crate) async fn log_bounds(&self, member: usize) -> LogBounds {
        let mut http = Http::of(self.members[member].client);
        let answer = http.send(Method::GET, "/quorate/status", "").await;
        let body = answer.expect("it serves").into_body().collect().await.expect("it answers");
        let status: serde_json::Value =
            serde_json::from_slice(&body.to_bytes()).expect("the answer is JSON");
        let position = |name| status[name].as_u64().expect("a position is a number");
        LogBounds { compacted: position("compacted"), last: position("last") }
    }

    /// Waits until every running member serves a linearizable read. Fails if one ends instead.
    pub(crate) async fn wait_ready(&mut self) {
        if let Err((member, ended)) = self.try_ready().await {
            panic!("member {member} ended: {ended}");
        }
    }

    /// Waits until every running member serves a linearizable read, or until one has ended.
    pub(crate) async fn try_ready(&mut self) -> Result<(), (usize, ExitStatus)> {
        for member in 0..self.size() {
            if self.members[member].process.is_some() {
                self.try_serving(member).await.map_err(|ended| (member, ended))?;
            }
        }
        Ok(())
    }

    /// Waits until a member serves a linearizable read. Fails if its process ends instead.
    pub(crate) async fn wait_serving(&mut self, member: usize) {
        if let Err(ended) = self.try_serving(member).await {
            panic!("member {member} ended: {ended}");
        }
    }

    async fn try_serving(&mut self, member: usize) -> Result<(), ExitStatus> {
        let mut client = self.kv(member);
        let read = pb::RangeRequest { key: "ready".into(), ..Default::default() };
        let what = format!("member {member} serves");
        poll::until(&what, READY_LIMIT, async || {
            if let Some(ended) = self.status_of_process(member) {
                return Some(Err(ended));
            }
            let asked = tokio::time::timeout(2 * STATUS_LIMIT, client.range(read.clone()));
            asked.await.ok()?.ok().map(|_| Ok(()))
        })
        .await
    }

    /// Waits until a running member leads in the highest term that any reports, and names it.
    pub(crate) async fn wait_leader(&mut self) -> usize {
        poll::until("a member leads", READY_LIMIT, async || self.leader().await).await
    }

    /// The member that leads in the highest term that any running member reports, if it runs.
    pub(crate) async fn leader(&self) -> Option<usize> {
        let mut newest: Option<pb::StatusResponse> = None;
        let mut ids = Vec::new();
        for member in 0..self.size() {
            if self.members[member].process.is_none() {
                continue;
            }
            let Some(status) = self.status(member).await else { continue };
            ids.push((status.header?.member_id, member));
            let is_newer = newest.as_ref().is_none_or(|other| other.raft_term < status.raft_term);
            // A follower that knows no leader yet says less than one that does.
            let says_more = newest
                .as_ref()
                .is_some_and(|other| other.raft_term == status.raft_term && other.leader == 0);
            if is_newer || says_more {
                newest = Some(status);
            }
        }
        let leader = newest?.leader;
        ids.iter().find(|(id, _)| *id == leader).map(|(_, member)| *member)
    }

    /// Fails if any member has panicked, with what it said.
    pub(crate) fn assert_no_panic(&self) {
        for member in 0..self.size() {
            let log = self.log(member);
            let panic = log
                .lines()
                .find(|line| line.contains("panicked at") || line.starts_with("panic: "));
            assert_eq!(panic, None, "member {member} panicked");
        }
    }

    #[expect(clippy::print_stderr, reason = "a failed test shows what the servers said")]
    fn show_logs(&self) {
        for (place, member) in self.members.iter().enumerate() {
            let log = self.log(place);
            let skipped = log.lines().count().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("--- the last of {} ({}):", member.name, member.log.display());
            for line in log.lines().skip(skipped) {
                eprintln!("{line}");
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                // It may have ended by itself; the wait below reaps it all the same.
                let _ = process.kill();
                let _ = process.wait();
                self.guardian.tell(Notice::Reaped(process.id()));
            }
        }
        if std::thread::panicking() {
            self.show_logs();
        }
    }
}

impl Member {
    fn new(
        place: usize,
        (client, peer): (SocketAddr, SocketAddr),
        home: &Path,
        logs: &Path,
    ) -> Self {
        let name = format!("m{}", place + 1);
        Self {
            data: home.join(format!("{name}.data")),
            log: logs.join(format!("{name}.log")),
            name,
            client,
            peer,
            process: None,
            channel: endpoint(client).connect_lazy(),
        }
    }

    fn flags(&self, initial_cluster: &str) -> Vec<String> {
        vec![
            format!("--name={}", self.name),
            format!("--data-dir={}", self.data.display()),
            format!("--listen-client-urls=http://{}", self.client),
            format!("--advertise-client-urls=http://{}", self.client),
            format!("--listen-peer-urls=http://{}", self.peer),
            format!("--initial-advertise-peer-urls=http://{}", self.peer),
            format!("--initial-cluster={initial_cluster}"),
            "--initial-cluster-state=new".to_owned(),
            "--initial-cluster-token=quorate-it".to_owned(),
        ]
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    endpoint.expect("an address makes a URL").connect_timeout(CONNECT_LIMIT).tcp_nodelay(true)
}

/// A client and a peer address for each member.
///
/// Each member has a loopback address of its own, other than the 127.0.0.1 that connections go out
/// from: so no connection takes the port of a member that is down at the moment.
fn free_addresses(members: usize) -> Vec<(SocketAddr, SocketAddr)> {
    static CLUSTERS: AtomicU32 = AtomicU32::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let cluster = CLUSTERS.fetch_add(1, Ordering::Relaxed);
    let second = 1 + u8::try_from((cluster + u32::from(high)) % 250).expect("it is below 250");
    // All are held until all are chosen, so that no two are the same.
    let listeners: Vec<(TcpListener, TcpListener)> = (1..=members)
        .map(|member| {
            let last = u8::try_from(member).expect("there are few members");
            let host = Ipv4Addr::new(127, second, low, last);
            (free_port(host), free_port(host))
        })
        .collect();
    listeners.iter().map(|(client, peer)| (address_of(client), address_of(peer))).collect()
}

fn free_port(host: Ipv4Addr) -> TcpListener {
    TcpListener::bind((host, 0)).expect("a loopback address has a free port")
}

fn address_of(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound listener has an address")
}
