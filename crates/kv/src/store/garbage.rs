//! Superseded versions, in the order in which compaction frees them.
//!
//! Each knows the sums over all before it, so that a compaction finds what it frees by one
//! search, however much that is; the records themselves are removed later, step by step. They
//! are always removed in this order, so of any version that is left, the one that superseded it
//! is left too, and the queue can be built again from the records alone.

use std::collections::VecDeque;

use super::index::Head;
use crate::{ContentHash, Revision};

/// A number of records, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) hash: ContentHash,
}

/// One superseded version.
#[derive(Clone, Copy, Debug)]
struct Garbage {
    /// The main revision whose compaction frees it.
    free_at: i64,
    main: i64,
    /// Sums over everything queued up to and including this one.
    bytes_upto: u64,
    hash_upto: ContentHash,
    sub: u32,
}

/// The queue. Sums start at 0 when the store is opened.
#[derive(Debug, Default)]
pub(super) struct GarbageQueue {
    queue: VecDeque<Garbage>,
    queued: Totals,
    freed: Totals,
    removed: u64,
}

impl GarbageQueue {
    /// Queues the version that `head` was.
    pub(super) fn push(&mut self, free_at: i64, head: &Head) {
        let last = self.queue.back().map_or(free_at, |garbage| garbage.free_at);
        assert!(last <= free_at, "versions are queued in the order in which they are freed");
        self.queued.records += 1;
        self.queued.bytes += head.bytes();
        self.queued.hash = self.queued.hash.plus(head.hash);
        let revision = head.revision();
        self.queue.push_back(Garbage {
            free_at,
            main: revision.main,
            bytes_upto: self.queued.bytes,
            hash_upto: self.queued.hash,
            sub: u32::try_from(revision.sub).expect("a stamp holds the sub revision"),
        });
    }

    /// Frees everything up to main revision `compacted`. Returns what that comes to.
    pub(super) fn free(&mut self, compacted: i64) -> Totals {
        let end = self.queue.partition_point(|garbage| garbage.free_at <= compacted);
        let Some(last) = end.checked_sub(1).map(|last| self.queue[last]) else {
            return Totals::default();
        };
        let upto = Totals {
            records: self.removed + end as u64,
            bytes: last.bytes_upto,
            hash: last.hash_upto,
        };
        let before = std::mem::replace(&mut self.freed, upto);
        Totals {
            records: upto.records - before.records,
            bytes: upto.bytes - before.bytes,
            hash: upto.hash.minus(before.hash),
        }
    }

    /// The next version to remove: where it is, and the compaction that frees it.
    pub(super) fn next(&self) -> Option<(Revision, i64)> {
        let garbage = self.queue.front()?;
        Some((Revision::new(garbage.main, i64::from(garbage.sub)), garbage.free_at))
    }

    /// Takes the next version out of the queue; it is removed.
    pub(super) fn pop(&mut self) {
        assert!(self.removed < self.freed.records, "only what is freed is removed");
        self.queue.pop_front().expect("there is a version to remove");
        self.removed += 1;
    }
}
