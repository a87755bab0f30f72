//! Records that are applied and not yet known to be on the map.

use std::collections::VecDeque;

use crate::{Record, Revision};

/// The recent table: ascending, appended at one end, dropped at the other.
#[derive(Debug, Default)]
pub(super) struct Recent {
    records: VecDeque<(Revision, Record)>,
    bytes_pushed: u64,
    bytes_dropped: u64,
}

impl Recent {
    pub(super) fn push(&mut self, revision: Revision, record: Record) {
        let last = self.records.back().map_or(Revision::FIRST, |(last, _)| *last);
        assert!(last < revision, "revisions only grow");
        self.bytes_pushed += record.logical_bytes();
        self.records.push_back((revision, record));
    }

    pub(super) fn find(&self, revision: Revision) -> Option<&Record> {
        let at = self.records.binary_search_by_key(&revision, |(at, _)| *at).ok()?;
        Some(&self.records[at].1)
    }

    /// The records at `from` and above.
    pub(super) fn since(&self, from: Revision) -> impl Iterator<Item = &(Revision, Record)> {
        let start = self.records.partition_point(|(at, _)| *at < from);
        self.records.range(start..)
    }

    /// The records up to main revision `upto`.
    pub(super) fn upto(&self, upto: i64) -> impl ExactSizeIterator<Item = &(Revision, Record)> {
        let end = self.records.partition_point(|(at, _)| at.main <= upto);
        self.records.range(..end)
    }

    /// Drops the records up to main revision `upto`.
    pub(super) fn drop_upto(&mut self, upto: i64) {
        while let Some((revision, record)) = self.records.front()
            && revision.main <= upto
        {
            self.bytes_dropped += record.logical_bytes();
            self.records.pop_front();
        }
    }

    /// The logical bytes of the records held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes_pushed - self.bytes_dropped
    }

    /// The logical bytes of all records ever pushed.
    pub(super) fn bytes_pushed(&self) -> u64 {
        self.bytes_pushed
    }
}
