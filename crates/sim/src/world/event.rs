//! What can happen next, and in which order.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use quorate_consensus::{Fetch, NodeId};
use quorate_kv::StreamId;
use quorate_replica::Ticket;

use super::clock::SimTime;
use super::faults::FaultId;
use super::network::{Flight, Greeting};
use crate::clients::{Ask, End};

/// Something that happens at one moment of the world.
///
/// What belongs to one life of a node names that life: whatever is left over of an earlier one is
/// dropped when its time comes.
#[derive(Debug)]
pub(crate) enum Event {
    /// The ordering half has its turn.
    Order { node: NodeId, life: u32 },
    /// The applying half has its turn.
    Apply { node: NodeId, life: u32 },
    /// The log's disk is done with the batches under way.
    LogWritten { node: NodeId, life: u32 },
    /// The log tries again what found no room.
    LogRetry { node: NodeId, life: u32 },
    /// The disk has done a reservation.
    Reserved { node: NodeId, life: u32 },
    /// Old entries are read back.
    Fetched { node: NodeId, life: u32, fetch: Fetch },
    /// The disk is done with the store's first piece of work.
    Stored { node: NodeId, life: u32 },
    /// A frame arrives.
    Arrival(Box<Flight>),
    /// A node dials a peer.
    Dial { from: NodeId, to: NodeId, life: u32 },
    /// A caller's hello, or the answer to it, arrives.
    Greeting(Box<Greeting>),
    /// One end of a broken connection notices.
    Broken { node: NodeId, peer: NodeId, life: u32 },
    /// A client's request arrives at a node.
    Asked { node: NodeId, ticket: Ticket, ask: Box<Ask> },
    /// A client hears how its request ended.
    Told { ticket: Ticket, end: Box<End> },
    /// The clients look at the time.
    Clients,
    /// The clients that watch look at the time.
    Watchers,
    /// A word on a stream arrives at its node.
    StreamSaid { node: NodeId, stream: StreamId },
    /// A batch of responses arrives at its client.
    StreamTold { stream: StreamId },
    /// A client hears that its stream is gone.
    StreamLost { stream: StreamId },
    /// A node's process starts.
    Start { node: NodeId, life: u32 },
    /// A fault begins.
    Fault(FaultId),
    /// A fault that lasts ends.
    FaultEnds(FaultId),
    /// A step of a fault that comes in several.
    FaultStep { fault: FaultId, step: u32 },
}

impl Event {
    /// The node whose disk has done it: it waits while that does nothing.
    pub(crate) fn disk(&self) -> Option<NodeId> {
        match self {
            Self::LogWritten { node, .. }
            | Self::Reserved { node, .. }
            | Self::Fetched { node, .. }
            | Self::Stored { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// The node whose process does it, if it needs a running one: it waits while that is paused.
    pub(crate) fn process(&self) -> Option<NodeId> {
        match self {
            Self::Order { node, .. }
            | Self::Apply { node, .. }
            | Self::LogWritten { node, .. }
            | Self::LogRetry { node, .. }
            | Self::Reserved { node, .. }
            | Self::Fetched { node, .. }
            | Self::Stored { node, .. }
            | Self::Broken { node, .. }
            | Self::Asked { node, .. }
            | Self::StreamSaid { node, .. } => Some(*node),
            Self::Arrival(flight) => Some(flight.to),
            Self::Dial { from, .. } => Some(*from),
            Self::Greeting(greeting) => Some(greeting.receiver()),
            Self::Told { .. }
            | Self::Clients
            | Self::Watchers
            | Self::StreamTold { .. }
            | Self::StreamLost { .. }
            | Self::Start { .. }
            | Self::Fault(_)
            | Self::FaultEnds(_)
            | Self::FaultStep { .. } => None,
        }
    }
}

/// Events in the order of their time, and of their making where that is equal.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(SimTime, u64, u32)>>,
    /// The events themselves, so that the heap moves little.
    slots: Vec<Option<Event>>,
    free: Vec<u32>,
    made: u64,
}

impl Queue {
    /// Has something happen at a moment.
    pub(crate) fn push(&mut self, at: SimTime, event: Event) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 events wait")
        });
        self.slots[slot as usize] = Some(event);
        self.made += 1;
        self.heap.push(Reverse((at, self.made, slot)));
    }

    /// When the next event happens.
    pub(crate) fn next_at(&self) -> Option<SimTime> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event.
    pub(crate) fn pop(&mut self) -> Option<(SimTime, Event)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        let event = self.slots[slot as usize].take().expect("a slot in the heap is filled");
        self.free.push(slot);
        Some((at, event))
    }
}

/// When one half of a node has its next turn: at most one waits that counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    at: Option<SimTime>,
}

impl Turn {
    /// Whether a turn at `at` must be put into the queue: one that comes no later is not there.
    pub(crate) fn claim(&mut self, at: SimTime) -> bool {
        if self.at.is_some_and(|claimed| claimed <= at) {
            return false;
        }
        self.at = Some(at);
        true
    }

    /// Whether the turn that has come is the one that counts.
    pub(crate) fn take(&mut self, now: SimTime) -> bool {
        let counts = self.at.is_some_and(|at| at <= now);
        if counts {
            self.at = None;
        }
        counts
    }
}
