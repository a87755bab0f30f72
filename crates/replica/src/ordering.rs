//! The ordering half: the engine, the proposals and reads of this node's clients, and forwarding.
//!
//! It turns client requests into engine inputs here or messages to the leader elsewhere, and the
//! engine's effects into work for the host and committed entries for the applying half.

mod forwarding;
mod leasing;
mod reading;

use bytes::Bytes;
use quorate_codec::peer::{ForwardedProposal, PeerMessage};
use quorate_consensus::{
    Ballot, Effects, Engine, Entry, Envelope, Index, Input, Instant, Meta, NodeId, Outcome,
    ProposalId, Proposed, Refusal, RequestId, Status, TransferError,
};

use crate::forwards::ForwardGate;
use crate::limits::Limits;
use crate::ordering_io::{OrderingEffects, OrderingInput, Origin};
use crate::outbox::Outbox;
use crate::proposals::{Expired, Proposals};
use crate::reads::Reads;
use crate::renewals::Renewals;
use crate::request::{Ending, Ticket, Waiters};
use crate::rules::{Rule, Rules, Strict};
use crate::ticking::Ticking;
use crate::wish::Wish;

/// The ordering half of one node.
#[derive(Debug)]
pub struct Ordering<E: Engine, R: Rules = Strict> {
    engine: E,
    /// What the engine wanted last, for its memory.
    drained: Effects<E::Message>,
    node: NodeId,
    limits: Limits,
    rules: R,
    proposals: Proposals,
    renewals: Renewals,
    reads: Reads,
    gate: ForwardGate,
    outbox: Outbox<E::Message>,
    /// The ballot of the last entry handed to the applying half.
    delivered: Ballot,
    /// The last position that the applying half has, or was handed.
    reached: Index,
    /// A leader that refused, and until when it is left in peace.
    hold: Option<(Ballot, Instant)>,
    leader: Option<Ballot>,
    staged: Option<Meta>,
    backlog: u64,
    wish: Wish,
    ticking: Ticking,
    transfers: Vec<(RequestId, Ticket)>,
    next_transfer: u64,
}

impl<E: Engine> Ordering<E> {
    /// The ordering half around an engine that has just been made.
    pub fn new(engine: E, origin: Origin, limits: Limits) -> Self {
        Self::with_rules(engine, origin, limits, Strict)
    }
}

impl<E: Engine, R: Rules> Ordering<E, R> {
    /// As [`Ordering::new`], by rules of which one may be broken.
    pub fn with_rules(engine: E, origin: Origin, limits: Limits, rules: R) -> Self {
        let status = engine.status();
        let reuses = rules.breaks(Rule::ReuseNumbers);
        let first_number = if reuses { 0 } else { origin.first_number() };
        Self {
            node: origin.node,
            proposals: Proposals::new(origin.node, origin.incarnation, first_number),
            renewals: Renewals::default(),
            reads: Reads::new(first_number),
            gate: ForwardGate::new(origin.node, status.ballot.round),
            outbox: Outbox::default(),
            delivered: Ballot::ZERO,
            reached: status.applied,
            hold: None,
            leader: None,
            staged: None,
            backlog: 0,
            wish: Wish::default(),
            ticking: Ticking::default(),
            transfers: Vec::new(),
            next_transfer: 0,
            engine,
            drained: Effects::default(),
            limits,
            rules,
        }
    }

    /// Takes one input. `now` never decreases.
    pub fn handle(&mut self, now: Instant, input: OrderingInput<E::Message>) {
        match input {
            OrderingInput::Wake => self.engine.handle(now, Input::Wake),
            OrderingInput::Peer { from, message } => self.on_peer(now, from, message),
            OrderingInput::Unsent { to, proposals } => self.on_unsent(now, to, proposals),
            OrderingInput::Write { ticket, command } => self.on_write(now, ticket, command),
            OrderingInput::Renew { ticket, lease } => self.on_renew(ticket, lease),
            OrderingInput::Read { ticket } => self.on_read(now, ticket),
            OrderingInput::Transfer { ticket, to } => self.on_transfer(now, ticket, to),
            OrderingInput::Persisted(write) => self.engine.handle(now, Input::Persisted { write }),
            OrderingInput::Applied { upto, clock } => {
                self.ticking.on_applied(upto);
                self.engine.handle(now, Input::Applied { upto, clock });
            }
            OrderingInput::Fetched { reason, entries } => {
                self.engine.handle(now, Input::Fetched { reason, entries });
            }
            OrderingInput::Staged(meta) => self.staged = Some(meta),
            OrderingInput::SnapshotSent { to, meta } => {
                self.engine.handle(now, Input::SnapshotSent { to, meta: Box::new(meta) });
            }
            OrderingInput::SnapshotFailed { to } => {
                self.engine.handle(now, Input::SnapshotFailed { to });
            }
            OrderingInput::Installed(meta) => self.on_installed(now, meta),
            OrderingInput::Compacted(meta) => {
                self.engine.handle(now, Input::Compacted { meta: Box::new(meta) });
            }
            OrderingInput::Disconnected(peer) => {
                self.proposals.stop_counting();
                self.engine.handle(now, Input::Disconnected { peer });
            }
            OrderingInput::Storage(state) => self.engine.handle(now, Input::Storage(state)),
            OrderingInput::Backlog(bytes) => self.backlog = bytes,
            OrderingInput::Wish(command) => self.wish = Wish::new(command),
            OrderingInput::Leases(clock) => self.ticking.on_clock(clock),
            OrderingInput::Campaign => self.engine.handle(now, Input::Campaign),
        }
    }

