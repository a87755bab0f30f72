//! What is committed, and handing it to the state machine.
//!
//! An entry is handed over once it is committed *and* durable here: the host's own durable state
//! never runs ahead of the log beside it. A commit needs a quorum of disks and not this one, so
//! a proposal may end before its entry is handed over.

use super::Raft;
use super::role::State;
use crate::effects::{Fetch, FetchReason};
use crate::engine::Engine;
use crate::entries::Entries;
use crate::ids::Index;
use crate::log::Position;
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};

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
        let spared = leader.tenure.peers.keys().next_back().copied().filter(|_| spared);
        let quorum_index = self.configurations.quorum().committed_index(|node| {
            let matched = leader.tenure.peers.get(&node).map(|progress| progress.matched);
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
        self.effects.trace(What::Committed { upto: index }, reason);
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
        if self.installing.is_some()
            || upto <= self.delivery.delivered()
            || self.delivery.is_fetching()
        {
            return;
        }
        let Some(room) = self.delivery.room(&self.config) else { return };
        let first = self.delivery.delivered().next();
        if first < self.log.tail_first() {
            let last = upto.min(self.log.tail_first().previous());
            let reason = FetchReason::Apply;
            self.effects.fetches.push(Fetch { reason, first, last, bytes_max: room });
            return self.delivery.begin_fetch();
        }
        let next = self.log.entry_at(first).expect("what is not on the disk alone is in memory");
        if self.delivery.fits(next, room) {
            let parts = self.log.parts(first, upto, room);
            self.delivery.hand_over(parts, &mut self.effects.committed);
        }
    }

    /// Committed entries came from the disk. Those a snapshot has overtaken are not needed.
    pub(super) fn on_fetched_to_apply(&mut self, entries: &Entries) {
        self.delivery.end_fetch();
        let next = self.delivery.delivered().next();
        let is_next = entries.first().is_some_and(|entry| entry.index == next);
        if !is_next || self.installing.is_some() {
            return;
        }
        for entry in entries {
            let position = Position { ballot: entry.ballot, index: entry.index };
            assert!(self.log.holds(position), "the disk holds another log than this one");
        }
        let last = entries.last().map_or(Index::ZERO, |entry| entry.index);
        assert!(last <= self.log.committed(), "fetched beyond the commit mark");
        let part = std::iter::once(entries.clone());
        self.delivery.hand_over(part, &mut self.effects.committed);
    }

    /// The host has applied entries.
    pub(super) fn on_applied(&mut self, upto: Index) {
        self.delivery.on_applied(upto);
    }
}
