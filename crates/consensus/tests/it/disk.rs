//! A virtual disk: the log as issued and the log as durable, with the unsynced batches between.

use std::collections::{BTreeMap, VecDeque};

use quorate_consensus::{
    Ballot, BallotRun, ClusterTime, Entry, HardState, Index, Members, Meta, Payload, Recovered,
    Write, WriteBatch, WriteId,
};

/// The content of a log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) hard: HardState,
    pub(crate) meta: Meta,
    pub(crate) entries: BTreeMap<Index, Entry>,
}

impl Log {
    /// An empty log with its initial configuration.
    pub(crate) fn new(members: Members) -> Self {
        let meta = Meta {
            index: Index::ZERO,
            ballot: Ballot::ZERO,
            time: ClusterTime::default(),
            members,
        };
        Self { hard: HardState::default(), meta, entries: BTreeMap::new() }
    }

    pub(crate) fn apply(&mut self, write: &Write) {
        match write {
            Write::Hard(hard) => self.hard = *hard,
            Write::Put(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            Write::TruncateFrom(index) => self.entries.retain(|at, _| at < index),
            Write::CompactTo(meta) | Write::Install(meta) => {
                if self.meta.index < meta.index {
                    self.entries.retain(|at, _| meta.index < *at);
                    self.meta = meta.clone();
                }
            }
        }
    }

    pub(crate) fn last(&self) -> Index {
        self.entries.keys().next_back().copied().unwrap_or(self.meta.index)
    }

    /// The ballot at a position, if the log still knows it.
    pub(crate) fn ballot_at(&self, index: Index) -> Option<Ballot> {
        if index == self.meta.index {
            return Some(self.meta.ballot);
        }
        self.entries.get(&index).map(|entry| entry.ballot)
    }

    /// From the entry before a new leader's own first one, one position per round trip, until
    /// `peer` agrees.
    pub(crate) fn one_by_one(&self, peer: &Self, round: u64) -> u64 {
        let is_older = |entry: &&Entry| entry.ballot.round < round;
        let older = self.entries.values().rev().find(is_older).map(|entry| entry.index);
        let first_try = older.unwrap_or(self.meta.index);
        let agrees = |index: &Index| {
            self.ballot_at(*index).is_some_and(|ballot| peer.ballot_at(*index) == Some(ballot))
        };
        let common = (0..=first_try.0).rev().map(Index).find(agrees).unwrap_or(Index::ZERO);
        first_try.distance_from(common) + 1
    }

    /// The rounds of all entries, ascending, for people; zero where there is a hole.
    pub(crate) fn rounds(&self) -> Vec<u64> {
        let Some(first) = self.entries.keys().next() else { return Vec::new() };
        (first.0..=self.last().0)
            .map(|index| self.entries.get(&Index(index)).map_or(0, |entry| entry.ballot.round))
            .collect()
    }

    /// What a start finds here, with at most `tail_max` entries in memory.
    pub(crate) fn recovered(&self, applied: Index, tail_max: usize) -> Recovered {
        let skipped = self.entries.len().saturating_sub(tail_max);
        let configurations = self.entries.values().filter_map(|entry| match &entry.payload {
            Payload::Members(members) => Some((entry.index, Members::clone(members))),
            Payload::Noop | Payload::Command(_) => None,
        });
        let last_time = self.entries.values().next_back().map(|entry| entry.time);
        Recovered {
            hard: self.hard,
            meta: self.meta.clone(),
            ballots: self.ballot_runs(),
            tail: self.entries.values().skip(skipped).cloned().collect(),
            configurations: configurations.collect(),
            applied,
            time: last_time.unwrap_or(self.meta.time),
        }
    }

    fn ballot_runs(&self) -> Vec<BallotRun> {
        let mut runs: Vec<BallotRun> = Vec::new();
        for entry in self.entries.values() {
            match runs.last_mut() {
                Some(run) if run.ballot == entry.ballot && run.last.next() == entry.index => {
                    run.last = entry.index;
                }
                _ => runs.push(BallotRun {
                    first: entry.index,
                    last: entry.index,
                    ballot: entry.ballot,
                }),
            }
        }
        runs
    }
}

/// A batch that is not durable yet.
#[derive(Debug)]
struct Pending {
    batch: WriteBatch,
    done_at: u64,
}

/// A log behind a cache that a crash loses.
#[derive(Debug)]
pub(crate) struct Disk {
    /// What would be there if every batch were durable: the engine's own view.
    pub(crate) issued: Log,
    /// What a crash leaves.
    pub(crate) durable: Log,
    /// Whether syncs wait for a `sync` command.
    pub(crate) is_held: bool,
    pending: VecDeque<Pending>,
}

impl Disk {
    pub(crate) fn new(log: Log) -> Self {
        Self { issued: log.clone(), durable: log, is_held: false, pending: VecDeque::new() }
    }

    /// Queues a batch whose writes `issued` holds already.
    pub(crate) fn push(&mut self, batch: WriteBatch, done_at: u64) {
        self.pending.push_back(Pending { batch, done_at });
    }

    /// Makes the oldest batch durable, whether held or not, and names it.
    pub(crate) fn sync_one(&mut self) -> Option<WriteId> {
        let pending = self.pending.pop_front()?;
        for write in &pending.batch.writes {
            self.durable.apply(write);
        }
        Some(pending.batch.id)
    }

    /// When the next sync completes by itself.
    pub(crate) fn next_sync_at(&self) -> Option<u64> {
        if self.is_held {
            return None;
        }
        self.pending.front().map(|pending| pending.done_at)
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The id of the newest batch, durable or not yet.
    pub(crate) fn newest_pending(&self) -> Option<WriteId> {
        self.pending.back().map(|pending| pending.batch.id)
    }

    /// Loses what is not durable.
    pub(crate) fn crash(&mut self) {
        self.pending.clear();
        self.issued = self.durable.clone();
    }
}
