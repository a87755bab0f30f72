//! What must hold in every run, fed step by step with what the nodes do.

pub mod history;

use core::fmt;
use core::marker::PhantomData;
use std::collections::{BTreeMap, BTreeSet};

use quorate_codec::peer::PeerMessage;
use quorate_consensus::{
    Entry, Index, Meta, Misbehaved, NodeId, Recovered, TraceEvent, What, WriteBatch, WriteId,
};
use quorate_kv::StateHash;
use quorate_replica::Ticket;

use crate::protocol::Protocol;

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
        write!(formatter, "{} at {}: {}", self.invariant, self.node, self.message)
    }
}

/// All checks of one run.
pub(crate) struct Checks<P: Protocol> {
    violation: Option<Violation>,
    /// How often each was made.
    counts: BTreeMap<&'static str, u64>,
    /// Who led each round.
    leaders: BTreeMap<u64, NodeId>,
    /// The one stream of committed entries, and the state's hash behind each that was applied.
    stream: BTreeMap<Index, (Entry, Option<StateHash>)>,
    /// Requests that reached a node and have not ended.
    open: BTreeSet<Ticket>,
    protocol: PhantomData<P>,
}

impl<P: Protocol> Checks<P> {
    pub(crate) fn new(_nodes: u64) -> Self {
        Self {
            violation: None,
            counts: BTreeMap::new(),
            leaders: BTreeMap::new(),
            stream: BTreeMap::new(),
            open: BTreeSet::new(),
            protocol: PhantomData,
        }
    }

    /// The first violation, if there was any.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// How often each check was made.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Something did not hold; the first finding stands.
    pub(crate) fn violate(&mut self, invariant: &'static str, node: NodeId, message: String) {
        self.violation.get_or_insert(Violation { invariant, node, message });
    }

    /// Counts a check, and notes what it found.
    fn check(
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

    pub(crate) fn on_start(&mut self, _node: NodeId, _recovered: &Recovered, _hash: StateHash) {}

    pub(crate) fn on_start_refused(&mut self, node: NodeId, message: &str) {
        self.violate("starts-again", node, message.to_owned());
    }

    pub(crate) fn on_stopped(&mut self, _node: NodeId) {}

    pub(crate) fn on_trace(&mut self, node: NodeId, event: &TraceEvent) {
        let What::Became { role: quorate_consensus::Role::Leader, ballot } = event.what else {
            return;
        };
        let leader = *self.leaders.entry(ballot.round).or_insert(node);
        self.check("election-safety", node, leader == node, || {
            format!("round {} is led by {leader} already", ballot.round)
        });
    }

    pub(crate) fn on_write(&mut self, _node: NodeId, _write: &WriteBatch) {}

    pub(crate) fn on_persisted(&mut self, _node: NodeId, _write: WriteId) {}

    pub(crate) fn on_sent(
        &mut self,
        _from: NodeId,
        _to: NodeId,
        _message: &PeerMessage<P::Message>,
    ) {
    }

    pub(crate) fn on_blamed(&mut self, node: NodeId, misbehaved: Misbehaved) {
        self.check("nobody-is-blamed", node, false, || {
            format!(
                "{} is said to have broken the protocol: {}",
                misbehaved.peer, misbehaved.reason
            )
        });
    }

    pub(crate) fn on_committed(&mut self, node: NodeId, entry: &Entry) {
        let (known, _) = self.stream.entry(entry.index).or_insert_with(|| (entry.clone(), None));
        let holds = known.id == entry.id && known.payload == entry.payload;
        let known = known.clone();
        self.check("one-committed-stream", node, holds, || {
            format!("{entry:?} is committed where {known:?} was")
        });
    }

    pub(crate) fn on_applied(&mut self, node: NodeId, entry: &Entry, hash: StateHash) {
        let Some((_, known)) = self.stream.get_mut(&entry.index) else {
            self.violate("applied-is-committed", node, format!("{entry:?} was never committed"));
            return;
        };
        let known = *known.get_or_insert(hash);
        self.check("equal-state", node, known == hash, || {
            format!("the state behind {} is {:x}, elsewhere {:x}", entry.index, hash.0, known.0)
        });
    }

    pub(crate) fn on_installed(&mut self, node: NodeId, meta: &Meta, hash: StateHash) {
        let known = self.stream.get(&meta.index).and_then(|(_, known)| *known);
        let Some(known) = known else { return };
        self.check("equal-state", node, known == hash, || {
            format!("the snapshot at {} is {:x}, the state {:x}", meta.index, hash.0, known.0)
        });
    }

    pub(crate) fn on_map_durable(&mut self, _node: NodeId, _index: Index) {}

    pub(crate) fn on_asked(&mut self, _node: NodeId, ticket: Ticket) {
        self.open.insert(ticket);
    }

    pub(crate) fn on_read_released(&mut self, _node: NodeId, _ticket: Ticket, _at: Index) {}

    pub(crate) fn on_end(&mut self, ticket: Ticket) {
        let was_open = self.open.remove(&ticket);
        self.check("one-end", NodeId(0), was_open, || {
            format!("{ticket:?} ended, but was not open")
        });
    }

    pub(crate) fn on_ended_twice(&mut self, node: NodeId, ticket: Ticket) {
        self.violate("one-end", node, format!("{ticket:?} ended twice"));
    }
}
