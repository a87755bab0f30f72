//! Making a data directory that begins with a state instead of nothing: for restored snapshots.
//!
//! It is made beside its place, as `DIRECTORY.restoring`, and gets its name once it is whole and
//! durable: a directory of that name left behind by an interrupted restore is never started from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_consensus::{Ballot, HardState, Index, Meta, Promise};
use quorate_kv::{Lease, MapError, Record, Records, Revision};

use crate::disk::{Disk, DiskLock};
use crate::error::OpenError;
use crate::identity::Identity;
use crate::open::{
    Layout, LogStart, Options, create_directories, make_empty, make_identity, make_log, map_failed,
    replace, sync_directory, take_lock,
};
use crate::recover::failed;
use crate::rules::Strict;
use crate::segment::StoreId;
use crate::staging::map_path;
use crate::state_map::StateMap;

/// How many bytes of records are collected before they are written and synced.
const COMMIT_BYTES: u64 = 4 << 20;

/// The end of the name of a directory that is being made.
const SUFFIX: &str = "restoring";

/// Why a directory was not made.
#[derive(Debug)]
pub enum PlantError {
    /// There is something at its place already: choose another, or move that away.
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The system failed, or has no room.
    Failed(OpenError),
    /// The state could not be stored.
    Map(MapError),
}

impl From<OpenError> for PlantError {
    fn from(error: OpenError) -> Self {
        Self::Failed(error)
    }
}

impl From<MapError> for PlantError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

/// A data directory in the making.
pub struct Planting {
    disk: Arc<dyn Disk>,
    target: PathBuf,
    layout: Layout,
    options: Options,
    identity: Identity,
    map: Arc<StateMap<Strict>>,
    store: StoreId,
    collected: Vec<(Revision, Record)>,
    collected_bytes: u64,
    _lock: Arc<dyn DiskLock>,
}

/// Begins to make a directory whose log begins behind this position, for the member that `options`
/// tell.
pub fn plant(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    index: Index,
    ballot: Ballot,
) -> Result<Planting, PlantError> {
    let mut work = directory.as_os_str().to_owned();
    work.push(".");
    work.push(SUFFIX);
    let work = PathBuf::from(work);
    for path in [directory, &work] {
        if disk.exists(path).map_err(|error| failed(path, error))? {
            return Err(PlantError::Exists { path: path.to_owned() });
        }
    }
    create_directories(&disk, &work)?;
    let layout = Layout::of(&work);
    let lock = take_lock(&disk, &layout)?;
    let identity = make_identity(&options);
    for part in [&layout.log, &layout.maps] {
        make_empty(&disk, part)?;
    }
    let store = StoreId { index, ballot };
    let path = map_path(&layout.maps, store);
    let map = StateMap::create(&disk, path.clone(), options.map_options(), Strict)
        .map_err(|error| map_failed(&path, error))?;
    Ok(Planting {
        disk,
        target: directory.to_owned(),
        layout,
        options,
        identity,
        map: Arc::new(map),
        store,
        collected: Vec::new(),
        collected_bytes: 0,
        _lock: lock,
    })
}

impl Planting {
    /// Adds a record. They come in ascending order; written in bounded commits.
    pub fn add(&mut self, revision: Revision, record: Record) -> Result<(), PlantError> {
        self.collected_bytes += record.logical_bytes();
        self.collected.push((revision, record));
        if COMMIT_BYTES <= self.collected_bytes {
            self.flush()?;
        }
        Ok(())
    }

    /// Adds leases.
    pub fn add_leases(&mut self, leases: &[Lease]) -> Result<(), PlantError> {
        Ok(self.map.stage_leases(leases)?)
    }

    fn flush(&mut self) -> Result<(), PlantError> {
        self.collected_bytes = 0;
        let records = core::mem::take(&mut self.collected);
        Ok(self.map.stage(&records)?)
    }

    /// What was added, so that a state machine can be opened over it, and changed by commits,
    /// before the directory is finished. At the end it must stand at the position of the log.
    pub fn records(&mut self) -> Result<Arc<dyn Records>, PlantError> {
        self.flush()?;
        Ok(self.map.clone())
    }

    /// Makes the log, and gives the directory its name. Durable on return.
    pub fn finish(self, meta: Meta) -> Result<Identity, PlantError> {
        assert!(StoreId::of(&meta) == self.store, "the log begins where it was said to");
        let Self { disk, target, layout, options, identity, map, .. } = self;
        let checkpoint = map.checkpoint()?;
        let position =
            checkpoint.map_or(Index::ZERO, |checkpoint| Index(checkpoint.position.index));
        assert!(position == meta.index, "the state stands where the log begins");
        drop(map);
        let promise = Promise { round: meta.ballot.round, to: None };
        let hard = HardState { promise, committed: meta.index };
        make_log(&disk, &layout, &options, &identity, LogStart { hard, meta })?;
        for part in [&layout.log, &layout.maps] {
            sync_directory(&disk, part)?;
        }
        identity.write(&disk, &layout.identity_new)?;
        replace(&disk, &layout, &layout.identity_new)?;
        disk.rename(&layout.root, &target).map_err(|error| failed(&target, error))?;
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_directory(&disk, parent)?;
        }
        Ok(identity)
    }
}
