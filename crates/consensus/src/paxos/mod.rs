//! Paxos: acceptors promise, proposers adopt what may already be chosen, and a quorum of votes of
//! one ballot chooses (Lamport, "The Part-Time Parliament", 1998; "Paxos Made Simple", 2001, whose
//! sections the comments name).
//!
//! - [`acceptor`]: the rule that everything rests on, shared by both protocols here
//! - [`synod`]: one decision: proposer, acceptor and learner of single-decree Paxos
//! - [`Paxos`]: a log of decisions, Multi-Paxos, in the other files
//!
//! Multi-Paxos has one promise per node for all slots and one vote per slot. A leader runs phase 1
//! once for the whole log, then phase 2 for each slot as values come, without waiting for the slots
//! before: they are chosen in any order and applied in theirs. Nothing is ever truncated: a vote is
//! replaced by one of a higher ballot. One file per concern, with the names that Raft uses where
//! the concern is the same:
//!
//! - [`message`]: what nodes say to each other; `check`: what no correct node says
//! - `role`: what a node is, one struct per role
//! - `election`: who may lead
//! - `prepare`: phase 1, of a candidate and of an acceptor
//! - `replication`: phase 2, of a leader; `sender` words its messages, `progress` is its view of
//!   a peer
//! - `follow`: phase 2, of an acceptor
//! - `commit`: what is chosen, and handing it to the state machine
//! - `learn`: asking for what was missed, and answering
//! - `reads`, `transfer`, `snapshot`, `reconfigure`: as they say
//! - `view`: the status and the fingerprint
//!
//! Inputs change the state, and effects are worded when they are drained, so everything that came
//! in between two drains makes one accept per peer and one write.

pub mod acceptor;
mod check;
mod claims;
mod commit;
mod election;
mod follow;
mod learn;
pub mod message;
mod prepare;
mod progress;
mod reads;
mod reconfigure;
mod replication;
mod role;
mod sender;
mod snapshot;
pub mod synod;
mod transfer;
mod view;

pub use acceptor::{Acceptor, Decision};
pub use message::{ElectionRound, Message, PromisePart};

use std::collections::{BTreeMap, VecDeque};

use crate::ballot::Ballot;
use crate::config::{Config, Timers};
use crate::delivery::Delivery;
use crate::durability::Durability;
use crate::effects::{Effects, Envelope, FetchReason};
use crate::engine::Engine;
use crate::entry::Meta;
use crate::handover::Handover;
use crate::ids::{Index, NodeId, Seed, Span, WriteId};
use crate::input::Input;
use crate::patience::Patience;
use crate::proposals::Proposals;
use crate::ranges::Ranges;
use crate::room::Room;
use crate::rules::{Rule, Rules, Strict};
use crate::slots::Slots;
use crate::status::{Fingerprint, Status, Summary};
use crate::time::{ClusterTime, Instant};
use crate::trace::{Reason, TraceEvent, What};
use crate::write::{Recovered, Write};
use follow::{Cast, Word};
use learn::{Lack, Lesson};
use reconfigure::Configurations;
use role::{Haste, State};
use snapshot::Installing;

/// A Multi-Paxos node.
#[derive(Clone, Debug)]
pub struct Paxos<R: Rules = Strict> {
    config: Config,
    rules: R,
    patience: Patience,
    now: Instant,
    /// The one promise, for all slots.
    acceptor: Acceptor,
    /// The highest ballot heard of. A hint: whoever campaigns goes above it.
    highest: Ballot,
    /// The newest election round it asked in.
    round: ElectionRound,
    state: State,
    /// The votes.
    slots: Slots,
    /// What the present leader says is chosen.
    word: Word,
    /// Slots above the chosen mark whose chosen value was learned.
    learned: Ranges,
    /// Votes cast since the last drain.
    cast: Option<Cast>,
    lack: Option<Lack>,
    lessons: BTreeMap<NodeId, Lesson>,
    /// Undecided votes that are still to be read from the disk after a start.
    loading: VecDeque<Span>,
    configurations: Configurations,
    durability: Durability<Message>,
    /// The batch that holds the newest promise.
    promise_write: WriteId,
    /// The chosen mark in the newest batch.
    committed_written: Index,
    proposals: Proposals,
    /// When proposals of former leaderships are given up.
    unknown_at: Option<Instant>,
    delivery: Delivery,
    /// The snapshot that replaces the state machine, until the host has taken it over.
    installing: Option<Installing>,
    handover: Handover,
    room: Room,
    effects: Effects<Message>,
}

impl<R: Rules> Engine for Paxos<R> {
    type Message = Message;
    type Rules = R;

