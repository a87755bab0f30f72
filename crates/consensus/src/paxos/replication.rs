//! Phase 2: what a leader does. It proposes a value for each slot, sends it to the others, and
//! counts their votes; slots do not wait for each other ("Paxos Made Simple", §2.2 phase 2a and
//! §3).
//!
//! Nothing is sent while inputs are handled. One drain sends each peer what it lacks: one accept
//! (several if it does not fit), which also carries the commit mark and a confirmation for waiting
//! reads; a bare commit only where there is nothing to propose.

use bytes::Bytes;

use super::Paxos;
use super::message::Confirmation;
use super::progress::Progress;
use super::role::{Candidate, Leader, State};
use super::sender::Sender;
use crate::ballot::Ballot;
use crate::clock::Clock;
use crate::config::Timers;
use crate::entries::Entries;
use crate::entry::{Entry, Payload};
use crate::ids::{Index, NodeId, ProposalId, Span, WriteId};
use crate::input::StorageState;
use crate::outcome::Refusal;
use crate::ranges::Coverage;
use crate::rules::{Rule, Rules};
use crate::tenure::Tenure;
use crate::time::{ClusterTime, Instant};
use crate::trace::Reason;
use crate::write::Write;

impl<R: Rules> Paxos<R> {
    /// Leads its ballot: first it proposes again, in every slot that may be decided already, the
    /// only value that can have been chosen there; new values go behind those at once.
    pub(super) fn become_leader(&mut self) {
        let next = State::waiting(self.now, self.now);
        let State::Candidate(candidate) = core::mem::replace(&mut self.state, next) else {
            unreachable!("only a candidate is elected");
        };
        let floor = self.slots.chosen();
        let told = candidate.best.keys().next_back().copied().unwrap_or_default();
        let barrier = floor.max(told).max(self.slots.last());
        let leader = self.new_leader(floor, barrier);
        self.state = State::Leader(Box::new(leader));
        self.lack = None;
        self.track_members(floor);
        self.trace_role(Reason::PromiseQuorum);
        self.settle_handover();
        self.recover_slots(*candidate, Span { first: floor.next(), last: barrier });
        if self.rules.breaks(Rule::SlotsFromTheStart)
            && let State::Leader(leader) = &mut self.state
            && barrier == floor
        {
            leader.next_slot = self.slots.tail_first();
        }
    }

    fn new_leader(&self, floor: Index, barrier: Index) -> Leader {
        Leader {
            ballot: self.acceptor.promised(),
            tenure: Tenure::new(self.now, &self.config),
            floor,
            barrier,
            next_slot: barrier.next(),
            own: Coverage::new(floor),
            unsynced: Vec::new(),
            chosen: Coverage::new(floor),
            news: Vec::new(),
        }
    }

    /// Proposes the value of the highest vote told for each slot, or nothing at all where a whole
    /// phase-1 quorum has no vote: there no other value can have been chosen, nor ever will be
    /// below this ballot.
    fn recover_slots(&mut self, mut candidate: Candidate, span: Span) {
        let ballot = self.acceptor.promised();
        let is_unrecorded = self.rules.breaks(Rule::ForgetReaccepted);
        let mut values = Vec::new();
        for index in span.indices() {
            let best = candidate.best.remove(&index);
            let best = best.filter(|_| !self.rules.breaks(Rule::IgnoreVotes));
            let (value, reason) = if let Some(vote) = best {
                (Entry { ballot, ..vote }, Reason::Adopted)
            } else {
                (nothing(index, ballot), Reason::NoVotes)
            };
            values.push(value);
            if !is_unrecorded {
                self.trace_voted(index, reason);
            }
        }
        if values.is_empty() {
            return;
        }
        if is_unrecorded {
            self.slots.load(values);
        } else {
            self.store(Entries::from(values));
        }
        self.count_own(span, is_unrecorded);
    }

    /// Makes the leader's view of its peers match the configuration.
    fn track_members(&mut self, floor: Index) {
        let State::Leader(leader) = &mut self.state else { return };
        let (members, me) = (self.configurations.members(), self.config.node);
        leader.tenure.track(members, me, || Progress::new(floor, self.now));
    }

    /// The leader's own votes are recorded like anyone's, and count once they are durable.
    fn count_own(&mut self, span: Span, is_unrecorded: bool) {
        let write = self.durability.next();
        let counts_early = is_unrecorded || self.rules.breaks(Rule::CountOwnUndurable);
        let State::Leader(leader) = &mut self.state else { return };
        if counts_early {
            leader.own.insert(span);
            return leader.news.push(span);
        }
        match leader.unsynced.last_mut() {
            Some((same, before)) if *same == write && before.last.next() == span.first => {
                before.last = span.last;
            }
            _ => leader.unsynced.push((write, span)),
        }
    }

