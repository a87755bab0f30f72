//! The key index: for each key, which revisions changed it. Values stay in the map.
//!
//! A key with one retained version costs 64 bytes and its own bytes; what a put or a compare of
//! revisions needs to know of the newest version is here, so that neither reads the map.

use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::{ContentHash, Record, RecordKind, Revision};

/// When one version of a key was written, and whether it deleted the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    main: i64,
    sub_and_kind: u32,
}

/// The most changes in one main revision, which the packing of a stamp allows.
pub(super) const SUB_MAX: i64 = (u32::MAX >> 1) as i64;

impl Stamp {
    fn new(revision: Revision, kind: RecordKind) -> Self {
        assert!(revision.sub <= SUB_MAX, "one request made more changes than a stamp can count");
        let sub = u32::try_from(revision.sub).expect("sub revisions count from 0");
        let kind = match kind {
            RecordKind::Put => 0,
            RecordKind::Tombstone => 1,
        };
        Self { main: revision.main, sub_and_kind: sub << 1 | kind }
    }

    pub(super) fn revision(self) -> Revision {
        Revision::new(self.main, i64::from(self.sub_and_kind >> 1))
    }

    pub(super) fn is_tombstone(self) -> bool {
        self.sub_and_kind & 1 == 1
    }

    /// The main revision whose compaction frees this version, by those before it (ascending) and
    /// the one after it. A put goes when the version that follows is readable; a tombstone is kept
    /// at its own revision, so that a watch from there sees it (etcd 3.5.16), and goes with the
    /// next. What follows a tombstone within its revision stays with it: nothing is freed before
    /// what is older.
    fn free_at<'a>(
        self,
        older: impl DoubleEndedIterator<Item = &'a Self>,
        follower: Option<Self>,
    ) -> i64 {
        let mut in_this_revision = older.rev().take_while(|stamp| stamp.main == self.main);
        if self.is_tombstone() {
            return self.late();
        }
        let readable = follower.map_or(i64::MAX, |follower| follower.main);
        if in_this_revision.any(|stamp| stamp.is_tombstone()) {
            return readable.max(self.late());
        }
        readable
    }

    /// The compaction that frees a version which is kept at its own revision.
    pub(super) fn late(self) -> i64 {
        self.main + 1
    }
}

/// The newest version of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    main: i64,
    sub_and_kind: u32,
    bytes: u32,
    pub(super) hash: ContentHash,
    pub(super) create_revision: i64,
    pub(super) version: i64,
}

impl Head {
    pub(super) fn new(revision: Revision, record: &Record) -> Self {
        let Stamp { main, sub_and_kind } = Stamp::new(revision, record.kind);
        Self {
            main,
            sub_and_kind,
            bytes: u32::try_from(record.logical_bytes()).expect("a record is far below 4 GiB"),
            hash: record.hash(revision),
            create_revision: record.create_revision,
            version: record.version,
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { main: self.main, sub_and_kind: self.sub_and_kind }
    }

    pub(super) fn revision(&self) -> Revision {
        self.stamp().revision()
    }

    pub(super) fn is_tombstone(&self) -> bool {
        self.stamp().is_tombstone()
    }

    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.bytes)
    }
}

/// All retained versions of a key. Older ones are boxed, because most keys have none.
#[derive(Debug)]
pub(super) struct Entry {
    head: Head,
    older: Option<Box<Older>>,
}

/// Versions before the newest, ascending.
#[derive(Debug, Default)]
struct Older {
    stamps: VecDeque<Stamp>,
}

impl Entry {
    /// The newest version, if the key exists.
    pub(super) fn live(&self) -> Option<&Head> {
        if self.head.is_tombstone() { None } else { Some(&self.head) }
    }

    /// The revision of the version that is visible at main revision `at`.
    pub(super) fn visible(&self, at: i64) -> Option<Revision> {
        let stamp = if self.head.main <= at {
            self.head.stamp()
        } else {
            let stamps = &self.older.as_ref()?.stamps;
            let newer = stamps.partition_point(|stamp| stamp.main <= at);
            *stamps.get(newer.checked_sub(1)?)?
        };
        if stamp.is_tombstone() { None } else { Some(stamp.revision()) }
    }

    /// See [`Stamp::free_at`]; none if there is no such version.
    fn free_at(&self, revision: Revision) -> Option<i64> {
        if self.head.revision() == revision {
            return Some(self.head_free_at(None));
        }
        let stamps = &self.older.as_ref()?.stamps;
        let at = stamps.binary_search_by_key(&revision, |stamp| stamp.revision()).ok()?;
        let follower = stamps.get(at + 1).copied().unwrap_or(self.head.stamp());
        Some(stamps[at].free_at(stamps.range(..at), Some(follower)))
    }

