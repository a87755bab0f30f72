//! What a node does with a leader's word: it takes entries that fit its log, commits what it has
//! verified, and acknowledges what is durable (Raft paper §5.3).

use super::Raft;
use super::message::{AppendResult, Body, Confirmation};
use super::role::{Haste, State};
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, NodeId};
use crate::log::Position;
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};
use crate::write::Write;

impl<R: Rules> Raft<R> {
    /// Follows whoever leads this term, and takes its word as a sign of life. Whether it is the
    /// term's only leader.
    pub(super) fn accept_leader(&mut self, from: NodeId) -> bool {
        if self.term_leader.is_some_and(|leader| leader != from) {
            self.effects.misbehaved(from, "the term has another leader");
            return false;
        }
        if !matches!(&self.state, State::Follower(follower) if follower.leader == Some(from)) {
            self.become_follower(self.term, Some(from), Reason::LeaderExists);
        }
        let deadline = self.next_election();
        let State::Follower(follower) = &mut self.state else { return false };
        follower.heard_at = self.now;
        follower.deadline = deadline;
        follower.haste = Haste::Calm;
        true
    }

    /// The leader is there.
    pub(super) fn on_heartbeat(&mut self, from: NodeId, commit: Position, confirm: Confirmation) {
        if !self.accept_leader(from) {
            return;
        }
        self.confirm(from, confirm);
        let held = self.log.ballot_at(commit.index);
        if self.rules.breaks(Rule::CommitBeyondMatch) {
            return self.follow_commit(commit.index.min(self.log.last()));
        }
        if held == Some(commit.ballot) {
            self.verify(commit.index);
            return self.follow_commit(commit.index);
        }
        if held.is_some() && commit.index <= self.log.committed() {
            self.effects.misbehaved(from, "its heartbeat contradicts a committed entry");
        }
    }

    /// Answers a confirmation at once: it says that this node follows the sender's term, and
    /// nothing about the log.
    fn confirm(&mut self, to: NodeId, confirm: Confirmation) {
        if confirm != Confirmation::default() {
            self.send(to, Body::HeartbeatReply { confirm, storage: self.room.state() });
        }
    }

    /// The leader's log agrees with this one up to `index`.
    fn verify(&mut self, index: Index) {
        if let State::Follower(follower) = &mut self.state {
            follower.verified = follower.verified.max(index);
        }
    }

    fn follow_commit(&mut self, index: Index) {
        if self.log.committed() < index {
            self.commit(index, Reason::LeaderCommit);
        }
    }

    /// The leader sends entries.
    pub(super) fn on_append(
        &mut self,
        from: NodeId,
        previous: Position,
        entries: Entries,
        commit: Index,
        confirm: Option<Confirmation>,
    ) {
        if !self.accept_leader(from) {
            return;
        }
        self.confirm(from, confirm.unwrap_or_default());
        if self.is_congested(&entries) {
            return self.answer_append(from, AppendResult::Busy);
        }
        if !self.agrees_at(previous) {
            return self.reject(from, previous);
        }
        let end = Index(previous.index.0 + entries.len() as u64);
        if !self.take(from, &entries, end) {
            return;
        }
        self.verify(end);
        self.owe_answer(end);
        let vouched =
            if self.rules.breaks(Rule::CommitBeyondMatch) { self.log.last() } else { end };
        self.follow_commit(commit.min(vouched));
    }

    /// Whether the leader's log and this one agree up to a position. One below the compacted one is
    /// not known any more, and agrees: it is committed.
    fn agrees_at(&self, position: Position) -> bool {
        self.log.holds(position)
            || position.index < self.log.compacted().index
            || (self.rules.breaks(Rule::SkipConsistencyCheck) && position.index <= self.log.last())
    }

    /// Whether to refuse entries for now: a snapshot is being installed, or the disk is congested.
    fn is_congested(&self, entries: &[Entry]) -> bool {
        if self.installing.is_some() {
            return true;
        }
        if entries.is_empty() {
            return false;
        }
        self.room.is_congested(self.log.unpersisted_bytes(), &self.config)
    }

