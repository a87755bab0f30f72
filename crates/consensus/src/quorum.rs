//! Counting: when enough members agree. Nothing here knows what they agree on.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Index, NodeId};
use crate::members::Members;

#[cfg(test)]
mod tests;

/// What a decision needs: enough voters of each set that has a say.
///
/// Made once per configuration and then asked on every acknowledgement, so the questions allocate
/// nothing for sets of up to nine voters. Learners are in none of the sets and never count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    incoming: Threshold,
    outgoing: Option<Threshold>,
}

/// How many of which voters must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Threshold {
    voters: Vec<NodeId>,
    needed: usize,
}

/// Where a vote stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// A quorum said yes.
    Won,
    /// So many said no that a quorum of yes can no longer come about.
    Lost,
    /// Neither, yet.
    Pending,
}

/// How many voters each phase of Paxos asks for (Howard, Malkhi, Spiegelman: Flexible Paxos, 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlexibleSizes {
    /// Promises a new leader needs.
    pub phase1: usize,
    /// Acceptances a value needs.
    pub phase2: usize,
}

/// The two quorums of a flexible configuration: every phase-1 quorum meets every phase-2 quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlexibleQuorums {
    /// What a promise round needs.
    pub phase1: Quorum,
    /// What a value needs to be chosen.
    pub phase2: Quorum,
}

/// Why sizes make no quorums for a configuration, and what to choose instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlexibleError {
    /// A size is zero or exceeds the number of voters. Choose from `1..=voters`.
    OutOfRange {
        /// The number of voters.
        voters: usize,
    },
    /// A phase-1 quorum could miss a phase-2 quorum, and a chosen value with it. Choose sizes whose
    /// sum exceeds the number of voters.
    Disjoint {
        /// The number of voters.
        voters: usize,
    },
    /// The configuration is joint, where only majorities are defined. Finish the change first.
    Joint,
}

impl Quorum {
    /// The most voters in a set that are counted without allocating.
    const INLINE_VOTERS_MAX: usize = 9;

    /// A majority of the voters and, while the configuration is joint, of the outgoing voters too
    /// (Raft dissertation, §4.3).
    ///
    /// Without any voter nothing is ever decided: a node that knows no configuration must not find
    /// itself in agreement with nobody.
    pub fn majority(members: &Members) -> Self {
        let outgoing =
            (!members.outgoing.is_empty()).then(|| Threshold::majority(&members.outgoing));
        Self { incoming: Threshold::majority(&members.voters), outgoing }
    }

    /// Quorums of the given sizes.
    pub fn flexible(
        members: &Members,
        sizes: FlexibleSizes,
    ) -> Result<FlexibleQuorums, FlexibleError> {
        let voters = members.voters.len();
        if !members.outgoing.is_empty() {
            return Err(FlexibleError::Joint);
        }
        if !(1..=voters).contains(&sizes.phase1) || !(1..=voters).contains(&sizes.phase2) {
            return Err(FlexibleError::OutOfRange { voters });
        }
        if sizes.phase1 + sizes.phase2 <= voters {
            return Err(FlexibleError::Disjoint { voters });
        }
        let quorum = |needed| Self {
            incoming: Threshold { voters: members.voters.iter().copied().collect(), needed },
            outgoing: None,
        };
        Ok(FlexibleQuorums { phase1: quorum(sizes.phase1), phase2: quorum(sizes.phase2) })
    }

    /// Whether those for whom `agrees` answers yes are enough.
    pub fn is_reached(&self, agrees: impl Fn(NodeId) -> bool) -> bool {
        self.thresholds().all(|threshold| threshold.needed <= threshold.count(&agrees))
    }

    /// Where a vote stands. Voters that are not in `votes` have not answered; others are ignored.
    pub fn tally(&self, votes: &BTreeMap<NodeId, bool>) -> Tally {
        if self.is_reached(|node| votes.get(&node) == Some(&true)) {
            return Tally::Won;
        }
        if self.is_reached(|node| votes.get(&node) != Some(&false)) {
            return Tally::Pending;
        }
        Tally::Lost
    }

    /// The highest position that a quorum has reached, when `matched` tells how far each voter has
    /// come. Zero if there is none.
    pub fn committed_index(&self, matched: impl Fn(NodeId) -> Index) -> Index {
        self.highest_reached(Index::ZERO, matched)
    }

    /// The highest value that a quorum has reached, when `value` tells how far each voter has come;
    /// `lowest`, which must not exceed any of them, if there is none.
    pub fn highest_reached<T: Copy + Ord>(&self, lowest: T, value: impl Fn(NodeId) -> T) -> T {
        let incoming = self.incoming.highest_reached(lowest, &value);
        match &self.outgoing {
            None => incoming,
            Some(outgoing) => incoming.min(outgoing.highest_reached(lowest, &value)),
        }
    }

    fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        core::iter::once(&self.incoming).chain(&self.outgoing)
    }
}

impl Threshold {
    fn majority(voters: &BTreeSet<NodeId>) -> Self {
        Self { voters: voters.iter().copied().collect(), needed: voters.len() / 2 + 1 }
    }

    fn count(&self, agrees: impl Fn(NodeId) -> bool) -> usize {
        self.voters.iter().filter(|&&node| agrees(node)).count()
    }

    fn highest_reached<T: Copy + Ord>(&self, lowest: T, value: impl Fn(NodeId) -> T) -> T {
        let count = self.voters.len();
        if count < self.needed {
            return lowest;
        }
        if count <= Quorum::INLINE_VOTERS_MAX {
            let mut values = [lowest; Quorum::INLINE_VOTERS_MAX];
            for (slot, &node) in values.iter_mut().zip(&self.voters) {
                *slot = value(node);
            }
            return self.nth_highest(&mut values[..count]);
        }
        let mut values: Vec<T> = self.voters.iter().map(|&node| value(node)).collect();
        self.nth_highest(&mut values)
    }

    /// The value that `needed` of the values reach and no higher one is reached by as many.
    fn nth_highest<T: Copy + Ord>(&self, values: &mut [T]) -> T {
        assert!(self.needed <= values.len(), "a quorum larger than its set has no reached value");
        values.sort_unstable();
        values[values.len() - self.needed]
    }
}
