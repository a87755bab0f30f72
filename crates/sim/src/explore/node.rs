//! One node of a small world: a real engine beside what it has on its disk and on the way there.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::invariants::Invariant;
use quorate_consensus::{
    Ballot, Clock, Config, Effects, Engine, Entry, Envelope, Flow, HardState, Incarnation, Index,
    Input, Instant, NodeId, Outcome, Payload, PeerStatus, ProposalId, RequestId, Role, Seed,
    Timers, WriteBatch,
};

use super::audit;
use super::bounds::{Bounds, Courtesies, Persistence, Scope};
use super::disk::Disk;
use super::finding::{Cause, Finding};
use super::protocol::Explored;
use super::states::hash;
use crate::broken::Broken;

/// Something that happens to a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<M> {
    /// It seeks to lead.
    Campaign,
    /// It hears of a round.
    Hear {
        /// The round.
        round: u64,
    },
    /// A message arrives.
    Deliver {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: M,
    },
    /// A client proposes a command.
    Propose {
        /// The number of the command in this world.
        sequence: u64,
    },
    /// A client asks for a linearizable read.
    Read {
        /// The last position that anyone knew to be committed then.
        committed: Index,
    },
    /// The disk has taken the oldest batch.
    Sync,
    /// It crashes and starts again.
    Crash {
        /// How many of the batches that were on the way to the disk are there.
        kept: usize,
    },
}

/// What does not change during a search.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub bounds: Bounds,
    pub broken: Broken,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node<P: Explored> {
    id: NodeId,
    engine: P::Engine,
    durable: Disk,
    /// Batches on the way to the disk, oldest first.
    pending: VecDeque<WriteBatch>,
    /// What was committed when each read was asked for that waits, oldest first.
    reads: VecDeque<Index>,
}

impl<P: Explored> Clone for Node<P> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            engine: self.engine.clone(),
            durable: self.durable.clone(),
            pending: self.pending.clone(),
            reads: self.reads.clone(),
        }
    }
}

/// What a node did: what it is then, and what it sent.
pub(super) type Taken<P> = (Node<P>, Vec<Envelope<<P as crate::Protocol>::Message>>);

impl<P: Explored> Node<P> {
    /// A node that starts with this disk.
    pub(super) fn start(setup: &Setup, id: NodeId, durable: Disk) -> Result<Taken<P>, Finding> {
        guarded(id, || {
            let mut node = Self::boot(setup, id, durable);
            let sent = node.settle(setup, node.view())?;
            Ok((node, sent))
        })
    }

    fn boot(setup: &Setup, id: NodeId, durable: Disk) -> Self {
        let config = Config {
            timers: Timers::Off,
            // One entry in each message: whatever can be divided is.
            append_bytes_max: 1,
            window_messages_max: setup.bounds.window,
            ..Config::new(id)
        };
        let recovered = durable.recovered(setup.bounds.nodes);
        let engine = P::Engine::new(config, setup.broken, Seed(0), recovered, Instant::ORIGIN);
        Self { id, engine, durable, pending: VecDeque::new(), reads: VecDeque::new() }
    }

    /// The node after something has happened to it, and what it sent.
    pub(super) fn take(
        &self,
        setup: &Setup,
        event: Event<P::Message>,
    ) -> Result<Taken<P>, Finding> {
        guarded(self.id, || {
            let mut node = self.clone();
            let is_crash = matches!(event, Event::Crash { .. });
            node.on_event(setup, event)?;
            let before = if is_crash { node.view() } else { self.view() };
            let sent = node.settle(setup, before)?;
            Ok((node, sent))
        })
    }

