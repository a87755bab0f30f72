//! The log, as its one writer sees it: append, rotate, reserve, drop.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, RwLock, Weak};

use quorate_codec::{encode_put, encode_write};
use quorate_consensus::{HardState, Index, StorageState, Write, WriteBatch, WriteId};

use crate::batch::{BatchBuilder, Place, Salt};
use crate::disk::{Disk, DiskFile, DiskLock, failed_sync, is_full};
use crate::error::WalError;
use crate::index::{Catalog, Location};
use crate::ledger::{Bounds, Horizon, Ledger};
use crate::mix::mix;
use crate::reserve::{self, Need, Order, Reservation, Reserved};
use crate::rules::{Rule, Rules, Strict};
use crate::segment::{self, Head, Link, Owner, Segment};

/// The part of the last segment that only records without entries may use while no further
/// segment is reserved: this fraction, and at most [`CONTROL_BYTES_MAX`].
const CONTROL_FRACTION: u64 = 16;

/// See [`CONTROL_FRACTION`].
const CONTROL_BYTES_MAX: u64 = 256 * 1024;

/// How many bytes of entries one [`Wal::append`] is given at most, if that is one batch at least.
/// A slow disk, 8 MiB a second, takes a whole election timeout for them: with more, a leader with
/// much before its disk would hear nothing of it for so long that it takes it for stalled. With
/// less, a fast disk would wait for the syncs instead of writing.
const SYNC_BYTES_MAX: u64 = 8 << 20;

/// How many of the batches that wait are to be made durable next, by one [`Wal::append`].
pub fn one_sync(waiting: &[WriteBatch]) -> usize {
    let mut bytes = 0;
    let is_beyond = |batch: &WriteBatch| {
        bytes += batch.cost();
        SYNC_BYTES_MAX < bytes
    };
    let fitting = waiting.iter().position(is_beyond).unwrap_or(waiting.len());
    fitting.max(1).min(waiting.len())
}

/// The write-ahead log. Owned by the one thread that writes it.
pub struct Wal<R: Rules = Strict> {
    disk: Arc<dyn Disk>,
    settings: Settings,
    ledger: Ledger,
    catalog: Arc<RwLock<Catalog>>,
    horizon: Arc<Horizon>,
    /// Segments that are full, oldest first.
    closed: VecDeque<Segment>,
    current: Segment,
    pub(crate) link: Link,
    /// Segments that are no longer part of the log, but still there.
    dropped: VecDeque<Segment>,
    ready: VecDeque<Reserved>,
    /// Whether a reservation is out.
    out: Weak<()>,
    names: u64,
    state: StorageState,
    poison: Option<io::ErrorKind>,
    last_write: WriteId,
    batch: BatchBuilder,
    rules: R,
    _lock: Arc<dyn DiskLock>,
}

/// What does not change while a log is open.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The log's directory.
    pub(crate) directory: PathBuf,
    pub(crate) owner: Owner,
    pub(crate) segment_bytes: u64,
    pub(crate) spare_segments_max: usize,
    /// What salts are drawn from.
    pub(crate) entropy: u64,
}

/// A log as recovery found it.
pub(crate) struct Found {
    pub(crate) ledger: Ledger,
    pub(crate) catalog: Arc<RwLock<Catalog>>,
    pub(crate) horizon: Arc<Horizon>,
    /// All segments, oldest first; the last is in use.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) link: Link,
}

