//! Receiving a snapshot into a file of its own, and putting it in place of the state machine's.
//!
//! The file grows under a name of its own (`.staging`), gets its final name once it is whole and
//! durable, and counts only once the log says so: [`quorate_consensus::Write::Install`] names it.
//! Whatever else lies in the directory at a start is removed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use quorate_consensus::Meta;
use quorate_kv::{
    Checkpoint, Commit, CommitId, ContentHash, Lease, LeaseId, MapError, OpenError, Record,
    Records, Revision, ScanLimit,
};

use crate::disk::{Disk, DiskLock, failed_sync, is_full};
use crate::error::InstallError;
use crate::ledger::Horizon;
use crate::rules::{Rule, Rules, Strict};
use crate::segment::StoreId;
use crate::state_map::{MapOptions, StateMap};

/// How many bytes of records are collected before they are written and synced.
const COMMIT_BYTES: u64 = 4 << 20;

/// How the finished file is read back.
const SCAN_LIMIT: ScanLimit = ScanLimit { records: 4096, bytes: 4 << 20 };

/// The suffix of a whole map.
const SUFFIX: &str = ".redb";

/// The suffix of a map that is being received.
const STAGING_SUFFIX: &str = ".staging";

/// Where maps live, and how they are opened.
#[derive(Clone)]
pub(crate) struct Stores<R: Rules> {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) map: MapOptions,
    pub(crate) horizon: Arc<Horizon>,
    pub(crate) lock: Arc<dyn DiskLock>,
    pub(crate) rules: R,
}

/// The file of the map of this name.
pub(crate) fn map_path(directory: &Path, store: StoreId) -> PathBuf {
    directory.join(format!("{}{SUFFIX}", stem(store)))
}

impl<R: Rules> Stores<R> {
    /// Opens the map of this name for the state machine.
    pub(crate) fn open(&self, store: StoreId) -> Result<StateMap<R>, MapError> {
        let path = map_path(&self.directory, store);
        let map = StateMap::open(&self.disk, path, self.map, self.rules.clone())?;
        Ok(map.attach(Arc::clone(&self.horizon), Arc::clone(&self.lock)))
    }
}

fn stem(store: StoreId) -> String {
    let StoreId { index, ballot } = store;
    format!("{:016x}-{:016x}-{:016x}", index.0, ballot.round, ballot.node.0)
}

/// Whether a file of this name is ours to remove once the log does not name it.
pub(crate) fn is_map(name: &str) -> bool {
    name.ends_with(SUFFIX) || name.ends_with(STAGING_SUFFIX)
}

/// Receives snapshots, and puts them in the place of the state machine. Clones share one state.
#[derive(Clone)]
pub struct Installer<R: Rules = Strict> {
    stores: Stores<R>,
    current: Arc<Mutex<StoreId>>,
}

impl<R: Rules> Installer<R> {
    pub(crate) fn new(stores: Stores<R>, current: StoreId) -> Self {
        Self { stores, current: Arc::new(Mutex::new(current)) }
    }

    /// Begins to receive the snapshot at `meta`. Ends an unfinished earlier one of the same
    /// position; a [`Staging`] that is dropped leaves its file for the next start, or the next
    /// `begin`, to remove.
    pub fn begin(&self, meta: &Meta) -> Result<Staging<R>, InstallError> {
        let store = StoreId::of(meta);
        assert!(store != self.current(), "a snapshot is installed once");
        let Stores { disk, directory, map, rules, .. } = &self.stores;
        let names = disk.list(directory).map_err(|error| failed(&error))?;
        for name in names.iter().filter(|name| name.ends_with(STAGING_SUFFIX)) {
            disk.unlink(&directory.join(name)).map_err(|error| failed(&error))?;
        }
        let path = directory.join(format!("{}{STAGING_SUFFIX}", stem(store)));
        let map = StateMap::create(disk, path.clone(), *map, rules.clone());
        let map = map.map_err(map_failed)?;
        Ok(Staging {
            stores: self.stores.clone(),
            path,
            store,
            map: Arc::new(map),
            next: Revision::FIRST,
            collected: Vec::new(),
            collected_bytes: 0,
        })
    }

    /// Puts the staged snapshot in place of the state machine's map, and removes the old file.
    /// Only after [`crate::Wal::append`] has made the `Install` of this `meta` durable.
    pub fn activate(&self, meta: &Meta) -> Result<Arc<dyn Records>, InstallError> {
        let store = StoreId::of(meta);
        let Stores { disk, directory, horizon, .. } = &self.stores;
        assert!(meta.index <= horizon.map(), "the log has not been told of this snapshot yet");
        let path = map_path(directory, store);
        if !disk.exists(&path).map_err(|error| failed(&error))? {
            return Err(InstallError::NotStaged);
        }
        let map = self.stores.open(store).map_err(map_failed)?;
        let checkpoint = map.checkpoint().map_err(map_failed)?;
        if checkpoint.is_none_or(|checkpoint| checkpoint.position.index != meta.index.0) {
            return Err(InstallError::WrongPosition);
        }
        let old = core::mem::replace(&mut *self.lock_current(), store);
        if old != store {
            let old = map_path(directory, old);
            disk.unlink(&old).map_err(|error| failed(&error))?;
        }
        Ok(Arc::new(map))
    }

    fn current(&self) -> StoreId {
        *self.lock_current()
    }

