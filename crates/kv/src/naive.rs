//! The naive model: every version ever written, key by key, and every question a scan of them.
//!
//! It shares no code with the store beyond the requests and answers, keeps no index, no hash and
//! no running count, and so is what tests and the simulator compare the store with.

mod alarm;
mod lease;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::{
    Alarm, COMPACTED_NEVER, ClusterTime, Command, CommandError, CompactResponse, Compare,
    CompareResult, CompareTarget, ContentHash, DeleteRangeRequest, DeleteRangeResponse, KeyValue,
    Lease, PutRequest, PutResponse, QUOTA_BYTES_DEFAULT, RECORD_OVERHEAD_BYTES, REVISION_INITIAL,
    RangeRequest, RangeResponse, Record, RecordKind, RequestOp, Response, ResponseOp, Revision,
    Sizes, SortOrder, SortTarget, TxnRequest, TxnResponse,
};

/// Where a store stands: all that decides what a read sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// The newest revision.
    pub revision: i64,
    /// The compacted revision.
    pub compacted: i64,
}

impl Standing {
    fn check(self, revision: i64) -> Result<(), CommandError> {
        if self.revision < revision {
            return Err(CommandError::FutureRevision);
        }
        if revision < self.compacted {
            return Err(CommandError::Compacted);
        }
        Ok(())
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Naive {
    versions: BTreeMap<Bytes, Vec<(Revision, Record)>>,
    standing: Standing,
    /// Changes made by the command that is being applied.
    changes: i64,
    /// The same, whole, and of all revisions that the command made.
    changed: Vec<(Revision, Record)>,
    /// Bytes of all versions ever written: while these fit the quota, what is retained does.
    written_bytes: u64,
    quota_bytes: u64,
    alarm: Option<u64>,
    alarms: BTreeSet<Alarm>,
    attributes: BTreeMap<u64, Bytes>,
    time: ClusterTime,
    leases: Vec<Lease>,
}

impl Default for Naive {
    fn default() -> Self {
        Self::new()
    }
}

impl Naive {
    /// A store that nothing was ever written to.
    pub fn new() -> Self {
        Self {
            versions: BTreeMap::new(),
            standing: Standing { revision: REVISION_INITIAL, compacted: COMPACTED_NEVER },
            changes: 0,
            changed: Vec::new(),
            written_bytes: 0,
            quota_bytes: QUOTA_BYTES_DEFAULT,
            alarm: None,
            alarms: BTreeSet::new(),
            attributes: BTreeMap::new(),
            time: ClusterTime::default(),
            leases: Vec::new(),
        }
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The changes that the last entry made, in order.
    pub fn changed(&self) -> &[(Revision, Record)] {
        &self.changed
    }

    /// What the members told of themselves.
    pub fn attributes(&self) -> &BTreeMap<u64, Bytes> {
        &self.attributes
    }

    /// Applies the next command, with no time passing.
    pub fn apply(&mut self, command: &Command) -> Result<Response, CommandError> {
        self.changed.clear();
        self.obey(command)
    }

    fn obey(&mut self, command: &Command) -> Result<Response, CommandError> {
        self.changes = 0;
        self.check_alarms(command)?;
        match command {
            Command::Put(request) => {
                self.check_lease(request)?;
                self.check_kept(request)?;
                self.check_space(self.put_bytes(request))?;
                Ok(Response::Put(self.put(self.standing.revision, request)))
            }
            Command::DeleteRange(request) => {
                Ok(Response::DeleteRange(self.delete(self.standing.revision, request)))
            }
            Command::Txn(request) => {
                self.check_txn(self.standing, request)?;
                let bytes = self.txn_bytes(request);
                if 0 < bytes {
                    self.check_space(bytes)?;
                }
                let mut response = self.txn(self.standing.revision, request);
                response.revision = self.standing.revision;
                Ok(Response::Txn(response))
            }
            Command::Compact(request) => self.compact(request.revision).map(Response::Compact),
            Command::SetQuota(request) => {
                self.quota_bytes = request.quota_bytes;
                self.alarm = None;
                Ok(Response::SetQuota)
            }
            Command::Publish(request) => {
                self.attributes.insert(request.member, request.attributes.clone());
                Ok(Response::Publish)
            }
            Command::Advance => Ok(Response::Advance),
            Command::Alarm(request) => Ok(Response::Alarm(self.alarm_by_hand(*request))),
            Command::LeaseGrant(request) => self.grant(*request).map(Response::LeaseGrant),
            Command::LeaseRevoke(request) => self.revoke(request.id).map(Response::LeaseRevoke),
            Command::LeaseRenew(request) => Ok(Response::LeaseRenew(self.renew_all(request))),
        }
    }

    /// Reads the present.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, CommandError> {
        self.range_as_of(self.standing, request)
    }

    /// Reads as when the store stood there.
    pub fn range_as_of(
        &self,
        standing: Standing,
        request: &RangeRequest,
    ) -> Result<RangeResponse, CommandError> {
        let mut at = standing.revision;
        if 0 < request.revision {
            standing.check(request.revision)?;
            at = request.revision;
        }
        Ok(answer(request, standing.revision, self.kvs_at(&request.key, &request.range_end, at)))
    }

    /// Evaluates a transaction that writes nothing as when the store stood there.
    pub fn read_txn_as_of(
        &self,
        standing: Standing,
        request: &TxnRequest,
    ) -> Result<TxnResponse, CommandError> {
        assert!(request.is_read_only(), "a transaction that writes is applied");
        self.check_txn(standing, request)?;
        let mut response = self.read_branch(standing, request);
        response.revision = standing.revision;
        Ok(response)
    }

    /// Forgets the versions that nobody sees who reads at `revision` or later. The answers to
    /// questions about what is retained go wrong if that is not compacted.
    pub fn forget_below(&mut self, revision: i64) {
        self.versions.retain(|_, of_key| {
            let older = of_key.partition_point(|(at, _)| at.main <= revision);
            let keeps_newest =
                older.checked_sub(1).is_some_and(|last| of_key[last].1.kind == RecordKind::Put);
            of_key.drain(..older - usize::from(keeps_newest));
            !of_key.is_empty()
        });
    }

    fn compact(&mut self, revision: i64) -> Result<CompactResponse, CommandError> {
        if revision <= self.standing.compacted {
            return Err(CommandError::Compacted);
        }
        if self.standing.revision < revision {
            return Err(CommandError::FutureRevision);
        }
        self.standing.compacted = revision;
        self.end_alarm();
        Ok(CompactResponse { revision: self.standing.revision })
    }

    fn end_alarm(&mut self) {
        if self.alarm.is_some_and(|at| self.logical_bytes() < at) {
            self.alarm = None;
        }
    }

    fn check_space(&mut self, bytes: u64) -> Result<(), CommandError> {
        if self.written_bytes + self.lease_bytes() + bytes <= self.quota_bytes {
            return Ok(());
        }
        if self.quota_bytes < self.logical_bytes() + bytes {
            self.alarm = self.alarm.or(Some(self.logical_bytes()));
            return Err(CommandError::NoSpace);
        }
        Ok(())
    }

    fn check_kept(&self, request: &PutRequest) -> Result<(), CommandError> {
        let is_kept = request.ignore_value || request.ignore_lease;
        if is_kept && self.kv_at(&request.key, self.standing.revision).is_none() {
            return Err(CommandError::KeyNotFound);
        }
        Ok(())
    }

    fn put_bytes(&self, request: &PutRequest) -> u64 {
        let mut value_bytes = request.value.len();
        if request.ignore_value
            && let Some(kept) = self.kv_at(&request.key, self.standing.revision)
        {
            value_bytes = kept.value.len();
        }
        RECORD_OVERHEAD_BYTES + (request.key.len() + value_bytes) as u64
    }

    fn check_txn(&self, standing: Standing, request: &TxnRequest) -> Result<(), CommandError> {
        for op in self.branch(standing.revision, request) {
            match op {
                RequestOp::Range(range) if range.revision == 0 => {}
                RequestOp::Range(range) => standing.check(range.revision)?,
                RequestOp::Put(put) => self.check_kept(put).and_then(|()| self.check_lease(put))?,
                RequestOp::DeleteRange(_) => {}
                RequestOp::Txn(nested) => self.check_txn(standing, nested)?,
            }
        }
        Ok(())
    }

    fn txn_bytes(&self, request: &TxnRequest) -> u64 {
        let bytes = self.branch(self.standing.revision, request).iter().map(|op| match op {
            RequestOp::Put(put) => self.put_bytes(put),
            RequestOp::Txn(nested) => self.txn_bytes(nested),
            RequestOp::Range(_) | RequestOp::DeleteRange(_) => 0,
        });
        bytes.sum()
    }

    /// Compares see the state before the command, at every depth.
    fn branch<'a>(&self, before: i64, request: &'a TxnRequest) -> &'a [RequestOp] {
        if self.all_hold(before, request) { &request.success } else { &request.failure }
    }

