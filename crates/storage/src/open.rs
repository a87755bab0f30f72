//! Opening a data directory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use quorate_codec::{ClusterId, EngineKind};
use quorate_consensus::{
    Ballot, ClusterTime, Entry, HardState, Incarnation, Index, Members, Meta, NodeId, Recovered,
};
use quorate_kv::{MapError, Records, Revision, ScanLimit};

use crate::disk::{Disk, DiskLock, LockError};
use crate::error::{OpenError, Problem, ReadError};
use crate::identity::Identity;
use crate::ledger::{Bounds, Horizon, Ledger};
use crate::mix::mix;
use crate::reader::LogReader;
use crate::recover::{Log, damaged, failed, recover};
use crate::reserve;
use crate::rules::{Rule, Rules, Strict};
use crate::segment::{Head, Link, Owner, PAGE_BYTES, StoreId};
use crate::staging::{Installer, Stores, is_map, map_path};
use crate::state_map::{MapKind, MapOptions, StateMap};
use crate::wal::{Found, Settings, Wal, begin_segment};

/// Where in a data directory the state machine's files are.
pub const STORE_DIRECTORY: &str = "kv";

/// How to open a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose directory it must be, or becomes.
    pub cluster: ClusterId,
    /// Whose directory it must be, or becomes.
    pub node: NodeId,
    /// The engine it must be, or is made, for.
    pub engine: EngineKind,
    /// The configuration that a new directory's log begins with.
    pub members: Members,
    /// Unpredictable, and other at every start: becomes a new directory's incarnation, and salts
    /// the checksums of new segments.
    pub entropy: u64,
    /// The size of a log segment, in bytes. At least [`Options::SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// How many dropped segments are kept for reuse at most.
    pub spare_segments_max: usize,
    /// How many bytes of entries are read into [`Recovered::tail`] at most.
    pub tail_bytes_max: u64,
    /// How much memory the disk map may use for its cache, in bytes.
    pub map_cache_bytes: usize,
    /// What the disk map is.
    pub map: MapKind,
}

impl Options {
    /// The smallest segment: a head and one page of batches.
    pub const SEGMENT_BYTES_MIN: u64 = 8 * 1024;

    /// The defaults for this node: 64 MiB segments, two of them spare, 64 MiB of tail and cache.
    pub fn new(cluster: ClusterId, node: NodeId, engine: EngineKind, members: Members) -> Self {
        Self {
            cluster,
            node,
            engine,
            members,
            entropy: 0,
            segment_bytes: 64 << 20,
            spare_segments_max: 2,
            tail_bytes_max: 64 << 20,
            map_cache_bytes: 64 << 20,
            map: MapKind::Tree,
        }
    }

    pub(crate) fn map_options(&self) -> MapOptions {
        MapOptions { kind: self.map, cache_bytes: self.map_cache_bytes }
    }
}

/// A data directory, open and locked until every part of this is dropped.
pub struct Opened<R: Rules = Strict> {
    /// Whose it is.
    pub identity: Identity,
    /// The log, for the one thread that writes it.
    pub wal: Wal<R>,
    /// The log, for those who read it.
    pub reader: LogReader,
    /// The disk map under the state machine.
    pub records: Arc<dyn Records>,
    /// Where snapshots are received.
    pub installer: Installer<R>,
    /// What the engine starts from.
    pub recovered: Recovered,
    /// The torn tail that was cut, if any: a batch that was being written at a crash, never
    /// acknowledged.
    pub cut: Option<Cut>,
}

/// A torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file it was cut from.
    pub path: PathBuf,
    /// Where, in bytes.
    pub offset: u64,
}

/// Opens a data directory, or makes it.
///
/// Everything reported is durable when this returns. Makes missing directories, takes the lock,
/// counts the start, cuts a torn tail and removes what an interrupted step left behind.
pub fn open(disk: Arc<dyn Disk>, directory: &Path, options: Options) -> Result<Opened, OpenError> {
    open_with(disk, directory, options, Strict)
}