    /// Everything the host must do since the last call.
    pub fn effects(&mut self, now: Instant) -> OrderingEffects<E::Message> {
        self.expire(now);
        self.observe_leader(now);
        self.batch_renewals(now);
        self.offer(now);
        let mut effects = core::mem::take(&mut self.drained);
        self.engine.effects_into(&mut effects);
        let mut drained = self.absorb(now, &mut effects);
        self.drained = effects;
        drained.messages.extend(self.outbox.take_messages());
        drained.endings = self.renewals.spread(self.outbox.take_endings());
        drained
    }

    /// When to call with [`OrderingInput::Wake`] if nothing else happens before.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        if self.has_work_at(now) {
            return Some(now);
        }
        let leader = self.engine.leader();
        let wish = self.wish.deadline().filter(|_| leader.is_some_and(|it| it.node == self.node));
        let tick = self.tick_due(now);
        let has_held = self.has_held() || wish.is_some() || tick.is_some();
        let hold = self.hold.filter(|_| has_held).map(|(_, until)| until);
        let [wish, tick] = [wish, tick].map(|due| due.filter(|_| self.hold.is_none()));
        let (engine, proposals, reads) =
            (self.engine.deadline(), self.proposals.deadline(), self.reads.deadline());
        let deadlines = [engine, proposals, reads, hold, wish, tick];
        deadlines.into_iter().flatten().min()
    }

    /// The engine, for those who watch it.
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// What the engine is doing.
    pub fn status(&self) -> Status {
        self.engine.status()
    }

    /// The ballot of the leader, if one is known.
    pub fn leader(&self) -> Option<Ballot> {
        self.engine.leader()
    }

    fn on_peer(&mut self, now: Instant, from: NodeId, message: PeerMessage<E::Message>) {
        match message {
            PeerMessage::Engine(message) => self.on_engine_message(now, from, message),
            PeerMessage::Forward { ballot, proposals } => {
                self.on_forward(now, from, ballot, proposals);
            }
            PeerMessage::ForwardRefused { refused } => {
                self.on_forward_refused(now, from, refused);
            }
            PeerMessage::Read { ballot, id } => self.on_peer_read(now, from, ballot, id),
            PeerMessage::ReadReleased { id, index } => self.on_read_released(from, id, index),
            PeerMessage::ReadRefused { id, refusal } => {
                self.on_read_refused(now, from, id, refusal);
            }
            PeerMessage::Snapshot(_) => {
                unreachable!("the host hands snapshot transfers to the applying half")
            }
        }
    }

    /// A snapshot is installed only where its bytes are held: a leader that was told so by an
    /// earlier life of this node will offer it again. One that brings no news is passed on, for
    /// the leader may have missed that it is installed.
    fn on_engine_message(&mut self, now: Instant, from: NodeId, message: E::Message) {
        let is_usable = E::snapshot_in(&message)
            .is_none_or(|meta| meta.index <= self.reached || self.staged.as_ref() == Some(meta));
        if is_usable || self.rules.breaks(Rule::InstallUnheld) {
            self.engine.handle(now, Input::Message { from, message });
        }
    }

    fn on_write(&mut self, now: Instant, ticket: Ticket, command: Bytes) {
        if let Some(refusal) = self.overload() {
            self.outbox.end(ticket, Ending::Refused(refusal));
            return;
        }
        self.proposals.admit(ticket, command, now + self.limits.request_timeout);
    }

    fn overload(&self) -> Option<Refusal> {
        let is_over = self.proposals.len() + self.renewals.len() >= self.limits.pending_max
            || self.backlog > self.limits.backlog_bytes_max;
        is_over.then(|| Refusal::Overloaded { in_flight_max: self.pending_max() })
    }

    fn pending_max(&self) -> u32 {
        u32::try_from(self.limits.pending_max).unwrap_or(u32::MAX)
    }

    fn on_transfer(&mut self, now: Instant, ticket: Ticket, to: NodeId) {
        self.next_transfer += 1;
        let id = RequestId(self.next_transfer);
        self.transfers.push((id, ticket));
        self.engine.handle(now, Input::Transfer { id, to });
    }

    /// The stream of committed entries has a gap here: what it held can no longer be observed.
    fn on_installed(&mut self, now: Instant, meta: Meta) {
        if self.rules.breaks(Rule::RetryInstalled) {
            self.proposals.retry_excluded(|_| true);
        }
        for ticket in self.proposals.abandon_attempts() {
            self.end_unknown(ticket);
        }
        self.delivered = meta.ballot;
        self.reached = meta.index;
        self.staged = None;
        self.engine.handle(now, Input::Installed { meta: Box::new(meta) });
    }

    /// A definite refusal of an own proposal, here or elsewhere.
    fn on_refused(&mut self, now: Instant, id: ProposalId, refusal: Refusal) {
        match refusal {
            Refusal::NotLeader { .. } | Refusal::Transferring { .. } => {
                self.proposals.retry(id);
                self.hold_leader(now);
            }
            Refusal::Overloaded { .. }
            | Refusal::StorageFull
            | Refusal::Removed
            | Refusal::Unsupported => {
                if let Some(ticket) = self.proposals.settle(id) {
                    self.outbox.end(ticket, Ending::Refused(refusal));
                }
            }
        }
    }

    fn hold_leader(&mut self, now: Instant) {
        self.hold = self.engine.leader().map(|ballot| (ballot, now + self.limits.proposal_retry));
    }

    fn expire(&mut self, now: Instant) {
        while let Some(expired) = self.proposals.expire_next(now) {
            match expired {
                Expired::Unattempted(ticket) => self.outbox.end(ticket, self.never_offered()),
                Expired::Attempted(ticket) => self.end_unknown(ticket),
            }
        }
        while let Some(ticket) = self.reads.expire_next(now) {
            self.outbox.end(ticket, Ending::NoLeader);
        }
    }

    /// Why a write was not offered to a leader in time.
    fn never_offered(&self) -> Ending {
        match self.leader {
            Some(leader) if !self.has_way_to(leader) => {
                Ending::Refused(Refusal::Overloaded { in_flight_max: self.pending_max() })
            }
            _ => Ending::NoLeader,
        }
    }

    /// It may have happened, and nobody here will ever learn whether it did.
    fn end_unknown(&mut self, ticket: Ticket) {
        let is_denied = self.rules.breaks(Rule::UnknownIsRefused);
        self.outbox.end(ticket, if is_denied { Ending::NoLeader } else { Ending::Unknown });
    }

    /// A read may move to another leader at once; a proposal may have left, and stays.
    fn observe_leader(&mut self, now: Instant) {
        self.leader = self.engine.leader();
        if self.leader.is_some() && self.rules.breaks(Rule::RetryAttempted) {
            let leader = self.leader;
            self.proposals.retry_excluded(|under| Some(under) != leader);
        }
        self.reads.retry_stale(self.leader, now);
        if self.hold.is_some_and(|(ballot, until)| Some(ballot) != self.leader || until <= now) {
            self.hold = None;
        }
    }

    /// Offers what waits to the leader: this node's engine, or the leader elsewhere.
    fn offer(&mut self, now: Instant) {
        let Some(leader) = self.leader.filter(|_| self.hold.is_none()) else { return };
        while self.has_way_to(leader)
            && let Some((id, payload)) = self.proposals.attempt_next(leader)
        {
            if leader.node == self.node {
                self.engine.handle(now, Input::Propose { id, payload });
            } else {
                self.outbox.forward(leader, ForwardedProposal { id, payload });
            }
        }
        self.offer_wish(now, leader);
        self.offer_tick(now, leader);
        let retry_at = now + self.limits.read_retry;
        if let Some(id) = self.reads.begin_round(leader, retry_at, &self.rules) {
            if leader.node == self.node {
                self.engine.handle(now, Input::Read { id });
            } else {
                self.outbox.send(leader.node, PeerMessage::Read { ballot: leader, id });
            }
        }
    }

    /// Whether another write may be on its way to this leader.
    fn has_way_to(&self, leader: Ballot) -> bool {
        leader.node == self.node || self.proposals.attempted_bytes() < self.limits.forward_bytes_max
    }

    fn offer_wish(&mut self, now: Instant, leader: Ballot) {
        if leader.node != self.node {
            return;
        }
        let proposals = &mut self.proposals;
        if let Some((id, payload)) = self.wish.offer(now, leader, || proposals.unwatched_id()) {
            self.engine.handle(now, Input::Propose { id, payload });
        }
    }

    fn absorb(
        &mut self,
        now: Instant,
        effects: &mut Effects<E::Message>,
    ) -> OrderingEffects<E::Message> {
        let committed = self.deliver(effects.committed_entries());
        for outcome in effects.outcomes.drain(..) {
            self.on_outcome(now, outcome);
        }
        let mut misbehaved = core::mem::take(&mut effects.misbehaved);
        misbehaved.extend(self.outbox.take_blamed());
        let messages = effects
            .messages
            .drain(..)
            .map(|Envelope { to, message }| (to, PeerMessage::Engine(message)))
            .collect();
        OrderingEffects {
            write: effects.write.take(),
            messages,
            committed,
            released: self.outbox.take_released(),
            endings: Vec::new(),
            fetches: core::mem::take(&mut effects.fetches),
            snapshots: core::mem::take(&mut effects.snapshots),
            install: effects.install.take().map(|meta| *meta),
            misbehaved,
            trace: core::mem::take(&mut effects.trace),
        }
    }

    /// Attaches to each committed entry the client that waits for it.
    fn deliver<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) -> Vec<(Entry, Waiters)> {
        entries
            .map(|entry| {
                self.reached = entry.index;
                self.observe_ballot(entry.ballot);
                if let Some(id) = entry.id {
                    self.ticking.on_committed(id, entry.index);
                }
                let waiters = self.settle(entry.id);
                (entry.clone(), waiters)
            })
            .collect()
    }

    fn observe_ballot(&mut self, ballot: Ballot) {
        if ballot == self.delivered {
            return;
        }
        self.delivered = ballot;
        self.proposals.retry_excluded(|under| E::excludes(ballot, under));
    }

    fn on_outcome(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Proposal { id, result } => self.on_proposed(now, id, result),
            Outcome::Read { id, result } => self.on_engine_read(now, id, result),
            Outcome::Transfer { id, result } => self.on_transferred(id, result),
        }
    }

    /// A committed proposal is settled by its entry, which the engine delivers in its own time.
    fn on_proposed(&mut self, now: Instant, id: ProposalId, result: Proposed) {
        let is_own = self.proposals.is_own(id);
        match result {
            Proposed::Refused(refusal) if is_own => {
                let until = now + self.limits.proposal_retry;
                self.wish.on_refused(id, until);
                self.ticking.on_refused(id, until);
                self.on_refused(now, id, refusal);
            }
            Proposed::Refused(refusal) => self.outbox.refuse_forward(id, refusal),
            Proposed::Displaced if self.rules.breaks(Rule::IgnoreDisplaced) => {}
            Proposed::Displaced => self.proposals.retry(id),
            Proposed::Unknown => {
                if let Some(ticket) = self.proposals.settle(id) {
                    self.end_unknown(ticket);
                }
            }
            Proposed::Committed { .. } => {}
        }
    }

    fn on_transferred(&mut self, id: RequestId, result: Result<(), TransferError>) {
        let position = self.transfers.iter().position(|(transfer, _)| *transfer == id);
        let position = position.expect("a transfer ended that was not asked for, or ended twice");
        let (_, ticket) = self.transfers.swap_remove(position);
        self.outbox.end(ticket, Ending::Transferred(result));
    }

    fn has_held(&self) -> bool {
        let has_way = self.engine.leader().is_none_or(|leader| self.has_way_to(leader));
        has_way && self.proposals.has_waiting() || self.reads.has_fresh()
    }

    /// Whether another drain would get something done at once.
    fn has_work_at(&self, now: Instant) -> bool {
        let is_held = self
            .hold
            .is_some_and(|(ballot, until)| Some(ballot) == self.engine.leader() && now < until);
        self.has_held() && self.engine.leader().is_some() && !is_held || !self.outbox.is_empty()
    }
}