    fn all_hold(&self, before: i64, request: &TxnRequest) -> bool {
        request.compares.iter().all(|compare| self.holds(before, compare))
    }

    fn holds(&self, before: i64, compare: &Compare) -> bool {
        let kvs = self.kvs_at(&compare.key, &compare.range_end, before);
        if !kvs.is_empty() {
            return kvs.iter().all(|kv| relates(compare, kv));
        }
        !matches!(compare.target, CompareTarget::Value(_)) && relates(compare, &KeyValue::default())
    }

    /// `before` is the revision before the command, which compares look at.
    fn txn(&mut self, before: i64, request: &TxnRequest) -> TxnResponse {
        let succeeded = self.all_hold(before, request);
        let mut responses = Vec::new();
        for op in self.branch(before, request) {
            responses.push(match op {
                RequestOp::Range(range) => {
                    ResponseOp::Range(self.range(range).expect("it was checked"))
                }
                RequestOp::Put(put) => ResponseOp::Put(self.put(before, put)),
                RequestOp::DeleteRange(delete) => {
                    ResponseOp::DeleteRange(self.delete(before, delete))
                }
                RequestOp::Txn(nested) => ResponseOp::Txn(self.txn(before, nested)),
            });
        }
        TxnResponse { revision: 0, succeeded, responses }
    }

