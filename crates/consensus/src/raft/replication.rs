//! What a leader does: it appends, sends its log to the others, and learns how far they are
//! (Raft paper §5.3).
//!
//! Nothing is sent while inputs are handled. One drain sends each peer what it lacks: one append
//! (several if it does not fit), which also carries the commit mark and a confirmation for waiting
//! reads; a bare heartbeat only where there is nothing to append.

use bytes::Bytes;

use super::Raft;
use super::message::{AppendResult, Confirmation};
use super::progress::Progress;
use super::role::{Leader, State};
use super::sender::Sender;
use crate::config::Timers;
use crate::entries::Entries;
use crate::entry::{Entry, Payload};
use crate::ids::{Index, NodeId, ProposalId};
use crate::input::StorageState;
use crate::log::Position;
use crate::members::Members;
use crate::outcome::Refusal;
use crate::rules::{Rule, Rules};
use crate::status::Flow;
use crate::tenure::Tenure;
use crate::time::Instant;
use crate::trace::{Reason, What};
use crate::write::Write;

impl<R: Rules> Raft<R> {
    /// Leads the term it was elected in, beginning with an entry of its own: what older terms left
    /// is committed with it, and reads wait for it (§5.4.2, §8).
    pub(super) fn become_leader(&mut self) {
        assert!(matches!(self.state, State::Candidate(_)), "only a candidate is elected");
        assert!(self.term_leader.is_none(), "the term has a leader already");
        self.term_leader = Some(self.config.node);
        let next = self.log.last().next();
        let mut tenure = Tenure::new(self.now, &self.config);
        tenure.count_from(self.log.last_time(), self.now);
        self.state =
            State::Leader(Box::new(Leader { tenure, first_own: next, is_commit_due: true }));
        self.track_members(next);
        self.trace_role(Reason::WonElection);
        self.settle_handover();
        if !self.rules.breaks(Rule::SkipNoop) {
            self.append_own(None, Payload::Noop, Reason::NewLeader);
        }
    }

    /// Makes the leader's view of its peers match the configuration.
    pub(super) fn track_members(&mut self, next: Index) {
        let State::Leader(leader) = &mut self.state else { return };
        let (members, me) = (self.configurations.members(), self.config.node);
        leader.tenure.track(members, me, || Progress::new(next, self.now));
    }

    /// Appends an entry of the leader's own term.
    fn append_own(&mut self, id: Option<ProposalId>, payload: Payload, reason: Reason) {
        let State::Leader(leader) = &mut self.state else { return };
        let ballot = self.term.ballot(self.config.node);
        let entry = Entry {
            index: self.log.last().next(),
            ballot,
            born: ballot,
            id,
            time: leader.tenure.stamp(self.now),
            payload,
        };
        if let Some(id) = id {
            self.proposals.track(entry.index, entry.ballot, id, entry.cost());
        }
        self.trace_appended(entry.index, reason);
        self.adopt_members(&entry);
        if self.log.push(entry) {
            self.seal();
        }
    }

    /// What an entry at the end of the log means before it is committed: a configuration is in
    /// force at once (dissertation §4.1).
    pub(super) fn adopt_members(&mut self, entry: &Entry) {
        if let Payload::Members(members) = &entry.payload {
            self.configurations.append(entry.index, Members::clone(members));
            self.track_members(entry.index);
        }
    }

    /// Shares the entries that were proposed since the last time, and has them written.
    pub(super) fn seal(&mut self) {
        if let Some(entries) = self.log.seal() {
            self.durability.write(Write::Put(entries));
        }
    }

    /// A client's command.
    pub(super) fn on_propose(&mut self, id: ProposalId, payload: Bytes) {
        match self.proposal_refusal(payload.len() as u64 + Entry::OVERHEAD_BYTES) {
            Some(refusal) => self.effects.refuse(id, refusal),
            None => self.append_own(Some(id), Payload::Command(payload), Reason::Proposal),
        }
    }