    /// Shares the values that were proposed since the last time, and has them written.
    pub(super) fn seal(&mut self) {
        if let Some(entries) = self.slots.seal() {
            self.durability.write(Write::Put(entries));
        }
    }

    /// The leader's own votes that the disk has taken count now.
    pub(super) fn count_own_votes(&mut self, write: WriteId) {
        let State::Leader(leader) = &mut self.state else { return };
        let count = leader.unsynced.iter().take_while(|(at, _)| *at <= write).count();
        for (_, span) in leader.unsynced.drain(..count) {
            leader.own.insert(span);
            leader.news.push(span);
        }
    }

    /// A client's command.
    pub(super) fn on_propose(&mut self, id: ProposalId, payload: Bytes) {
        match self.proposal_refusal(payload.len() as u64 + Entry::OVERHEAD_BYTES) {
            Some(refusal) => self.effects.refuse(id, refusal),
            None => self.propose(id, Payload::Command(payload)),
        }
    }

    fn propose(&mut self, id: ProposalId, payload: Payload) {
        let State::Leader(leader) = &mut self.state else { return };
        let entry = Entry {
            index: leader.next_slot,
            ballot: leader.ballot,
            born: leader.ballot,
            id: Some(id),
            time: leader.tenure.stamp(self.now),
            payload,
        };
        leader.next_slot = leader.next_slot.next();
        self.proposals.track(entry.index, entry.ballot, id, entry.cost());
        self.trace_voted(entry.index, Reason::Proposal);
        self.adopt_members(&entry);
        self.count_own(Span::one(entry.index), false);
        if entry.index <= self.slots.last() {
            // Only a broken rule proposes below what was voted for.
            return self.store(Entries::from(entry));
        }
        if self.slots.push(entry) {
            self.seal();
        }
    }

    fn proposal_refusal(&self, cost: u64) -> Option<Refusal> {
        let waiting = self.slots.unpersisted_bytes();
        let overload = || self.proposals.overload(cost, waiting, &self.config, &self.rules);
        self.standing().write_refusal().or_else(overload)
    }

    /// Sends each peer what it lacks.
    pub(super) fn replicate(&mut self) {
        let confirm = self.start_read_round();
        self.send_to_peers(|sender, node, progress| sender.send_to(node, progress, confirm));
    }

    /// Speaks to every peer that was not spoken to, or did not answer, for an interval.
    pub(super) fn beat(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let confirm = leader.tenure.begin_heartbeat(self.now, &self.config);
        self.send_to_peers(|sender, node, progress| {
            if progress.contact.is_quiet(sender.now, sender.config) {
                sender.commit(node, progress, confirm);
            }
        });
    }

