//! Which members rule which slot.
//!
//! Every question about a quorum names the slot it is about. The answer is the same for all slots
//! until membership changes are offered.

use super::Paxos;
use crate::config::Config;
use crate::entry::Meta;
use crate::ids::{Index, ProposalId};
use crate::members::{Change, Members};
use crate::outcome::{Outcome, Proposed, Refusal};
use crate::quorum::{FlexibleQuorums, Quorum};
use crate::rules::Rules;
use crate::write::Recovered;

/// The configurations of a log: the one at its compacted slot and those above it.
#[derive(Clone, Debug)]
pub(super) struct Configurations {
    base: Members,
    above: Vec<(Index, Members)>,
    quorums: FlexibleQuorums,
    sizes: Option<crate::quorum::FlexibleSizes>,
}

impl Configurations {
    /// Those found on the disk.
    ///
    /// # Panics
    ///
    /// If the configured sizes make no quorums for these members.
    pub(super) fn new(config: &Config, recovered: &Recovered) -> Self {
        let base = recovered.meta.members.clone();
        let sizes = config.quorums;
        let quorums = quorums(&base, sizes);
        let mut configurations =
            Self { base, above: recovered.configurations.clone(), quorums, sizes };
        configurations.count_anew();
        configurations
    }

    /// The members that rule the slots to come.
    pub(super) fn members(&self) -> &Members {
        self.above.last().map_or(&self.base, |(_, members)| members)
    }

    /// The members that rule a slot above the compacted one.
    pub(super) fn members_at(&self, slot: Index) -> &Members {
        let older = self.above.iter().rev().find(|&&(at, _)| at <= slot);
        older.map_or(&self.base, |(_, members)| members)
    }

    /// What promises and votes need under them.
    pub(super) fn quorums(&self) -> &FlexibleQuorums {
        &self.quorums
    }

    /// Takes note of a configuration in the log.
    pub(super) fn put(&mut self, index: Index, members: &Members) {
        self.above.retain(|&(at, _)| at != index);
        let place = self.above.partition_point(|&(at, _)| at < index);
        self.above.insert(place, (index, members.clone()));
        self.count_anew();
    }

    /// Forgets configurations that were replaced at or below `meta`.
    pub(super) fn compact(&mut self, meta: &Meta) {
        self.above.retain(|&(index, _)| meta.index < index);
        self.base = meta.members.clone();
        self.count_anew();
    }

    fn count_anew(&mut self) {
        self.quorums = quorums(self.members(), self.sizes);
    }
}

fn quorums(members: &Members, sizes: Option<crate::quorum::FlexibleSizes>) -> FlexibleQuorums {
    let Some(sizes) = sizes.filter(|_| !members.voters.is_empty()) else {
        let majority = Quorum::majority(members);
        return FlexibleQuorums { phase1: majority.clone(), phase2: majority };
    };
    Quorum::flexible(members, sizes).expect("the host checks the sizes against the members")
}

impl<R: Rules> Paxos<R> {
    /// The members that rule the slots to come.
    pub(super) fn members(&self) -> &Members {
        self.configurations.members()
    }

    /// A client's change of the configuration, which this engine does not offer.
    pub(super) fn on_reconfigure(&mut self, id: ProposalId, _change: &Change) {
        let result = Proposed::Refused(Refusal::Unsupported);
        self.effects.outcomes.push(Outcome::Proposal { id, result });
    }
}
