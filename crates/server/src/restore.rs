//! Making the data directory of a member of a new cluster out of a snapshot.
//!
//! Every member of the new cluster is restored from the same file. Its log begins behind entry 1,
//! which stands for the restore, so that a member that was forgotten is sent the state instead of
//! being taken for equal. Keys, revisions, history and leases stay as they were; of time, only
//! what a cluster with a leader counted has passed, so a lease has left what it had. Members, what
//! they told of themselves, and the cluster's id are new, and alarms raised by hand are over: the
//! members they name are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use quorate_codec::{BackupItem, DecodeError};
use quorate_consensus::{Ballot, ClusterTime, Index, Meta};
use quorate_kv::{
    Checkpoint, Command, Commit, CommitId, CompactRequest, Context, Damage, Lease, LogPosition,
    Records, Reign, Store, Strict,
};
use quorate_replica::members_to_bytes;
use quorate_storage::{Disk, Options, PlantError, Planting, plant};

use crate::config::{Config, ConfigError};
use crate::snapshot_file::{HashCheck, SnapshotFile, SnapshotFileError};

/// Most leases stored at a time.
const LEASES_MAX: usize = 10_000;

/// Most bytes of one commit.
const COMMIT_BYTES_MAX: u64 = 16 << 20;

/// Leave this much room above the highest revision.
const REVISION_MAX: i64 = i64::MAX / 4;

/// How revisions are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bump {
    /// Not at all.
    #[default]
    Nothing,
    /// The cluster goes on this much higher: clients that saw more than the snapshot has are not
    /// shown revisions a second time.
    Revision(u32),
    /// And all below is compacted, so that watches begin anew instead of missing changes.
    RevisionCompacted(u32),
}

/// Why nothing was restored.
#[derive(Debug)]
pub enum RestoreError {
    /// The settings cannot work.
    Config(ConfigError),
    /// The file is no whole snapshot.
    File(SnapshotFileError),
    /// The directory was not made.
    Plant(PlantError),
    /// What is in the file does not belong together. Use another copy.
    State(quorate_kv::OpenError),
    /// There is no room for the bump above the revision of the snapshot.
    BumpTooHigh {
        /// That revision.
        revision: i64,
    },
}

impl fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(formatter),
            Self::File(error) => error.fmt(formatter),
            Self::Plant(PlantError::Exists { path }) => write!(
                formatter,
                "{} exists: give another --data-dir, or move it away",
                path.display()
            ),
            Self::Plant(PlantError::Failed(error)) => error.fmt(formatter),
            Self::Plant(PlantError::Map(error)) => {
                write!(formatter, "the state cannot be stored: {error}")
            }
            Self::State(error) => {
                write!(formatter, "the snapshot contradicts itself: {error}; use another copy")
            }
            Self::BumpTooHigh { revision } => {
                write!(formatter, "--bump-revision leaves no room above revision {revision}")
            }
        }
    }
}

impl std::error::Error for RestoreError {}

impl From<SnapshotFileError> for RestoreError {
    fn from(error: SnapshotFileError) -> Self {
        Self::File(error)
    }
}

impl From<PlantError> for RestoreError {
    fn from(error: PlantError) -> Self {
        Self::Plant(error)
    }
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The revision the cluster begins with.
    pub revision: i64,
    /// Keys that exist.
    pub keys: u64,
    /// Leases.
    pub leases: u64,
}

/// Makes the data directory that `config` names, for the member it describes.
pub fn restore(
    config: &Config,
    disk: Arc<dyn Disk>,
    entropy: u64,
    path: &Path,
    check: HashCheck,
    bump: Bump,
) -> Result<Restored, RestoreError> {
    config.validate().map_err(RestoreError::Config)?;
    let mut file = SnapshotFile::open(path, check)?;
    let options = Options {
        entropy,
        segment_bytes: config.wal_segment_bytes,
        ..Options::new(config.cluster_id(), config.node(), config.engine, config.initial_members())
    };
    let (index, ballot) = position(config);
    let mut planting = plant(disk, &config.data_dir, options, index, ballot)?;
    let found = store_items(&mut file, &mut planting)?;
    let checkpoint = begin(found, config, bump)?;
    let meta = Meta {
        index,
        ballot,
        time: ClusterTime(checkpoint.time.0),
        members: config.initial_members(),
    };
    let records = planting.records()?;
    let restored = settle(&records, checkpoint, &meta, bump)?;
    drop(records);
    planting.finish(meta)?;
    Ok(restored)
}