    fn read_branch(&self, standing: Standing, request: &TxnRequest) -> TxnResponse {
        let succeeded = self.all_hold(standing.revision, request);
        let mut responses = Vec::new();
        for op in self.branch(standing.revision, request) {
            responses.push(match op {
                RequestOp::Range(range) => {
                    let read = self.range_as_of(standing, range);
                    ResponseOp::Range(read.expect("it was checked"))
                }
                RequestOp::Txn(nested) => ResponseOp::Txn(self.read_branch(standing, nested)),
                RequestOp::Put(_) | RequestOp::DeleteRange(_) => {
                    unreachable!("the transaction is read-only")
                }
            });
        }
        TxnResponse { revision: 0, succeeded, responses }
    }

    fn put(&mut self, before: i64, request: &PutRequest) -> PutResponse {
        let old = self.kv_at(&request.key, before + 1);
        let mut value = request.value.clone();
        let mut lease = request.lease;
        if let Some(old) = &old {
            if request.ignore_value {
                value = old.value.clone();
            }
            if request.ignore_lease {
                lease = old.lease;
            }
        }
        let record = Record {
            key: request.key.clone(),
            value,
            create_revision: old.as_ref().map_or(before + 1, |old| old.create_revision),
            version: old.as_ref().map_or(1, |old| old.version + 1),
            lease,
            kind: RecordKind::Put,
        };
        self.write(before, record);
        PutResponse { revision: self.standing.revision, prev_kv: old.filter(|_| request.prev_kv) }
    }

    fn delete(&mut self, before: i64, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let kvs = self.kvs_at(&request.key, &request.range_end, before + 1);
        for kv in &kvs {
            self.write(before, Record::tombstone(kv.key.clone()));
        }
        DeleteRangeResponse {
            revision: self.standing.revision,
            deleted: i64::try_from(kvs.len()).expect("a few"),
            prev_kvs: if request.prev_kv { kvs } else { Vec::new() },
        }
    }

    fn write(&mut self, before: i64, record: Record) {
        self.standing.revision = before + 1;
        let revision = Revision::new(self.standing.revision, self.changes);
        self.changes += 1;
        self.written_bytes += record.logical_bytes();
        self.changed.push((revision, record.clone()));
        self.versions.entry(record.key.clone()).or_default().push((revision, record));
    }

    fn kv_at(&self, key: &[u8], at: i64) -> Option<KeyValue> {
        newest(self.versions.get(key)?, at)
    }

    fn kvs_at(&self, key: &[u8], end: &[u8], at: i64) -> Vec<KeyValue> {
        let is_inside = |candidate: &[u8]| match end {
            [] => candidate == key,
            [0] => true,
            end => candidate < end,
        };
        let from = self.versions.range::<[u8], _>((Bound::Included(key), Bound::Unbounded));
        let inside = from.take_while(|(candidate, _)| is_inside(candidate));
        inside.filter_map(|(_, of_key)| newest(of_key, at)).collect()
    }