    fn proposal_refusal(&self, cost: u64) -> Option<Refusal> {
        let waiting = self.log.unpersisted_bytes();
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
                sender.heartbeat(node, progress, confirm);
            }
        });
    }

    fn send_to_peers(&mut self, mut send: impl FnMut(&mut Sender<'_>, NodeId, &mut Progress)) {
        let State::Leader(leader) = &mut self.state else { return };
        let mut sender = Sender {
            log: &self.log,
            config: &self.config,
            term: self.term,
            now: self.now,
            trusts_blindly: self.rules.breaks(Rule::CommitBeyondMatch),
            effects: &mut self.effects,
            shared: None,
        };
        for (&node, progress) in &mut leader.tenure.peers {
            send(&mut sender, node, progress);
        }
    }

    /// Entries for a peer came from the disk.
    pub(super) fn on_fetched_for(&mut self, peer: NodeId, entries: &Entries) {
        let is_current = entries
            .iter()
            .all(|entry| self.log.holds(Position { ballot: entry.ballot, index: entry.index }));
        self.send_to_peers(|sender, node, progress| {
            if node == peer && is_current {
                sender.send_fetched(node, progress, entries);
            }
        });
    }

    /// A peer is heard. Its view, if this node leads and knows the peer.
    fn hear_peer(&mut self, from: NodeId, storage: StorageState) -> Option<&mut Progress> {
        let now = self.now;
        let State::Leader(leader) = &mut self.state else { return None };
        let progress = leader.tenure.peers.get_mut(&from)?;
        progress.contact.hear(now, storage);
        Some(progress)
    }

    /// A peer answered an append or a snapshot.
    pub(super) fn on_append_reply(
        &mut self,
        from: NodeId,
        result: AppendResult,
        storage: StorageState,
    ) {
        let now = self.now;
        let Some(progress) = self.hear_peer(from, storage) else { return };
        match result {
            AppendResult::Matched { index } => self.on_matched(from, index),
            AppendResult::Rejected { refused, hint } => self.on_rejected(from, refused, hint),
            AppendResult::Busy => progress.on_busy(now),
        }
    }

    fn on_matched(&mut self, from: NodeId, index: Index) {
        if self.log.last() < index {
            return self.effects.misbehaved(from, "it acknowledges entries that do not exist");
        }
        let compacted = self.log.compacted().index;
        let State::Leader(leader) = &mut self.state else { return };
        let Some(progress) = leader.tenure.peers.get_mut(&from) else { return };
        if progress.on_matched(index, compacted) {
            leader.is_commit_due = true;
        }
        assert!(progress.matched < progress.next, "what is matched would be sent again");
        self.continue_handover();
    }

    /// A peer lacks the position before what it was sent: go back to where its log can agree.
    ///
    /// Its hint skips all of its entries that are newer than the refused one, and the leader skips
    /// all of its own that are newer than the hint: at most one probe for each term in which the
    /// logs differ (etcd raft, `raft.go`, `stepLeader`).
    fn on_rejected(&mut self, from: NodeId, refused: Index, hint: Position) {
        if self.rules.breaks(Rule::CountRefusedAppend) {
            return self.on_matched(from, refused);
        }
        let agreed = self.log.newest_not_above(hint.index, hint.ballot);
        let is_compacted = hint.index < self.log.compacted().index;
        let reason = if self.log.holds(hint) { Reason::Gap } else { Reason::Conflict };
        let State::Leader(leader) = &mut self.state else { return };
        let Some(progress) = leader.tenure.peers.get_mut(&from) else { return };
        if !progress.is_refusal_news(refused) {
            return self.effects.trace(What::Ignored { from }, Reason::Duplicate);
        }
        if is_compacted {
            return progress.become_snapshot();
        }
        let agreed = if self.rules.breaks(Rule::NeverBackUp) { refused } else { agreed.index };
        progress.back_up(agreed.next());
        let next = progress.next;
        self.effects.trace(What::Backtracked { peer: from, next }, reason);
    }

    /// A peer answered a heartbeat: this node still led when it was sent.
    pub(super) fn on_heartbeat_reply(
        &mut self,
        from: NodeId,
        confirm: Confirmation,
        storage: StorageState,
    ) {
        if matches!(&self.state, State::Leader(leader) if leader.tenure.confirm() < confirm) {
            return self.effects.misbehaved(from, "it confirms what was never asked");
        }
        let now = self.now;
        if let Some(progress) = self.hear_peer(from, storage) {
            progress.contact.confirm(confirm);
        }
        self.resend_lost(from, now);
        self.release_reads();
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
                sender.heartbeat(node, progress, confirm);
            }
        });
    }

    /// A peer speaks: what it was sent long ago and did not answer may be lost.
    fn resend_lost(&mut self, peer: NodeId, now: Instant) {
        let State::Leader(leader) = &mut self.state else { return };
        let Some(progress) = leader.tenure.peers.get_mut(&peer) else { return };
        let has_patience = self.rules.breaks(Rule::WaitForLostSnapshot);
        if has_patience && progress.flow() == Flow::Snapshot {
            return;
        }
        progress.resend_lost(now, &self.config);
        if self.rules.breaks(Rule::SkipProbe) {
            progress.is_ask_due = false;
        }
    }

    /// The connection to a peer broke: what is on the way to it is probably lost.
    pub(super) fn pause_peer(&mut self, peer: NodeId) {
        let now = self.now;
        if let State::Leader(leader) = &mut self.state
            && let Some(progress) = leader.tenure.peers.get_mut(&peer)
            && progress.is_streaming()
        {
            progress.pause(now);
        }
    }

    /// When this leader will have been without answers from a quorum for an election timeout.
    pub(super) fn quorum_lost_at(&self) -> Option<Instant> {
        let State::Leader(leader) = &self.state else { return None };
        leader.tenure.quorum_lost_at(self.configurations.quorum(), &self.config, &self.rules)
    }

    /// The time came for something a leader does by itself.
    pub(super) fn on_leader_wake(&mut self) {
        assert!(self.config.timers == Timers::On, "a node without timers wakes up");
        if self.is_disk_stalled() {
            return self.yield_to_best();
        }
        if self.quorum_lost_at().is_some_and(|at| at <= self.now) {
            return self.become_follower(self.term, None, Reason::QuorumLost);
        }
        let State::Leader(leader) = &self.state else { return };
        if leader.tenure.is_heartbeat_due(self.now) {
            self.beat();
            self.remind_of_handover();
            self.shed_leadership();
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