    fn on_event(&mut self, setup: &Setup, event: Event<P::Message>) -> Result<(), Finding> {
        match event {
            Event::Campaign => self.campaign(setup),
            Event::Hear { round } => {
                if let Some(message) = P::news(round) {
                    let from = self.peers(setup)[0];
                    self.tell(Input::Message { from, message });
                }
            }
            Event::Deliver { from, message } => self.tell(Input::Message { from, message }),
            Event::Propose { sequence } => {
                let id = ProposalId { node: self.id, incarnation: Incarnation(1), sequence };
                self.tell(Input::Propose { id, payload: Bytes::new() });
            }
            Event::Read { committed } => {
                self.reads.push_back(committed);
                self.tell(Input::Read { id: RequestId(committed.0) });
            }
            Event::Sync => self.sync(),
            Event::Crash { kept } => {
                self.pending.drain(..kept).for_each(|batch| self.durable.apply(&batch));
                let before = self.engine.status();
                *self = Self::boot(setup, self.id, core::mem::take(&mut self.durable));
                if setup.bounds.checks == Scope::All {
                    audit::restart(self.id, &before, &self.engine.status(), &self.durable)?;
                }
            }
        }
        Ok(())
    }

    fn campaign(&mut self, setup: &Setup) {
        self.tell(Input::Campaign);
        if setup.bounds.courtesies == Courtesies::Free {
            for (from, message) in P::nod(&self.view(), &self.peers(setup)) {
                self.tell(Input::Message { from, message });
            }
        }
    }

    fn peers(&self, setup: &Setup) -> Vec<NodeId> {
        (1..=setup.bounds.nodes).map(NodeId).filter(|&node| node != self.id).collect()
    }

    fn tell(&mut self, input: Input<P::Message>) {
        // Time stands still: with timers off nothing depends on it.
        self.engine.handle(Instant::ORIGIN, input);
    }

    fn sync(&mut self) {
        let batch = self.pending.pop_front().expect("a batch is on the way to the disk");
        self.durable.apply(&batch);
        self.tell(Input::Persisted { write: batch.id });
    }

    /// Does what the engine asks for until it asks for nothing more.
    fn settle(
        &mut self,
        setup: &Setup,
        mut before: View,
    ) -> Result<Vec<Envelope<P::Message>>, Finding> {
        let mut sent = Vec::new();
        loop {
            let effects = self.engine.effects();
            let is_quiet = effects.write.is_none() && effects.committed.is_empty();
            self.on_effects(setup, &before, &effects)?;
            before = self.view();
            let kept = |envelope: &Envelope<P::Message>| {
                setup.bounds.courtesies == Courtesies::ByMessage
                    || !P::is_courtesy(&envelope.message)
            };
            sent.extend(effects.messages.into_iter().filter(kept));
            if is_quiet {
                return Ok(sent);
            }
            if setup.bounds.persistence == Persistence::WithSending {
                while !self.pending.is_empty() {
                    self.sync();
                }
            }
        }
    }

    fn on_effects(
        &mut self,
        setup: &Setup,
        before: &View,
        effects: &Effects<P::Message>,
    ) -> Result<(), Finding> {
        let asks_host = effects.install.is_some()
            || !effects.fetches.is_empty()
            || !effects.snapshots.is_empty();
        assert!(!asks_host, "nothing is compacted or evicted in a small world");
        if let Some(misbehaved) = effects.misbehaved.first() {
            let message =
                format!("{} is said to misbehave: {}", misbehaved.peer, misbehaved.reason);
            return Err(Finding::new(Cause::Misbehaved, self.id, message));
        }
        if let Some(batch) = &effects.write {
            self.pending.push_back(batch.clone());
        }
        if setup.bounds.checks == Scope::All {
            let after = self.view();
            audit::step::<P>(before, &after, effects)?;
        }
        for outcome in &effects.outcomes {
            self.on_outcome(outcome)?;
        }
        if let Some(entry) = effects.committed_entries().next_back() {
            self.tell(Input::Applied { upto: entry.index, clock: Clock::default() });
        }
        Ok(())
    }

    fn on_outcome(&mut self, outcome: &Outcome) -> Result<(), Finding> {
        let Outcome::Read { id, result } = outcome else { return Ok(()) };
        let asked = Index(id.0);
        let place = self.reads.iter().position(|&mark| mark == asked);
        let place = place.expect("each read ends once, and was asked for");
        self.reads.remove(place);
        match result {
            Ok(index) if *index < asked => {
                let message = format!("a read at {index} was asked for when {asked} was committed");
                Err(Finding::broken(Invariant::ReadNotStale, self.id, message))
            }
            _ => Ok(()),
        }
    }

