//! What a node does with a leader's word: it votes, in any order of slots, and takes note of what
//! is chosen ("Paxos Made Simple", §2.2 phase 2b and §2.3).

use super::Paxos;
use super::acceptor::Decision;
use super::message::{Confirmation, Message};
use super::prepare::SLOT_MAX;
use super::role::{Haste, State};
use crate::ballot::Ballot;
use crate::entries::Entries;
use crate::entry::{Entry, Payload};
use crate::ids::{Index, NodeId, Span};
use crate::ranges::Ranges;
use crate::rules::{Rule, Rules};
use crate::trace::Reason;
use crate::write::Write;

/// What the present leader has said is chosen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    /// The leader's ballot.
    pub ballot: Ballot,
    /// Every slot up to here is chosen, with this node's vote if it is of that ballot.
    pub commit: Index,
    /// What was chosen up to here the leader does not send again.
    pub floor: Index,
}

impl Word {
    /// Nothing heard yet.
    pub(super) fn new(leader: Option<Ballot>) -> Self {
        Self { ballot: leader.unwrap_or_default(), ..Self::default() }
    }
}

/// Votes of one ballot that were cast, or found cast already, since the last drain.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    leader: NodeId,
    ballot: Ballot,
    slots: Ranges,
}

impl<R: Rules> Paxos<R> {
    /// Whether a leader's word counts: not if a higher ballot is promised. If it does, the node
    /// follows that leader, and takes its word as a sign of life.
    fn accept_leader(&mut self, from: NodeId, ballot: Ballot) -> bool {
        match self.acceptor.on_accept(ballot, &self.rules) {
            Decision::Refused { promised } => {
                self.refuse(from, ballot, promised);
                return false;
            }
            Decision::Raised => self.write_promise(),
            Decision::Kept => {}
        }
        let follows =
            matches!(&self.state, State::Follower(follower) if follower.leader == Some(ballot));
        if !follows {
            self.become_follower(Some(ballot), Reason::LeaderExists);
        }
        let deadline = self.next_election();
        let State::Follower(follower) = &mut self.state else { return false };
        follower.heard_at = self.now;
        follower.deadline = deadline;
        follower.haste = Haste::Calm;
        true
    }

    /// The leader is there.
    pub(super) fn on_commit(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        commit: Index,
        floor: Index,
        confirm: Confirmation,
    ) {
        if !self.accept_leader(from, ballot) {
            return;
        }
        self.confirm(from, ballot, confirm);
        self.word.floor = self.word.floor.max(floor);
        self.follow_commit(commit);
        self.want_missed(from);
    }

    /// Answers a confirmation at once: it says that this node has promised nothing above the
    /// leader's ballot, and nothing about votes.
    fn confirm(&mut self, to: NodeId, ballot: Ballot, confirm: Confirmation) {
        if confirm != Confirmation::default() {
            self.send_commit_ack(to, ballot, confirm);
        }
    }

    pub(super) fn send_commit_ack(&mut self, to: NodeId, ballot: Ballot, confirm: Confirmation) {
        let (chosen_upto, storage) = (self.slots.chosen(), self.room.state());
        self.send(to, Message::CommitAck { ballot, confirm, chosen_upto, storage });
    }

    fn follow_commit(&mut self, commit: Index) {
        self.word.commit = self.word.commit.max(commit);
        self.advance_chosen(Reason::LeaderCommit);
    }

    /// The leader proposes values.
    pub(super) fn on_accept(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        entries: Entries,
        commit: Index,
        confirm: Option<Confirmation>,
    ) {
        if !self.accept_leader(from, ballot) {
            return;
        }
        self.confirm(from, ballot, confirm.unwrap_or_default());
        self.open_ballot_box(from, ballot);
        if !self.is_disk_congested() && self.can_vote_for(from, &entries) {
            // What was decided since the last write makes room too (simulator, Paxos seed 1393).
            self.slots.evict(self.config.tail_bytes_max);
            let limit = self.votes_upto();
            entries.runs().for_each(|run| self.vote_for(&run, limit));
        }
        self.follow_commit(commit);
    }

    /// The last slot to vote for now. Where too much is undecided nothing is added above the last
    /// vote, so that what is in memory stays finite. Below it votes go on: they decide what is
    /// there.
    fn votes_upto(&self) -> Index {
        let undecided_max =
            self.config.waiting_bytes_max().saturating_add(self.config.in_flight_bytes_max);
        if self.slots.tail_bytes() <= undecided_max { SLOT_MAX } else { self.slots.last() }
    }

