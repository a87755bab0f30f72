//! Three members on ports of their own, each a process, ended when dropped.

use std::net::TcpListener;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

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
    /// Data directories and logs, removed with it.
    directory: TempDir,
}

impl Cluster {
    /// Starts three members and waits until each of them serves.
    pub(crate) fn start(workspace: &Workspace, kind: &Kind) -> Result<Self> {
        let directory = TempDir::new().context("no directory for the members")?;
        let ports = free_ports(2 * NAMES.len())?;
        let (clients, peers) = ports.split_at(NAMES.len());
        let initial = initial_cluster(peers);
        let (members, commands) = (Vec::new(), Vec::new());
        let mut cluster = Self { members, commands, clients: clients.to_vec(), directory };
        for (at, name) in NAMES.iter().enumerate() {
            let mut command = kind.command(workspace)?;
            command.args(["--name", name, "--data-dir"]);
            command.arg(cluster.directory.path().join(name));
            command.args(["--listen-client-urls", &url(clients[at])]);
            command.args(["--advertise-client-urls", &url(clients[at])]);
            command.args(["--listen-peer-urls", &url(peers[at])]);
            command.args(["--initial-advertise-peer-urls", &url(peers[at])]);
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
        for (place, port) in self.clients.iter().enumerate() {
            let arguments = ["--endpoints", &url(*port), "endpoint", "status", "-w", "json"];
            let output =
                Command::new("etcdctl").env("ETCDCTL_API", "3").args(arguments).output()?;
            let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            let status = &status[0]["Status"];
            if status["leader"] == status["header"]["member_id"] {
                return Ok(place);
            }
        }
        bail!("no member leads")
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