    fn head_free_at(&self, follower: Option<Stamp>) -> i64 {
        let older = self.older.iter().flat_map(|older| &older.stamps);
        self.head.stamp().free_at(older, follower)
    }
}

/// A version that is not the newest any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Superseded {
    pub(super) head: Head,
    /// The main revision whose compaction frees it.
    pub(super) free_at: i64,
}

/// A version that has become the newest of its key.
#[derive(Debug)]
pub(super) struct Written<T> {
    pub(super) record: T,
    pub(super) head: Head,
    /// The version that it supersedes.
    pub(super) old: Option<Superseded>,
}

/// Key to versions, in key order.
#[derive(Debug, Default)]
pub(super) struct KeyIndex {
    entries: BTreeMap<Box<[u8]>, Entry>,
    live: u64,
}

/// Which keys a request names: see [`crate::RangeRequest`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    start: Bound<&'a [u8]>,
    end: Bound<&'a [u8]>,
}

impl<'a> Span<'a> {
    pub(super) fn new(key: &'a [u8], range_end: &'a [u8]) -> Self {
        let end = match range_end {
            [] => Bound::Included(key),
            [0] => Bound::Unbounded,
            // An end at or before the start names no key, and the B-tree refuses such bounds.
            end => Bound::Excluded(end.max(key)),
        };
        Self { start: Bound::Included(key), end }
    }

    /// The keys of this span above `key`, which is one of them.
    pub(super) fn after(self, key: &'a [u8]) -> Self {
        if self.end == Bound::Included(key) {
            return Self { start: Bound::Included(key), end: Bound::Excluded(key) };
        }
        Self { start: Bound::Excluded(key), end: self.end }
    }

    /// The keys of this span below `key`, which is one of them.
    pub(super) fn before(self, key: &'a [u8]) -> Self {
        Self { start: self.start, end: Bound::Excluded(key) }
    }
}

impl KeyIndex {
    /// How many keys exist now.
    pub(super) fn live(&self) -> u64 {
        self.live
    }

    /// The newest version of `key`, if it exists.
    pub(super) fn head(&self, key: &[u8]) -> Option<&Head> {
        self.entries.get(key)?.live()
    }

    /// The entry of `key`.
    pub(super) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The entries in `span`, in key order.
    pub(super) fn span(&self, span: Span<'_>) -> impl DoubleEndedIterator<Item = (&[u8], &Entry)> {
        let range = self.entries.range::<[u8], _>((span.start, span.end));
        range.map(|(key, entry)| (&**key, entry))
    }

    /// Makes the record that `record_of` makes of the key as it is, if it exists, the key's newest
    /// version. One search finds both, because searches are most of what a put costs.
    pub(super) fn write<T: Borrow<Record>>(
        &mut self,
        key: &[u8],
        revision: Revision,
        record_of: impl FnOnce(Option<&Head>) -> T,
    ) -> Written<T> {
        let Some(entry) = self.entries.get_mut(key) else {
            let record = record_of(None);
            let head = Head::new(revision, record.borrow());
            self.live += u64::from(!head.is_tombstone());
            self.entries.insert(key.into(), Entry { head, older: None });
            return Written { record, head, old: None };
        };
        let record = record_of(entry.live());
        let head = Head::new(revision, record.borrow());
        let free_at = entry.head_free_at(Some(head.stamp()));
        let old = std::mem::replace(&mut entry.head, head);
        assert!(old.revision() < head.revision(), "a version is newer than all before it");
        entry.older.get_or_insert_default().stamps.push_back(old.stamp());
        self.live += u64::from(!head.is_tombstone());
        self.live -= u64::from(!old.is_tombstone());
        Written { record, head, old: Some(Superseded { head: old, free_at }) }
    }

    /// Forgets one version of `key`, which must be its oldest.
    pub(super) fn forget(&mut self, key: &[u8], revision: Revision) {
        let entry = self.entries.get_mut(key).expect("a freed version is still indexed");
        let Some(older) = &mut entry.older else {
            assert!(entry.head.revision() == revision, "the only version is the one freed");
            self.live -= u64::from(!entry.head.is_tombstone());
            self.entries.remove(key);
            return;
        };
        let oldest = older.stamps.pop_front().expect("older versions are not kept empty");
        assert!(oldest.revision() == revision, "versions of a key are freed oldest first");
        if older.stamps.is_empty() {
            entry.older = None;
        }
    }

    /// The main revision whose compaction frees this version; none if it is forgotten.
    pub(super) fn free_at(&self, key: &[u8], revision: Revision) -> Option<i64> {
        self.entries.get(key)?.free_at(revision)
    }
}