/// As [`open`], by rules of which one may be broken.
pub fn open_with<R: Rules>(
    disk: Arc<dyn Disk>,
    directory: &Path,
    options: Options,
    rules: R,
) -> Result<Opened<R>, OpenError> {
    assert!(Options::SEGMENT_BYTES_MIN <= options.segment_bytes, "segments need room");
    create_directories(&disk, directory)?;
    let layout = Layout::of(directory);
    let lock = take_lock(&disk, &layout)?;
    let identity = if is_made(&disk, &layout)? {
        start_again(&disk, &layout, &options, &rules)?
    } else {
        make(&disk, &layout, &options)?
    };
    let settings = Settings {
        directory: layout.log.clone(),
        owner: Owner::of(&identity),
        segment_bytes: options.segment_bytes,
        spare_segments_max: options.spare_segments_max,
        entropy: mix(options.entropy ^ mix(identity.boots)),
    };
    let log = recover(&disk, &layout.log, settings.owner, &rules)?;
    let horizon = Arc::new(Horizon::default());
    let stores = Stores {
        disk: Arc::clone(&disk),
        directory: layout.maps.clone(),
        map: options.map_options(),
        horizon: Arc::clone(&horizon),
        lock: Arc::clone(&lock),
        rules,
    };
    let (map, applied) = open_map(&stores, &log.ledger)?;
    remove_leftovers(&disk, &layout, &log)?;
    horizon.log_reaches(log.ledger.bounds.last);
    horizon.map_reaches(applied);
    assemble(Parts { identity, settings, log, horizon, stores, map, applied, lock }, &options)
}

/// The names in a data directory.
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) identity: PathBuf,
    /// The identity while the directory is being made: as long as it stands alone, nothing in the
    /// directory was ever promised to anyone.
    pub(crate) identity_new: PathBuf,
    /// The identity that is about to replace the other.
    identity_next: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) maps: PathBuf,
}

impl Layout {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            lock: root.join("lock"),
            identity: root.join("identity"),
            identity_new: root.join("identity.new"),
            identity_next: root.join("identity.next"),
            log: root.join("wal"),
            maps: root.join(STORE_DIRECTORY),
        }
    }
}

/// Makes the directory and those above it.
pub(crate) fn create_directories(disk: &Arc<dyn Disk>, directory: &Path) -> Result<(), OpenError> {
    let fail = |error| failed(directory, error);
    if disk.exists(directory).map_err(fail)? {
        return Ok(());
    }
    if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directories(disk, parent)?;
        disk.create_directory(directory).map_err(fail)?;
        return disk.sync_directory(parent).map_err(|error| failed(parent, error));
    }
    disk.create_directory(directory).map_err(fail)
}

pub(crate) fn take_lock(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
) -> Result<Arc<dyn DiskLock>, OpenError> {
    disk.lock(&layout.lock).map_err(|error| match error {
        LockError::Held => OpenError::Locked { path: layout.lock.clone() },
        LockError::Io(error) => failed(&layout.lock, error),
    })
}

/// Whether the directory was made before. One that has lost parts is damaged, not new.
fn is_made(disk: &Arc<dyn Disk>, layout: &Layout) -> Result<bool, OpenError> {
    let exists = |path: &Path| disk.exists(path).map_err(|error| failed(path, error));
    if exists(&layout.identity)? {
        for part in [&layout.log, &layout.maps] {
            if !exists(part)? {
                return Err(damaged(part, 0, Problem::Missing));
            }
        }
        return Ok(true);
    }
    let is_begun = exists(&layout.identity_new)?;
    if !is_begun && (exists(&layout.log)? || exists(&layout.maps)?) {
        return Err(damaged(&layout.identity, 0, Problem::Missing));
    }
    Ok(false)
}

/// Makes the directory. Its parts are durable before it has an identity.
fn make(disk: &Arc<dyn Disk>, layout: &Layout, options: &Options) -> Result<Identity, OpenError> {
    let identity = make_identity(options);
    identity.write(disk, &layout.identity_new)?;
    sync_directory(disk, &layout.root)?;
    for part in [&layout.log, &layout.maps] {
        make_empty(disk, part)?;
    }
    sync_directory(disk, &layout.root)?;
    let meta = Meta {
        index: Index::ZERO,
        ballot: Ballot::ZERO,
        time: ClusterTime::default(),
        members: options.members.clone(),
    };
    let start = LogStart { hard: HardState::default(), meta };
    make_log(disk, layout, options, &identity, start)?;
    make_map(disk, layout, options)?;
    replace(disk, layout, &layout.identity_new)?;
    Ok(identity)
}

