//! Three members on ports of their own, each a process, ended when dropped.

use std::net::TcpListener;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::link::Link;
use crate::workspace::{Workspace, cargo};

/// How long the members may take until all of them serve.
const READY_MAX: Duration = Duration::from_mins(1);

/// How long to wait between two questions whether they do.
const PAUSE: Duration = Duration::from_millis(200);

/// What a cluster is of.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Quorate, its release build, on this engine.
    Quorate {
        /// The consensus protocol.
        engine: String,
    },
    /// The etcd of this machine.
    Etcd,
}

/// The names of the members. A suite stops the second and the third by these names.
const NAMES: [&str; 3] = ["pifpaf0", "pifpaf1", "pifpaf2"];

/// A running cluster.
pub(crate) struct Cluster {
    members: Vec<Child>,
    /// What starts each of them.
    commands: Vec<Command>,
    clients: Vec<u16>,
    /// The others' way to the last member, if it is not direct.
    link: Option<Link>,
    /// Data directories and logs, removed with it.
    directory: TempDir,
}

impl Cluster {
    /// Starts three members and waits until each of them serves.
    pub(crate) fn start(workspace: &Workspace, kind: &Kind) -> Result<Self> {
        let ports = free_ports(2 * NAMES.len())?;
        let (clients, peers) = ports.split_at(NAMES.len());
        Self::start_on(workspace, kind, clients, peers, None)
    }

    /// Starts three members, of which the last is called by the others over a link that can be
    /// slow, and waits until each of them serves.
    pub(crate) fn start_behind_link(workspace: &Workspace, kind: &Kind) -> Result<Self> {
        let ports = free_ports(2 * NAMES.len())?;
        let (clients, peers) = ports.split_at(NAMES.len());
        let link = Link::to(peers[NAMES.len() - 1])?;
        Self::start_on(workspace, kind, clients, peers, Some(link))
    }

    fn start_on(
        workspace: &Workspace,
        kind: &Kind,
        clients: &[u16],
        peers: &[u16],
        link: Option<Link>,
    ) -> Result<Self> {
        let directory = TempDir::new().context("no directory for the members")?;
        let mut called = peers.to_vec();
        if let Some(link) = &link {
            called[NAMES.len() - 1] = link.port();
        }
        let initial = initial_cluster(&called);
        let (members, commands) = (Vec::new(), Vec::new());
        let mut cluster = Self { members, commands, clients: clients.to_vec(), link, directory };
        for (at, name) in NAMES.iter().enumerate() {
            let mut command = kind.command(workspace)?;
            command.args(["--name", name, "--data-dir"]);
            command.arg(cluster.directory.path().join(name));
            command.args(["--listen-client-urls", &url(clients[at])]);
            command.args(["--advertise-client-urls", &url(clients[at])]);
            command.args(["--listen-peer-urls", &url(peers[at])]);
            command.args(["--initial-advertise-peer-urls", &url(called[at])]);
            command.args(["--initial-cluster", &initial]);
            let log = std::fs::File::create(cluster.directory.path().join(format!("{name}.log")))?;
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            cluster.members.push(command.spawn().context("a member did not start")?);
            cluster.commands.push(command);
        }
        cluster.wait_until_it_serves()?;
        Ok(cluster)
    }

    /// The URL of the first member.
    pub(crate) fn url(&self) -> String {
        url(self.clients[0])
    }

    /// The URLs of all members, with commas between them.
    pub(crate) fn urls(&self) -> String {
        self.clients.iter().copied().map(url).collect::<Vec<_>>().join(",")
    }

    /// The processes of the members.
    pub(crate) fn processes(&self) -> impl Iterator<Item = u32> {
        self.members.iter().map(Child::id)
    }

    /// The client port of the first member.
    pub(crate) fn port(&self) -> u16 {
        self.clients[0]
    }

    /// The address of the member that leads.
    pub(crate) fn leader(&self) -> Result<String> {
        Ok(format!("127.0.0.1:{}", self.clients[self.leading()?]))
    }

    /// The place of the member that leads.
    pub(crate) fn leading(&self) -> Result<usize> {
        for place in self.places() {
            let status = self.status(place)?;
            if status["leader"] == status["header"]["member_id"] {
                return Ok(place);
            }
        }
        bail!("no member leads")
    }

    /// The place of the member at the end of the link.
    pub(crate) fn behind_link(&self) -> usize {
        self.members.len() - 1
    }

