//! Changes of leases that are applied and not yet known to be on the map.
//!
//! Leases have no history: what a commit stores is the last state of each lease that changed up
//! to the position of its checkpoint.

use std::collections::{BTreeMap, VecDeque};

use crate::{LEASE_BYTES, Lease, LeaseId};

/// One change.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// The index of the entry that made it.
    index: u64,
    id: LeaseId,
    /// None if the lease has ended.
    lease: Option<Lease>,
}

/// The changes, in order. Each counts for as much as a lease.
#[derive(Debug, Default)]
pub(super) struct LeaseLog {
    changes: VecDeque<Change>,
    dropped: u64,
}

impl LeaseLog {
    pub(super) fn push(&mut self, index: u64, id: LeaseId, lease: Option<Lease>) {
        let last = self.changes.back().map_or(index, |change| change.index);
        assert!(last <= index, "entries are applied in order");
        self.changes.push_back(Change { index, id, lease });
    }

    /// The leases that changed up to an entry, it included, as it left them; by name.
    pub(super) fn upto(&self, index: u64) -> Vec<(LeaseId, Option<Lease>)> {
        let changes = self.changes.iter().take_while(|change| change.index <= index);
        let last: BTreeMap<_, _> = changes.map(|change| (change.id, change.lease)).collect();
        last.into_iter().collect()
    }

    /// Drops the changes up to an entry.
    pub(super) fn drop_upto(&mut self, index: u64) {
        while self.changes.pop_front_if(|change| change.index <= index).is_some() {
            self.dropped += LEASE_BYTES;
        }
    }

    /// The bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.changes.len() as u64 * LEASE_BYTES
    }

    /// The bytes ever pushed.
    pub(super) fn bytes_pushed(&self) -> u64 {
        self.dropped + self.bytes()
    }
}
