//! Readers that need a revision to stay readable while they work.

use std::collections::BTreeMap;

use crate::ClusterTime;

/// Holds physical compaction back, so that everything at its revision and later stays readable
/// by whoever has it. Give it back with [`crate::Store::unpin`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it holds compaction back until it is given back"]
pub struct Pin {
    id: u64,
    revision: i64,
}

impl Pin {
    /// The main revision that is held.
    pub fn revision(&self) -> i64 {
        self.revision
    }
}

/// How long a pin may hold compaction back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Until it is given back.
    Unlimited,
    /// Until this cluster time.
    Until(ClusterTime),
}

/// The pins that are out.
#[derive(Debug, Default)]
pub(super) struct Pins {
    held: BTreeMap<u64, (i64, Hold)>,
    next_id: u64,
}

impl Pins {
    pub(super) fn pin(&mut self, revision: i64, hold: Hold) -> Pin {
        let id = self.next_id;
        self.next_id += 1;
        self.held.insert(id, (revision, hold));
        Pin { id, revision }
    }

    pub(super) fn unpin(&mut self, pin: &Pin) {
        self.held.remove(&pin.id);
    }

    /// Whether the pin still holds.
    pub(super) fn holds(&self, pin: &Pin) -> bool {
        self.held.contains_key(&pin.id)
    }

    /// Drops the pins that are past their time and below `compacted`. Others harm nobody.
    pub(super) fn expire(&mut self, now: ClusterTime, compacted: i64) {
        self.held.retain(|_, (revision, hold)| match hold {
            Hold::Unlimited => true,
            Hold::Until(end) => compacted <= *revision || now <= *end,
        });
    }

    /// The lowest revision held.
    pub(super) fn lowest(&self) -> Option<i64> {
        self.held.values().map(|(revision, _)| *revision).min()
    }
}
