//! Ballots and promises: who may lead, and what a server has sworn.

use core::fmt;

use crate::ids::NodeId;

/// A leader's licence: Raft's term with its leader, Paxos's proposal number.
///
/// Ordered by round, then by node. In Raft a round has at most one leader, so comparing rounds is
/// enough; in Paxos two nodes may use one round, and the node decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The round, from 1; zero is before any election. Raft's term.
    pub round: u64,
    /// The node that leads, or seeks to lead, under this ballot.
    pub node: NodeId,
}

impl Ballot {
    /// The ballot before any election.
    pub const ZERO: Self = Self { round: 0, node: NodeId(0) };
}

impl fmt::Display for Ballot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.round, self.node)
    }
}

/// What a server has sworn, durably, before it answers.
///
/// Raft's (currentTerm, votedFor): `to` is set at most once per round. Paxos's `MaxN`: the
/// ballot `(round, to)`, below which nothing is promised or accepted any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Promise {
    /// The highest round this server has taken part in.
    pub round: u64,
    /// The node it has promised to support in that round, if any.
    pub to: Option<NodeId>,
}