    /// What compaction keeps, in order: everything newer; per key the newest version up to the
    /// compacted revision, if it is live; and of what was written exactly there everything from the
    /// first tombstone on.
    pub fn retained(&self) -> Vec<(Revision, Record)> {
        let compacted = self.standing.compacted;
        let mut retained: Vec<(Revision, Record)> = Vec::new();
        for of_key in self.versions.values() {
            let newest_old = of_key.iter().rev().find(|(at, _)| at.main <= compacted);
            let tombstone = of_key
                .iter()
                .find(|(at, record)| at.main == compacted && record.kind == RecordKind::Tombstone);
            let is_kept = |(at, record): &&(Revision, Record)| {
                let is_newest = newest_old.is_some_and(|(newest, _)| newest == at);
                compacted < at.main
                    || (is_newest && record.kind == RecordKind::Put)
                    || (at.main == compacted && tombstone.is_some_and(|(first, _)| first <= at))
            };
            retained.extend(of_key.iter().filter(is_kept).cloned());
        }
        retained.sort_by_key(|(revision, _)| *revision);
        retained
    }

    fn logical_bytes(&self) -> u64 {
        let records = self.retained();
        let bytes = records.iter().map(|(_, record)| record.logical_bytes());
        bytes.sum::<u64>() + self.lease_bytes()
    }

    /// The hash of what is retained, up to a revision.
    pub fn content_hash(&self, upto: i64) -> ContentHash {
        let retained = self.retained();
        let counted = retained.iter().filter(|(revision, _)| revision.main <= upto);
        counted.fold(ContentHash(0), |sum, (revision, record)| sum.plus(record.hash(*revision)))
    }

    /// How much is retained.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            logical_bytes: self.logical_bytes(),
            quota_bytes: self.quota_bytes,
            is_out_of_space: self.alarm.is_some(),
            keys: self.kvs_at(&[0], &[0], self.standing.revision).len() as u64,
            records: self.retained().len() as u64,
            leases: self.leases.len() as u64,
        }
    }
}

/// What the newest of these versions that is not newer than `at` shows.
fn newest(of_key: &[(Revision, Record)], at: i64) -> Option<KeyValue> {
    let (revision, record) = of_key.iter().rev().find(|(revision, _)| revision.main <= at)?;
    (record.kind == RecordKind::Put).then(|| record.key_value(*revision))
}

fn answer(request: &RangeRequest, revision: i64, mut kvs: Vec<KeyValue>) -> RangeResponse {
    let count = i64::try_from(kvs.len()).expect("a few");
    let limit = usize::try_from(request.limit).unwrap_or(0);
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    let is_limited_first = request.sort_order == SortOrder::None && filters == [0; 4];
    if 0 < limit && is_limited_first {
        kvs.truncate(limit + 1);
    }
    kvs.retain(|kv| is_wanted(request, kv));
    sort(request, &mut kvs);
    let more = 0 < limit && limit < kvs.len() && !request.count_only;
    if more {
        kvs.truncate(limit);
    }
    if request.count_only {
        kvs.clear();
    }
    if request.keys_only {
        for kv in &mut kvs {
            kv.value = Bytes::new();
        }
    }
    RangeResponse { revision, kvs, more, count }
}

fn relates(compare: &Compare, kv: &KeyValue) -> bool {
    let ordering = match &compare.target {
        CompareTarget::Version(given) => kv.version.cmp(given),
        CompareTarget::Create(given) => kv.create_revision.cmp(given),
        CompareTarget::Mod(given) => kv.mod_revision.cmp(given),
        CompareTarget::Value(given) => kv.value.cmp(given),
        CompareTarget::Lease(given) => kv.lease.cmp(given),
        CompareTarget::Unrecognized => Ordering::Equal,
    };
    match compare.result {
        CompareResult::Equal => ordering.is_eq(),
        CompareResult::Greater => ordering.is_gt(),
        CompareResult::Less => ordering.is_lt(),
        CompareResult::NotEqual => ordering.is_ne(),
        CompareResult::Unrecognized => true,
    }
}

fn is_wanted(request: &RangeRequest, kv: &KeyValue) -> bool {
    let is_above = |value: i64, min: i64| min == 0 || min <= value;
    let is_below = |value: i64, max: i64| max == 0 || value <= max;
    is_above(kv.mod_revision, request.min_mod_revision)
        && is_below(kv.mod_revision, request.max_mod_revision)
        && is_above(kv.create_revision, request.min_create_revision)
        && is_below(kv.create_revision, request.max_create_revision)
}

fn sort(request: &RangeRequest, kvs: &mut [KeyValue]) {
    let by = |a: &KeyValue, b: &KeyValue| match request.sort_target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    };
    match request.sort_order {
        SortOrder::Descend => kvs.sort_by(|a, b| by(b, a)),
        SortOrder::None | SortOrder::Ascend => kvs.sort_by(by),
    }
}