/// Where the log of the new cluster begins: alike on all its members.
fn position(config: &Config) -> (Index, Ballot) {
    let members = config.initial_members();
    let first = members.details.keys().next().expect("a cluster has members");
    (Index(1), Ballot { round: 1, node: *first })
}

/// Stores everything but the checkpoint, which it answers with.
fn store_items(
    file: &mut SnapshotFile,
    planting: &mut Planting,
) -> Result<Checkpoint, RestoreError> {
    let mut leases: Vec<Lease> = Vec::new();
    loop {
        match file.next_item()? {
            Some(BackupItem::Record(revision, record)) => planting.add(revision, record)?,
            Some(BackupItem::Lease(lease)) => leases.push(lease),
            Some(BackupItem::Checkpoint(checkpoint)) => {
                planting.add_leases(&leases)?;
                return Ok(*checkpoint);
            }
            None => {
                let error = DecodeError::Truncated { what: "snapshot file" };
                return Err(file.damaged(error).into());
            }
        }
        if LEASES_MAX <= leases.len() {
            planting.add_leases(&leases)?;
            leases.clear();
        }
    }
}

/// The state before the new cluster's first entry.
fn begin(found: Checkpoint, config: &Config, bump: Bump) -> Result<Checkpoint, RestoreError> {
    let revision = found.revision;
    if REVISION_MAX < revision {
        return Err(RestoreError::BumpTooHigh { revision });
    }
    Ok(Checkpoint {
        position: LogPosition::default(),
        reign: Reign::default(),
        members: members_to_bytes(&config.initial_members()),
        attributes: BTreeMap::new(),
        alarms: BTreeSet::new(),
        revision: revision + i64::from(bump.by()),
        ..found
    })
}

/// Opens the state over its records, which checks it, and applies entry 1: the compaction that was
/// asked for, or nothing.
fn settle(
    records: &Arc<dyn Records>,
    checkpoint: Checkpoint,
    meta: &Meta,
    bump: Bump,
) -> Result<Restored, RestoreError> {
    let revision = checkpoint.revision;
    let time = checkpoint.time;
    let (puts, removes, leases) = (Vec::new(), Vec::new(), Vec::new());
    let commit = Commit { id: CommitId(0), puts, removes, leases, checkpoint };
    records.commit(&commit).map_err(PlantError::Map)?;
    let mut store = Store::open(records.clone(), quorate_kv::Config::default(), Strict)
        .map_err(RestoreError::State)?;
    let Ballot { round, node } = meta.ballot;
    let position = LogPosition { index: meta.index.0, round, node: node.0 };
    let context = Context { position, time };
    match bump {
        Bump::Nothing | Bump::Revision(_) => store.apply_nothing(context),
        Bump::RevisionCompacted(_) => {
            let compact = Command::Compact(CompactRequest { revision, physical: false });
            let applied = store.apply(context, &compact).map_err(damaged)?;
            applied.expect("the current revision of a bumped store is not compacted yet");
        }
    }
    while let Some(commit) = store.begin_commit(COMMIT_BYTES_MAX) {
        records.commit(&commit).map_err(PlantError::Map)?;
        store.finish_commit(commit.id);
    }
    let sizes = store.sizes();
    Ok(Restored { revision, keys: sizes.keys, leases: sizes.leases })
}

fn damaged(damage: Damage) -> RestoreError {
    match damage {
        Damage::Map(error) => RestoreError::Plant(PlantError::Map(error)),
        Damage::Missing(revision) | Damage::Mixed(revision) => {
            RestoreError::State(quorate_kv::OpenError::Impossible(revision))
        }
    }
}

impl Bump {
    fn by(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Revision(by) | Self::RevisionCompacted(by) => by,
        }
    }
}
