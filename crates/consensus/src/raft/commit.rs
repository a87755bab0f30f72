//! What is committed, and handing it to the state machine.
//!
//! An entry is handed over once it is committed *and* durable here: the host's own durable state
//! never runs ahead of the log beside it. A commit needs a quorum of disks and not this one, so
//! a proposal may end before its entry is handed over.

use std::collections::VecDeque;

use super::Raft;
use super::role::State;
use crate::config::Config;
use crate::effects::{Fetch, FetchReason};
use crate::engine::Engine;
use crate::entry::Entry;
use crate::ids::Index;
use crate::log::Position;
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};

/// How far the state machine is.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// The last entry handed to the host.
    delivered: Index,
    /// The last entry the host has applied.
    applied: Index,
    /// Handed over and not applied: the last index and the bytes of each drain.
    outstanding: VecDeque<(Index, u64)>,
    outstanding_bytes: u64,
    is_fetching: bool,
}

impl Delivery {
    /// A host that has applied everything up to `applied`.
    pub(super) fn new(applied: Index) -> Self {
        Self {
            delivered: applied,
            applied,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            is_fetching: false,
        }
    }

    /// The last entry handed to the host.
    pub(super) fn delivered(&self) -> Index {
        self.delivered
    }

    /// The last entry the host has applied.
    pub(super) fn applied(&self) -> Index {
        self.applied
    }

    /// How many more bytes may be handed over; none until the host catches up.
    fn room(&self, config: &Config) -> Option<u64> {
        let room = config.apply_bytes_max.saturating_sub(self.outstanding_bytes);
        if self.outstanding.is_empty() {
            return Some(room.max(1));
        }
        (0 < room).then_some(room)
    }

    fn add(&mut self, last: Index, bytes: u64) {
        self.delivered = last;
        self.outstanding.push_back((last, bytes));
        self.outstanding_bytes += bytes;
    }

    /// The state machine was replaced by a snapshot at `index`.
    pub(super) fn restart(&mut self, index: Index) {
        *self = Self { is_fetching: self.is_fetching, ..Self::new(index) };
    }

    fn on_applied(&mut self, upto: Index) {
        assert!(upto <= self.delivered, "the host applied what it was never given");
        self.applied = self.applied.max(upto);
        while self.outstanding.front().is_some_and(|&(last, _)| last <= upto) {
            if let Some((_, bytes)) = self.outstanding.pop_front() {
                self.outstanding_bytes -= bytes;
            }
        }
    }
}

impl<R: Rules> Raft<R> {
    /// Commits the longest prefix that a quorum holds, if it grew.
    ///
    /// Only an entry of the leader's own term is committed by counting: an older one that a quorum
    /// holds can still be overwritten by a later leader, and is committed by the first own entry
    /// after it (Raft paper §5.4.2, Figure 8). The leader's own copy counts once it is durable
    /// (etcd#14370).
    pub(super) fn advance_commit(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        if !core::mem::take(&mut leader.is_commit_due) {
            return;
        }
        let counts_early = self.rules.breaks(Rule::CountOwnUndurable);
        let own = if counts_early { self.log.last() } else { self.log.persisted() };
        let me = self.config.node;
        let spared = self.rules.breaks(Rule::CommitShortOfQuorum);
        let spared = leader.peers.keys().next_back().copied().filter(|_| spared);
        let quorum_index = self.configurations.quorum().committed_index(|node| {
            let matched = leader.peers.get(&node).map(|progress| progress.matched);
            let counts_as_own = node == me || spared == Some(node);
            if counts_as_own { own } else { matched.unwrap_or_default() }
        });
        assert!(quorum_index <= self.log.last(), "a quorum holds an entry its leader lacks");
        if quorum_index <= self.log.committed() {
            return;
        }
        if quorum_index < leader.first_own && !self.rules.breaks(Rule::CommitOlderTerm) {
            return;
        }
        self.commit(quorum_index, Reason::QuorumReached);
    }

    /// Moves the commit mark, and ends the proposals it passes, and those beyond it that were made
    /// in an older term: terms never decrease along a committed log.
    pub(super) fn commit(&mut self, index: Index, reason: Reason) {
        self.log.commit_to(index);
        let log = &self.log;
        let outcomes = &mut self.effects.outcomes;
        if self.rules.breaks(Rule::SettleByIndex) {
            self.proposals.settle_by_index(index, outcomes);
        }
        self.proposals.settle(index, |at| log.ballot_at(at), outcomes);
        let newest = log.ballot_at(index).expect("a committed entry has a ballot");
        self.proposals.exclude(|proposed| Self::excludes(newest, proposed), outcomes);
        self.trace(What::Committed { upto: index }, reason);
    }

    /// How far the log is both committed and durable here.
    fn deliverable(&self) -> Index {
        if self.rules.breaks(Rule::DeliverUndurable) {
            return self.log.committed();
        }
        self.log.committed().min(self.log.persisted())
    }

    /// Hands committed and durable entries to the host, within its budget.
    pub(super) fn deliver(&mut self) {
        let upto = self.deliverable();
        if self.installing.is_some() || upto <= self.delivery.delivered || self.delivery.is_fetching
        {
            return;
        }
        let Some(room) = self.delivery.room(&self.config) else { return };
        let first = self.delivery.delivered.next();
        if first < self.log.tail_first() {
            let last = upto.min(self.log.tail_first().previous());
            let reason = FetchReason::Apply;
            self.effects.fetches.push(Fetch { reason, first, last, bytes_max: room });
            self.delivery.is_fetching = true;
            return;
        }
        let entries = self.log.entries(first, upto, room);
        // One entry alone always fits; one more does not.
        let is_waiting = !self.delivery.outstanding.is_empty();
        if is_waiting && self.log.entries(first, first, room).all(|entry| room < entry.cost()) {
            return;
        }
        let bytes = hand_over(entries.cloned(), &mut self.effects.committed);
        if let Some(entry) = self.effects.committed.last() {
            self.delivery.add(entry.index, bytes);
        }
    }

    /// Committed entries came from the disk. Those a snapshot has overtaken are not needed.
    pub(super) fn on_fetched_to_apply(&mut self, entries: Vec<Entry>) {
        self.delivery.is_fetching = false;
        let is_next =
            entries.first().is_some_and(|entry| entry.index == self.delivery.delivered.next());
        if !is_next || self.installing.is_some() {
            return;
        }
        for entry in &entries {
            let position = Position { ballot: entry.ballot, index: entry.index };
            assert!(self.log.holds(position), "the disk holds another log than this one");
        }
        let bytes = hand_over(entries.into_iter(), &mut self.effects.committed);
        if let Some(entry) = self.effects.committed.last() {
            assert!(entry.index <= self.log.committed(), "fetched beyond the commit mark");
            self.delivery.add(entry.index, bytes);
        }
    }

    /// The host has applied entries.
    pub(super) fn on_applied(&mut self, upto: Index) {
        self.delivery.on_applied(upto);
    }
}

/// Appends entries to those handed over, and sums their bytes.
fn hand_over(entries: impl Iterator<Item = Entry>, committed: &mut Vec<Entry>) -> u64 {
    let mut bytes = 0;
    committed.extend(entries.inspect(|entry| bytes += entry.cost()));
    bytes
}
