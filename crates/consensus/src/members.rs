//! Who takes part: voters, outgoing voters of a joint configuration, learners.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::ids::NodeId;
use crate::quorum::Quorum;

/// A configuration of the cluster.
///
/// While `outgoing` is not empty the configuration is joint: every decision needs a quorum of both
/// sets (Raft dissertation, §4.3). Learners receive the log and are never counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Those who decide.
    pub voters: BTreeSet<NodeId>,
    /// Those who decided before, while a change is under way; empty otherwise.
    pub outgoing: BTreeSet<NodeId>,
    /// Those who only listen.
    pub learners: BTreeSet<NodeId>,
    /// What the host stores about each member (its address, its name), opaque here.
    pub details: BTreeMap<NodeId, Bytes>,
}

impl Members {
    /// A configuration of voters without details.
    pub fn of_voters(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self { voters: voters.into_iter().collect(), ..Self::default() }
    }

    /// Whether the node decides, in either set.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node)
    }

    /// Whether the node only listens.
    pub fn is_learner(&self, node: NodeId) -> bool {
        self.learners.contains(&node) && !self.is_voter(node)
    }

    /// Whether the node takes part at all.
    pub fn contains(&self, node: NodeId) -> bool {
        self.is_voter(node) || self.learners.contains(&node)
    }

    /// Everyone, ascending, each once.
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        let mut nodes = self.voters.clone();
        nodes.extend(&self.outgoing);
        nodes.extend(&self.learners);
        nodes
    }

    /// Those who decide, in either set, without `node`, ascending.
    pub fn other_voters(&self, node: NodeId) -> Vec<NodeId> {
        self.nodes().into_iter().filter(|&it| it != node && self.is_voter(it)).collect()
    }

    /// What a decision needs under this configuration.
    pub fn quorum(&self) -> Quorum {
        Quorum::majority(self)
    }

    /// What this configuration costs against byte limits.
    pub fn cost(&self) -> u64 {
        let details: usize = self.details.values().map(Bytes::len).sum();
        let nodes = self.voters.len() + self.outgoing.len() + self.learners.len();
        (nodes * 8 + self.details.len() * 16 + details) as u64
    }
}

/// A change of the configuration that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a learner, or changes what is stored about a member.
    Add {
        /// Who.
        node: NodeId,
        /// What the host stores about it.
        details: Bytes,
    },
    /// Makes a learner a voter.
    Promote {
        /// Who.
        node: NodeId,
    },
    /// Removes a member.
    Remove {
        /// Who.
        node: NodeId,
    },
}
