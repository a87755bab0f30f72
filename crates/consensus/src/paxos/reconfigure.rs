//! Which members rule which slot.
//!
//! A configuration that stands in a slot rules the slots after it: that slot itself is decided by
//! those before. Every question about a quorum names the slot it is about. Where it is about all
//! slots from one on, as in phase 1, a quorum of each configuration that rules one of them answers.

use std::collections::BTreeMap;

use super::Paxos;
use crate::config::Config;
use crate::entry::Meta;
use crate::ids::{Index, NodeId, ProposalId};
use crate::members::{Change, Members};
use crate::outcome::Refusal;
use crate::quorum::{FlexibleQuorums, FlexibleSizes, Quorum, Tally};
use crate::rules::Rules;
use crate::write::Recovered;

/// The configurations of a log: the one that rules after its compacted slot, and those above it.
#[derive(Clone, Debug)]
pub(super) struct Configurations {
    base: Ruling,
    /// Each with the slot it stands in, ascending.
    above: Vec<(Index, Ruling)>,
    sizes: Option<FlexibleSizes>,
}

/// A configuration, and what promises and votes need under it.
#[derive(Clone, Debug)]
struct Ruling {
    members: Members,
    quorums: FlexibleQuorums,
}

impl Ruling {
    fn new(members: Members, sizes: Option<FlexibleSizes>) -> Self {
        let Some(sizes) = sizes.filter(|_| !members.voters.is_empty()) else {
            let majority = Quorum::majority(&members);
            let quorums = FlexibleQuorums { phase1: majority.clone(), phase2: majority };
            return Self { members, quorums };
        };
        let quorums = Quorum::flexible(&members, sizes);
        let quorums = quorums.expect("the host checks the sizes against the members");
        Self { members, quorums }
    }
}

impl Configurations {
    /// Those found on the disk.
    ///
    /// # Panics
    ///
    /// If the configured sizes make no quorums for these members.
    pub(super) fn new(config: &Config, recovered: &Recovered) -> Self {
        let sizes = config.quorums;
        let base = Ruling::new(recovered.meta.members.clone(), sizes);
        let mut configurations = Self { base, above: Vec::new(), sizes };
        for (index, members) in &recovered.configurations {
            configurations.put(*index, members);
        }
        configurations
    }

    /// The members that rule the slots to come.
    pub(super) fn members(&self) -> &Members {
        &self.above.last().map_or(&self.base, |(_, ruling)| ruling).members
    }

    /// The members that rule a slot above the compacted one.
    pub(super) fn members_at(&self, slot: Index) -> &Members {
        &self.ruling_at(slot).members
    }

    /// What votes for a slot above the compacted one need.
    pub(super) fn phase2_at(&self, slot: Index) -> &Quorum {
        &self.ruling_at(slot).quorums.phase2
    }

    fn ruling_at(&self, slot: Index) -> &Ruling {
        let newest = self.above.iter().rev().find(|&&(at, _)| at < slot);
        newest.map_or(&self.base, |(_, ruling)| ruling)
    }

    /// The last slot ruled by the members that rule this one, if others come after them.
    pub(super) fn ruled_upto(&self, slot: Index) -> Option<Index> {
        self.above.iter().map(|&(at, _)| at).find(|&at| slot <= at)
    }

    /// Whether those for whom `has_promised` answers yes are a phase-1 quorum for every slot from
    /// `first` on.
    pub(super) fn phase1_is_reached(
        &self,
        first: Index,
        has_promised: impl Fn(NodeId) -> bool,
    ) -> bool {
        self.rulings_from(first).all(|ruling| ruling.quorums.phase1.is_reached(&has_promised))
    }

    /// Where a question to every phase-1 quorum of the slots from `first` on stands.
    pub(super) fn phase1_tally(&self, first: Index, answers: &BTreeMap<NodeId, bool>) -> Tally {
        let tallies = self.rulings_from(first).map(|ruling| ruling.quorums.phase1.tally(answers));
        tallies.fold(Tally::Won, |so_far, next| match (so_far, next) {
            (Tally::Lost, _) | (_, Tally::Lost) => Tally::Lost,
            (Tally::Pending, _) | (_, Tally::Pending) => Tally::Pending,
            (Tally::Won, Tally::Won) => Tally::Won,
        })
    }

    /// The configurations that rule a slot from `first` on.
    fn rulings_from(&self, first: Index) -> impl Iterator<Item = &Ruling> {
        let later = self.above.iter().filter(move |&&(at, _)| first <= at);
        core::iter::once(self.ruling_at(first)).chain(later.map(|(_, ruling)| ruling))
    }

    /// Takes note of a configuration in the log.
    pub(super) fn put(&mut self, index: Index, members: &Members) {
        let ruling = Ruling::new(members.clone(), self.sizes);
        self.above.retain(|&(at, _)| at != index);
        let place = self.above.partition_point(|&(at, _)| at < index);
        self.above.insert(place, (index, ruling));
    }

    /// Forgets configurations that were replaced at or below `meta`.
    pub(super) fn compact(&mut self, meta: &Meta) {
        self.above.retain(|&(index, _)| meta.index < index);
        self.base = Ruling::new(meta.members.clone(), self.sizes);
    }
}

impl<R: Rules> Paxos<R> {
    /// The members that rule the slots to come.
    pub(super) fn members(&self) -> &Members {
        self.configurations.members()
    }

    /// A client's change of the configuration, which this engine does not offer.
    pub(super) fn on_reconfigure(&mut self, id: ProposalId, _change: &Change) {
        self.effects.refuse(id, Refusal::Unsupported);
    }
}

#[cfg(test)]
mod tests;
