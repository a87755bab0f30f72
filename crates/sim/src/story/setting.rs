//! Where a story plays: how many servers, how fast everything is, and which rule is broken.

use core::time::Duration;

use bytes::Bytes;
use quorate_codec::encode_command;
use quorate_consensus::{
    Ballot, ClusterTime, Entry, HardState, Incarnation, Index, NodeId, Payload, Promise,
    ProposalId, Rule, Seed, Timers,
};
use quorate_kv::{Command, PutRequest};
use quorate_replica::Limits;

use super::stage::{Speaks, Stage};
use super::tale::Tale;
use crate::broken::{Broken, Lesson};
use crate::profile::{Profile, Span};
use crate::world::director::Director;

/// A sync of the log takes this long, unless the story says otherwise.
pub(super) const SYNC: Duration = Duration::from_millis(1);

/// A story's world before it begins.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    seed: Seed,
    profile: Profile,
    broken: Broken,
    logs: Vec<(Vec<u64>, u64)>,
}

impl Setting {
    /// So many servers, with the Raft paper's timing: elections after 150 to 300 ms, 2 ms per
    /// message, 1 ms per sync.
    pub(super) fn of(servers: u8, seed: Seed) -> Self {
        let mut profile = Profile { voters: servers, ..Profile::calm() };
        profile.clients = None;
        profile.faults.clear();
        profile.timing.hop = Span::exactly(2_000);
        profile.timing.client = Span::exactly(500);
        profile.timing.turn = Span::exactly(0);
        profile.timing.log = Span::exactly(SYNC.as_micros() as u64);
        profile.timing.store = Span::exactly(2_000);
        profile.timing.disk = Span::exactly(500);
        let setting = Self { seed, profile, broken: Broken::NOTHING, logs: Vec::new() };
        setting.election(Duration::from_millis(150))
    }

    /// The shortest time without a leader after which a server campaigns.
    pub(super) fn election(mut self, timeout: Duration) -> Self {
        self.profile.engine.election_timeout = timeout;
        self.profile.engine.heartbeat_interval = timeout / 5;
        self.profile.limits = Limits { request_timeout: 4 * timeout, ..Limits::new(timeout) };
        self
    }

    /// How long each message takes.
    pub(super) fn hop(mut self, delay: Duration) -> Self {
        self.profile.timing.hop = Span::exactly(delay.as_micros() as u64);
        self
    }

    /// Each message takes its own time.
    pub(super) fn uneven_hops(mut self, least: Duration, most: Duration) -> Self {
        self.profile.timing.hop = Span { least, most };
        self
    }

    /// Only the script starts elections, and nobody speaks without a reason.
    pub(super) fn without_timers(mut self) -> Self {
        self.profile.engine.timers = Timers::Off;
        self
    }

    /// No message carries more than one entry.
    pub(super) fn one_entry_per_message(mut self) -> Self {
        self.profile.engine.append_bytes_max = 1;
        self
    }

    /// The state machine goes to disk often, and few entries are kept behind it.
    pub(super) fn short_log(mut self) -> Self {
        self.profile.policy.interval = Duration::from_millis(100);
        self.profile.policy.snapshot_count = 20;
        self.profile.policy.catch_up_entries = 10;
        self
    }

    /// A rule of the engine is broken.
    pub(super) fn breaking(mut self, rule: Rule) -> Self {
        self.broken = Broken(Some(Lesson::Engine(rule)));
        self
    }

    /// The servers find these logs on their disks, given as the terms of the entries, and have
    /// taken part in this term.
    pub(super) fn logs(mut self, logs: &[&[u64]], round: u64) -> Self {
        self.logs = logs.iter().map(|rounds| (rounds.to_vec(), round)).collect();
        self
    }

    /// The curtain rises.
    pub(super) fn open<P: Speaks>(self, tale: &mut Tale) -> Stage<'_, P> {
        let servers = u64::from(self.profile.voters);
        let mut director = Director::new(self.seed, self.profile, self.broken);
        for (node, (rounds, round)) in (1..).map(NodeId).zip(self.logs) {
            let promise = Promise { round, to: None };
            let hard = HardState { promise, committed: Index::ZERO };
            director.give_log(node, hard, entries(&rounds, servers));
        }
        Stage::new(director, servers, tale)
    }
}

/// A log of these terms. Equal places and terms give equal entries.
fn entries(rounds: &[u64], servers: u64) -> Vec<Entry> {
    let entry = |(index, round): (u64, &u64)| {
        let node = NodeId(round % servers + 1);
        let sequence = round * 1_000 + index;
        Entry {
            index: Index(index),
            ballot: Ballot { round: *round, node },
            born: Ballot { round: *round, node },
            id: Some(ProposalId { node, incarnation: Incarnation(1), sequence }),
            time: ClusterTime(round * 1_000),
            payload: Payload::Command(encode_command(&put_command(
                &format!("x{index}"),
                &round.to_string(),
            ))),
        }
    };
    (1..).zip(rounds).map(entry).collect()
}

/// The command that writes a key.
pub(super) fn put_command(key: &str, value: &str) -> Command {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Command::Put(PutRequest { key: bytes(key), value: bytes(value), ..PutRequest::default() })
}
