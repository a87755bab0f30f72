//! History in order of revision: scans over map and recent table, events, content hashes.

use super::{Pin, Read, Step, Store};
use crate::{CommandError, ContentHash, Damage, Record, Revision, Rules, ScanLimit};

/// Bytes of keys and values after which one scan of the map stops.
const SCAN_BYTES: usize = 1 << 20;

/// Changes in order of revision, never only a part of one main revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The changes.
    pub records: Vec<(Revision, Record)>,
    /// The main revision up to which, it included, these are all changes.
    pub upto: i64,
}

/// The hash over what is retained at a revision (etcd's `HashKV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentAt {
    /// The hash.
    pub hash: ContentHash,
    /// The compacted revision that the hash was computed under. Hashes of two members compare
    /// only if these are equal.
    pub compact_revision: i64,
    /// The revision that the hash speaks of.
    pub hash_revision: i64,
}

/// A content hash being computed in slices. Give it back with [`Store::end_hash`].
#[derive(Debug)]
#[must_use = "it holds compaction back until it is given back"]
pub struct HashTask {
    pin: Pin,
    /// The hash at `next`'s revision and below, and above that of what is not yet taken off.
    content: ContentAt,
    next: Revision,
    /// The store's revision when the task began.
    upto: i64,
}

/// A piece of history.
pub(super) struct Piece {
    pub(super) records: Vec<(Revision, Record)>,
    /// Where the next piece begins; none if there is none.
    pub(super) next: Option<Revision>,
}

impl<R: Rules> Store<R> {
    /// All changes from main revision `from` on, about `records_max` of them or a MiB; more if one
    /// main revision has more. A `from` in the future has no changes yet.
    pub fn events(&self, from: i64, records_max: usize) -> Read<Events> {
        if from < self.state.compacted {
            return Ok(Err(CommandError::Compacted));
        }
        let mut records: Vec<(Revision, Record)> = Vec::new();
        let mut bytes = 0;
        let mut next = Some(Revision::new(from, 0));
        while let Some(at) = next {
            let piece = self.scan(at, records_max.max(1), SCAN_BYTES)?;
            for (revision, record) in piece.records {
                let last = records.last().map(|(last, _)| last.main);
                let is_enough = records_max <= records.len() || SCAN_BYTES <= bytes;
                if is_enough && last != Some(revision.main) {
                    let upto = revision.main - 1;
                    return Ok(Ok(Events { records, upto }));
                }
                if self.is_retained(&record, revision, self.state.compacted) {
                    bytes += record.key.len() + record.value.len();
                    records.push((revision, record));
                }
            }
            next = piece.next;
        }
        Ok(Ok(Events { records, upto: self.state.revision }))
    }

    /// Begins to hash what is retained at a main revision; 0 or less is the current one.
    pub fn begin_hash(&mut self, revision: i64) -> Result<HashTask, CommandError> {
        let content = self.content_now(self.readable(revision)?);
        let pin = self.pin_at(content.hash_revision);
        let next = Revision::new(content.hash_revision + 1, 0);
        Ok(HashTask { pin, content, next, upto: self.state.revision })
    }

    /// Does a slice of a hash: takes about `records_max` newer records off what all hash to.
    pub fn step_hash(&self, task: &mut HashTask, records_max: usize) -> Read<Step<ContentAt>> {
        if !self.pins.holds(&task.pin) {
            return Ok(Err(CommandError::Compacted));
        }
        if self.take_off(&mut task.content, &mut task.next, task.upto, records_max)? {
            return Ok(Ok(Step::Done(task.content)));
        }
        Ok(Ok(Step::More))
    }

    /// Ends a hash in slices.
    pub fn end_hash(&mut self, task: HashTask) {
        self.unpin(task.pin);
    }

    /// Hashes what is retained at a main revision; 0 or less is the current one, whose hash is
    /// at hand. The cost is that of reading every newer record.
    pub fn hash_kv(&self, revision: i64) -> Read<ContentAt> {
        let at = match self.readable(revision) {
            Ok(at) => at,
            Err(error) => return Ok(Err(error)),
        };
        let mut content = self.content_now(at);
        let mut next = Revision::new(at + 1, 0);
        while !self.take_off(&mut content, &mut next, self.state.revision, usize::MAX)? {}
        Ok(Ok(content))
    }

    fn content_now(&self, hash_revision: i64) -> ContentAt {
        let compact_revision = self.state.compacted;
        ContentAt { hash: self.state.content_hash, compact_revision, hash_revision }
    }

    /// Takes newer records off a hash. What is newer than the compacted revision is retained, so
    /// all of it was counted. Whether that is done.
    fn take_off(
        &self,
        content: &mut ContentAt,
        next: &mut Revision,
        upto: i64,
        records_max: usize,
    ) -> Result<bool, Damage> {
        let piece = self.scan(*next, records_max.max(1), SCAN_BYTES)?;
        for (revision, record) in piece.records {
            if upto < revision.main {
                return Ok(true);
            }
            content.hash = content.hash.minus(record.hash(revision));
        }
        let Some(at) = piece.next.filter(|at| at.main <= upto) else {
            return Ok(true);
        };
        *next = at;
        Ok(false)
    }

    /// Whether a record counts under a compacted revision. Freed ones may still be on the map;
    /// no record is freed by a compaction below its own revision.
    pub(super) fn is_retained(&self, record: &Record, revision: Revision, compacted: i64) -> bool {
        if compacted < revision.main {
            return true;
        }
        let free_at = self.index.free_at(&record.key, revision);
        free_at.is_some_and(|free_at| compacted < free_at)
    }

    /// The records at `from` and above, from the map and then from the recent table. A commit
    /// under way may have put records there that the recent table still has.
    pub(super) fn scan(
        &self,
        from: Revision,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<Piece, Damage> {
        let on_map_upto = self.commits.revision();
        if from.main <= on_map_upto {
            let limit = ScanLimit { records: records_max, bytes: bytes_max };
            let mut records = self.records.scan(from, limit)?;
            records.retain(|(revision, _)| revision.main <= on_map_upto);
            if let Some((last, _)) = records.last() {
                let next = Some(last.next());
                return Ok(Piece { records, next });
            }
        }
        Ok(self.scan_recent(from, records_max, bytes_max))
    }

    fn scan_recent(&self, from: Revision, records_max: usize, bytes_max: usize) -> Piece {
        let mut records = Vec::new();
        let mut bytes = 0;
        for (revision, record) in self.recent.since(from) {
            if records_max <= records.len() || bytes_max <= bytes {
                return Piece { records, next: Some(*revision) };
            }
            bytes += record.key.len() + record.value.len();
            records.push((*revision, record.clone()));
        }
        Piece { records, next: None }
    }
}