    /// From now on what passes the link arrives so late.
    pub(crate) fn link_delay(&self, late: Duration) {
        self.link.as_ref().expect("it was started behind a link").delay(late);
    }

    /// Has this member lead.
    pub(crate) fn move_leader(&self, place: usize) -> Result<()> {
        let id = self.status(place)?["header"]["member_id"].as_u64().context("no member id")?;
        let leader = format!("http://{}", self.leader()?);
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &leader]);
        command.args(["move-leader", &format!("{id:x}")]);
        ensure!(command.output()?.status.success(), "leadership did not move");
        Ok(())
    }

    /// What a member says of itself.
    fn status(&self, place: usize) -> Result<serde_json::Value> {
        let endpoint = url(self.clients[place]);
        let arguments = ["--endpoints", &endpoint, "endpoint", "status", "-w", "json"];
        let output = Command::new("etcdctl").env("ETCDCTL_API", "3").args(arguments).output()?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(status[0]["Status"].clone())
    }

    /// The places of all members.
    pub(crate) fn places(&self) -> Range<usize> {
        0..self.members.len()
    }

    /// How many members there are.
    pub(crate) fn size(&self) -> f64 {
        f64::from(u8::try_from(self.members.len()).expect("there are three"))
    }

    /// The URLs of these members, with commas between them.
    pub(crate) fn urls_of(&self, places: &[usize]) -> String {
        places.iter().map(|place| url(self.clients[*place])).collect::<Vec<_>>().join(",")
    }

    /// Kills a member with SIGKILL.
    pub(crate) fn kill(&mut self, place: usize) {
        let member = &mut self.members[place];
        // It has ended already if this fails.
        drop(member.kill());
        drop(member.wait());
    }

    /// Starts a killed member again, as it was started.
    pub(crate) fn restart(&mut self, place: usize) -> Result<()> {
        self.members[place] = self.commands[place].spawn().context("a member did not start")?;
        Ok(())
    }

    /// Waits until all members serve.
    pub(crate) fn wait_until_it_serves(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_MAX {
            let mut health = Command::new("etcdctl");
            health.env("ETCDCTL_API", "3");
            health.args(["--endpoints", &self.urls(), "endpoint", "health"]);
            health.stdout(Stdio::null()).stderr(Stdio::null());
            if health.status().context("etcdctl did not start")?.success() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        bail!("the members did not serve within {} s", READY_MAX.as_secs())
    }
}

impl Kind {
    /// What tables call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Quorate { .. } => "quorate",
            Self::Etcd => "etcd",
        }
    }

    /// What starts a member, before the flags that both have.
    fn command(&self, workspace: &Workspace) -> Result<Command> {
        let mut command = match self {
            Self::Quorate { engine } => {
                let mut command = Command::new(release_binary(workspace)?);
                command.args(["serve", "--engine", engine]);
                command
            }
            Self::Etcd => Command::new("etcd"),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ETCD_") {
                command.env_remove(name);
            }
        }
        Ok(command)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Their data is thrown away: nothing is gained by asking politely.
            drop(member.kill());
            drop(member.wait());
        }
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn initial_cluster(peers: &[u16]) -> String {
    let member = |(name, port): (&&str, &u16)| format!("{name}={}", url(*port));
    NAMES.iter().zip(peers).map(member).collect::<Vec<_>>().join(",")
}

/// Ports that nobody listens on. All are held at once, so that they differ.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// The binary that people run, wherever cargo puts it.
pub(crate) fn release_binary(workspace: &Workspace) -> Result<PathBuf> {
    Ok(target(workspace)?.join("release/quorate"))
}

/// Where cargo puts what it builds.
pub(crate) fn target(workspace: &Workspace) -> Result<PathBuf> {
    let arguments = ["metadata", "--locked", "--no-deps", "--format-version", "1"];
    let metadata = workspace.output(&cargo(), &arguments)?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().context("cargo names no target")?;
    Ok(PathBuf::from(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ() -> Result<()> {
        let mut ports = free_ports(6)?;
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 6);
        Ok(())
    }

    #[test]
    fn the_initial_cluster_names_every_member() {
        let text = initial_cluster(&[1, 2, 3]);
        assert_eq!(
            text,
            "pifpaf0=http://127.0.0.1:1,pifpaf1=http://127.0.0.1:2,pifpaf2=http://127.0.0.1:3"
        );
    }
}