    fn answer_append(&mut self, to: NodeId, result: AppendResult) {
        self.send(to, Body::AppendReply { result, storage: self.room.state() });
    }

    fn reject(&mut self, from: NodeId, previous: Position) {
        if previous.index <= self.log.committed() {
            return self.effects.misbehaved(from, "its log contradicts a committed entry");
        }
        let reason = if self.log.last() < previous.index { Reason::Gap } else { Reason::Conflict };
        self.effects.trace(What::Refused { to: from, round: self.term.0 }, reason);
        let limit = previous.index.previous().min(self.log.last());
        let hint = self.log.newest_not_above(limit, previous.ballot);
        self.answer_append(from, AppendResult::Rejected { refused: previous.index, hint });
    }

    /// Adds the entries that are not there yet. Those that are stay, and so does what follows them:
    /// a late duplicate removes nothing. Whether the leader stayed within its rights.
    fn take(&mut self, from: NodeId, entries: &Entries, end: Index) -> bool {
        if self.rules.breaks(Rule::TruncateOnDuplicate) {
            let kept = end.max(self.log.committed());
            self.truncate_beyond(kept);
        }
        let compacted = self.log.compacted().index;
        let keeps_any = self.rules.breaks(Rule::KeepConflicting);
        let fresh = entries.iter().position(|entry| {
            let held = self.log.ballot_at(entry.index);
            let is_held = held == Some(entry.ballot) || (keeps_any && held.is_some());
            compacted <= entry.index && !is_held
        });
        let Some(fresh) = fresh else { return true };
        let first = entries[fresh].index;
        if first <= self.log.committed() {
            self.effects.misbehaved(from, "it would replace a committed entry");
            return false;
        }
        if matches!(&self.state, State::Follower(follower) if first <= follower.verified) {
            self.effects.misbehaved(from, "it replaces its own entry");
            return false;
        }
        self.truncate_beyond(first.previous());
        self.trace_appended(end, Reason::Replication);
        self.append_given(entries.part(fresh, entries.len()));
        true
    }

    fn append_given(&mut self, entries: Entries) {
        for entry in &entries {
            self.room.count(entry);
            self.adopt_members(entry);
        }
        self.log.append(&entries);
        self.durability.write(Write::Put(entries));
    }

    fn truncate_beyond(&mut self, kept: Index) {
        if self.log.last() <= kept {
            return;
        }
        let from = kept.next();
        assert!(!matches!(self.state, State::Leader(_)), "a leader truncates its log");
        self.effects.trace(What::Truncated { from }, Reason::Conflict);
        self.durability.write(Write::TruncateFrom(from));
        if self.rules.breaks(Rule::OldWriteCounts) {
            self.log.truncate_below_marks(from);
        } else {
            self.log.truncate_from(from);
        }
        self.configurations.truncate_from(from);
    }

    /// An append that brought nothing new is answered with the next drain; one that awaits the disk
    /// when it is durable.
    pub(super) fn owe_answer(&mut self, end: Index) {
        let durable = self.durable_match();
        if let State::Follower(follower) = &mut self.state {
            follower.owes_answer |= end <= durable;
        }
    }

    /// How far the log both agrees with the leader's and is durable.
    fn durable_match(&self) -> Index {
        let State::Follower(follower) = &self.state else { return Index::ZERO };
        if self.rules.breaks(Rule::AcknowledgeBeforeDurable) {
            return follower.verified;
        }
        if self.rules.breaks(Rule::AcknowledgeUnverified) {
            return self.log.persisted();
        }
        follower.verified.min(self.log.persisted())
    }

    /// Acknowledges what became durable since, once for all appends of this drain.
    pub(super) fn acknowledge(&mut self) {
        if self.installing.is_some() {
            return;
        }
        let index = self.durable_match();
        let State::Follower(follower) = &mut self.state else { return };
        let Some(leader) = follower.leader else { return };
        if !follower.owes_answer && index <= follower.acknowledged {
            return;
        }
        follower.owes_answer = false;
        follower.acknowledged = index;
        self.answer_append(leader, AppendResult::Matched { index });
    }
}