    fn lock_current(&self) -> std::sync::MutexGuard<'_, StoreId> {
        self.current.lock().expect("nothing panics while it holds the lock")
    }
}

/// A snapshot that is being received.
pub struct Staging<R: Rules = Strict> {
    stores: Stores<R>,
    path: PathBuf,
    store: StoreId,
    map: Arc<StateMap<R>>,
    next: Revision,
    collected: Vec<(Revision, Record)>,
    collected_bytes: u64,
}

impl<R: Rules> Staging<R> {
    /// The smallest revision that is still wanted: where to pull from, also after a broken
    /// connection.
    pub fn next(&self) -> Revision {
        self.next
    }

    /// Adds records, ascending, none below [`Staging::next`]. Written in bounded commits.
    pub fn add(&mut self, records: &[(Revision, Record)]) -> Result<(), InstallError> {
        let mut next = self.next;
        for (revision, _) in records {
            if *revision < next || revision.sub < 0 {
                return Err(InstallError::OutOfOrder { next: self.next });
            }
            next = revision.next();
        }
        self.next = next;
        for record in records {
            self.collected_bytes += record.1.logical_bytes();
            self.collected.push(record.clone());
            if COMMIT_BYTES <= self.collected_bytes {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Adds leases, all of which follow all records. Written at once.
    pub fn add_leases(&mut self, leases: &[Lease]) -> Result<(), InstallError> {
        self.flush()?;
        self.map.stage_leases(leases).map_err(map_failed)
    }

    fn flush(&mut self) -> Result<(), InstallError> {
        self.collected_bytes = 0;
        let records = core::mem::take(&mut self.collected);
        self.map.stage(&records).map_err(map_failed)
    }

    /// Ends it: checks that the records are those the checkpoint speaks of, and makes the file
    /// durable. After this `Write::Install` may be issued.
    pub fn finish(mut self, checkpoint: &Checkpoint) -> Result<(), InstallError> {
        if checkpoint.position.index != self.store.index.0 {
            return Err(InstallError::WrongPosition);
        }
        self.flush()?;
        if !self.stores.rules.breaks(Rule::TrustReceived) {
            verify(&*self.map, checkpoint)?;
            verify_leases(&*self.map, checkpoint)?;
        }
        let commit = Commit {
            id: CommitId(0),
            puts: Vec::new(),
            removes: Vec::new(),
            leases: Vec::new(),
            checkpoint: checkpoint.clone(),
        };
        self.map.commit(&commit).map_err(map_failed)?;

        let Self { stores, path, store, map, .. } = self;
        drop(map);
        let Stores { disk, directory, rules, .. } = &stores;
        let publish = || {
            disk.rename(&path, &map_path(directory, store))?;
            if rules.breaks(Rule::PublishUnsynced) {
                return Ok(());
            }
            disk.sync_directory(directory).map_err(|error| failed_sync(&error))
        };
        publish().map_err(|error| failed(&error))
    }
}

/// Reads the whole map back, and compares count and content with what the checkpoint says.
fn verify(map: &dyn Records, checkpoint: &Checkpoint) -> Result<(), InstallError> {
    let (mut count, mut content) = (0, ContentHash::default());
    let mut next = Some(Revision::FIRST);
    while let Some(from) = next {
        let found = map.scan(from, SCAN_LIMIT).map_err(map_failed)?;
        count += found.len() as u64;
        for (revision, record) in &found {
            content = content.plus(record.hash(*revision));
        }
        next = found.last().map(|(last, _)| last.next());
    }
    if count != checkpoint.records {
        let mismatch = OpenError::WrongCount { expected: checkpoint.records, found: count };
        return Err(InstallError::Mismatch(mismatch));
    }
    if content != checkpoint.content_hash {
        let expected = checkpoint.content_hash;
        let mismatch = OpenError::WrongContent { expected, found: content };
        return Err(InstallError::Mismatch(mismatch));
    }
    Ok(())
}

/// The same with leases.
fn verify_leases(map: &dyn Records, checkpoint: &Checkpoint) -> Result<(), InstallError> {
    let (mut found, mut hash) = (0, ContentHash::default());
    let mut next = Some(LeaseId::FIRST);
    while let Some(from) = next {
        let leases = map.leases(from, SCAN_LIMIT.records).map_err(map_failed)?;
        found += leases.len() as u64;
        hash = leases.iter().fold(hash, |hash, lease| hash.plus(lease.hash()));
        next = leases.last().and_then(|last| last.id.next());
    }
    if found != checkpoint.leases {
        let mismatch = OpenError::WrongLeaseCount { expected: checkpoint.leases, found };
        return Err(InstallError::Mismatch(mismatch));
    }
    if hash != checkpoint.lease_hash {
        let mismatch = OpenError::WrongLeases { expected: checkpoint.lease_hash, found: hash };
        return Err(InstallError::Mismatch(mismatch));
    }
    Ok(())
}

fn failed(error: &io::Error) -> InstallError {
    if is_full(error) {
        return InstallError::Full;
    }
    InstallError::Map(MapError::Io(error.kind()))
}

fn map_failed(error: MapError) -> InstallError {
    match error {
        MapError::Io(io::ErrorKind::StorageFull) => InstallError::Full,
        error => InstallError::Map(error),
    }
}

#[cfg(test)]
mod tests;