    fn new(config: Config, rules: R, seed: Seed, recovered: Recovered, now: Instant) -> Self {
        let promised = recovered_promise(&recovered, &rules);
        let (slots, loading) = Slots::new(&recovered);
        assert!(recovered.meta.index <= recovered.applied, "the state machine lacks a snapshot");
        let mut paxos = Self {
            patience: Patience::new(seed, &rules),
            rules,
            now,
            acceptor: Acceptor::new(promised),
            highest: promised,
            round: ElectionRound::default(),
            state: State::waiting(now, now),
            slots,
            word: Word::default(),
            learned: Ranges::default(),
            cast: None,
            lack: None,
            lessons: BTreeMap::new(),
            loading,
            configurations: Configurations::new(&config, &recovered),
            durability: Durability::new(),
            promise_write: WriteId(0),
            committed_written: recovered.hard.committed,
            proposals: Proposals::default(),
            unknown_at: None,
            delivery: Delivery::new(recovered.applied),
            installing: None,
            handover: Handover::default(),
            room: Room::default(),
            effects: Effects::default(),
            config,
        };
        paxos.slots.evict(paxos.config.tail_bytes_max);
        let deadline = paxos.first_election();
        paxos.set_election_deadline(deadline, Haste::Calm);
        paxos.assert_invariants();
        paxos
    }

