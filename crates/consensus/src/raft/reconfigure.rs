//! The configuration in force: the newest one in the log, committed or not (dissertation §4.1).

use super::Raft;
use crate::entry::Meta;
use crate::ids::{Index, ProposalId};
use crate::members::{Change, Members};
use crate::outcome::Refusal;
use crate::quorum::Quorum;
use crate::rules::Rules;
use crate::write::Recovered;

/// The configurations of a log: the one at its compacted position and those above it.
///
/// Older ones are kept because a truncation brings them back (canonical/raft#329).
#[derive(Clone, Debug)]
pub(super) struct Configurations {
    base: Members,
    above: Vec<(Index, Members)>,
    quorum: Quorum,
}

impl Configurations {
    /// Those found on the disk.
    pub(super) fn new(recovered: &Recovered) -> Self {
        let above = recovered.configurations.clone();
        let ascend = above.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(ascend, "recovered configurations are not ascending");
        let base = recovered.meta.members.clone();
        let quorum = base.quorum();
        let mut configurations = Self { base, above, quorum };
        configurations.count_anew();
        configurations
    }

    /// The one in force.
    pub(super) fn members(&self) -> &Members {
        self.above.last().map_or(&self.base, |(_, members)| members)
    }

    /// What a decision needs under it.
    pub(super) fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// Takes the configuration of an appended entry into force.
    pub(super) fn append(&mut self, index: Index, members: Members) {
        self.above.push((index, members));
        self.count_anew();
    }

    /// Goes back to the configuration before `first`.
    pub(super) fn truncate_from(&mut self, first: Index) {
        self.above.retain(|&(index, _)| index < first);
        self.count_anew();
    }

    /// Forgets configurations that were replaced at or below `meta`.
    pub(super) fn compact(&mut self, meta: &Meta) {
        self.above.retain(|&(index, _)| meta.index < index);
        self.base = meta.members.clone();
        self.count_anew();
    }

    /// The configuration at a position above the compacted one.
    pub(super) fn at(&self, index: Index) -> &Members {
        let older = self.above.iter().rev().find(|&&(at, _)| at <= index);
        older.map_or(&self.base, |(_, members)| members)
    }

    fn count_anew(&mut self) {
        self.quorum = self.members().quorum();
    }
}

impl<R: Rules> Raft<R> {
    /// The configuration in force.
    pub(super) fn members(&self) -> &Members {
        self.configurations.members()
    }

    /// A client's change of the configuration, which this engine does not offer.
    pub(super) fn on_reconfigure(&mut self, id: ProposalId, _change: &Change) {
        self.effects.refuse(id, Refusal::Unsupported);
    }
}