    fn send_to_peers(&mut self, mut send: impl FnMut(&mut Sender<'_>, NodeId, &mut Progress)) {
        let State::Leader(leader) = &mut self.state else { return };
        let mut sender = Sender {
            slots: &self.slots,
            config: &self.config,
            ballot: leader.ballot,
            floor: leader.floor,
            now: self.now,
            sends_once: self.rules.breaks(Rule::SkipProbe),
            effects: &mut self.effects,
            shared: None,
        };
        for (&node, progress) in &mut leader.tenure.peers {
            send(&mut sender, node, progress);
        }
    }

    /// A peer is heard, about this leader's ballot. Its view, if the peer is known.
    fn hear_peer(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        storage: StorageState,
    ) -> Option<&mut Leader> {
        let now = self.now;
        let State::Leader(leader) = &mut self.state else { return None };
        if leader.ballot != ballot && !self.rules.breaks(Rule::CountAcrossBallots) {
            return None;
        }
        let progress = leader.tenure.peers.get_mut(&from)?;
        progress.contact.hear(now, storage);
        Some(leader)
    }

    /// What was sent until then and is overtaken by an answer to something sent later is taken to
    /// be lost. Messages may overtake each other a little.
    fn overtaken_before(&self) -> Instant {
        match self.config.timers {
            Timers::On => self.now - self.config.heartbeat_interval / 4,
            Timers::Off => self.now,
        }
    }

    /// A peer has voted.
    pub(super) fn on_accepted(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        votes: &[Span],
        chosen_upto: Index,
        storage: StorageState,
    ) {
        let late = self.overtaken_before();
        let Some(leader) = self.hear_peer(from, ballot, storage) else { return };
        if votes.iter().any(|span| leader.next_slot <= span.last) {
            return self.effects.misbehaved(from, "it voted for what was never proposed");
        }
        let Some(progress) = leader.tenure.peers.get_mut(&from) else { return };
        progress.on_accepted(votes, chosen_upto, late);
        match votes.is_empty() {
            // It took nothing, though it was sent something: it is congested.
            true if !progress.window.is_empty() => progress.pause(),
            true => {}
            false => progress.restore_patience(),
        }
        leader.news.extend_from_slice(votes);
        self.on_peer_chosen(from, chosen_upto);
        self.continue_handover();
    }

    /// A peer answered a confirmation: it had promised nothing above this ballot.
    pub(super) fn on_commit_ack(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        confirm: Confirmation,
        chosen_upto: Index,
        storage: StorageState,
    ) {
        let is_impossible = matches!(
            &self.state,
            State::Leader(leader) if leader.ballot == ballot && leader.tenure.confirm() < confirm
        );
        if is_impossible {
            return self.effects.misbehaved(from, "it confirms what was never asked");
        }
        let late = self.overtaken_before();
        if let Some(leader) = self.hear_peer(from, ballot, storage)
            && let Some(progress) = leader.tenure.peers.get_mut(&from)
        {
            progress.contact.confirm(confirm);
            progress.on_accepted(&[], chosen_upto, late);
            self.resend_lost(from);
            self.release_reads();
        }
        self.on_peer_chosen(from, chosen_upto);
        if self.rules.breaks(Rule::AnswerAnswers) {
            self.answer(from, confirm);
        }
    }

    /// What a broken rule does: the answer to the newest confirmation brings about another.
    fn answer(&mut self, peer: NodeId, confirm: Confirmation) {
        if !matches!(&self.state, State::Leader(leader) if leader.tenure.confirm() == confirm) {
            return;
        }
        self.send_to_peers(|sender, node, progress| {
            if node == peer {
                sender.commit(node, progress, confirm);
            }
        });
    }

    /// A peer speaks: what it was sent long ago and did not answer may be lost.
    fn resend_lost(&mut self, peer: NodeId) {
        if let State::Leader(leader) = &mut self.state
            && let Some(progress) = leader.tenure.peers.get_mut(&peer)
        {
            progress.resend_lost(self.now, &self.config);
        }
    }

    /// The connection to a peer broke: what is on the way to it is probably lost.
    pub(super) fn pause_peer(&mut self, peer: NodeId) {
        if let State::Leader(leader) = &mut self.state
            && let Some(progress) = leader.tenure.peers.get_mut(&peer)
        {
            progress.pause();
        }
    }

    /// When this leader will have been without answers from a quorum for an election timeout.
    pub(super) fn quorum_lost_at(&self) -> Option<Instant> {
        let State::Leader(leader) = &self.state else { return None };
        let quorum = self.configurations.phase2_at(self.slots.chosen().next());
        leader.tenure.quorum_lost_at(quorum, &self.config, &self.rules)
    }

    /// The time came for something a leader does by itself.
    pub(super) fn on_leader_wake(&mut self) {
        assert!(self.config.timers == Timers::On, "a node without timers wakes up");
        if self.is_disk_stalled() {
            return self.yield_to_best();
        }
        if self.quorum_lost_at().is_some_and(|at| at <= self.now) {
            return self.become_follower(None, Reason::QuorumLost);
        }
        let State::Leader(leader) = &self.state else { return };
        if leader.tenure.is_heartbeat_due(self.now) {
            self.beat();
            self.remind_of_handover();
            self.shed_leadership();
        }
    }

    /// The host has applied entries. A leader counts time once one of its own is among them, and
    /// the clock is its own to move: all that anyone has stamped below what it stamps from now on,
    /// it either proposed itself or knows.
    pub(super) fn count_time(&mut self, clock: Clock) {
        if let State::Leader(leader) = &mut self.state
            && clock.is_moved_by(leader.ballot)
        {
            leader.tenure.count_from(clock.time, self.now);
        }
    }

    /// When a leader has something to do by itself.
    pub(super) fn leader_deadline(&self) -> Option<Instant> {
        let State::Leader(leader) = &self.state else { return None };
        let stalled_at = self.durability.stalled_at(&self.config, &self.rules);
        let heartbeat_at = leader.tenure.heartbeat_at();
        [heartbeat_at, stalled_at, self.quorum_lost_at()].into_iter().flatten().min()
    }
}

/// What fills a hole: the same whoever proposes it, and it moves no clock.
fn nothing(index: Index, ballot: Ballot) -> Entry {
    let (born, time) = (Ballot::ZERO, ClusterTime::default());
    Entry { index, ballot, born, id: None, time, payload: Payload::Noop }
}
