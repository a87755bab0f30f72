//! Opening: one scan over the map builds the index and the garbage queue, and proves that the
//! map has what its checkpoint says.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::commit::Commits;
use super::garbage::{GarbageQueue, Totals};
use super::index::{Head, KeyIndex, SUB_MAX, Written};
use super::lease_log::LeaseLog;
use super::leases::{Attachments, Leases};
use super::pins::Pins;
use super::recent::Recent;
use super::write::Writing;
use super::{Config, QUOTA_BYTES_DEFAULT, Store};
use crate::hash::Effects;
use crate::{
    COMPACTED_NEVER, Checkpoint, ClusterTime, ContentHash, LEASE_BYTES, LeaseCounts, LeaseId,
    LogPosition, OpenError, REVISION_INITIAL, Record, RecordKind, Records, Reign, Revision, Rules,
    ScanLimit, StateHash,
};

/// How much of the map is read at a time.
const SCAN_LIMIT: ScanLimit = ScanLimit { records: 4096, bytes: 4 << 20 };

/// How many leases are read from the map at a time.
const LEASES_AT_A_TIME: usize = 4096;

impl<R: Rules> Store<R> {
    /// Opens the store on a map, fresh or with a commit; it stands where that commit was made.
    pub fn open(records: Arc<dyn Records>, config: Config, rules: R) -> Result<Self, OpenError> {
        let state = records.checkpoint()?;
        let is_fresh = state.is_none();
        let state = state.unwrap_or_else(fresh);
        if !has_possible_revisions(&state) {
            return Err(OpenError::ImpossibleCheckpoint);
        }
        let mut scan = Scan::default();
        let mut next = Some(Revision::FIRST);
        while let Some(from) = next {
            let found = records.scan(from, SCAN_LIMIT)?;
            if is_fresh && !found.is_empty() {
                return Err(OpenError::NoCheckpoint);
            }
            next = found.last().map(|(last, _)| last.next());
            for (revision, record) in &found {
                scan.add(*revision, record, state.revision)?;
            }
        }
        let mut leases = read_leases(&*records, &state)?;
        let (index, garbage) = scan.finish(&state, &mut leases)?;
        Ok(Self {
            commits: Commits::at(&state),
            members_hash: xxh3_64(&state.members),
            records,
            config,
            rules,
            state,
            leases,
            index,
            garbage,
            recent: Recent::default(),
            lease_log: LeaseLog::default(),
            lease_counts: LeaseCounts::default(),
            last_expired: Vec::new(),
            pins: Pins::default(),
            writing: Writing::default(),
            effects: Effects::default(),
        })
    }
}

/// The state before the first entry.
fn fresh() -> Checkpoint {
    Checkpoint {
        position: LogPosition::default(),
        time: ClusterTime::default(),
        reign: Reign::default(),
        members: Bytes::new(),
        attributes: BTreeMap::new(),
        state_hash: StateHash::default(),
        revision: REVISION_INITIAL,
        compacted: COMPACTED_NEVER,
        records: 0,
        content_hash: ContentHash::default(),
        logical_bytes: 0,
        quota_bytes: QUOTA_BYTES_DEFAULT,
        space_alarm: None,
        leases: 0,
        lease_hash: ContentHash::default(),
        alarms: [].into(),
    }
}

/// What the scan has learned so far.
#[derive(Default)]
struct Scan {
    index: KeyIndex,
    found: Totals,
    superseded: Vec<Queued>,
    attachments: Attachments,
    last: Revision,
}

