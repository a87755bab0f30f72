//! What an engine tells about itself.

use bytes::Bytes;

use crate::ballot::Ballot;
use crate::ids::{Index, NodeId};
use crate::input::StorageState;
use crate::members::Members;

/// A view of an engine's state for operators, the lab and tests. Changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// What it is doing.
    pub role: Role,
    /// The ballot it takes part in. Its node is the leader's if one is known, else zero.
    pub ballot: Ballot,
    /// The leader of that ballot, if known.
    pub leader: Option<NodeId>,
    /// The configuration in force.
    pub members: Members,
    /// The last position compacted away.
    pub compacted: Index,
    /// The last position in the log.
    pub last: Index,
    /// The last position durable here.
    pub persisted: Index,
    /// The last position known to be committed.
    pub committed: Index,
    /// The last position the host has applied.
    pub applied: Index,
    /// Whether a leader may serve linearizable reads: it has committed an entry of its own ballot.
    pub can_serve_reads: bool,
    /// The leader's view of the others; empty elsewhere.
    pub peers: Vec<PeerStatus>,
    /// Proposals that await a quorum here.
    pub in_flight: u32,
    /// Whether the log has room.
    pub storage: StorageState,
}

/// The part of a [`Status`] that costs nothing to make: for checks after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// See [`Status::role`].
    pub role: Role,
    /// See [`Status::ballot`].
    pub ballot: Ballot,
    /// See [`Status::compacted`].
    pub compacted: Index,
    /// See [`Status::last`].
    pub last: Index,
    /// See [`Status::persisted`].
    pub persisted: Index,
    /// See [`Status::committed`].
    pub committed: Index,
    /// See [`Status::applied`].
    pub applied: Index,
}

impl From<&Status> for Summary {
    fn from(status: &Status) -> Self {
        Self {
            role: status.role,
            ballot: status.ballot,
            compacted: status.compacted,
            last: status.last,
            persisted: status.persisted,
            committed: status.committed,
            applied: status.applied,
        }
    }
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it could win before it disturbs anyone (pre-vote).
    PreCandidate,
    /// Seeks votes or promises.
    Candidate,
    /// Leads.
    Leader,
}

/// A leader's view of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub node: NodeId,
    /// The last position known to be durable there.
    pub matched: Index,
    /// The next position to be sent.
    pub next: Index,
    /// How entries flow to it.
    pub flow: Flow,
    /// Messages sent and not answered.
    pub in_flight: u32,
    /// Whether it answered within the last election timeout.
    pub is_active: bool,
}

/// How entries flow to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// Looking for the point where the logs agree, one message at a time.
    Probe,
    /// Streaming ahead of the answers.
    Stream,
    /// Waiting for the host to send a snapshot.
    Snapshot,
}

/// A canonical rendering of the protocol state, with times relative and ids left out: two states
/// with equal fingerprints behave alike. For exhaustive search.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub Bytes);
