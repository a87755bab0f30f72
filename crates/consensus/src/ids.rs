//! The numbers of the protocols, each with a type of its own so that none is taken for another.

use core::fmt;

/// A server's identity within its cluster. Never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "n{:x}", self.0)
    }
}

/// Which life of a data directory a node's identity belongs to.
///
/// A wiped disk comes back with another incarnation, so that a replica which forgot its promises
/// is never counted as the one that made them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// A position in the log (Paxos: a slot), from 1. Zero is the position before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl Index {
    /// The position before the first entry.
    pub const ZERO: Self = Self(0);

    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position before this one; zero has none and stays zero.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many positions lie after `earlier` up to and including this one.
    pub const fn distance_from(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Positions that follow each other, from `first` to `last`, both included: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first of them.
    pub first: Index,
    /// The last of them, not before the first.
    pub last: Index,
}

impl Span {
    /// The span of one position.
    pub const fn one(index: Index) -> Self {
        Self { first: index, last: index }
    }

    /// How many positions it covers.
    pub const fn count(self) -> u64 {
        self.last.distance_from(self.first) + 1
    }

    /// The positions, ascending.
    pub fn indices(self) -> impl DoubleEndedIterator<Item = Index> {
        (self.first.0..=self.last.0).map(Index)
    }
}

/// The number of a leadership confirmation, made by the leader and increasing within its ballot.
///
/// Together with the ballot it names one round for ever, so a delayed answer is never taken for the
/// answer to a later round (etcd raft#397). Zero names no round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Confirmation(pub u64);

/// Names one proposal for ever: who made it, in which incarnation, and its number there.
///
/// Numbers are issued in increasing order by the node that takes the client's request, so that a
/// leader can refuse one that comes late or twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId {
    /// The node that took the client's request.
    pub node: NodeId,
    /// Its incarnation: a restart from an empty disk starts counting anew.
    pub incarnation: Incarnation,
    /// Increases with every proposal of that incarnation, across restarts too.
    pub sequence: u64,
}

/// Names a local request that leaves no trace in the log (a read, a transfer). The host's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a write batch. Batches are numbered from 1 in the order they are issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// The seed of an engine's random choices. Equal seeds and inputs give equal outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);
