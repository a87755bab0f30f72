//! What must hold in every run, fed step by step with what the nodes do.
//!
//! The protocol's invariants come from `quorate_consensus::invariants`, what clients are promised
//! from [`history`]; what lies between the two is here: equal states, starts that must not fail,
//! nobody blamed.

pub mod history;
mod led;

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quorate_consensus::invariants::{Claims, Invariant, Invariants};
use quorate_consensus::{
    Clock, Entry, Index, Instant, Meta, Misbehaved, NodeId, Payload, Recovered, Role, Summary,
    WriteBatch, WriteId,
};
use quorate_kv::{ClusterTime, StateHash, StreamId, WatchLimits, WatchResponse};
use quorate_replica::Ticket;

use crate::clients::{Ask, End, StreamWord};
use crate::protocol::Protocol;
use crate::watched::Passed;
use history::{History, Tally};
use led::LedClock;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its stable name.
    pub invariant: &'static str,
    /// Where it was noticed; zero for the cluster as a whole.
    pub node: NodeId,
    /// What was seen.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.node == NodeId(0) {
            return write!(formatter, "{}: {}", self.invariant, self.message);
        }
        write!(formatter, "{} at {}: {}", self.invariant, self.node, self.message)
    }
}

/// All replicas are equal where they have applied equally much.
const EQUAL_STATE: &str = "equal-state";

/// A correct peer is never said to have broken the protocol.
const NOBODY_IS_BLAMED: &str = "nobody-is-blamed";

/// A directory that no rot has touched opens again.
const STARTS_AGAIN: &str = "starts-again";

/// The state machine's file holds nothing that is not committed, and never goes back.
const MAP_BEHIND_COMMIT: &str = "map-behind-commit";

/// All checks of one run.
pub(crate) struct Checks<P: Protocol> {
    violation: Option<Violation>,
    invariants: Invariants,
    history: History,
    led: LedClock,
    /// The cluster's clock, as the entries that were told of move it.
    clock: Clock,
    /// The state's hash behind each entry that anyone has applied.
    hashes: BTreeMap<Index, StateHash>,
    /// The last entry that the history was told.
    told: Index,
    /// How often each check that is made here was made.
    counts: BTreeMap<&'static str, u64>,
    protocol: core::marker::PhantomData<P>,
}

impl<P: Protocol> Checks<P> {
    /// Nothing has happened yet. The operations on these keys of clients are searched for an
    /// order, and watches have these bounds.
    pub(crate) fn new(searched: Vec<Bytes>, limits: WatchLimits) -> Self {
        Self {
            violation: None,
            invariants: Invariants::new(P::Engine::ORDER),
            history: History::searching(searched).with_watch_limits(limits),
            led: LedClock::default(),
            clock: Clock::default(),
            hashes: BTreeMap::new(),
            told: Index::ZERO,
            counts: BTreeMap::new(),
            protocol: core::marker::PhantomData,
        }
    }

