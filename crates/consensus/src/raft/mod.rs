//! Raft: a leader is elected, orders all commands in its log, and makes the others' logs equal to
//! its own (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014; the
//! numbers in the comments are that paper's sections, or those of Ongaro's dissertation).
//!
//! One file per concern, with the same names that Paxos uses:
//!
//! - [`message`]: what nodes say to each other; `check`: what no correct node says
//! - `role`: what a node is, one struct per role
//! - `election`: timeouts, pre-votes, votes
//! - `replication`: what a leader does; `sender` words its messages, `progress` is its view of
//!   a peer
//! - `follow`: what a node does with a leader's word
//! - `commit`: what is committed, and handing it to the state machine
//! - `reads`, `transfer`, `snapshot`, `reconfigure`: as they say
//! - `view`: the status and the fingerprint; `claims`: what messages vouch for, for checks
//!
//! Inputs change the state, and effects are worded when they are drained, so everything that came
//! in between two drains makes one append per peer and one write.

mod check;
mod claims;
mod commit;
mod election;
mod follow;
pub mod message;
mod progress;
mod reads;
mod reconfigure;
mod replication;
mod role;
mod sender;
mod snapshot;
mod transfer;
mod view;

#[cfg(test)]
mod tests;

pub use message::{AppendResult, Body, Cause, Confirmation, Message, Term, Verdict};

use crate::ballot::Ballot;
use crate::config::{Config, Timers};
use crate::delivery::Delivery;
use crate::durability::Durability;
use crate::effects::{Effects, Envelope, FetchReason};
use crate::engine::Engine;
use crate::entry::Meta;
use crate::handover::Handover;
use crate::ids::{Index, NodeId, Seed, WriteId};
use crate::input::Input;
use crate::log::Log;
use crate::patience::Patience;
use crate::proposals::Proposals;
use crate::room::Room;
use crate::rules::{Rule, Rules, Strict};
use crate::status::{Fingerprint, Status, Summary};
use crate::time::{ClusterTime, Instant};
use crate::trace::{Reason, TraceEvent, What};
use crate::write::{Recovered, Write};
use reconfigure::Configurations;
use role::{Follower, Haste, State};

/// A Raft node.
#[derive(Clone, Debug)]
pub struct Raft<R: Rules = Strict> {
    config: Config,
    rules: R,
    patience: Patience,
    now: Instant,
    term: Term,
    vote: Option<NodeId>,
    /// Who has spoken as the leader of this term. Kept even by a node that no longer follows it,
    /// since no other can ever lead this term.
    term_leader: Option<NodeId>,
    state: State,
    log: Log,
    configurations: Configurations,
    durability: Durability<Message>,
    /// The batch that holds the newest term and vote.
    promise_write: WriteId,
    /// The commit mark in the newest batch.
    committed_written: Index,
    proposals: Proposals,
    delivery: Delivery,
    /// The snapshot that replaces the state machine, until the host has taken it over.
    installing: Option<Box<Meta>>,
    handover: Handover,
    room: Room,
    effects: Effects<Message>,
}

impl<R: Rules> Engine for Raft<R> {
    type Message = Message;
    type Rules = R;

    fn new(config: Config, rules: R, seed: Seed, recovered: Recovered, now: Instant) -> Self {
        let log = Log::new(&recovered);
        let committed = log.committed();
        assert!(recovered.meta.index <= recovered.applied, "the state machine lacks a snapshot");
        let mut raft = Self {
            patience: Patience::new(seed, &rules),
            rules,
            now,
            term: Term(recovered.hard.promise.round),
            vote: recovered.hard.promise.to,
            term_leader: None,
            state: State::Follower(Follower {
                leader: None,
                heard_at: now,
                deadline: now,
                haste: Haste::Calm,
                verified: committed,
                acknowledged: committed,
                owes_answer: false,
            }),
            configurations: Configurations::new(&recovered),
            durability: Durability::new(),
            promise_write: WriteId(0),
            committed_written: recovered.hard.committed,
            proposals: Proposals::default(),
            delivery: Delivery::new(recovered.applied),
            installing: None,
            handover: Handover::default(),
            room: Room::default(),
            effects: Effects::default(),
            log,
            config,
        };
        raft.log.evict(raft.config.tail_bytes_max);
        let deadline = raft.first_election();
        raft.set_election_deadline(deadline, Haste::Calm);
        raft.assert_invariants();
        raft
    }