    fn handle(&mut self, now: Instant, input: Input<Message>) {
        assert!(self.now <= now, "time goes back");
        self.now = now;
        if self.slots.is_open() && !matches!(input, Input::Propose { .. }) {
            self.seal();
        }
        match input {
            Input::Wake => self.on_wake(),
            Input::Message { from, message } => self.on_message(from, message),
            Input::Propose { id, payload } => self.on_propose(id, payload),
            Input::Read { id } => self.on_read(id),
            Input::Persisted { write } => self.on_persisted(write),
            Input::Applied { upto, clock } => self.on_applied(upto, clock),
            Input::Fetched { reason: FetchReason::Replicate(peer), entries } => {
                self.on_fetched_for(peer, entries);
            }
            Input::Fetched { reason: FetchReason::Apply, entries } => {
                self.on_fetched_to_apply(entries);
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
        self.load();
        self.count_votes();
        self.replicate();
        self.acknowledge();
        self.ask_for_missed();
        self.teach();
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
        let leader = self.leader_deadline();
        [leader, self.election_deadline(), self.handover.deadline(&self.rules), self.unknown_at]
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
        self.known_leader()
    }

    fn cluster_time(&self, now: Instant) -> Option<ClusterTime> {
        let State::Leader(leader) = &self.state else { return None };
        leader.tenure.time(now)
    }

    fn snapshot_in(message: &Message) -> Option<&Meta> {
        match message {
            Message::Snapshot { meta } => Some(meta),
            _ => None,
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.canonical()
    }

    fn excludes(_applied: Ballot, _proposed: Ballot) -> bool {
        false
    }
}

/// The promise found on the disk: a vote is one too.
fn recovered_promise(recovered: &Recovered, rules: &impl Rules) -> Ballot {
    if rules.breaks(Rule::ForgetPromise) {
        return Ballot::ZERO;
    }
    let promise = recovered.hard.promise;
    let sworn = Ballot { round: promise.round, node: promise.to.unwrap_or_default() };
    recovered.ballots.iter().map(|run| run.ballot).fold(sworn, Ballot::max)
}

impl<R: Rules> Paxos<R> {
    fn on_wake(&mut self) {
        if self.config.timers == Timers::Off {
            return;
        }
        self.handover.expire(self.now, &self.rules, &mut self.effects.outcomes);
        self.expire_proposals();
        match self.election_deadline() {
            None => self.on_leader_wake(),
            Some(deadline) if deadline <= self.now => self.on_election_wake(),
            Some(_) => {}
        }
    }

    /// Gives up on proposals of former leaderships: a slot may stay undecided as long as nobody
    /// proposes anything.
    fn expire_proposals(&mut self) {
        if self.unknown_at.is_some_and(|at| at <= self.now) {
            self.unknown_at = None;
            let own = match &self.state {
                State::Leader(leader) => Some(leader.ballot),
                _ => None,
            };
            self.proposals.abandon(own, &mut self.effects.outcomes);
        }
    }

    fn on_message(&mut self, from: NodeId, message: Message) {
        if let Err(reason) = check::message(self.config.node, from, &message) {
            return self.effects.misbehaved(from, reason);
        }
        // Silence is always safe, and what is not loaded cannot be told.
        if !self.loading.is_empty() {
            return;
        }
        match message {
            Message::Elect { round } => self.on_elect(from, round),
            Message::ElectReply { round, highest, leader } => {
                self.on_elect_reply(from, round, highest, leader);
            }
            Message::Prepare { ballot, base } => self.on_prepare(from, ballot, base),
            Message::Promise { ballot, part } => self.on_promise(from, ballot, &part),
            Message::Nack { ballot, promised } => self.on_nack(from, ballot, promised),
            Message::Accept { ballot, entries, commit, confirm } => {
                self.on_accept(from, ballot, entries, commit, confirm);
            }
            Message::Accepted { ballot, votes, chosen_upto, storage } => {
                self.on_accepted(from, ballot, &votes, chosen_upto, storage);
            }
            Message::Commit { ballot, commit, floor, confirm } => {
                self.on_commit(from, ballot, commit, floor, confirm);
            }
            Message::CommitAck { ballot, confirm, chosen_upto, storage } => {
                self.on_commit_ack(from, ballot, confirm, chosen_upto, storage);
            }
            Message::Learn { slots } => self.on_learn(from, &slots),
            Message::Learned { entries } => self.on_learned(from, &entries),
            Message::Snapshot { meta } => self.on_snapshot(from, meta),
            Message::TakeOver { ballot } => self.on_take_over(from, ballot),
        }
    }

    fn on_persisted(&mut self, write: WriteId) {
        self.durability.on_persisted(write, self.now);
        self.slots.on_persisted(write);
        self.slots.evict(self.config.tail_bytes_max);
        self.release_held();
        self.count_own_votes(write);
        self.count_own_promise();
    }

    /// Lets go of messages whose write is durable. A prepare goes while it is wanted.
    fn release_held(&mut self) {
        let promised = self.acceptor.promised();
        let seeks = matches!(self.state, State::Candidate(_));
        let renames = self.rules.breaks(Rule::AckNamesPromise);
        for mut envelope in self.durability.release_all() {
            match &mut envelope.message {
                Message::Prepare { ballot, .. } if !seeks || *ballot != promised => continue,
                Message::Accepted { ballot, .. } if renames => {
                    *ballot = promised;
                    envelope.to = promised.node;
                }
                _ => {}
            }
            self.effects.messages.push(envelope);
        }
    }

    /// Makes one batch of all that is to be written. The chosen mark rides along: it is a hint that
    /// shortens a restart and never worth a sync of its own.
    fn issue_writes(&mut self) {
        let chosen = self.slots.chosen();
        if self.durability.has_pending() && self.committed_written < chosen {
            self.durability.write(Write::Hard(self.hard_state()));
            self.committed_written = chosen;
        }
        if let Some(batch) = self.durability.issue(self.now) {
            self.slots.on_issued(batch.id);
            self.effects.write = Some(batch);
        }
    }

    /// Promises at least this ballot, as whoever takes a vote of it over does.
    fn promise_at_least(&mut self, ballot: Ballot) {
        if ballot <= self.acceptor.promised() {
            return;
        }
        self.acceptor.on_prepare(ballot);
        self.write_promise();
        self.become_follower(None, Reason::HigherBallot);
    }

    fn send(&mut self, to: NodeId, message: Message) {
        self.effects.send(to, message);
    }

    /// Sends a message that promises what `write` makes durable.
    fn send_after(&mut self, write: WriteId, to: NodeId, message: Message) {
        if self.durability.is_persisted(write) {
            return self.send(to, message);
        }
        // Its ballot is in the message.
        self.durability.hold(write, 0, Envelope { to, message });
    }

    /// Traces a vote. Those of one drain in a row are one event.
    fn trace_voted(&mut self, index: Index, reason: Reason) {
        match self.effects.trace.last_mut() {
            Some(TraceEvent { what: What::Voted { last, .. }, reason: same })
                if *same == reason && last.next() == index =>
            {
                *last = index;
            }
            _ => self.effects.trace(What::Voted { first: index, last: index }, reason),
        }
    }

    /// Checks what always holds between the parts of the state.
    fn assert_invariants(&self) {
        self.slots.assert_invariants();
        let delivered = self.delivery.delivered();
        assert!(self.applied() <= delivered, "applied what was never handed over");
        let is_installing = self.installing.is_some();
        assert!(delivered <= self.slots.chosen() || is_installing, "handed over undecided slots");
        let promised = self.acceptor.promised();
        match &self.state {
            State::Leader(leader) => {
                let is_sworn = leader.ballot == promised && promised.node == self.config.node;
                assert!(is_sworn, "leads another ballot than it promised");
                assert!(leader.floor <= self.slots.chosen(), "leads without knowing its floor");
            }
            State::Candidate(_) => {
                assert!(promised.node == self.config.node, "campaigns with another's ballot");
            }
            State::Follower(_) | State::Seeker(_) => {}
        }
    }
}
