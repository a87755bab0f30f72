//! What happened, in words: the part of a script below `---`, and counts for expectations.

use std::collections::VecDeque;

use quorate_consensus::{NodeId, Role, Status, StorageState, TraceEvent, What};

use crate::host::Host;
use crate::protocol::Protocol;

/// The lines of a run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: Vec<String>,
    /// Every event since the last mark, with its node.
    events: Vec<(NodeId, String)>,
    /// The newest lines, rendered or not, for whoever has to find out why a script fails.
    recent: VecDeque<String>,
    /// Above zero inside loops, whose rounds would drown everything else.
    pub(crate) mute: usize,
}

/// How many lines a failure shows.
const RECENT_MAX: usize = 40;

impl Journal {
    pub(crate) fn line(&mut self, line: impl Into<String>) {
        let line = line.into();
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(line.clone());
        if self.mute == 0 {
            self.lines.push(line);
        }
    }

    pub(crate) fn recent(&self) -> String {
        self.recent.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn event(&mut self, node: NodeId, event: &TraceEvent) {
        let words = describe_event(event);
        self.line(format!("  {node} {words}"));
        self.events.push((node, words));
    }

    pub(crate) fn mark(&mut self) {
        self.events.clear();
    }

    /// How many events of a node since the last mark contain all the words.
    pub(crate) fn count(&self, node: NodeId, words: &[&str]) -> u64 {
        let has_all = |line: &str| {
            words.iter().all(|word| line.split([' ', ':']).any(|present| present == *word))
        };
        let count = self.events.iter().filter(|(at, line)| *at == node && has_all(line)).count();
        count as u64
    }

    /// Goes on with the journal of a new world, begun by `command`.
    pub(crate) fn adopt(&mut self, command: &str, fresh: Self) {
        self.mute = fresh.mute;
        self.line(format!("> {command}"));
        if self.mute == 0 {
            self.lines.extend(fresh.lines);
        }
        self.events = fresh.events;
        self.recent = fresh.recent;
    }

    pub(crate) fn into_text(self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }
}

fn describe_event(event: &TraceEvent) -> String {
    format!("{}: {}", describe_what(event.what), kebab(&format!("{:?}", event.reason)))
}

fn describe_what(what: What) -> String {
    match what {
        What::Became { role, ballot } => {
            format!("became {} round={}", role_name(role), ballot.round)
        }
        What::Granted { to, round } => format!("granted {to} round={round}"),
        What::Refused { to, round } => format!("refused {to} round={round}"),
        What::Appended { last } => format!("appended last={last}"),
        What::Voted { first, last } => format!("voted first={first} last={last}"),
        What::Chosen { index } => format!("chosen index={index}"),
        What::Asked { peer, first, last } => format!("asked {peer} first={first} last={last}"),
        What::Truncated { from } => format!("truncated from={from}"),
        What::Committed { upto } => format!("committed upto={upto}"),
        What::Backtracked { peer, next } => format!("backtracked {peer} next={next}"),
        What::ReadsReleased { index } => format!("reads-released index={index}"),
        What::SnapshotNeeded { peer } => format!("snapshot-needed {peer}"),
        What::SnapshotInstalled { index } => format!("snapshot-installed index={index}"),
        What::HandingOver { to } => format!("handing-over {to}"),
        What::Ignored { from } => format!("ignored {from}"),
    }
}

/// `QuorumLost` as `quorum-lost`.
pub(crate) fn kebab(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

/// A node in one line.
pub(crate) fn describe_host<P: Protocol>(host: &Host<P>) -> String {
    let Some(status) = host.status() else {
        let promise = host.disk.durable.hard.promise;
        return format!(
            "{} down round={} last={}",
            host.id,
            promise.round,
            host.disk.durable.last()
        );
    };
    let mut words = describe_status(&status);
    if 0 < host.disk.pending() {
        words.push(format!("unsynced={}", host.disk.pending()));
    }
    words.push(format!("log={}", describe_rounds(&host.disk.issued.rounds())));
    words.join(" ")
}

fn describe_status(status: &Status) -> Vec<String> {
    let mut words = vec![
        format!("{} {}", status.node, role_name(status.role)),
        format!("round={}", status.ballot.round),
        format!("last={}", status.last),
        format!("committed={}", status.committed),
        format!("applied={}", status.applied),
        status.leader.map_or_else(|| "leader=none".to_owned(), |leader| format!("leader={leader}")),
    ];
    if status.storage == StorageState::Full {
        words.push("storage=full".to_owned());
    }
    for peer in &status.peers {
        let flow = kebab(&format!("{:?}", peer.flow));
        words.push(format!("{}:{}->{},{flow}", peer.node, peer.matched, peer.next));
    }
    words
}

/// The rounds of a log as `1,1,4`, or `-`.
pub(crate) fn describe_rounds(rounds: &[u64]) -> String {
    if rounds.is_empty() {
        return "-".to_owned();
    }
    rounds.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}
