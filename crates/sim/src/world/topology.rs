//! The shapes a network can be cut into.

use std::collections::BTreeSet;

use quorate_consensus::NodeId;

use crate::draws::{Draws, Site};

const SHUFFLE: Site = Site::new("who is where in a topology");

/// A shape, named as in the literature on partial connectivity (`OmniPaxos`, `EuroSys` 2023, §2),
/// and Jepsen's majorities-ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topology {
    /// Two sides that cannot reach each other.
    Split,
    /// One node alone.
    Isolated,
    /// All reach one node, the hub, and nobody else: only the hub has a quorum.
    QuorumLoss,
    /// As quorum loss, and the leader cannot reach the hub either.
    Constrained,
    /// Each node reaches its two neighbours in a chain.
    Chained,
    /// Each node reaches a majority, no two the same one.
    Ring,
    /// Two sides, and one node that reaches both.
    Bridge,
    /// Words from one side do not reach the other; the answers would.
    OneWay,
}

impl Topology {
    /// Every shape.
    pub const ALL: [Self; 8] = [
        Self::Split,
        Self::Isolated,
        Self::QuorumLoss,
        Self::Constrained,
        Self::Chained,
        Self::Ring,
        Self::Bridge,
        Self::OneWay,
    ];

    /// Its name in traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Isolated => "isolated",
            Self::QuorumLoss => "quorum-loss",
            Self::Constrained => "constrained",
            Self::Chained => "chained",
            Self::Ring => "ring",
            Self::Bridge => "bridge",
            Self::OneWay => "one-way",
        }
    }

    /// The directed links that it cuts among `count` nodes, some of which the key places.
    pub(super) fn cuts(
        self,
        draws: Draws,
        key: u64,
        count: u64,
        leader: Option<NodeId>,
    ) -> Vec<(NodeId, NodeId)> {
        let order = shuffled(draws, key, count, leader);
        let place = |node: NodeId| order.iter().position(|other| *other == node).expect("all are");
        let half = 1 + draws.below(SHUFFLE, [key, u64::MAX], count.max(2) - 1) as usize;
        let middle = order.len() / 2;
        let reaches = |from: NodeId, to: NodeId| {
            let (from, to) = (place(from), place(to));
            let ring = order.len();
            match self {
                Self::Split => (from < half) == (to < half),
                Self::Isolated => from != 0 && to != 0,
                Self::QuorumLoss => from == 1 || to == 1,
                Self::Constrained => (from == 1 || to == 1) && from != 0 && to != 0,
                Self::Chained => from.abs_diff(to) == 1,
                Self::Ring => {
                    let apart = from.abs_diff(to);
                    apart.min(ring - apart) <= (ring / 2).div_ceil(2)
                }
                Self::Bridge => from == middle || to == middle || (from < middle) == (to < middle),
                Self::OneWay => !(from < half && half <= to),
            }
        };
        let nodes: BTreeSet<NodeId> = order.iter().copied().collect();
        let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| from != to && !reaches(*from, *to)).collect()
    }
}

/// All nodes in a random order, the leader first in half of the cases.
fn shuffled(draws: Draws, key: u64, count: u64, leader: Option<NodeId>) -> Vec<NodeId> {
    let mut order: Vec<NodeId> = (1..=count).map(NodeId).collect();
    for last in (1..order.len()).rev() {
        let other = draws.below(SHUFFLE, [key, last as u64], last as u64 + 1) as usize;
        order.swap(last, other);
    }
    let first = leader.filter(|_| draws.below(SHUFFLE, [key, 0], 2) == 0);
    if let Some(at) = first.and_then(|leader| order.iter().position(|node| *node == leader)) {
        order.swap(0, at);
    }
    order
}

#[cfg(test)]
mod tests {
    use quorate_consensus::Seed;

    use super::*;

    /// How many others each node reaches in both directions.
    fn reach(topology: Topology, count: u64) -> Vec<usize> {
        let cuts = topology.cuts(Draws::new(Seed(3)), 1, count, None);
        let is_open = |a, b| !cuts.contains(&(a, b)) && !cuts.contains(&(b, a));
        let nodes = || (1..=count).map(NodeId);
        let mut reach: Vec<usize> =
            nodes().map(|a| nodes().filter(|b| a != *b && is_open(a, *b)).count()).collect();
        reach.sort_unstable();
        reach
    }

    #[test]
    fn each_topology_has_its_shape() {
        assert_eq!(reach(Topology::Isolated, 5), [0, 3, 3, 3, 3]);
        assert_eq!(reach(Topology::QuorumLoss, 5), [1, 1, 1, 1, 4]);
        assert_eq!(reach(Topology::Constrained, 5), [0, 1, 1, 1, 3]);
        assert_eq!(reach(Topology::Chained, 3), [1, 1, 2]);
        assert_eq!(reach(Topology::Ring, 5), [2, 2, 2, 2, 2]);
        assert_eq!(reach(Topology::Ring, 7), [4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(reach(Topology::Bridge, 5), [2, 2, 2, 2, 4]);
    }

    #[test]
    fn a_one_way_cut_is_open_the_other_way() {
        let cuts = Topology::OneWay.cuts(Draws::new(Seed(3)), 1, 5, None);
        assert!(!cuts.is_empty());
        assert!(cuts.iter().all(|(from, to)| !cuts.contains(&(*to, *from))));
    }

    #[test]
    fn small_clusters_can_be_cut_too() {
        for topology in Topology::ALL {
            for count in 1..=9 {
                for key in 0..20 {
                    topology.cuts(Draws::new(Seed(3)), key, count, Some(NodeId(1)));
                }
            }
        }
    }
}
