//! How requests end: each exactly once, and unknown is not failure.

use crate::ids::{Index, NodeId, ProposalId, RequestId};

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The end of a `Propose` or `Reconfigure`.
    Proposal {
        /// Which.
        id: ProposalId,
        /// How it ended.
        result: Proposed,
    },
    /// The end of a `Read`: may be served by a state machine that has applied this position.
    Read {
        /// Which.
        id: RequestId,
        /// How it ended.
        result: Result<Index, Refusal>,
    },
    /// The end of a `Transfer`.
    Transfer {
        /// Which.
        id: RequestId,
        /// How it ended.
        result: Result<(), TransferError>,
    },
}

/// How a proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// Nothing was appended: it did not happen and will not. Retry as the reason says.
    Refused(Refusal),
    /// It is committed at this index.
    Committed {
        /// Where.
        index: Index,
    },
    /// Its index was committed with something else, or cannot be committed with it any more: it
    /// will never happen. Safe to retry.
    Displaced,
    /// This node can no longer learn how it ended. It may have happened.
    Unknown,
}

/// Why a request was not taken, and what to do next. Nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another node leads, or none is known. Retry there.
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// The leader is handing over. Retry at `to` once it leads.
    Transferring {
        /// The next leader.
        to: NodeId,
    },
    /// Too much awaits a quorum. Back off.
    Overloaded {
        /// The bound that was reached, in proposals.
        in_flight_max: u32,
    },
    /// The log's disk is full. Retry when there is room.
    StorageFull,
    /// This node is no longer a member. Ask another.
    Removed,
    /// This engine does not offer this kind of request.
    Unsupported,
}

/// Why leadership was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// This node does not lead. Ask the leader.
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// The target is unknown, a learner, or this node's own request is under way already.
    BadTarget,
    /// The target did not take over within an election timeout. The old leader goes on.
    TimedOut,
}
