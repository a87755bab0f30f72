//! What goes into the ordering half, and what comes out: the whole lists.

use bytes::Bytes;
use quorate_codec::peer::PeerMessage;
use quorate_consensus::{
    Clock, ClusterTime, Entry, Fetch, FetchReason, Incarnation, Index, Meta, Misbehaved, NodeId,
    ProposalId, SendSnapshot, StorageState, TraceEvent, WriteBatch, WriteId,
};
use quorate_kv::LeaseId;

use crate::request::{Ending, Ticket, Waiters};

/// Something that happened to the ordering half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderingInput<M> {
    /// The deadline has come.
    Wake,
    /// A peer's message. Snapshot transfers go to the applying half instead.
    Peer {
        /// The sender, as the transport authenticated it.
        from: NodeId,
        /// What it sent.
        message: PeerMessage<M>,
    },
    /// Proposals forwarded to this peer that no connection ever took: they never left.
    Unsent {
        /// The peer.
        to: NodeId,
        /// The proposals.
        proposals: Vec<ProposalId>,
    },
    /// A client's encoded command.
    Write {
        /// Who waits.
        ticket: Ticket,
        /// The command's bytes.
        command: Bytes,
    },
    /// A client wants a lease kept alive by the log: see [`crate::ReadRequest::KeepAlive`].
    Renew {
        /// Who waits.
        ticket: Ticket,
        /// The lease.
        lease: LeaseId,
    },
    /// A client's linearizable read.
    Read {
        /// Who waits.
        ticket: Ticket,
    },
    /// A client's wish to move leadership.
    Transfer {
        /// Who waits.
        ticket: Ticket,
        /// The node that should lead.
        to: NodeId,
    },
    /// The batch and all before it are durable.
    Persisted(WriteId),
    /// The applying half is done up to here, where the cluster's clock is this.
    Applied {
        /// The last applied position.
        upto: Index,
        /// The clock there.
        clock: Clock,
    },
    /// Entries read from the durable log.
    Fetched {
        /// Copied from the request.
        reason: FetchReason,
        /// The entries; empty if they were compacted.
        entries: Vec<Entry>,
    },
    /// The applying half holds this snapshot whole, ready to be installed.
    Staged(Meta),
    /// The peer holds this snapshot whole.
    SnapshotSent {
        /// The peer.
        to: NodeId,
        /// What it holds.
        meta: Meta,
    },
    /// The transfer to the peer broke off.
    SnapshotFailed {
        /// The peer.
        to: NodeId,
    },
    /// The state machine was replaced by this snapshot.
    Installed(Meta),
    /// The state machine is durable up to here, and the log below is no longer needed.
    Compacted(Meta),
    /// The connection to the peer broke.
    Disconnected(NodeId),
    /// The log's disk ran full, or has room again.
    Storage(StorageState),
    /// How many bytes the state machine's disk has not taken yet.
    Backlog(u64),
    /// A command that this node wants in the log if it leads.
    Wish(Option<Bytes>),
    /// How the cluster's clock stands to the leases, if there are any.
    Leases(Option<LeaseClock>),
    /// Campaign at once, as [`quorate_consensus::Input::Campaign`]: for scripts.
    Campaign,
}

/// How the cluster's clock stands to the leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseClock {
    /// The state machine's clock.
    pub now: ClusterTime,
    /// When the next lease is over.
    pub next: ClusterTime,
}

/// What the host must do for the ordering half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderingEffects<M> {
    /// To be made durable in order, then acknowledged by [`OrderingInput::Persisted`].
    pub write: Option<WriteBatch>,
    /// Safe to send now; may be lost.
    pub messages: Vec<(NodeId, PeerMessage<M>)>,
    /// For the applying half, in order: committed entries, and who waits here for each.
    pub committed: Vec<(Entry, Waiters)>,
    /// For the applying half: reads that may be served once this position is applied.
    pub released: Vec<(Ticket, Index)>,
    /// For the waiting clients.
    pub endings: Vec<(Ticket, Ending)>,
    /// To be read from the durable log.
    pub fetches: Vec<Fetch>,
    /// For the applying half: peers that need a snapshot.
    pub snapshots: Vec<SendSnapshot>,
    /// For the applying half, once `write` is durable: replace the state machine.
    pub install: Option<Meta>,
    /// Peers to be disconnected.
    pub misbehaved: Vec<Misbehaved>,
    /// What happened and why.
    pub trace: Vec<TraceEvent>,
}

/// Who a node is, and where its numbers start in this life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// The life of its data directory.
    pub incarnation: Incarnation,
    /// How often that directory was opened, this time included. Numbers used in one life are never
    /// used in the next.
    pub boots: u32,
}

impl Origin {
    /// The number below all those of this life: lives are 2^40 numbers apart.
    pub fn first_number(self) -> u64 {
        u64::from(self.boots) << 40
    }
}
