//! One simulated node: its disk, its clock, and its process while it has one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_codec::peer::SnapshotMessage;
use quorate_consensus::{Entry, Incarnation, Meta, NodeId, SendSnapshot, StorageState};
use quorate_consensus::{Index, WriteBatch, WriteId};
use quorate_kv::{Commit, Records, StreamId};
use quorate_replica::{Applying, Ordering, OrderingInput, ReadRequest, StagingOp, Ticket, Waiters};
use quorate_storage::{Installer, LogReader, Reservation, SimDisk, Staging, Wal};

use super::clock::{Clock, Rate, SimTime};
use super::event::{Event, Turn};
use super::faults::FaultId;
use super::watching::Outlet;
use crate::broken::Broken;
use crate::clients::StreamWord;
use crate::profile::Span;
use crate::protocol::Protocol;
use crate::watched::Watched;

/// Work for the applying half.
pub(crate) enum ToApplying {
    Entry(Box<Entry>, Waiters),
    Read(Ticket, Box<ReadRequest>, Index),
    Needed(SendSnapshot),
    Snapshot(NodeId, Box<SnapshotMessage>),
    Install(Box<Meta>),
    Stream(StreamId, StreamWord),
}

/// Work for the store's disk.
pub(crate) enum ToStore {
    Commit(Box<Commit>),
    Stage(Vec<StagingOp>),
    Activate(Box<Meta>),
}

/// What the log's writer has before it.
#[derive(Default)]
pub(crate) struct LogWork {
    /// Batches that wait for the disk, in order.
    pub(crate) waiting: Vec<WriteBatch>,
    /// Those that it has.
    pub(crate) writing: Vec<WriteBatch>,
    /// Whether the disk is at work.
    pub(crate) is_busy: bool,
    /// Whether what found no room will be tried again.
    pub(crate) is_retrying: bool,
    /// A reservation under way.
    pub(crate) reservation: Option<Reservation>,
    /// What the ordering half was told of the disk.
    pub(crate) told: StorageState,
    /// How many pieces of work were begun.
    pub(crate) begun: u64,
}

/// What the store's writer has before it.
#[derive(Default)]
pub(crate) struct StoreWork {
    pub(crate) queue: VecDeque<ToStore>,
    pub(crate) is_busy: bool,
    pub(crate) staging: Option<Staging<Broken>>,
    pub(crate) begun: u64,
}

/// A request that has not ended at its node.
pub(crate) struct Open {
    /// Whether it waits for bytes to go, which a peer's snapshot may hold back for long.
    pub(crate) is_compaction: bool,
    /// What it reads, until that is released.
    pub(crate) read: Option<Box<ReadRequest>>,
}

/// A process.
pub(crate) struct Running<P: Protocol> {
    pub(crate) ordering: Ordering<Watched<P::Engine>, Broken>,
    pub(crate) applying: Applying<Broken, Broken>,
    pub(crate) wal: Wal<Broken>,
    pub(crate) reader: LogReader,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) installer: Installer<Broken>,
    pub(crate) inbox: VecDeque<OrderingInput<P::Message>>,
    pub(crate) work: VecDeque<ToApplying>,
    pub(crate) log: LogWork,
    pub(crate) store: StoreWork,
    /// A snapshot to be installed once this write is durable.
    pub(crate) install: Option<(WriteId, Meta)>,
    pub(crate) open: BTreeMap<Ticket, Open>,
    pub(super) streams: BTreeMap<StreamId, Outlet>,
    pub(crate) order: Turn,
    pub(crate) apply: Turn,
    pub(crate) clock: Clock,
    /// Turns taken so far, of either half.
    pub(crate) turns: u64,
}

/// What a node is doing, as the world sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its process runs.
    Up,
    /// Its process stands still.
    Paused,
    /// It has none, and may get one.
    Down,
    /// It counts as dead for ever: its disk is wiped or damaged.
    Dead,
}

/// A node.
pub(crate) struct Node<P: Protocol> {
    pub(crate) id: NodeId,
    pub(crate) disk: SimDisk,
    pub(crate) standing: Standing,
    pub(crate) running: Option<Box<Running<P>>>,
    /// Counts the processes, so that what one has begun does not touch the next.
    pub(crate) life: u32,
    pub(crate) incarnation: Option<Incarnation>,
    /// The incarnations that its directory knows its peers by.
    pub(crate) known: BTreeMap<NodeId, Incarnation>,
    /// What waits for a paused process.
    pub(crate) deferred: Vec<Event>,
    /// How fast its clock runs.
    pub(crate) rate: Rate,
    /// Whether its disk was wiped: it counts as dead.
    pub(crate) is_lost: bool,
    /// Whether its disk has rotted: it may refuse to start.
    pub(crate) is_rotten: bool,
    /// The fault that strikes as soon as its disk is at work.
    pub(crate) ambush: Option<FaultId>,
    /// Before which of the disk's next changes its next start ends, if it is to.
    pub(crate) interrupt_start: Option<u64>,
    /// Until when its disk does nothing.
    pub(crate) stalled_until: SimTime,
    /// How many times as long its disk takes.
    pub(crate) disk_factor: u32,
    /// How much longer its halves take for a turn.
    pub(crate) turn_extra: Option<Span>,
}

impl<P: Protocol> Node<P> {
    pub(crate) fn new(id: NodeId) -> Self {
        Self {
            id,
            disk: SimDisk::new(),
            standing: Standing::Down,
            running: None,
            life: 0,
            incarnation: None,
            known: BTreeMap::new(),
            deferred: Vec::new(),
            rate: Rate::TRUE,
            is_lost: false,
            is_rotten: false,
            ambush: None,
            interrupt_start: None,
            stalled_until: SimTime::default(),
            disk_factor: 1,
            turn_extra: None,
        }
    }

    /// The process, if it is the one of that life.
    pub(crate) fn process(&mut self, life: u32) -> Option<&mut Running<P>> {
        if self.life != life {
            return None;
        }
        self.running.as_deref_mut()
    }
}

impl<P: Protocol> Running<P> {
    /// When the ordering half must have its next turn if nothing else happens.
    pub(crate) fn order_due(&self, now: SimTime) -> Option<SimTime> {
        let deadline = self.ordering.deadline(self.clock.read(now))?;
        Some(self.clock.when(deadline, now))
    }

    /// When the applying half must have its next turn if nothing else happens.
    pub(crate) fn apply_due(&self, now: SimTime) -> Option<SimTime> {
        let deadline = self.applying.deadline(self.clock.read(now))?;
        Some(self.clock.when(deadline, now))
    }
}