impl<R: Rules> Wal<R> {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        settings: Settings,
        found: Found,
        lock: Arc<dyn DiskLock>,
        rules: R,
    ) -> Self {
        let Found { ledger, catalog, horizon, mut segments, link } = found;
        let current = segments.pop_back().expect("a log has at least one segment");
        let mut wal = Self {
            disk,
            settings,
            ledger,
            catalog,
            horizon,
            closed: segments,
            current,
            link,
            dropped: VecDeque::new(),
            ready: VecDeque::new(),
            out: Weak::new(),
            names: 0,
            state: StorageState::Writable,
            poison: None,
            last_write: WriteId(0),
            batch: BatchBuilder::default(),
            rules,
            _lock: lock,
        };
        wal.drop_segments();
        wal
    }

    /// Makes the batches durable: one write and one sync for all. Returns the last one's id.
    ///
    /// The ids must ascend, and the first must be above all before. Between
    /// [`quorate_consensus::Write::CompactTo`] and the state machine's file there is a rule that
    /// is asserted here: the log is never cut past what that file holds durably.
    pub fn append(&mut self, batches: &[WriteBatch]) -> Result<WriteId, WalError> {
        if let Some(kind) = self.poison {
            return Err(WalError::Poisoned(kind));
        }
        self.assert_legal(batches);
        let records = self.encode(batches);
        let content = content_of(batches);
        self.make_room(content)?;
        self.write()?;
        self.publish(batches, &records);
        self.drop_segments();
        Ok(self.last_write)
    }

    /// Work that the log needs done soon: reserving the next segment, dropping old ones. To be
    /// run by another thread, and handed back through [`Wal::reserved`]. One at a time; after a
    /// failure there is always another, so the caller paces the attempts.
    pub fn reservation(&mut self) -> Option<Reservation> {
        if !self.ready.is_empty() {
            // A batch longer than a segment found no room for a file of its own. No reservation
            // can tell whether there is room now, only another attempt (simulator, disks 124).
            self.state = StorageState::Writable;
        }
        let is_needed = self.ready.is_empty() || !self.dropped.is_empty();
        if self.poison.is_some() || 0 < self.out.strong_count() || !is_needed {
            return None;
        }
        let need = if self.ready.is_empty() { Need::File } else { Need::Nothing };
        let kept_max = 1 + self.settings.spare_segments_max;
        let recycle_max = kept_max.saturating_sub(self.ready.len());
        let order = Order {
            directory: self.settings.directory.clone(),
            dropped: core::mem::take(&mut self.dropped),
            recycle_max,
            need,
            length: self.settings.segment_bytes,
            name: self.names,
        };
        self.names += 1 + recycle_max as u64;
        let token = Arc::new(());
        self.out = Arc::downgrade(&token);
        Some(Reservation::new(Arc::clone(&self.disk), order, token))
    }

    /// Takes a finished reservation back. If it failed for lack of space the log is
    /// [`StorageState::Full`] until one succeeds; if it failed otherwise the log is poisoned.
    pub fn reserved(&mut self, reservation: Reservation) {
        let (ready, dropped, result) = reservation.into_parts();
        self.ready.extend(ready);
        for segment in dropped.into_iter().rev() {
            self.dropped.push_front(segment);
        }
        if !self.ready.is_empty() {
            self.state = StorageState::Writable;
        }
        if let Err(error) = result {
            self.note_failure(&error);
        }
    }

    /// Whether the disk has room for more than is reserved.
    pub fn storage_state(&self) -> StorageState {
        self.state
    }

    /// The last position of the durable log.
    pub fn last(&self) -> Index {
        self.ledger.bounds.last
    }

    /// The first failure, if the log is poisoned.
    pub fn poisoned(&self) -> Option<io::ErrorKind> {
        self.poison
    }

    fn assert_legal(&self, batches: &[WriteBatch]) {
        assert!(!batches.is_empty(), "an append of nothing has no id to acknowledge");
        let mut last = self.last_write;
        let mut bounds = self.ledger.bounds;
        let mut installed = Index::ZERO;
        for batch in batches {
            assert!(last < batch.id, "batches come in the order of their ids");
            last = batch.id;
            assert!(!batch.writes.is_empty(), "a batch has at least one write");
            for write in &batch.writes {
                match write {
                    Write::Install(meta) => installed = meta.index,
                    Write::CompactTo(meta) => assert!(
                        meta.index <= self.horizon.map().max(installed),
                        "the log is cut past what the state machine's file holds"
                    ),
                    Write::Hard(_) | Write::Put(_) | Write::TruncateFrom(_) => {}
                }
                if let Err(rule) = bounds.follow(self.ledger.engine, write) {
                    panic!("the engine broke a rule of the log: {rule}");
                }
            }
        }
    }

    /// Encodes the batches. Returns where each entry's record begins within, and its length.
    fn encode(&mut self, batches: &[WriteBatch]) -> Vec<(usize, usize)> {
        let mut records = Vec::new();
        self.batch.clear();
        for write in batches.iter().flat_map(|batch| &batch.writes) {
            if let Write::Put(entries) = write {
                let records_of = |entry| self.batch.push(|out| encode_put(entry, out));
                records.extend(entries.iter().map(records_of));
            } else {
                self.batch.push(|out| encode_write(write, out));
            }
        }
        records
    }

    /// Makes sure that the encoded batch fits the current segment.
    fn make_room(&mut self, content: Content) -> Result<(), WalError> {
        let needed = self.batch.length();
        let left = self.left(content);
        if needed <= left {
            return Ok(());
        }
        match self.rotate(needed) {
            Ok(()) => Ok(()),
            Err(Rotation::Full) => Err(WalError::Full { needed, left }),
            Err(Rotation::Failed(kind)) => Err(self.poison(kind)),
        }
    }

    /// How many bytes of the current segment such a batch may use.
    fn left(&self, content: Content) -> u64 {
        let left = self.current.length.saturating_sub(self.link.end);
        if content == Content::Control || !self.ready.is_empty() {
            return left;
        }
        left.saturating_sub(self.control_bytes())
    }

    fn control_bytes(&self) -> u64 {
        (self.settings.segment_bytes / CONTROL_FRACTION).min(CONTROL_BYTES_MAX)
    }

    /// Begins a new segment, with room for a batch of this many bytes.
    fn rotate(&mut self, needed: u64) -> Result<(), Rotation> {
        let sequence = self.current.sequence + 1;
        let mut head = self.next_head(sequence);
        let needed = head.encode().0.len() as u64 + needed + self.control_bytes();
        head.length = self.settings.segment_bytes.max(needed.next_multiple_of(segment::PAGE_BYTES));
        let reserved = self.take_reserved(head.length)?;

        let made =
            begin_segment(&self.disk, &self.settings.directory, &head, reserved, &self.rules);
        let (segment, link) = made.map_err(|error| self.rotation_failed(&error))?;
        let closed = core::mem::replace(&mut self.current, segment.clone());
        self.closed.push_back(closed);
        self.link = link;
        self.catalog.write().expect("no reader panics").add(segment);
        Ok(())
    }

    fn next_head(&self, sequence: u64) -> Head {
        Head {
            sequence,
            length: self.settings.segment_bytes,
            salt: mix(self.settings.entropy ^ mix(sequence)),
            owner: self.settings.owner,
            previous: self.link,
            highest_before: self.ledger.highest,
            last: self.ledger.bounds.last,
            store: self.ledger.store,
            hard: self.hard_in_head(),
            meta: self.ledger.meta.clone(),
        }
    }

    /// What the head repeats, for the segments before it will be dropped.
    fn hard_in_head(&self) -> HardState {
        if self.rules.breaks(Rule::StaleHard) {
            return HardState::default();
        }
        self.ledger.hard
    }

    /// A reserved file of this length: one that is ready, or one made now.
    fn take_reserved(&mut self, length: u64) -> Result<Reserved, Rotation> {
        if length == self.settings.segment_bytes
            && let Some(reserved) = self.ready.pop_front()
        {
            return Ok(reserved);
        }
        if self.state == StorageState::Full {
            return Err(Rotation::Full);
        }
        self.names += 1;
        let name = self.names - 1;
        reserve::make(&self.disk, &self.settings.directory, name, length)
            .map_err(|error| self.rotation_failed(&error))
    }

    fn rotation_failed(&mut self, error: &io::Error) -> Rotation {
        if is_full(error) {
            self.state = StorageState::Full;
            return Rotation::Full;
        }
        Rotation::Failed(error.kind())
    }

    fn write(&mut self) -> Result<(), WalError> {
        let place = Place {
            sequence: self.current.sequence,
            salt: self.current.salt,
            offset: self.link.end,
        };
        let (bytes, checksum) = self.batch.seal(place, self.link.checksum);
        let end = self.link.end + bytes.len() as u64;
        assert!(end <= self.current.length, "room was made for the batch");
        let file = &self.current.file;
        let written = file.write_at(self.link.end, bytes).and_then(|()| sync(file, &self.rules));
        // Even a full disk is poison here: the space was reserved.
        written.map_err(|error| self.poison(error.kind()))?;
        self.link = Link { end, checksum };
        Ok(())
    }

    /// Takes what is durable now into the state, and shows it to readers.
    fn publish(&mut self, batches: &[WriteBatch], records: &[(usize, usize)]) {
        let start = self.link.end - self.batch.length();
        let segment = self.current.sequence as u32;
        let mut records = records.iter();
        let mut catalog = self.catalog.write().expect("no reader panics");
        for write in batches.iter().flat_map(|batch| &batch.writes) {
            self.ledger.apply(write).expect("checked before it was written");
            catalog.follow(write);
            for entry in write.entries() {
                let (offset, length) = *records.next().expect("each entry was encoded");
                let offset =
                    u32::try_from(start + offset as u64).expect("segments are below 4 GiB");
                self.current.highest = self.current.highest.max(entry.index);
                let location = Location { segment, offset, length: length as u32 };
                catalog.put(entry.index, location);
            }
            if let Write::Install(meta) = write {
                self.horizon.map_reaches(meta.index);
            }
        }
        self.last_write = batches.last().expect("checked before").id;
        self.horizon.log_reaches(self.ledger.bounds.last);
    }

    /// Takes the oldest segments out of the log whose entries are all compacted away.
    fn drop_segments(&mut self) {
        let Bounds { base, last } = self.ledger.bounds;
        let base = if self.rules.breaks(Rule::DropNeeded) { last } else { base };
        while self.closed.front().is_some_and(|segment| segment.highest <= base) {
            let segment = self.closed.pop_front().expect("there is one");
            self.catalog.write().expect("no reader panics").remove(segment.sequence);
            self.dropped.push_back(segment);
        }
    }

    fn note_failure(&mut self, error: &io::Error) {
        if !is_full(error) {
            self.poison = self.poison.or(Some(error.kind()));
        } else if self.ready.is_empty() {
            self.state = StorageState::Full;
        }
    }

    fn poison(&mut self, kind: io::ErrorKind) -> WalError {
        self.poison = self.poison.or(Some(kind));
        WalError::Poisoned(kind)
    }
}

