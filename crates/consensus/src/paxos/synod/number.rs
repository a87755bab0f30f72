//! Proposal numbers as people write them.
//!
//! The tutorials give proposer `j` of `n` the numbers `n*i + j`, for its attempt `i`: with five
//! councillors A1 has 0, 5, 10, ... and A5 has 4, 9, 14. PMS (§2.5) only asks that proposers draw
//! from disjoint sets; the formula is one way, and breaks when `n` changes. The protocol compares
//! [`Ballot`]s, (attempt, node), whose order is the same and needs no `n`; this file translates.

use std::collections::BTreeSet;

use crate::ballot::Ballot;
use crate::ids::NodeId;

/// The councillors in order: the `j`-th of `n`, from zero, owns the numbers `n*i + j`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    nodes: Vec<NodeId>,
}

impl Numbering {
    /// Numbers for these councillors. They are at least one.
    pub fn new(nodes: &BTreeSet<NodeId>) -> Self {
        assert!(!nodes.is_empty(), "nobody has no numbers");
        Self { nodes: nodes.iter().copied().collect() }
    }

    /// The number of a ballot, `n*i + j`; `None` if its node is no councillor or the number does
    /// not fit.
    pub fn number(&self, ballot: Ballot) -> Option<u64> {
        let place = self.nodes.binary_search(&ballot.node).ok()? as u64;
        ballot.round.checked_mul(self.count())?.checked_add(place)
    }

    /// The ballot of a number: its attempt and its owner.
    pub fn ballot(&self, number: u64) -> Ballot {
        let place = (number % self.count()) as usize;
        Ballot { round: number / self.count(), node: self.nodes[place] }
    }

    fn count(&self) -> u64 {
        self.nodes.len() as u64
    }
}

/// The lowest ballot of `node` above `ballot`: the tutorials' "least own number greater than".
pub fn next_own(node: NodeId, ballot: Ballot) -> Ballot {
    let round = if ballot.node < node { ballot.round } else { ballot.round + 1 };
    Ballot { round, node }
}