    fn handle(&mut self, now: Instant, input: Input<Message>) {
        assert!(self.now <= now, "time goes back");
        self.now = now;
        if self.log.is_open() && !matches!(input, Input::Propose { .. }) {
            self.seal();
        }
        match input {
            Input::Wake => self.on_wake(),
            Input::Message { from, message } => self.on_message(from, message),
            Input::Propose { id, payload } => self.on_propose(id, payload),
            Input::Read { id } => self.on_read(id),
            Input::Persisted { write } => self.on_persisted(write),
            Input::Applied { upto, clock: _ } => self.on_applied(upto),
            Input::Fetched { reason: FetchReason::Replicate(peer), entries } => {
                self.on_fetched_for(peer, &entries.into());
            }
            Input::Fetched { reason: FetchReason::Apply, entries } => {
                self.on_fetched_to_apply(&entries.into());
            }
            Input::Reconfigure { id, change } => self.on_reconfigure(id, &change),
            Input::Transfer { id, to } => self.on_transfer(id, to),
            Input::SnapshotSent { to, meta } => self.on_snapshot_sent(to, meta),
            Input::SnapshotFailed { to } => self.on_snapshot_failed(to),
            Input::Installed { meta } => self.on_installed(&meta),
            Input::Compacted { meta } => self.on_compacted(&meta),
            Input::Disconnected { peer } => self.on_disconnected(peer),
            Input::Storage(storage) => self.on_storage(storage),
            Input::Campaign => self.on_campaign(),
        }
    }

