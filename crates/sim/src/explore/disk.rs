//! What a node has on its disk: the durable log and promise as values.

use std::collections::BTreeMap;

use quorate_consensus::{
    Ballot, BallotRun, ClusterTime, Entry, HardState, Index, Members, Meta, NodeId, Payload,
    Recovered, Write, WriteBatch,
};

use super::bounds::Seeded;

/// A log and a promise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disk {
    pub hard: HardState,
    /// By index; Paxos leaves holes.
    pub entries: BTreeMap<Index, Entry>,
}

impl Disk {
    /// A disk with these entries, as nodes of earlier rounds left them.
    pub(super) fn seeded(seed: &Seeded) -> Self {
        let mut disk = Self::default();
        for &(round, node) in &seed.entries {
            let index = disk.last().next();
            let ballot = Ballot { round, node };
            let (time, payload) = (ClusterTime::default(), Payload::Noop);
            disk.entries
                .insert(index, Entry { index, ballot, born: ballot, id: None, time, payload });
        }
        disk.hard.promise.round = seed.round;
        disk
    }

    /// The last index.
    pub(super) fn last(&self) -> Index {
        self.entries.last_key_value().map_or(Index::ZERO, |(&index, _)| index)
    }

    /// Takes a batch in.
    pub(super) fn apply(&mut self, batch: &WriteBatch) {
        batch.writes.iter().for_each(|write| self.apply_write(write));
    }

    fn apply_write(&mut self, write: &Write) {
        match write {
            Write::Hard(hard) => self.hard = *hard,
            Write::Put(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            Write::TruncateFrom(first) => {
                self.entries.split_off(first);
            }
            Write::CompactTo(_) | Write::Install(_) => {
                unreachable!("nothing is compacted in a small world")
            }
        }
    }

    /// What a node that starts finds here. Its state machine begins anew.
    pub(super) fn recovered(&self, nodes: u64) -> Recovered {
        let mut ballots: Vec<BallotRun> = Vec::new();
        for entry in self.entries.values() {
            match ballots.last_mut() {
                Some(run) if run.ballot == entry.ballot && run.last.next() == entry.index => {
                    run.last = entry.index;
                }
                _ => ballots.push(BallotRun {
                    first: entry.index,
                    last: entry.index,
                    ballot: entry.ballot,
                }),
            }
        }
        Recovered {
            hard: self.hard,
            meta: Meta {
                index: Index::ZERO,
                ballot: Ballot::ZERO,
                time: ClusterTime::default(),
                members: members(nodes),
            },
            ballots,
            tail: self.entries.values().cloned().collect(),
            configurations: Vec::new(),
            applied: Index::ZERO,
            time: self.entries.values().map(|entry| entry.time).max().unwrap_or_default(),
        }
    }
}

/// The nodes `1..=nodes`, all of them voters.
pub(super) fn members(nodes: u64) -> Members {
    Members { voters: (1..=nodes).map(NodeId).collect(), ..Members::default() }
}