/// Makes what was written to the file durable, once: after a failure nothing is known about it.
fn sync(file: &Arc<dyn DiskFile>, rules: &impl Rules) -> io::Result<()> {
    if rules.breaks(Rule::AcknowledgeBeforeSync) {
        return Ok(());
    }
    let synced = file.sync_data();
    if synced.is_err() && rules.breaks(Rule::RetryFailedSync) {
        return file.sync_data();
    }
    synced
}

/// What a batch holds, for the last bytes of a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Entries, among others.
    Entries,
    /// No entries.
    Control,
}

fn content_of(batches: &[WriteBatch]) -> Content {
    let mut writes = batches.iter().flat_map(|batch| &batch.writes);
    if writes.any(|write| matches!(write, Write::Put(_))) {
        return Content::Entries;
    }
    Content::Control
}

/// Why no new segment was begun.
enum Rotation {
    /// The disk is full; the log is as it was.
    Full,
    /// The disk failed.
    Failed(io::ErrorKind),
}

/// Turns a reserved file into a segment: its head is durable before it has a segment's name, so
/// that a file of that name always has a sound head.
pub(crate) fn begin_segment(
    disk: &Arc<dyn Disk>,
    directory: &std::path::Path,
    head: &Head,
    reserved: Reserved,
    rules: &impl Rules,
) -> io::Result<(Segment, Link)> {
    assert_eq!(head.length, reserved.length, "the head tells the file's length");
    let (bytes, checksum) = head.encode();
    let path = segment::path(directory, head.sequence);
    let named = reserved
        .file
        .write_at(0, &bytes)
        .and_then(|()| reserved.file.sync_data().map_err(|error| failed_sync(&error)))
        .and_then(|()| disk.rename(&reserved.path, &path));
    if let Err(error) = named {
        // Its space is given back now, or at the next start.
        drop(disk.unlink(&reserved.path));
        return Err(error);
    }
    if !rules.breaks(Rule::DirectoryUnsynced) {
        disk.sync_directory(directory).map_err(|error| failed_sync(&error))?;
    }
    let segment = Segment {
        sequence: head.sequence,
        salt: Salt::new(head.salt),
        path: Arc::new(path),
        file: reserved.file,
        length: reserved.length,
        highest: Index::ZERO,
    };
    Ok((segment, Link { end: bytes.len() as u64, checksum }))
}
