//! Clients that wait for an answer, and the queues between the threads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use quorate_codec::peer::SnapshotMessage;
use quorate_consensus::{Entry, Index, Meta, NodeId, SendSnapshot, Status, WriteBatch};
use quorate_kv::{
    Alarm, Commit, CommitId, LeaseCounts, LeaseId, Records, Sizes, StateHash, Store, Strict,
};
use quorate_replica::{
    Answer, Counts, Ending, OrderingInput, ReadRequest, StagingFailed, StagingOp, Ticket, Waiters,
};
use quorate_storage::Reservation;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::backup::ToBackups;
use crate::once;
use crate::queue::Sender;
use crate::range_stream::ToRanges;
use crate::room::Share;
use crate::watching::ToWatches;

/// An answer, and the room that it takes until its client was sent it.
#[derive(Debug)]
pub(crate) struct Held<T> {
    pub(crate) answer: T,
    /// None of a small answer: how many there are at a time is bounded.
    pub(crate) share: Option<Share>,
}

impl<T> Held<T> {
    /// The same room for what is made of the answer.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Held<U> {
        Held { answer: change(self.answer), share: self.share }
    }
}

/// How a client's request ended.
pub(crate) type End = Result<Held<Answer>, Ending>;

/// A client that waits. Dropping it tells the client that the server stopped.
pub(crate) type Waiter = once::Sender<End>;

/// What clients ask of the thread that orders.
pub(crate) enum Ask {
    /// A client's encoded command.
    Write { command: Bytes, waiter: Waiter },
    /// A client wants a lease kept alive by the log.
    Renew { lease: LeaseId, waiter: Waiter },
    /// A client's linearizable read.
    Read { request: ReadRequest, waiter: Waiter },
    /// A client's wish to move leadership.
    Transfer { to: NodeId, waiter: Waiter },
    /// What is the engine doing?
    Status(oneshot::Sender<Status>),
}

/// For the thread that orders.
pub(crate) enum ToOrdering<M> {
    /// A client asks.
    Ask(Ask),
    /// Anything else that happened. The permit bounds what peers may have waiting.
    Input { input: OrderingInput<M>, permit: Option<OwnedSemaphorePermit> },
    /// End.
    Stop,
}

impl<M> ToOrdering<M> {
    /// About how many bytes of commands are in it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Ask(Ask::Write { command, .. }) => command.len(),
            Self::Input { permit: Some(permit), .. } => permit.num_permits() << 10,
            Self::Ask(_) | Self::Input { permit: None, .. } | Self::Stop => 0,
        }
    }
}

/// The way to the thread that orders, for those who need not know which engine it runs.
pub(crate) trait Order: Send + Sync {
    /// Leaves a client's request, for the thread to find when it is woken. If the thread is gone,
    /// so is the waiter in it.
    fn leave(&self, ask: Ask);

    /// Wakes the thread if something was left.
    fn wake(&self);

    /// Tells the thread to end. One that has ended already needs no telling.
    fn stop(&self);
}

impl<M: Send> Order for Sender<ToOrdering<M>> {
    fn leave(&self, ask: Ask) {
        let _ = Sender::leave(self, ToOrdering::Ask(ask));
    }

    fn wake(&self) {
        Sender::wake(self);
    }

    fn stop(&self) {
        let _ = self.send(ToOrdering::Stop);
    }
}

impl<M> From<OrderingInput<M>> for ToOrdering<M> {
    fn from(input: OrderingInput<M>) -> Self {
        Self::Input { input, permit: None }
    }
}

/// For the thread that applies.
pub(crate) enum ToApplying {
    /// Committed entries, in order, and who waits for them.
    Committed(Vec<(Entry, Waiters<Waiter>)>),
    /// A read that may be served once `at` is applied.
    Read { request: ReadRequest, waiter: Waiter, at: Index },
    /// A peer's message about a snapshot.
    Snapshot { from: NodeId, message: SnapshotMessage, permit: Option<OwnedSemaphorePermit> },
    /// A peer needs a snapshot.
    SnapshotNeeded(SendSnapshot),
    /// Replace the state machine by the staged snapshot.
    Install(Meta),
    /// It is open, in the old one's place.
    Installed(Box<Store<Strict>>, Meta),
    /// The commit is durable.
    Committing(CommitId),
    /// The staging work is done, or failed.
    Staged(Result<(), StagingFailed>),
    /// Something about watches.
    Watches(ToWatches),
    /// Something about a range that is streamed.
    Ranges(ToRanges),
    /// Something about a snapshot that a client takes.
    Backups(ToBackups),
    /// How is the state machine?
    Figures(oneshot::Sender<Figures>),
    /// Commit what waits, then end.
    Stop,
}

/// What the state machine says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// How big it is.
    pub(crate) sizes: Sizes,
    /// The last applied entry.
    pub(crate) applied: Index,
    /// Its history's hash at that entry.
    pub(crate) state_hash: StateHash,
    /// Its revision.
    pub(crate) revision: i64,
    /// What each member told of itself.
    pub(crate) attributes: BTreeMap<u64, Bytes>,
    /// The alarms raised by hand.
    pub(crate) alarms: BTreeSet<Alarm>,
    /// The compacted revision.
    pub(crate) compacted: i64,
    /// Bytes that the file has not taken yet.
    pub(crate) uncommitted_bytes: u64,
    /// Watches, and the streams they are on.
    pub(crate) watches: usize,
    pub(crate) watch_streams: usize,
    /// Changes told to watches since the start.
    pub(crate) watch_events: u64,
    /// What became of leases since the start.
    pub(crate) lease_counts: LeaseCounts,
    /// What was applied since the start.
    pub(crate) counts: Counts,
}

/// For the thread that writes the disk map.
pub(crate) enum ToStore {
    /// Make this durable.
    Commit(Commit),
    /// Work on the staged snapshot.
    Stage(Vec<StagingOp>),
    /// Put the staged snapshot in place and open it.
    Activate(Meta),
    /// End.
    Stop,
}

/// For the thread that writes the log.
pub(crate) enum ToLog {
    /// Make this durable.
    Append(WriteBatch),
    /// A reservation has ended.
    Reserved(Box<Reservation>),
    /// End.
    Stop,
}

/// Waiters by ticket. Owned by one thread; the pure halves know only the tickets.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    next: u64,
    waiting: HashMap<Ticket, T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { next: 0, waiting: HashMap::new() }
    }
}

impl<T> Waiting<T> {
    /// Takes a waiter in.
    pub(crate) fn admit(&mut self, waiter: T) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.waiting.insert(ticket, waiter);
        ticket
    }

    /// Hands a waiter out.
    pub(crate) fn take(&mut self, ticket: Ticket) -> T {
        self.waiting.remove(&ticket).expect("each ticket ends exactly once")
    }
}

/// The disk map that is in force, shared by those who ask for its size.
pub(crate) type SharedRecords = Arc<dyn Records>;
