//! The map under the state machine, of either kind.

use std::path::PathBuf;
use std::sync::Arc;

use quorate_consensus::Index;
use quorate_kv::{
    Checkpoint, Commit, Lease, LeaseId, MapError, Record, Records, Revision, ScanLimit,
};

use crate::disk::{Disk, DiskLock};
use crate::journal::JournalMap;
use crate::ledger::Horizon;
use crate::map::DiskMap;
use crate::rules::Rules;

/// What the file under the state machine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapKind {
    /// A redb tree: what every server uses.
    #[default]
    Tree,
    /// A file of commits that is replayed at the start, for simulations: same promises, all of it
    /// in memory, never shorter. A directory is opened with the kind that it was made with.
    Journal,
}

/// [`Records`] in a file.
pub(crate) struct StateMap<R: Rules> {
    inner: Inner<R>,
    /// Checked before each commit; none while the file is only being staged.
    horizon: Option<Arc<Horizon>>,
    /// Held for as long as the file is in use by the state machine.
    _lock: Option<Arc<dyn DiskLock>>,
}

enum Inner<R: Rules> {
    Tree(Box<DiskMap<R>>),
    Journal(Box<JournalMap<R>>),
}

/// How a map is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapOptions {
    pub(crate) kind: MapKind,
    pub(crate) cache_bytes: usize,
}

impl<R: Rules> StateMap<R> {
    /// Makes an empty map in an empty file.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        options: MapOptions,
        rules: R,
    ) -> Result<Self, MapError> {
        let inner = match options.kind {
            MapKind::Tree => {
                Inner::Tree(Box::new(DiskMap::create(disk, path, options.cache_bytes, rules)?))
            }
            MapKind::Journal => Inner::Journal(Box::new(JournalMap::create(disk, &path, rules)?)),
        };
        Ok(Self { inner, horizon: None, _lock: None })
    }

    /// Opens a map that is in use.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        options: MapOptions,
        rules: R,
    ) -> Result<Self, MapError> {
        let inner = match options.kind {
            MapKind::Tree => {
                Inner::Tree(Box::new(DiskMap::open(disk, path, options.cache_bytes, rules)?))
            }
            MapKind::Journal => Inner::Journal(Box::new(JournalMap::open(disk, &path, rules)?)),
        };
        Ok(Self { inner, horizon: None, _lock: None })
    }

    /// From now on the map is the state machine's: it holds the directory's lock, and its commits
    /// are checked against the log.
    pub(crate) fn attach(self, horizon: Arc<Horizon>, lock: Arc<dyn DiskLock>) -> Self {
        Self { horizon: Some(horizon), _lock: Some(lock), ..self }
    }

    /// Stores records without a checkpoint, durably: part of a snapshot that is being received.
    pub(crate) fn stage(&self, records: &[(Revision, Record)]) -> Result<(), MapError> {
        match &self.inner {
            Inner::Tree(map) => map.stage(records),
            Inner::Journal(map) => map.stage(records),
        }
    }

    /// The same with leases.
    pub(crate) fn stage_leases(&self, leases: &[Lease]) -> Result<(), MapError> {
        match &self.inner {
            Inner::Tree(map) => map.stage_leases(leases),
            Inner::Journal(map) => map.stage_leases(leases),
        }
    }

    fn records(&self) -> &dyn Records {
        match &self.inner {
            Inner::Tree(map) => &**map,
            Inner::Journal(map) => &**map,
        }
    }

    fn assert_behind_log(&self, checkpoint: &Checkpoint) {
        if let Some(horizon) = &self.horizon {
            assert!(
                Index(checkpoint.position.index) <= horizon.log(),
                "the state machine's file runs ahead of the durable log"
            );
        }
    }
}

impl<R: Rules> Records for StateMap<R> {
    fn get(&self, revision: Revision) -> Result<Option<Record>, MapError> {
        self.records().get(revision)
    }

    fn scan(&self, from: Revision, limit: ScanLimit) -> Result<Vec<(Revision, Record)>, MapError> {
        self.records().scan(from, limit)
    }

    fn leases(&self, from: LeaseId, count_max: usize) -> Result<Vec<Lease>, MapError> {
        self.records().leases(from, count_max)
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, MapError> {
        self.records().checkpoint()
    }

    fn commit(&self, commit: &Commit) -> Result<(), MapError> {
        self.assert_behind_log(&commit.checkpoint);
        self.records().commit(commit)?;
        if let Some(horizon) = &self.horizon {
            horizon.map_reaches(Index(commit.checkpoint.position.index));
        }
        Ok(())
    }
}
