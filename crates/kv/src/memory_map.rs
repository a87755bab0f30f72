//! The map in memory: what simulations and tests put under a store.

#![expect(
    clippy::disallowed_types,
    reason = "the map's contract lets a reader and a committing thread meet"
)]

use std::collections::BTreeMap;
use std::sync::RwLock;

use crate::{Checkpoint, Commit, Lease, LeaseId, MapError, Record, Records, Revision, ScanLimit};

/// A [`Records`] in memory. It never fails; it is as durable as the process.
#[derive(Debug, Default)]
pub struct MemoryMap {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<Revision, Record>,
    leases: BTreeMap<LeaseId, Lease>,
    checkpoint: Option<Checkpoint>,
}

impl MemoryMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, question: impl FnOnce(&State) -> T) -> T {
        question(&self.state.read().expect("no commit panics while it holds the lock"))
    }
}

impl Records for MemoryMap {
    fn get(&self, revision: Revision) -> Result<Option<Record>, MapError> {
        Ok(self.read(|state| state.records.get(&revision).cloned()))
    }

    fn scan(&self, from: Revision, limit: ScanLimit) -> Result<Vec<(Revision, Record)>, MapError> {
        assert!(0 < limit.records, "a scan of nothing would look like the end of the map");
        Ok(self.read(|state| {
            let mut found = Vec::new();
            let mut bytes = 0;
            for (revision, record) in state.records.range(from..) {
                found.push((*revision, record.clone()));
                bytes += record.key.len() + record.value.len();
                if limit.records <= found.len() || limit.bytes <= bytes {
                    break;
                }
            }
            found
        }))
    }

    fn leases(&self, from: LeaseId, count_max: usize) -> Result<Vec<Lease>, MapError> {
        assert!(0 < count_max, "a look at nothing would look like the end of the map");
        Ok(self.read(|state| state.leases.range(from..).take(count_max).map(|it| *it.1).collect()))
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, MapError> {
        Ok(self.read(|state| state.checkpoint.clone()))
    }

    fn commit(&self, commit: &Commit) -> Result<(), MapError> {
        let mut state = self.state.write().expect("no commit panics while it holds the lock");
        for (revision, record) in &commit.puts {
            state.records.insert(*revision, record.clone());
        }
        for revision in &commit.removes {
            state.records.remove(revision);
        }
        for (id, lease) in &commit.leases {
            match lease {
                Some(lease) => state.leases.insert(*id, *lease),
                None => state.leases.remove(id),
            };
        }
        state.checkpoint = Some(commit.checkpoint.clone());
        Ok(())
    }
}
