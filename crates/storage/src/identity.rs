//! Whose data directory it is.

use quorate_codec::{ClusterId, EngineKind};
use quorate_consensus::{Incarnation, NodeId};

/// Whose data directory it is, and which life it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The cluster's engine, for life.
    pub engine: EngineKind,
    /// Drawn when the directory was made: a wiped disk comes back with another.
    pub incarnation: Incarnation,
    /// How often the directory was opened, this time included: durable before anything is
    /// promised, so that numbers built on it are unique across restarts.
    pub boots: u64,
}
