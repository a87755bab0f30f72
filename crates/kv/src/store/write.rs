//! Writing: the one place where a record comes to be, and all sums follow.

use bytes::Bytes;

use super::Store;
use super::index::{Head, Span, Written};
use super::leases::Move;
use crate::{
    CommandError, Damage, DeleteRangeRequest, DeleteRangeResponse, KeyValue, LeaseId, PutRequest,
    PutResponse, RECORD_OVERHEAD_BYTES, Record, RecordKind, Revision, Rule, Rules,
};

/// What the entry being applied has written so far.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// How many records.
    changes: i64,
    /// Its tombstones, and what it wrote over that follows one of them. They are queued as garbage
    /// when the entry ends, because they are freed by a later compaction than everything else that
    /// it supersedes.
    late: Vec<Head>,
}

impl<R: Rules> Store<R> {
    /// The main revision that a read sees: that of the entry being applied, once it has written.
    pub(super) fn revision_seen(&self) -> i64 {
        self.state.revision + i64::from(0 < self.writing.changes)
    }

    /// Writes one key. The caller has made every check.
    pub(super) fn put(&mut self, request: &PutRequest) -> Result<PutResponse, Damage> {
        let old = self.old_of(request)?;
        let (value, lease) = match &old {
            Some((_, old)) => kept(request, old),
            None => (request.value.clone(), request.lease),
        };
        let created = self.state.revision + 1;
        let is_moving = self.rules.breaks(Rule::CreateRevisionMoves);
        let revision = self.write(&request.key, |head| Record {
            key: request.key.clone(),
            value,
            create_revision: head
                .filter(|_| !is_moving)
                .map_or(created, |head| head.create_revision),
            version: head.map_or(1, |head| head.version + 1),
            lease,
            kind: RecordKind::Put,
        });
        let mut prev_kv = old.filter(|_| request.prev_kv).map(|(at, old)| old.key_value(at));
        if self.rules.breaks(Rule::PrevKvIsNew) && prev_kv.is_some() {
            prev_kv = Some(self.prev_kv(&request.key, revision)?);
        }
        Ok(PutResponse { revision: revision.main, prev_kv })
    }

    /// What a put writes over, if it needs to know more of it than the index does. A key whose
    /// value or lease is to be kept existed before the entry, but an earlier operation of the same
    /// transaction may have deleted it (through a range that the duplicate check does not see): it
    /// has none then.
    fn old_of(&self, request: &PutRequest) -> Result<Option<(Revision, Record)>, Damage> {
        if !(request.prev_kv || request.ignore_value || request.ignore_lease) {
            return Ok(None);
        }
        let Some(head) = self.index.head(&request.key) else {
            return Ok(None);
        };
        Ok(Some((head.revision(), self.fetch(&request.key, head.revision())?)))
    }

    /// Deletes the keys of a range, in key order.
    pub(super) fn delete_range(
        &mut self,
        request: &DeleteRangeRequest,
    ) -> Result<DeleteRangeResponse, Damage> {
        let span = Span::new(&request.key, &request.range_end);
        let live = self.index.span(span).filter_map(|(key, entry)| {
            let head = entry.live()?;
            Some((Bytes::copy_from_slice(key), head.revision()))
        });
        let found: Vec<_> = live.collect();
        let mut prev_kvs = Vec::new();
        if request.prev_kv {
            for (key, revision) in &found {
                prev_kvs.push(self.prev_kv(key, *revision)?);
            }
        }
        let deleted = i64::try_from(found.len()).expect("keys in memory are countable");
        let spared = usize::from(self.rules.breaks(Rule::DeleteLeavesLast) && 1 < found.len());
        let taken = found.len() - spared;
        for (key, _) in found.into_iter().take(taken) {
            self.write(&key, |_| Record::tombstone(key.clone()));
        }
        if deleted == 0 && self.rules.breaks(Rule::EmptyDeleteTakesRevision) {
            self.state.revision += 1;
        }
        Ok(DeleteRangeResponse { revision: self.revision_seen(), deleted, prev_kvs })
    }

    fn prev_kv(&self, key: &[u8], revision: Revision) -> Result<KeyValue, Damage> {
        Ok(self.fetch(key, revision)?.key_value(revision))
    }

    /// Stores the record that `record_of` makes of a key as it is, if it exists, under the next
    /// revision.
    ///
    /// Everything that follows the life of a key hangs here: index, sums, garbage, hash, and its
    /// lease: the old record's loses the key, the new one's gains it.
    pub(super) fn write(
        &mut self,
        key: &[u8],
        record_of: impl FnOnce(Option<&Head>) -> Record,
    ) -> Revision {
        let revision = Revision::new(self.state.revision + 1, self.writing.changes);
        let Written { record, head, old } = self.index.write(key, revision, record_of);
        if let Some(old) = old.filter(|old| !old.head.is_tombstone()) {
            if old.free_at == revision.main {
                self.garbage.push(old.free_at, &old.head);
            } else {
                self.writing.late.push(old.head);
            }
        }
        if head.is_tombstone() {
            self.writing.late.push(head);
        }
        self.state.records += 1;
        self.state.logical_bytes += head.bytes();
        self.state.content_hash = self.state.content_hash.plus(head.hash);
        self.effects.push(head.hash.0);
        let forgets = self.rules.breaks(Rule::DetachForgotten);
        let how = if forgets { Move::Stays } else { Move::Leaves };
        self.leases.attach(key, record.lease, how);
        self.recent.push(revision, record);
        self.writing.changes += 1;
        revision
    }

    /// Ends the writing of a revision, which becomes the store's.
    pub(super) fn end_writing(&mut self) {
        self.state.revision = self.revision_seen();
        self.writing.changes = 0;
        for head in self.writing.late.drain(..) {
            self.garbage.push(head.stamp().late(), &head);
        }
    }

    /// Whether the key exists whose value or lease a put is to keep.
    pub(super) fn check_kept(&self, request: &PutRequest) -> Result<(), CommandError> {
        let keeps = request.ignore_value || request.ignore_lease;
        if keeps && self.index.head(&request.key).is_none() {
            return Err(CommandError::KeyNotFound);
        }
        Ok(())
    }

    /// The logical bytes that a put adds.
    pub(super) fn put_bytes(&self, request: &PutRequest) -> u64 {
        if request.ignore_value
            && let Some(head) = self.index.head(&request.key)
        {
            return head.bytes();
        }
        RECORD_OVERHEAD_BYTES + request.key.len() as u64 + request.value.len() as u64
    }

    /// Whether `bytes` more fit into the quota. If not, the alarm is on until space is freed.
    pub(super) fn check_space(&mut self, bytes: u64) -> Result<(), CommandError> {
        let wanted = self.state.logical_bytes.saturating_add(bytes);
        if wanted <= self.state.quota_bytes || self.rules.breaks(Rule::QuotaIgnored) {
            return Ok(());
        }
        self.state.space_alarm.get_or_insert(self.state.logical_bytes);
        Err(CommandError::NoSpace)
    }
}

/// The value and the lease of a put over `old`.
fn kept(request: &PutRequest, old: &Record) -> (Bytes, LeaseId) {
    let value = if request.ignore_value { &old.value } else { &request.value };
    let lease = if request.ignore_lease { old.lease } else { request.lease };
    (value.clone(), lease)
}