/// The identity of a directory that is being made.
pub(crate) fn make_identity(options: &Options) -> Identity {
    Identity {
        cluster: options.cluster,
        node: options.node,
        engine: options.engine,
        incarnation: Incarnation(mix(options.entropy)),
        boots: 1,
    }
}

/// Makes a directory, or removes what an interrupted start has left in it.
pub(crate) fn make_empty(disk: &Arc<dyn Disk>, directory: &Path) -> Result<(), OpenError> {
    let make = || {
        if !disk.exists(directory)? {
            return disk.create_directory(directory);
        }
        for name in disk.list(directory)? {
            disk.unlink(&directory.join(name))?;
        }
        Ok(())
    };
    make().map_err(|error| failed(directory, error))
}

/// Where a log begins that has no entries yet.
pub(crate) struct LogStart {
    pub(crate) hard: HardState,
    pub(crate) meta: Meta,
}

/// Makes a log that begins there. The map that belongs to it has the name of its position.
pub(crate) fn make_log(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    options: &Options,
    identity: &Identity,
    start: LogStart,
) -> Result<(), OpenError> {
    let LogStart { hard, meta } = start;
    let mut head = Head {
        sequence: 1,
        length: options.segment_bytes,
        salt: mix(options.entropy ^ mix(1)),
        owner: Owner::of(identity),
        previous: Link::default(),
        highest_before: Index::ZERO,
        last: meta.index,
        store: StoreId::of(&meta),
        hard,
        meta,
    };
    let needed = head.encode().0.len() as u64 + PAGE_BYTES;
    head.length = head.length.max(needed);
    let begin = || {
        let reserved = reserve::make(disk, &layout.log, 0, head.length)?;
        begin_segment(disk, &layout.log, &head, reserved, &Strict)
    };
    begin().map(drop).map_err(|error| failed(&layout.log, error))
}

fn make_map(disk: &Arc<dyn Disk>, layout: &Layout, options: &Options) -> Result<(), OpenError> {
    let path = map_path(&layout.maps, StoreId::default());
    StateMap::create(disk, path.clone(), options.map_options(), Strict)
        .map_err(|error| map_failed(&path, error))?;
    sync_directory(disk, &layout.maps)
}

/// Opens a directory that was made before: checks whose it is, and counts the start.
fn start_again(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    options: &Options,
    rules: &impl Rules,
) -> Result<Identity, OpenError> {
    let found = Identity::read(disk, &layout.identity)?;
    let path = layout.root.clone();
    if found.engine != options.engine {
        return Err(OpenError::WrongEngine { path, found: found.engine, expected: options.engine });
    }
    if found.cluster != options.cluster {
        let expected = options.cluster;
        return Err(OpenError::WrongCluster { path, found: found.cluster, expected });
    }
    // Another cluster's node is another node as well, so this comes last.
    if found.node != options.node {
        return Err(OpenError::WrongNode { path, found: found.node, expected: options.node });
    }
    let more = u64::from(!rules.breaks(Rule::ForgetStarts));
    let identity = Identity { boots: found.boots.saturating_add(more), ..found };
    identity.write(disk, &layout.identity_next)?;
    replace(disk, layout, &layout.identity_next)?;
    Ok(identity)
}

/// Makes a written identity the directory's.
pub(crate) fn replace(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    written: &Path,
) -> Result<(), OpenError> {
    disk.rename(written, &layout.identity).map_err(|error| failed(written, error))?;
    sync_directory(disk, &layout.root)
}

/// Opens the map that the log names. Answers with the position it stands at.
fn open_map<R: Rules>(
    stores: &Stores<R>,
    ledger: &Ledger,
) -> Result<(StateMap<R>, Index), OpenError> {
    let path = map_path(&stores.directory, ledger.store);
    sync_directory(&stores.disk, &stores.directory)?;
    if !stores.disk.exists(&path).map_err(|error| failed(&path, error))? {
        return Err(damaged(&path, 0, Problem::Missing));
    }
    let fail = |error| map_failed(&path, error);
    let map = stores.open(ledger.store).map_err(fail)?;
    let checkpoint = map.checkpoint().map_err(fail)?;
    if checkpoint.is_none() {
        let one = ScanLimit { records: 1, bytes: 1 };
        if !map.scan(Revision::FIRST, one).map_err(fail)?.is_empty() {
            return Err(fail(MapError::BadCheckpoint));
        }
    }
    let applied = checkpoint.map_or(Index::ZERO, |checkpoint| Index(checkpoint.position.index));
    let Bounds { base, last } = ledger.bounds;
    if applied < base || last < applied {
        return Err(OpenError::Detached { applied, base, last });
    }
    Ok((map, applied))
}