    /// Whether to take nothing for now.
    pub(super) fn is_disk_congested(&self) -> bool {
        self.room.is_congested(self.slots.unpersisted_bytes(), &self.config)
    }

    /// Whether no value contradicts what is known: the leader has one value per slot for ever, and
    /// a chosen one nobody replaces.
    fn can_vote_for(&mut self, from: NodeId, entries: &[Entry]) -> bool {
        let (chosen, last) = (self.slots.chosen(), self.slots.last());
        if entries.first().is_some_and(|entry| last < entry.index) {
            return true;
        }
        let contradicts = |entry: &&Entry| {
            let held = self.slots.vote(entry.index).filter(|held| !is_same_value(held, entry));
            held.is_some_and(|held| held.ballot == entry.ballot || entry.index <= chosen)
        };
        if !entries.iter().any(|entry| contradicts(&entry)) {
            return true;
        }
        self.effects.misbehaved(from, "it proposes another value where one is settled");
        false
    }

    /// Votes for values in a row, up to a limit.
    fn vote_for(&mut self, run: &Entries, limit: Index) {
        let is_fresh = |entry: &Entry| self.slots.last() < entry.index;
        let is_taken = |entry: &Entry| entry.index <= limit;
        if run.first().is_some_and(is_fresh) && run.last().is_some_and(is_taken) {
            return self.cast(run.clone());
        }
        for at in 0..run.len() {
            self.vote_once(run.part(at, at + 1), limit);
        }
    }

    /// Votes, unless the vote is cast already, or the slot was decided so long ago that it is not
    /// in memory: then the answer says so.
    fn vote_once(&mut self, value: Entries, limit: Index) {
        let Entry { index, ballot, .. } = value[0];
        if index < self.slots.tail_first() || limit < index {
            return;
        }
        if self.slots.vote(index).is_none_or(|held| held.ballot != ballot) {
            return self.cast(value);
        }
        self.answer_for(Span::one(index));
    }

    /// Casts votes for values in a row.
    fn cast(&mut self, run: Entries) {
        let is_gap = self.slots.last().next() < run[0].index;
        let mut reason = if is_gap { Reason::Gap } else { Reason::Replication };
        for entry in &run {
            self.room.count(entry);
            self.trace_voted(entry.index, std::mem::replace(&mut reason, Reason::Replication));
        }
        let span = Span { first: run[0].index, last: run[run.len() - 1].index };
        self.store(run);
        self.answer_for(span);
    }

    fn answer_for(&mut self, span: Span) {
        if let Some(cast) = &mut self.cast {
            cast.slots.insert(span);
        }
    }

    /// Stores votes and has them written.
    pub(super) fn store(&mut self, entries: Entries) {
        entries.iter().for_each(|entry| self.adopt_members(entry));
        self.slots.put(&entries);
        self.durability.write(Write::Put(entries));
    }

    pub(super) fn adopt_members(&mut self, entry: &Entry) {
        if let Payload::Members(members) = &entry.payload {
            self.configurations.put(entry.index, members);
        }
    }

    /// Votes of this ballot are collected from now on; those of another are answered first, as they
    /// were cast.
    fn open_ballot_box(&mut self, leader: NodeId, ballot: Ballot) {
        if self.cast.as_ref().is_some_and(|cast| cast.ballot != ballot) {
            self.acknowledge();
        }
        if self.cast.is_none() {
            self.cast = Some(Cast { leader, ballot, slots: Ranges::default() });
        }
    }

    /// Answers for the votes cast since the last drain, once they are durable. The answer is worded
    /// now and names the ballot of the votes: what is promised by the time it leaves is another
    /// matter.
    pub(super) fn acknowledge(&mut self) {
        let Some(mut cast) = self.cast.take() else { return };
        let message = Message::Accepted {
            ballot: cast.ballot,
            votes: cast.slots.take_all(),
            chosen_upto: self.slots.chosen(),
            storage: self.room.state(),
        };
        if self.rules.breaks(Rule::AcceptedBeforeDurable) {
            return self.send(cast.leader, message);
        }
        self.send_after(self.durability.newest(), cast.leader, message);
    }
}

/// Equal in all but the ballot of the vote.
pub(super) fn is_same_value(one: &Entry, other: &Entry) -> bool {
    let is_stamped_alike = one.born == other.born && one.time == other.time;
    is_stamped_alike && one.id == other.id && one.payload == other.payload
}
