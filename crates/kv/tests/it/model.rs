//! The naive model: every version ever written in one list, every question a full rescan.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_kv::{
    COMPACTED_NEVER, Command, CommandError, CompactResponse, Compare, CompareResult, CompareTarget,
    ContentHash, DeleteRangeRequest, DeleteRangeResponse, KeyValue, LeaseId, PutRequest,
    PutResponse, QUOTA_BYTES_DEFAULT, RECORD_OVERHEAD_BYTES, RangeRequest, RangeResponse, Record,
    RecordKind, RequestOp, Response, ResponseOp, Revision, Sizes, SortOrder, SortTarget,
    TxnRequest, TxnResponse,
};

#[derive(Clone)]
pub(crate) struct Model {
    versions: Vec<(Revision, Record)>,
    pub(crate) revision: i64,
    pub(crate) compacted: i64,
    quota_bytes: u64,
    alarm: Option<u64>,
    pub(crate) attributes: BTreeMap<u64, Bytes>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            versions: Vec::new(),
            revision: 1,
            compacted: COMPACTED_NEVER,
            quota_bytes: QUOTA_BYTES_DEFAULT,
            alarm: None,
            attributes: BTreeMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, command: &Command) -> Result<Response, CommandError> {
        let before = self.clone();
        match command {
            Command::Put(request) => {
                Self::check_lease(request)?;
                before.check_kept(request)?;
                self.check_space(before.put_bytes(request))?;
                Ok(Response::Put(self.put(&before, request)))
            }
            Command::DeleteRange(request) => {
                Ok(Response::DeleteRange(self.delete(&before, request)))
            }
            Command::Txn(request) => {
                before.check_txn(request)?;
                let bytes = before.txn_bytes(request);
                if 0 < bytes {
                    self.check_space(bytes)?;
                }
                let mut response = self.txn(&before, request);
                response.revision = self.revision;
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
        }
    }

    fn compact(&mut self, revision: i64) -> Result<CompactResponse, CommandError> {
        if revision <= self.compacted {
            return Err(CommandError::Compacted);
        }
        if self.revision < revision {
            return Err(CommandError::FutureRevision);
        }
        self.compacted = revision;
        if self.alarm.is_some_and(|at| self.logical_bytes() < at) {
            self.alarm = None;
        }
        Ok(CompactResponse { revision: self.revision })
    }

    fn check_space(&mut self, bytes: u64) -> Result<(), CommandError> {
        if self.quota_bytes < self.logical_bytes() + bytes {
            self.alarm = self.alarm.or(Some(self.logical_bytes()));
            return Err(CommandError::NoSpace);
        }
        Ok(())
    }

    fn check_lease(request: &PutRequest) -> Result<(), CommandError> {
        let has_lease = request.lease != LeaseId::NONE;
        if has_lease { Err(CommandError::LeaseNotFound) } else { Ok(()) }
    }

    fn check_kept(&self, request: &PutRequest) -> Result<(), CommandError> {
        let is_kept = request.ignore_value || request.ignore_lease;
        if is_kept && self.kv_at(&request.key, self.revision).is_none() {
            return Err(CommandError::KeyNotFound);
        }
        Ok(())
    }

    fn put_bytes(&self, request: &PutRequest) -> u64 {
        let kept = self.kv_at(&request.key, self.revision).filter(|_| request.ignore_value);
        let value = kept.map_or(request.value.clone(), |kv| kv.value);
        RECORD_OVERHEAD_BYTES + (request.key.len() + value.len()) as u64
    }

    fn check_txn(&self, request: &TxnRequest) -> Result<(), CommandError> {
        for op in self.branch(request) {
            match op {
                RequestOp::Range(range) if range.revision == 0 => {}
                RequestOp::Range(range) => self.check_revision(range.revision)?,
                RequestOp::Put(put) => {
                    self.check_kept(put).and_then(|()| Self::check_lease(put))?;
                }
                RequestOp::DeleteRange(_) => {}
                RequestOp::Txn(nested) => self.check_txn(nested)?,
            }
        }
        Ok(())
    }

    fn txn_bytes(&self, request: &TxnRequest) -> u64 {
        let bytes = self.branch(request).iter().map(|op| match op {
            RequestOp::Put(put) => self.put_bytes(put),
            RequestOp::Txn(nested) => self.txn_bytes(nested),
            RequestOp::Range(_) | RequestOp::DeleteRange(_) => 0,
        });
        bytes.sum()
    }

    fn check_revision(&self, revision: i64) -> Result<(), CommandError> {
        if self.revision < revision {
            return Err(CommandError::FutureRevision);
        }
        if revision < self.compacted {
            return Err(CommandError::Compacted);
        }
        Ok(())
    }

    fn branch<'a>(&self, request: &'a TxnRequest) -> &'a [RequestOp] {
        let holds = request.compares.iter().all(|compare| self.holds(compare));
        if holds { &request.success } else { &request.failure }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let kvs = self.kvs_at(&compare.key, &compare.range_end, self.revision);
        if !kvs.is_empty() {
            return kvs.iter().all(|kv| relates(compare, kv));
        }
        !matches!(compare.target, CompareTarget::Value(_)) && relates(compare, &KeyValue::default())
    }

    /// `before` is the state before the entry, which compares look at and revisions count from.
    fn txn(&mut self, before: &Self, request: &TxnRequest) -> TxnResponse {
        let succeeded = request.compares.iter().all(|compare| before.holds(compare));
        let mut responses = Vec::new();
        for op in before.branch(request) {
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

    fn put(&mut self, before: &Self, request: &PutRequest) -> PutResponse {
        let old = self.kv_at(&request.key, before.revision + 1);
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
            create_revision: old.as_ref().map_or(before.revision + 1, |old| old.create_revision),
            version: old.as_ref().map_or(1, |old| old.version + 1),
            lease,
            kind: RecordKind::Put,
        };
        self.write(before, record);
        PutResponse { revision: self.revision, prev_kv: old.filter(|_| request.prev_kv) }
    }

    fn delete(&mut self, before: &Self, request: &DeleteRangeRequest) -> DeleteRangeResponse {
        let kvs = self.kvs_at(&request.key, &request.range_end, before.revision + 1);
        for kv in &kvs {
            self.write(before, Record::tombstone(kv.key.clone()));
        }
        DeleteRangeResponse {
            revision: self.revision,
            deleted: i64::try_from(kvs.len()).expect("a few"),
            prev_kvs: if request.prev_kv { kvs } else { Vec::new() },
        }
    }

    fn write(&mut self, before: &Self, record: Record) {
        self.revision = before.revision + 1;
        let earlier = self.versions.iter().filter(|(at, _)| at.main == self.revision).count();
        let sub = i64::try_from(earlier).expect("a few");
        self.versions.push((Revision::new(self.revision, sub), record));
    }

    pub(crate) fn range(&self, request: &RangeRequest) -> Result<RangeResponse, CommandError> {
        let mut at = self.revision;
        if 0 < request.revision {
            self.check_revision(request.revision)?;
            at = request.revision;
        }
        let mut kvs = self.kvs_at(&request.key, &request.range_end, at);
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
        Ok(RangeResponse { revision: self.revision, kvs, more, count })
    }

    fn kv_at(&self, key: &[u8], at: i64) -> Option<KeyValue> {
        let mut of_key = self.versions.iter().rev().filter(|(_, record)| record.key == key);
        let (revision, record) = of_key.find(|(revision, _)| revision.main <= at)?;
        (record.kind == RecordKind::Put).then(|| record.key_value(*revision))
    }

    fn kvs_at(&self, key: &[u8], end: &[u8], at: i64) -> Vec<KeyValue> {
        let is_inside = |candidate: &[u8]| match end {
            [] => candidate == key,
            [0] => key <= candidate,
            end => key <= candidate && candidate < end,
        };
        let mut keys: Vec<Bytes> =
            self.versions.iter().map(|(_, record)| record.key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys.iter().filter(|key| is_inside(key)).filter_map(|key| self.kv_at(key, at)).collect()
    }

    /// What compaction keeps: everything newer; per key the newest version up to the compacted
    /// revision, if it is live; a tombstone exactly there.
    pub(crate) fn retained(&self) -> Vec<(Revision, Record)> {
        let is_kept = |(revision, record): &&(Revision, Record)| {
            let is_newest = !self.versions.iter().any(|(other, candidate)| {
                candidate.key == record.key && revision < other && other.main <= self.compacted
            });
            let is_put = record.kind == RecordKind::Put;
            self.compacted < revision.main
                || (is_put && is_newest)
                || (!is_put && revision.main == self.compacted)
        };
        self.versions.iter().filter(is_kept).cloned().collect()
    }

    fn logical_bytes(&self) -> u64 {
        self.retained().iter().map(|(_, record)| record.logical_bytes()).sum()
    }

    pub(crate) fn content_hash(&self, upto: i64) -> ContentHash {
        let retained = self.retained();
        let counted = retained.iter().filter(|(revision, _)| revision.main <= upto);
        counted.fold(ContentHash(0), |sum, (revision, record)| sum.plus(record.hash(*revision)))
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            logical_bytes: self.logical_bytes(),
            quota_bytes: self.quota_bytes,
            is_out_of_space: self.alarm.is_some(),
            keys: self.kvs_at(&[0], &[0], self.revision).len() as u64,
            records: self.retained().len() as u64,
        }
    }
}

fn relates(compare: &Compare, kv: &KeyValue) -> bool {
    let ordering = match &compare.target {
        CompareTarget::Version(given) => kv.version.cmp(given),
        CompareTarget::Create(given) => kv.create_revision.cmp(given),
        CompareTarget::Mod(given) => kv.mod_revision.cmp(given),
        CompareTarget::Value(given) => kv.value.cmp(given),
        CompareTarget::Lease(given) => kv.lease.cmp(given),
        CompareTarget::Unrecognized => std::cmp::Ordering::Equal,
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