    fn effects_into(&mut self, effects: &mut Effects<Message>) {
        if let Some(writes) = effects.clear() {
            self.durability.reuse(writes);
        }
        self.seal();
        self.advance_commit();
        self.replicate();
        self.acknowledge();
        self.deliver();
        self.issue_writes();
        if cfg!(debug_assertions) {
            self.assert_invariants();
        }
        core::mem::swap(&mut self.effects, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        if self.config.timers == Timers::Off {
            return None;
        }
        [self.leader_deadline(), self.election_deadline(), self.handover.deadline(&self.rules)]
            .into_iter()
            .flatten()
            .min()
    }

    fn status(&self) -> Status {
        self.view()
    }

    fn summary(&self) -> Summary {
        self.summarize()
    }

    fn leader(&self) -> Option<Ballot> {
        self.known_leader().map(|leader| self.term.ballot(leader))
    }

    fn cluster_time(&self, now: Instant) -> Option<ClusterTime> {
        let State::Leader(leader) = &self.state else { return None };
        leader.tenure.time(now)
    }

    fn snapshot_in(message: &Message) -> Option<&Meta> {
        match &message.body {
            Body::Snapshot { meta } => Some(meta),
            _ => None,
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.canonical()
    }

    fn excludes(applied: Ballot, proposed: Ballot) -> bool {
        proposed.round < applied.round
    }
}

impl<R: Rules> Raft<R> {
    fn on_wake(&mut self) {
        if self.config.timers == Timers::Off {
            return;
        }
        self.handover.expire(self.now, &self.rules, &mut self.effects.outcomes);
        match self.election_deadline() {
            None => self.on_leader_wake(),
            Some(deadline) if deadline <= self.now => self.on_election_timeout(),
            Some(_) => {}
        }
    }

    fn on_message(&mut self, from: NodeId, message: Message) {
        if let Err(reason) = check::message(self.config.node, from, &message) {
            return self.effects.misbehaved(from, reason);
        }
        if self.term < message.term && !self.enter_term(from, &message) {
            return;
        }
        if message.term < self.term && !message.body.outlives_its_term() {
            return self.on_stale(from, &message);
        }
        match message.body {
            Body::PreVote { last } => self.on_pre_vote(from, message.term.next(), last),
            Body::PreVoteReply { asked, verdict } => self.on_pre_vote_reply(from, asked, verdict),
            Body::Vote { last, .. } => self.on_vote(from, last),
            Body::VoteReply { asked, verdict } => self.on_vote_reply(from, asked, verdict),
            Body::Append { previous, entries, commit, confirm } => {
                self.on_append(from, previous, entries, commit, confirm);
            }
            Body::AppendReply { result, storage } => self.on_append_reply(from, result, storage),
            Body::Heartbeat { commit, confirm } => self.on_heartbeat(from, commit, confirm),
            Body::HeartbeatReply { confirm, storage } => {
                self.on_heartbeat_reply(from, confirm, storage);
            }
            Body::Snapshot { meta } => self.on_snapshot(from, meta),
            Body::TimeoutNow => self.on_timeout_now(from),
            Body::StaleTerm => {}
        }
    }

    /// A message has a newer term. Whether to go on with it; the term is entered unless the sender
    /// only asks whether it could win (R15), or asks for a vote while a leader is alive.
    fn enter_term(&mut self, from: NodeId, message: &Message) -> bool {
        if matches!(self.state, State::Leader(_)) && self.rules.breaks(Rule::LeadOldTerm) {
            return false;
        }
        let leader = match message.body {
            Body::PreVote { .. } => return true,
            Body::Vote { cause, .. } if !self.is_vote_considered(cause) => {
                self.refuse_vote(from, message.term, Reason::LeaderAlive);
                return false;
            }
            Body::Append { .. }
            | Body::Heartbeat { .. }
            | Body::Snapshot { .. }
            | Body::TimeoutNow => Some(from),
            _ => None,
        };
        self.become_follower(message.term, leader, Reason::HigherTerm);
        true
    }

    /// A message of an older term: a request is told the news, a reply has none.
    fn on_stale(&mut self, from: NodeId, message: &Message) {
        self.effects.trace(What::Ignored { from }, Reason::StaleTerm);
        if message.body.is_request() && !self.rules.breaks(Rule::StaleTermUnanswered) {
            self.send(from, Body::StaleTerm);
        }
    }

    fn on_persisted(&mut self, write: WriteId) {
        self.durability.on_persisted(write, self.now);
        self.log.on_persisted(write);
        self.log.evict(self.config.tail_bytes_max);
        self.release_held();
        self.count_own_vote();
        if let State::Leader(leader) = &mut self.state {
            leader.is_commit_due = true;
        }
    }

    /// Lets go of messages whose write is durable. Requests for votes go while they are wanted.
    fn release_held(&mut self) {
        if !self.durability.has_held() {
            return;
        }
        let is_candidate = matches!(self.state, State::Candidate(_));
        let released = self.durability.release(self.term.0);
        self.effects.messages.extend(released.filter(|envelope| {
            is_candidate || !matches!(envelope.message.body, Body::Vote { .. })
        }));
    }

    /// Makes one batch of all that is to be written. The commit mark rides along: it is a hint that
    /// shortens a restart and never worth a sync of its own.
    fn issue_writes(&mut self) {
        let committed = self.log.committed();
        if self.durability.has_pending() && self.committed_written < committed {
            self.durability.write(Write::Hard(self.hard_state()));
            self.committed_written = committed;
        }
        if let Some(batch) = self.durability.issue(self.now) {
            self.log.on_issued(batch.id);
            self.effects.write = Some(batch);
        }
    }

    fn send(&mut self, to: NodeId, body: Body) {
        let message = Message { term: self.term, body };
        self.effects.send(to, message);
    }

    /// Sends a message that promises what `write` makes durable.
    fn send_after(&mut self, write: WriteId, to: NodeId, body: Body) {
        if self.durability.is_persisted(write) {
            return self.send(to, body);
        }
        let message = Message { term: self.term, body };
        self.durability.hold(write, self.term.0, Envelope { to, message });
    }

    /// Traces entries appended. Those of one drain in a row are one event.
    fn trace_appended(&mut self, last: Index, reason: Reason) {
        let what = What::Appended { last };
        match self.effects.trace.last_mut() {
            Some(TraceEvent { what: before @ What::Appended { .. }, reason: same })
                if *same == reason =>
            {
                *before = what;
            }
            _ => self.effects.trace(what, reason),
        }
    }

    /// Checks what always holds between the parts of the state.
    fn assert_invariants(&self) {
        self.log.assert_invariants();
        let delivered = self.delivery.delivered();
        assert!(self.applied() <= delivered, "applied what was never handed over");
        assert!(delivered <= self.log.committed(), "handed over what is not committed");
        assert!(
            self.log.last_position().ballot.round <= self.term.0,
            "the log holds an entry of a term not entered"
        );
        match &self.state {
            State::Leader(leader) => {
                assert!(self.term_leader == Some(self.config.node), "leads another's term");
                for progress in leader.tenure.peers.values() {
                    assert!(progress.matched < progress.next, "a match would be sent again");
                    assert!(progress.matched <= self.log.last(), "matched beyond the end");
                    assert!(progress.next <= self.log.last().next(), "next is beyond the end");
                }
            }
            State::Candidate(_) => {
                assert!(self.term_leader.is_none(), "campaigns in a term that has a leader");
            }
            State::Follower(follower) => {
                assert!(follower.verified <= self.log.last(), "verified beyond the end");
            }
            State::PreCandidate(_) => {}
        }
    }
}
