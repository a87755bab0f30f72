//! The memory of every position of the log that some node still holds: which values were ever
//! written there under which ballot, who has them on disk, and which one is committed.

use std::collections::VecDeque;

use super::mirror::Digest;
use super::nodes::Set;
use crate::ballot::Ballot;
use crate::ids::{Index, ProposalId};

/// A value under a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) ballot: Ballot,
    pub(super) digest: Digest,
    pub(super) id: Option<ProposalId>,
    /// Terms: the ballot of the position before. Ballots: zero.
    pub(super) previous: Ballot,
    /// Who ever had it on disk: Paxos's `acc`.
    pub(super) holders: Set,
    /// Those of them who had promised a higher ballot before, and so did not vote for it: they
    /// learned that it is chosen.
    pub(super) learners: Set,
}

/// A committed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) ballot: Ballot,
    pub(super) digest: Digest,
    pub(super) id: Option<ProposalId>,
    /// The round in which it was first known to be committed.
    pub(super) round: u64,
}

/// One position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    first: Option<Value>,
    /// The values under other ballots: few, for each takes a leader.
    others: Vec<Value>,
    pub(super) chosen: Option<Chosen>,
}

impl Slot {
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.first.iter().chain(&self.others)
    }

    pub(super) fn value(&self, ballot: Ballot) -> Option<&Value> {
        self.values().find(|value| value.ballot == ballot)
    }

    pub(super) fn value_mut(&mut self, ballot: Ballot) -> Option<&mut Value> {
        self.first.iter_mut().chain(&mut self.others).find(|value| value.ballot == ballot)
    }

    pub(super) fn add(&mut self, value: Value) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.others.push(value);
        }
    }
}

/// All positions above the lowest that every node has compacted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    base: Index,
    slots: VecDeque<Slot>,
    last_known: Index,
}

impl Slots {
    /// The last position forgotten.
    pub(super) fn base(&self) -> Index {
        self.base
    }

    /// The last position that some node has known to be committed.
    pub(super) fn last_known(&self) -> Index {
        self.last_known
    }

    /// A node knows that this position is committed.
    pub(super) fn know(&mut self, index: Index) {
        self.last_known = self.last_known.max(index);
    }

    pub(super) fn slot(&self, index: Index) -> Option<&Slot> {
        let at = index.0.checked_sub(self.base.0 + 1)?;
        self.slots.get(usize::try_from(at).ok()?)
    }

    pub(super) fn chosen(&self, index: Index) -> Option<&Chosen> {
        self.slot(index)?.chosen.as_ref()
    }

    /// The slot, made if it is new; none if it is forgotten.
    pub(super) fn slot_mut(&mut self, index: Index) -> Option<&mut Slot> {
        let at = usize::try_from(index.0.checked_sub(self.base.0 + 1)?).ok()?;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        self.slots.get_mut(at)
    }

    /// Forgets everything up to `index`.
    pub(super) fn cut(&mut self, index: Index) {
        let gone = usize::try_from(index.distance_from(self.base)).unwrap_or(usize::MAX);
        self.slots.drain(..gone.min(self.slots.len()));
        self.base = self.base.max(index);
    }

    /// The last position of which anything is remembered.
    pub(super) fn last(&self) -> Index {
        Index(self.base.0 + self.slots.len() as u64)
    }

    /// The slots from `first` on, ascending.
    pub(super) fn iter_from(&self, first: Index) -> impl Iterator<Item = (Index, &Slot)> {
        let from = first.0.max(self.base.0 + 1);
        let skipped = usize::try_from(from - (self.base.0 + 1)).unwrap_or(usize::MAX);
        (from..).map(Index).zip(self.slots.iter().skip(skipped))
    }
}
