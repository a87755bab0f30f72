//! The changes of the committed log, in order, as watches must tell of them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use quorate_kv::{KeyValue, Record, RecordKind, Revision, WatchFilter, WatchRequest};

/// Changes that are remembered at least; beyond twice as many, the oldest are forgotten.
const REMEMBERED: usize = 65_536;

/// A change that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) revision: Revision,
    pub(super) record: Record,
    /// What the key held before that revision.
    pub(super) previous: Option<KeyValue>,
}

/// A place among all changes: how many come before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventPlace(usize);

/// What a key holds, and held before the last revision that changed it.
#[derive(Clone, Debug, Default)]
struct Held {
    changed_at: i64,
    before: Option<KeyValue>,
    now: Option<KeyValue>,
}

/// All changes that are remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    log: VecDeque<Event>,
    /// How many were forgotten.
    forgotten: usize,
    held: BTreeMap<Bytes, Held>,
}

impl Events {
    /// The next change.
    pub(super) fn push(&mut self, revision: Revision, record: &Record) {
        let held = self.held.entry(record.key.clone()).or_default();
        if held.changed_at < revision.main {
            held.changed_at = revision.main;
            held.before = held.now.take();
        }
        held.now = (record.kind == RecordKind::Put).then(|| record.key_value(revision));
        let previous = held.before.clone();
        self.log.push_back(Event { revision, record: record.clone(), previous });
        if 2 * REMEMBERED < self.log.len() {
            self.forgotten += REMEMBERED;
            self.log.drain(..REMEMBERED);
        }
    }

    /// The place of the first change of this revision or a later one; none if that is forgotten.
    pub(super) fn at(&self, revision: i64) -> Option<EventPlace> {
        let before = self.log.partition_point(|event| event.revision.main < revision);
        (0 < before || self.forgotten == 0).then_some(EventPlace(self.forgotten + before))
    }

    /// The change at a place; none if nothing happened there yet.
    pub(super) fn get(&self, place: EventPlace) -> Option<&Event> {
        self.log.get(place.0.checked_sub(self.forgotten)?)
    }

    /// Whether what is at a place is forgotten.
    pub(super) fn is_forgotten(&self, place: EventPlace) -> bool {
        place.0 < self.forgotten
    }

    /// The change of exactly this revision.
    pub(super) fn find(&self, revision: Revision) -> Option<&Event> {
        let found = self.log.binary_search_by_key(&revision, |event| event.revision).ok()?;
        self.log.get(found)
    }

    /// The first change from `place` and from a revision on that was asked for, and its place;
    /// else where the next may be.
    pub(super) fn next(
        &self,
        mut place: EventPlace,
        from: i64,
        asked: &WatchRequest,
    ) -> Result<(EventPlace, &Event), EventPlace> {
        while let Some(event) = self.get(place) {
            if from <= event.revision.main && is_wanted(asked, &event.record) {
                return Ok((place, event));
            }
            place = place.following();
        }
        Err(place)
    }
}

impl EventPlace {
    pub(super) fn following(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Whether a watch is to tell of a change, as far as its key and its kind go.
pub(super) fn is_wanted(asked: &WatchRequest, record: &Record) -> bool {
    let is_kind = match (asked.filter, record.kind) {
        (WatchFilter::All, _)
        | (WatchFilter::Puts, RecordKind::Put)
        | (WatchFilter::Deletions, RecordKind::Tombstone) => true,
        (WatchFilter::Puts | WatchFilter::Deletions | WatchFilter::Nothing, _) => false,
    };
    is_kind && is_inside(asked, &record.key)
}

/// As etcd reads a range: one key, all from a key on, or up to the end without it; and the empty
/// key stands for the least one.
fn is_inside(asked: &WatchRequest, key: &[u8]) -> bool {
    let first: &[u8] = if asked.key.is_empty() { &[0] } else { &asked.key };
    match &asked.range_end[..] {
        [] => key == first,
        [0] => first <= key,
        end => first <= key && key < end,
    }
}

/// Whether a range has no keys, so that it cannot be watched.
pub(super) fn is_empty_range(asked: &WatchRequest) -> bool {
    let first: &[u8] = if asked.key.is_empty() { &[0] } else { &asked.key };
    let end = &asked.range_end[..];
    !end.is_empty() && end != [0] && end <= first
}
