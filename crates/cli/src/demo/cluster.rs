//! The members of a demo together.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use quorate_server::{EngineKind, HttpUrl};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::directory_of;
use super::member::Member;
use super::ports::{self, Ports, Preference};
use super::view::{self, View};

/// The address of this machine that members serve on.
const HOST: &str = "127.0.0.1";

/// A segment of a member's log, in bytes: a demo writes little, and should start at once.
const WAL_SEGMENT_BYTES: u64 = 4 << 20;

/// The pause before members are asked once more.
const POLL: Duration = Duration::from_millis(20);

/// The members.
#[derive(Debug)]
pub(crate) struct Cluster {
    members: Vec<Member>,
    engine: EngineKind,
}

/// Why the members did not come up.
#[derive(Debug)]
pub(crate) struct StartFailure {
    /// A port was taken by somebody else, so that others may do.
    pub(crate) is_listen: bool,
    pub(crate) what: String,
}

impl Cluster {
    /// Starts members named `n1` and so on, with their data in this directory.
    pub(crate) fn start(
        count: usize,
        engine: EngineKind,
        directory: &Path,
        preference: Preference,
    ) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let ports = ports::choose(count, preference)?;
        let mut members: Vec<Member> =
            (0..count).map(|place| member(place, engine, &ports, directory)).collect();
        for member in &mut members {
            member.start()?;
        }
        Ok(Self { members, engine })
    }

    /// How the members agree.
    pub(crate) fn engine(&self) -> EngineKind {
        self.engine
    }

    /// Waits until every member answers and knows a leader. Fails if one ends.
    pub(crate) async fn ready(&mut self) -> Result<(), StartFailure> {
        loop {
            for member in &mut self.members {
                if let Some(status) = member.ended() {
                    let is_listen =
                        member.last_lines().iter().any(|line| line.contains("cannot listen on"));
                    return Err(StartFailure { is_listen, what: obituary(member, status) });
                }
            }
            if self.views().await.iter().all(View::has_leader) {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    /// What to say when [`Self::ready`] took too long.
    pub(crate) fn why_not_ready(&self, limit: Duration) -> String {
        let lines: Vec<String> = self.members.iter().map(last_words).collect();
        format!("the members have not elected a leader in {limit:?}:\n{}", lines.join("\n"))
    }

    /// What each member says of itself.
    pub(crate) async fn views(&self) -> Vec<View> {
        let mut asked = JoinSet::new();
        for (place, member) in self.members.iter().enumerate() {
            if member.is_running() {
                let url = member.client_url.clone();
                asked.spawn(async move { (place, view::ask(url).await) });
            }
        }
        let mut views = vec![View::Down; self.members.len()];
        while let Some(answer) = asked.join_next().await {
            let (place, view) = answer.expect("asking does not panic");
            views[place] = view;
        }
        views
    }

    /// The place of the leader.
    pub(crate) async fn leader(&self) -> Option<usize> {
        view::leader(&self.views().await)
    }

    /// Waits for a leader.
    pub(crate) async fn new_leader(&self) -> usize {
        loop {
            if let Some(leader) = self.leader().await {
                return leader;
            }
            sleep(POLL).await;
        }
    }

    /// Waits until every member that runs answers and knows a leader.
    pub(crate) async fn all_answer(&self) {
        let is_well = |view: &View| *view == View::Down || view.has_leader();
        while !self.views().await.iter().all(is_well) {
            sleep(POLL).await;
        }
    }

    /// Kills the member at this place.
    pub(crate) async fn kill(&mut self, place: usize) {
        self.members[place].kill().await;
    }

    /// Starts every member that does not run, and names them.
    pub(crate) fn restart(&mut self) -> io::Result<Vec<String>> {
        let down = self.members.iter_mut().filter(|member| !member.is_running());
        down.map(|member| member.start().map(|()| member.name.clone())).collect()
    }

    /// One report for each member that has ended by itself since this was last asked.
    pub(crate) fn unexpected_ends(&mut self) -> Vec<String> {
        let reports = self.members.iter_mut().filter_map(|member| {
            let status = member.ended()?;
            Some(format!("{}\n  r restarts {}", obituary(member, status), member.name))
        });
        reports.collect()
    }

    /// Whether those that run are enough to agree.
    pub(crate) fn has_quorum(&self) -> bool {
        let running = self.members.iter().filter(|member| member.is_running()).count();
        self.members.len() / 2 < running
    }

    /// The name of the member at this place.
    pub(crate) fn name(&self, place: usize) -> &str {
        &self.members[place].name
    }

    /// All names, with where each member serves clients.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, String)> {
        self.members.iter().map(|member| (member.name.as_str(), member.client_url.authority()))
    }

    /// Stops every member. Each gets its time, all at once.
    pub(crate) async fn stop(self) {
        let mut stopping = JoinSet::new();
        for mut member in self.members {
            stopping.spawn(async move { member.stop().await });
        }
        while stopping.join_next().await.is_some() {}
    }
}

fn name(place: usize) -> String {
    format!("n{}", place + 1)
}

fn member(place: usize, engine: EngineKind, ports: &[Ports], directory: &Path) -> Member {
    let url = |port| HttpUrl::new(HOST, port);
    let (client, peer) = (url(ports[place].client), url(ports[place].peer));
    let all: Vec<String> = (0..)
        .zip(ports)
        .map(|(place, ports)| format!("{}={}", name(place), url(ports.peer)))
        .collect();
    let name = name(place);
    let data_dir = directory_of(directory, &name);
    let arguments = vec![
        "serve".to_owned(),
        format!("--name={name}"),
        format!("--data-dir={}", data_dir.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster={}", all.join(",")),
        "--initial-cluster-token=quorate-demo".to_owned(),
        format!("--engine={engine}"),
        format!("--wal-segment-bytes={WAL_SEGMENT_BYTES}"),
        "--log-format=json".to_owned(),
        "--stop-with-stdin".to_owned(),
    ];
    let log = directory.join(format!("{name}.log"));
    Member::new(name, client, arguments, log)
}

fn obituary(member: &Member, status: ExitStatus) -> String {
    format!("{} ended unexpectedly ({status}). {}", member.name, last_words(member))
}

fn last_words(member: &Member) -> String {
    let mut words = format!("The last lines of {}:", member.name);
    for line in member.last_lines() {
        words.push_str("\n    ");
        words.push_str(&line);
    }
    words
}