    /// The first violation, if there was any.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// How often each check was made; those never made as well.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = self.counts.clone();
        counts.extend(self.history.counts());
        for invariant in Invariant::ALL {
            counts.insert(invariant.name(), self.invariants.checks().of(invariant));
        }
        counts
    }

    /// What the clients' history consists of.
    pub(crate) fn tally(&self) -> Tally {
        self.history.tally()
    }

    /// How many rounds have had a leader.
    pub(crate) fn elections(&self) -> u64 {
        self.invariants.elections()
    }

    /// The last position that anyone has known to be committed.
    pub(crate) fn committed(&self) -> Index {
        self.invariants.last_committed()
    }

    /// Requests that have not ended.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Ticket, NodeId, Instant)> + '_ {
        self.history.open()
    }

    /// Something did not hold; the first finding stands.
    pub(crate) fn violate(&mut self, invariant: &'static str, node: NodeId, message: String) {
        self.violation.get_or_insert(Violation { invariant, node, message });
    }

    /// Counts a check, and notes what it found.
    pub(crate) fn check(
        &mut self,
        invariant: &'static str,
        node: NodeId,
        holds: bool,
        message: impl FnOnce() -> String,
    ) {
        *self.counts.entry(invariant).or_default() += 1;
        if !holds {
            self.violate(invariant, node, message());
        }
    }

    /// Time has come to this moment.
    pub(crate) fn on_time(&mut self, now: Instant) {
        self.led.advance(now);
        self.history.on_led(self.led.reading());
    }

    /// A node's clock runs at another rate from now on, in millionths.
    pub(crate) fn on_rate(&mut self, node: NodeId, rate: u64) {
        self.led.on_rate(node, rate);
    }

    /// A node's clock jumps ahead.
    pub(crate) fn on_jump(&mut self, node: NodeId, by: Duration) {
        self.led.on_jump(node, by);
        self.history.on_led(self.led.reading());
    }

    /// The run is over: makes the checks that were put off.
    pub(crate) fn finish(&mut self) {
        let verdict = self.history.finish();
        self.judge_history(verdict);
    }

    fn judge(&mut self, verdict: Result<(), quorate_consensus::invariants::Violation>) {
        if let Err(found) = verdict {
            self.violate(found.invariant.name(), found.node, found.message);
        }
    }

    fn judge_history(&mut self, verdict: Result<(), history::Violation>) {
        if let Err(found) = verdict {
            self.violate(found.guarantee.name(), NodeId(0), found.evidence);
        }
    }

    /// A node starts with what it found on its disk.
    pub(crate) fn on_start(&mut self, node: NodeId, found: &Recovered, hash: StateHash) {
        let verdict = self.invariants.on_start(node, found);
        self.judge(verdict);
        self.check_state(node, found.applied, hash);
    }

    /// A node did not start, without an excuse.
    pub(crate) fn on_start_refused(&mut self, node: NodeId, message: &str) {
        self.violate(STARTS_AGAIN, node, message.to_owned());
    }

    /// A node's process is gone. The next start shows what has survived.
    pub(crate) fn on_stopped(&mut self, node: NodeId) {
        let verdict = self.invariants.on_crash(node, None);
        self.judge(verdict);
        self.led.on_following(node);
        self.history.on_node_gone(node);
    }

    /// A node's disk is gone for ever.
    pub(crate) fn on_lost(&mut self, node: NodeId) {
        self.invariants.on_lost(node);
    }

    /// What passed on the way into the engine, before what came of it.
    pub(crate) fn on_given(&mut self, node: NodeId, passed: &[Passed]) {
        for passed in passed {
            match passed {
                Passed::Proposed(id) => self.invariants.on_proposed(*id),
                Passed::ReadAsked(id) => {
                    let verdict = self.invariants.on_read_asked(node, *id);
                    self.judge(verdict);
                }
                Passed::Ended(_) => {}
            }
        }
    }

    /// How the engine ended requests, once its state is known.
    pub(crate) fn on_outcomes(&mut self, node: NodeId, passed: &[Passed]) {
        for passed in passed {
            if let Passed::Ended(outcome) = passed {
                let verdict = self.invariants.on_outcome(node, outcome);
                self.judge(verdict);
            }
        }
    }

    /// The engine issues a write.
    pub(crate) fn on_write(&mut self, node: NodeId, write: &WriteBatch) {
        let verdict = self.invariants.on_write(node, write);
        self.judge(verdict);
    }

    /// The state of the engine after a drain.
    pub(crate) fn on_step(&mut self, node: NodeId, now: &Summary) {
        if now.role == Role::Leader {
            self.led.on_leading(node);
        } else {
            self.led.on_following(node);
        }
        let verdict = self.invariants.on_step(node, now);
        self.judge(verdict);
    }

    /// Batches are durable.
    pub(crate) fn on_persisted(&mut self, node: NodeId, write: WriteId) {
        let verdict = self.invariants.on_persisted(node, write);
        self.judge(verdict);
    }

    /// An engine's message leaves.
    pub(crate) fn on_sent(&mut self, from: NodeId, to: NodeId, message: &P::Message) {
        let verdict = self.invariants.on_send::<P::Engine>(from, to, message);
        self.judge(verdict);
    }

    /// A node says that a peer has broken the protocol: nobody does.
    pub(crate) fn on_blamed(&mut self, node: NodeId, misbehaved: Misbehaved) {
        let Misbehaved { peer, reason } = misbehaved;
        self.violate(NOBODY_IS_BLAMED, node, format!("{peer} is said to have {reason}"));
    }

    /// The ordering half hands a committed entry on.
    pub(crate) fn on_committed(&mut self, node: NodeId, entry: &Entry) {
        let verdict = self.invariants.on_committed(node, entry);
        self.judge(verdict);
        if entry.index == self.told.next() {
            self.told = entry.index;
            self.clock.apply(entry);
            let time = ClusterTime(self.clock.time.0);
            let verdict = self.history.on_entry(entry.index, time, command_of(entry));
            self.judge_history(verdict);
        }
    }

    /// The applying half has applied an entry.
    pub(crate) fn on_applied(&mut self, node: NodeId, entry: &Entry, hash: StateHash) {
        let verdict = self.invariants.on_apply(node, entry);
        self.judge(verdict);
        self.check_state(node, entry.index, hash);
    }

    /// The state machine was replaced by a peer's.
    pub(crate) fn on_installed(&mut self, node: NodeId, meta: &Meta, hash: StateHash) {
        let verdict = self.invariants.on_installed(node, meta);
        self.judge(verdict);
        self.history.watching().on_installed(node);
        self.check_state(node, meta.index, hash);
    }

    /// A client's word about its watches reaches the half of the node that has them.
    pub(crate) fn on_stream(&mut self, node: NodeId, stream: StreamId, word: &StreamWord) {
        let watching = self.history.watching();
        match word {
            StreamWord::Open => watching.on_open(node, stream),
            StreamWord::Create(request) | StreamWord::Resume(request) => {
                watching.on_create(stream, request);
            }
            StreamWord::Cancel(watch) => watching.on_cancel(stream, *watch),
            StreamWord::Progress | StreamWord::Taken => {}
            StreamWord::Close => watching.on_close(stream),
        }
    }

    /// A node, where this is compacted, hands responses to a stream's connection.
    pub(crate) fn on_watched(
        &mut self,
        stream: StreamId,
        compacted: i64,
        responses: &[WatchResponse],
    ) {
        let verdict = self.history.watching().on_told(stream, compacted, responses);
        self.judge_history(verdict);
    }

    /// A stream's connection takes no more for now.
    pub(crate) fn on_stream_full(&mut self, stream: StreamId) {
        self.history.watching().on_full(stream);
    }

    /// What is owed to clients of these nodes that watch or held leases, now that nothing happens
    /// any more.
    pub(crate) fn owed(&mut self, nodes: &BTreeSet<NodeId>) -> Option<String> {
        if let Some(lease) = self.history.held_lease() {
            return Some(format!("{lease:?} is not over"));
        }
        self.history.watching().owed(nodes)
    }

    fn check_state(&mut self, node: NodeId, index: Index, hash: StateHash) {
        let known = *self.hashes.entry(index).or_insert(hash);
        self.check(EQUAL_STATE, node, known == hash, || {
            format!("the state behind {index} is {:x}, elsewhere {:x}", hash.0, known.0)
        });
    }

    /// The state machine's file is durable up to here.
    pub(crate) fn on_map_durable(&mut self, node: NodeId, index: Index) {
        let committed = self.committed();
        self.check(MAP_BEHIND_COMMIT, node, index <= committed, || {
            format!("the file stands at {index}, and only {committed} is committed")
        });
    }

    /// A request reaches its node.
    pub(crate) fn on_asked(&mut self, now: Instant, ticket: Ticket, node: NodeId, ask: &Ask) {
        self.history.on_ask(now, ticket, node, ask);
    }

    /// A request ends at its node.
    pub(crate) fn on_end(&mut self, ticket: Ticket, end: &End) {
        let verdict = self.history.on_end(ticket, end);
        self.judge_history(verdict);
    }
}

fn command_of(entry: &Entry) -> Option<&Bytes> {
    match &entry.payload {
        Payload::Command(bytes) => Some(bytes),
        Payload::Noop | Payload::Members(_) => None,
    }
}