    /// What the checks and the bounds look at.
    pub(super) fn view(&self) -> View {
        let status = self.engine.status();
        let mut issued = self.durable.clone();
        self.pending.iter().for_each(|batch| issued.apply(batch));
        View {
            node: self.id,
            role: status.role,
            round: status.ballot.round,
            leader: status.leader,
            last: status.last,
            committed: status.committed,
            applied: status.applied,
            issued: issued.hard,
            durable: self.durable.hard,
            log: issued.entries.values().map(Held::from).collect(),
            durable_log: self.durable.entries.values().map(Held::from).collect(),
            pending: self.pending.len(),
            peers: status.peers,
        }
    }

    /// Everything that decides what this node does next: two nodes of one key are the same.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = BytesMut::new();
        key.put_u64_le(self.id.0);
        let fingerprint = self.engine.fingerprint().0;
        key.put_u64_le(fingerprint.len() as u64);
        key.put_slice(&fingerprint);
        let writes = self.pending.iter().map(|batch| &batch.writes);
        let rest = (&self.durable, writes.collect::<Vec<_>>(), &self.reads);
        key.put_slice(format!("{rest:?}").as_bytes());
        key.to_vec()
    }
}

/// Runs engine code. Its assertions are findings like any other.
fn guarded<T>(node: NodeId, act: impl FnOnce() -> Result<T, Finding>) -> Result<T, Finding> {
    let caught = std::panic::catch_unwind(core::panic::AssertUnwindSafe(act));
    caught.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Finding::new(Cause::Assertion, node, text))
    })
}

/// A node as others may look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which.
    pub node: NodeId,
    /// What it is doing.
    pub role: Role,
    /// The round it takes part in.
    pub round: u64,
    /// Who leads that round, as far as it knows.
    pub leader: Option<NodeId>,
    /// The last index the engine speaks of.
    pub last: Index,
    /// The last index it knows to be committed.
    pub committed: Index,
    /// The last index it has applied.
    pub applied: Index,
    /// What it has sworn, durable or not.
    pub issued: HardState,
    /// What it has sworn durably.
    pub durable: HardState,
    /// Its log, durable or not, by ascending index.
    pub log: Vec<Held>,
    /// Its durable log, by ascending index.
    pub durable_log: Vec<Held>,
    /// How many batches are on the way to the disk.
    pub pending: usize,
    /// What it knows of the others while it leads.
    pub peers: Vec<PeerStatus>,
}

/// An entry that a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// Where.
    pub index: Index,
    /// Under which ballot it was made or voted for.
    pub ballot: Ballot,
    /// Whose command it is; nobody's for what a leader adds by itself.
    pub id: Option<ProposalId>,
}

impl From<&Entry> for Held {
    fn from(entry: &Entry) -> Self {
        assert!(!matches!(entry.payload, Payload::Members(_)), "nobody joins a small world");
        Self { index: entry.index, ballot: entry.ballot, id: entry.id }
    }
}

impl View {
    /// A number that is the same under all names of the nodes.
    pub(super) fn signature(&self) -> u64 {
        let who = |node: Option<NodeId>| match node {
            None => 0,
            Some(node) if node == self.node => 1,
            Some(_) => 2,
        };
        let flow = |flow: Flow| flow as u64;
        let mut peers: Vec<[u64; 3]> =
            self.peers.iter().map(|peer| [peer.matched.0, peer.next.0, flow(peer.flow)]).collect();
        peers.sort_unstable();
        let held = |held: &Held| {
            let command = held.id.map_or(0, |id| id.sequence + 1);
            [held.index.0, held.ballot.round, who(Some(held.ballot.node)), command]
        };
        let numbers = [
            self.role as u64,
            self.round,
            who(self.leader),
            self.committed.0,
            self.durable.promise.round,
            who(self.durable.promise.to),
            who(self.issued.promise.to),
            self.durable.committed.0,
            self.pending as u64,
        ];
        let log = self.log.iter().chain(&self.durable_log).flat_map(held);
        let all = numbers.into_iter().chain(log).chain(peers.into_iter().flatten());
        hash(&all.flat_map(u64::to_le_bytes).collect::<Vec<u8>>())
    }
}