/// A version that compaction frees at some revision, in the order of the garbage queue: by that
/// revision, then what was late in the revision before, then puts in the order they were written
/// over.
struct Queued {
    free_at: i64,
    order: (RecordRank, i64),
    head: Head,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RecordRank {
    Late,
    Put,
}

impl Scan {
    fn add(&mut self, revision: Revision, record: &Record, upto: i64) -> Result<(), OpenError> {
        let is_in_order = self.last < revision && revision.main <= upto;
        if !is_in_order || !is_possible(revision, record) {
            return Err(OpenError::Impossible(revision));
        }
        self.last = revision;
        let Written { head, old, .. } = self.index.write(&record.key, revision, |_| record);
        self.found.records += 1;
        self.found.bytes += head.bytes();
        self.found.hash = self.found.hash.plus(head.hash);
        self.attachments.add(&record.key, record.lease);
        if let Some(old) = old.filter(|old| !old.head.is_tombstone()) {
            let is_late = revision.main < old.free_at;
            let rank = if is_late { RecordRank::Late } else { RecordRank::Put };
            let order = (rank, revision.sub);
            self.superseded.push(Queued { free_at: old.free_at, order, head: old.head });
        }
        if head.is_tombstone() {
            let free_at = head.stamp().late();
            let order = (RecordRank::Late, revision.sub);
            self.superseded.push(Queued { free_at, order, head });
        }
        Ok(())
    }

    /// Compares what is retained with what the checkpoint says. What was freed and not yet
    /// removed does not count, so it does not matter how far the removal has come.
    fn finish(
        mut self,
        state: &Checkpoint,
        leases: &mut Leases,
    ) -> Result<(KeyIndex, GarbageQueue), OpenError> {
        let mut garbage = GarbageQueue::default();
        self.superseded.sort_by_key(|superseded| (superseded.free_at, superseded.order));
        for superseded in &self.superseded {
            garbage.push(superseded.free_at, &superseded.head);
        }
        let freed = garbage.free(state.compacted);
        let found = self.found.records - freed.records;
        if found != state.records {
            return Err(OpenError::WrongCount { expected: state.records, found });
        }
        let found = self.found.hash.minus(freed.hash);
        if found != state.content_hash {
            return Err(OpenError::WrongContent { expected: state.content_hash, found });
        }
        let found = self.found.bytes - freed.bytes + state.leases * LEASE_BYTES;
        if found != state.logical_bytes {
            return Err(OpenError::WrongBytes { expected: state.logical_bytes, found });
        }
        self.attachments.join(leases).map_err(OpenError::LostLease)?;
        Ok((self.index, garbage))
    }
}

/// The leases that the map has, if they are those that the checkpoint speaks of.
fn read_leases(records: &dyn Records, state: &Checkpoint) -> Result<Leases, OpenError> {
    let (mut leases, mut count, mut hash) = (Leases::default(), 0, ContentHash::default());
    let mut next = Some(LeaseId::FIRST);
    while let Some(from) = next {
        let found = records.leases(from, LEASES_AT_A_TIME)?;
        for lease in &found {
            hash = hash.plus(lease.hash());
            leases.insert(*lease);
        }
        count += found.len() as u64;
        next = found.last().and_then(|last| last.id.next());
    }
    if count != state.leases {
        return Err(OpenError::WrongLeaseCount { expected: state.leases, found: count });
    }
    if hash != state.lease_hash {
        return Err(OpenError::WrongLeases { expected: state.lease_hash, found: hash });
    }
    Ok(leases)
}

/// Whether there is room to go on counting, and no more is compacted than has happened.
fn has_possible_revisions(state: &Checkpoint) -> bool {
    let is_countable = (REVISION_INITIAL..i64::MAX / 2).contains(&state.revision)
        && state.position.index < u64::MAX / 2;
    is_countable && (COMPACTED_NEVER..=state.revision).contains(&state.compacted)
}

/// Whether a record can have come from [`Store::apply`].
fn is_possible(revision: Revision, record: &Record) -> bool {
    let is_named = REVISION_INITIAL < revision.main && (0..=SUB_MAX).contains(&revision.sub);
    let is_sized = !record.key.is_empty() && u32::try_from(record.logical_bytes()).is_ok();
    let is_alive = 1 <= record.version
        && REVISION_INITIAL < record.create_revision
        && record.create_revision <= revision.main;
    is_named
        && is_sized
        && match record.kind {
            RecordKind::Put => is_alive,
            RecordKind::Tombstone => *record == Record::tombstone(record.key.clone()),
        }
}
