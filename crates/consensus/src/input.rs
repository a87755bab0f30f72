//! What an engine is told: the whole list.

use bytes::Bytes;

use crate::clock::Clock;
use crate::effects::FetchReason;
use crate::entry::{Entry, Meta};
use crate::ids::{Index, NodeId, ProposalId, RequestId, WriteId};
use crate::members::Change;

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<M> {
    /// The deadline has come. Early or late calls do no harm.
    Wake,
    /// A peer's message arrived, decoded and intact.
    Message {
        /// The sender, as the transport authenticated it.
        from: NodeId,
        /// What it sent.
        message: M,
    },
    /// A command to append. Ends in one [`crate::Outcome::Proposal`].
    Propose {
        /// Its name.
        id: ProposalId,
        /// Its bytes, opaque here.
        payload: Bytes,
    },
    /// A linearizable read. Ends in one [`crate::Outcome::Read`].
    Read {
        /// Its name.
        id: RequestId,
    },
    /// The batch and all before it are durable.
    Persisted {
        /// The newest durable batch.
        write: WriteId,
    },
    /// The state machine has applied everything up to here. Makes room for more.
    Applied {
        /// The last applied position.
        upto: Index,
        /// The cluster's clock there.
        clock: Clock,
    },
    /// Entries asked for by [`crate::Fetch`].
    Fetched {
        /// Copied from the request.
        reason: FetchReason,
        /// Consecutive entries from the first asked for, at least one; empty if they were
        /// compacted meanwhile.
        entries: Vec<Entry>,
    },
    /// A change of the configuration. Ends in one [`crate::Outcome::Proposal`].
    Reconfigure {
        /// Its name.
        id: ProposalId,
        /// What to change.
        change: Change,
    },
    /// A request to hand leadership over. Ends in one [`crate::Outcome::Transfer`].
    Transfer {
        /// Its name.
        id: RequestId,
        /// The node that should lead.
        to: NodeId,
    },
    /// The peer's host holds all bytes of the snapshot at `meta`.
    SnapshotSent {
        /// The peer.
        to: NodeId,
        /// What was sent: at least as new as was asked for. Boxed, as all that is rare and large.
        meta: Box<Meta>,
    },
    /// The transfer to the peer broke off.
    SnapshotFailed {
        /// The peer.
        to: NodeId,
    },
    /// The state machine was replaced, as [`crate::Effects::install`] asked.
    Installed {
        /// The snapshot now in force.
        meta: Box<Meta>,
    },
    /// The host no longer needs the log up to here.
    Compacted {
        /// A position at or below the applied one, durable in the state machine.
        meta: Box<Meta>,
    },
    /// The transport lost its connection to the peer. A hint to look sooner, no proof of death.
    Disconnected {
        /// The peer.
        peer: NodeId,
    },
    /// The log's disk ran full, or has room again.
    Storage(StorageState),
    /// Campaign at once (scripts and search, with timers off).
    Campaign,
}

/// Whether the log can take more entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StorageState {
    /// The next segment is reserved.
    #[default]
    Writable,
    /// A reservation failed. Proposals are refused and leadership moves to a node with room.
    Full,
}