/// Removes what interrupted steps have left. Only after all else was found whole.
fn remove_leftovers(disk: &Arc<dyn Disk>, layout: &Layout, log: &Log) -> Result<(), OpenError> {
    let current = map_path(&layout.maps, log.ledger.store);
    let names = disk.list(&layout.maps).map_err(|error| failed(&layout.maps, error))?;
    let maps = names.iter().filter(|name| is_map(name)).map(|name| layout.maps.join(name));
    let stale = maps.filter(|path| *path != current);
    for path in stale.chain(log.leftovers.iter().cloned()) {
        disk.unlink(&path).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// What [`open`] has found.
struct Parts<R: Rules> {
    identity: Identity,
    settings: Settings,
    log: Log,
    horizon: Arc<Horizon>,
    stores: Stores<R>,
    map: StateMap<R>,
    applied: Index,
    lock: Arc<dyn DiskLock>,
}

fn assemble<R: Rules>(parts: Parts<R>, options: &Options) -> Result<Opened<R>, OpenError> {
    let Parts { identity, settings, log, horizon, stores, map, applied, lock } = parts;
    let Log { ledger, catalog, segments, link, ballots, configurations, cut, .. } = log;
    let catalog = Arc::new(RwLock::new(catalog));
    let reader = LogReader::new(Arc::clone(&catalog));
    let tail = read_tail(&reader, ledger.bounds, options.tail_bytes_max)
        .map_err(|error| tail_failed(&settings.directory, error))?;
    let recovered = Recovered {
        hard: ledger.hard,
        time: tail.last().map_or(ledger.meta.time, |entry| entry.time),
        meta: ledger.meta.clone(),
        ballots,
        tail,
        configurations,
        applied,
    };
    let installer = Installer::new(stores.clone(), ledger.store);
    let found = Found { ledger, catalog, horizon, segments, link };
    let wal = Wal::new(Arc::clone(&stores.disk), settings, found, lock, stores.rules.clone());
    Ok(Opened { identity, wal, reader, records: Arc::new(map), installer, recovered, cut })
}

/// The newest entries, as many as fit, at least the last.
fn read_tail(reader: &LogReader, bounds: Bounds, bytes_max: u64) -> Result<Vec<Entry>, ReadError> {
    let (mut first, mut bytes) = (bounds.last.next(), 0);
    while bounds.base < first.previous() {
        let index = first.previous();
        let length = reader.length_of(index).unwrap_or(0);
        if bytes_max < bytes + length && 0 < bytes {
            break;
        }
        bytes += length;
        first = index;
    }
    let mut tail: Vec<Entry> = Vec::new();
    while first <= bounds.last {
        match reader.read(first, bounds.last, u64::MAX) {
            Ok(entries) => tail.extend(entries),
            Err(ReadError::Absent) => {}
            Err(error) => return Err(error),
        }
        let end = tail.last().map_or(Index::ZERO, |entry| entry.index);
        first = first.max(end).next();
    }
    Ok(tail)
}

fn tail_failed(directory: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Damaged(damage) => OpenError::Damaged(damage),
        ReadError::Io(kind) => failed(directory, kind.into()),
        ReadError::Compacted { .. } | ReadError::Absent => {
            unreachable!("the index was built a moment ago, and nobody else has it")
        }
    }
}

pub(crate) fn map_failed(path: &Path, error: MapError) -> OpenError {
    match error {
        MapError::Io(kind) => failed(path, kind.into()),
        error => damaged(path, 0, Problem::Map(error)),
    }
}

pub(crate) fn sync_directory(disk: &Arc<dyn Disk>, directory: &Path) -> Result<(), OpenError> {
    disk.sync_directory(directory).map_err(|error| failed(directory, error))
}
