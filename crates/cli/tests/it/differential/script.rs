//! A case's requests, in order. Revisions are counted from where the case starts.

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::{compare, request_op};
use quorate_etcdapi::v3electionpb::{self, LeaderKey};

/// One request of a case.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// KV.Range.
    Range(pb::RangeRequest),
    /// KV.RangeStream.
    RangeStream(pb::RangeRequest),
    /// KV.Put.
    Put(pb::PutRequest),
    /// KV.DeleteRange.
    Delete(pb::DeleteRangeRequest),
    /// KV.Txn.
    Txn(pb::TxnRequest),
    /// KV.Compact.
    Compact(pb::CompactionRequest),
    /// Maintenance.Status.
    Status,
    /// Maintenance.Alarm, asking.
    Alarms,
    /// Maintenance.HashKV.
    HashKv(pb::HashKvRequest),
    /// Maintenance.Defragment.
    Defragment,
    /// Maintenance.MoveLeader.
    MoveLeader(u64),
    /// Cluster.MemberList.
    MemberList(pb::MemberListRequest),
    /// Lease.LeaseGrant of a chosen id.
    Grant(pb::LeaseGrantRequest),
    /// Lease.LeaseGrant of this many seconds, the id left to the server.
    GrantAny(i64),
    /// Lease.LeaseRevoke.
    Revoke(i64),
    /// Lease.LeaseKeepAlive of these, on one stream.
    KeepAlive(Vec<i64>),
    /// Lease.LeaseTimeToLive, with keys.
    TimeToLive(i64),
    /// Lease.LeaseLeases.
    Leases,
    /// Lock.Lock.
    Lock { name: Bytes, lease: i64 },
    /// Lock.Unlock.
    Unlock(Bytes),
    /// Election.Campaign.
    Campaign(v3electionpb::CampaignRequest),
    /// Election.Proclaim.
    Proclaim { leader: Option<LeaderKey>, value: Bytes },
    /// Election.Leader.
    Leader(Bytes),
    /// Election.Resign.
    Resign(Option<LeaderKey>),
    /// Election.Observe: what it tells first, and after each step.
    Observe { name: Bytes, steps: Vec<Self> },
    /// A call that waits in this line of two until another request has been made.
    Waits { call: Box<Self>, line: Bytes, until: Box<Self> },
    /// One after the other; the answers are not looked at.
    Each(Vec<Self>),
    /// Not a request: the key is awaited to be gone.
    AwaitGone(&'static str),
    /// Not a request: every process ends and starts again.
    Restart,
}

impl Request {
    /// A lock of this name.
    pub(crate) fn lock(name: &str, lease: i64) -> Self {
        Self::Lock { name: bytes(name), lease }
    }

    /// A candidacy.
    pub(crate) fn campaign(name: &str, lease: i64, value: &str) -> Self {
        let (name, value) = (bytes(name), bytes(value));
        Self::Campaign(v3electionpb::CampaignRequest { name, lease, value })
    }

    /// Whether the member answers from its own state, without asking the others.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Range(range) => range.serializable,
            Self::Txn(txn) => reads_locally(txn),
            Self::Status | Self::Alarms | Self::HashKv(_) | Self::MemberList(_) | Self::Leases => {
                true
            }
            _ => false,
        }
    }
}

fn reads_locally(txn: &pb::TxnRequest) -> bool {
    let mut operations = txn.success.iter().chain(&txn.failure);
    operations.all(|operation| match &operation.request {
        Some(request_op::Request::RequestRange(range)) => range.serializable,
        _ => false,
    })
}

/// Collects a case's requests.
pub(crate) struct Script {
    base: i64,
    requests: Vec<Request>,
}

impl Script {
    /// A script that starts when the store is at this revision.
    pub(crate) fn new(base: i64) -> Self {
        Self { base, requests: Vec::new() }
    }

    /// What was collected.
    pub(crate) fn into_requests(self) -> Vec<Request> {
        self.requests
    }

    /// The revision that the `count`th change of this case makes.
    pub(crate) fn at(&self, count: i64) -> i64 {
        self.base + count
    }

    pub(crate) fn range(&mut self, request: pb::RangeRequest) {
        self.requests.push(Request::Range(request));
    }

    pub(crate) fn get(&mut self, key: &str) {
        self.range(get(key));
    }

    pub(crate) fn range_stream(&mut self, request: pb::RangeRequest) {
        self.requests.push(Request::RangeStream(request));
    }

    pub(crate) fn put(&mut self, request: pb::PutRequest) {
        self.requests.push(Request::Put(request));
    }

    /// One put for each pair.
    pub(crate) fn set(&mut self, pairs: &[(&str, &str)]) {
        for (key, value) in pairs {
            self.put(put(key, value));
        }
    }

    pub(crate) fn delete(&mut self, request: pb::DeleteRangeRequest) {
        self.requests.push(Request::Delete(request));
    }

    pub(crate) fn txn(&mut self, request: pb::TxnRequest) {
        self.requests.push(Request::Txn(request));
    }

    /// A transaction that only says whether the comparison holds.
    pub(crate) fn check(&mut self, compare: pb::Compare) {
        self.txn(pb::TxnRequest { compare: vec![compare], ..Default::default() });
    }

    pub(crate) fn compact(&mut self, revision: i64) {
        let physical = false;
        self.requests.push(Request::Compact(pb::CompactionRequest { revision, physical }));
    }

    pub(crate) fn compact_physically(&mut self, revision: i64) {
        let physical = true;
        self.requests.push(Request::Compact(pb::CompactionRequest { revision, physical }));
    }

    pub(crate) fn grant(&mut self, id: i64, ttl: i64) {
        self.ask(Request::Grant(pb::LeaseGrantRequest { ttl, id }));
    }

    pub(crate) fn revoke(&mut self, id: i64) {
        self.ask(Request::Revoke(id));
    }

    pub(crate) fn keep_alive(&mut self, ids: &[i64]) {
        self.ask(Request::KeepAlive(ids.to_vec()));
    }

    pub(crate) fn time_to_live(&mut self, id: i64) {
        self.ask(Request::TimeToLive(id));
    }

    /// A call that is second in line, and what ends its wait.
    pub(crate) fn waits(&mut self, call: Request, line: &str, until: Request) {
        let (call, until) = (Box::new(call), Box::new(until));
        self.ask(Request::Waits { call, line: bytes(format!("{line}/")), until });
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.requests.push(request);
    }
}

/// Bytes of a text, or of any bytes.
pub(crate) fn bytes(bytes: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(bytes.as_ref())
}

pub(crate) fn get(key: impl AsRef<[u8]>) -> pb::RangeRequest {
    pb::RangeRequest { key: bytes(key), ..Default::default() }
}

pub(crate) fn range(key: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> pb::RangeRequest {
    pb::RangeRequest { key: bytes(key), range_end: bytes(end), ..Default::default() }
}

/// The end of the range of keys with a prefix that does not end in 0xff.
pub(crate) fn end_of_prefix(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    *end.last_mut().expect("the prefix is not empty") += 1;
    end.into()
}

/// Every key there is.
pub(crate) fn everything() -> pb::RangeRequest {
    range("\0", "\0")
}

pub(crate) fn put(key: impl AsRef<[u8]>, value: &str) -> pb::PutRequest {
    pb::PutRequest { key: bytes(key), value: bytes(value), ..Default::default() }
}

pub(crate) fn delete(key: impl AsRef<[u8]>) -> pb::DeleteRangeRequest {
    pb::DeleteRangeRequest { key: bytes(key), ..Default::default() }
}

pub(crate) fn delete_range(key: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> pb::DeleteRangeRequest {
    pb::DeleteRangeRequest { key: bytes(key), range_end: bytes(end), ..Default::default() }
}

/// An operation of a transaction.
pub(crate) fn op(request: impl Into<Operation>) -> pb::RequestOp {
    pb::RequestOp { request: Some(request.into().0) }
}

/// What [`op`] takes.
pub(crate) struct Operation(request_op::Request);

impl From<pb::RangeRequest> for Operation {
    fn from(request: pb::RangeRequest) -> Self {
        Self(request_op::Request::RequestRange(request))
    }
}

impl From<pb::PutRequest> for Operation {
    fn from(request: pb::PutRequest) -> Self {
        Self(request_op::Request::RequestPut(request))
    }
}

impl From<pb::DeleteRangeRequest> for Operation {
    fn from(request: pb::DeleteRangeRequest) -> Self {
        Self(request_op::Request::RequestDeleteRange(request))
    }
}

impl From<pb::TxnRequest> for Operation {
    fn from(request: pb::TxnRequest) -> Self {
        Self(request_op::Request::RequestTxn(request))
    }
}

/// A transaction without a condition.
pub(crate) fn always(success: Vec<pb::RequestOp>) -> pb::TxnRequest {
    pb::TxnRequest { success, ..Default::default() }
}

/// A transaction with one condition.
pub(crate) fn when(
    compare: pb::Compare,
    success: Vec<pb::RequestOp>,
    failure: Vec<pb::RequestOp>,
) -> pb::TxnRequest {
    pb::TxnRequest { compare: vec![compare], success, failure }
}

/// How two numbers or values relate.
pub(crate) use compare::CompareResult::{Equal, Greater, Less, NotEqual};

/// Every relation.
pub(crate) const RELATIONS: [compare::CompareResult; 4] = [Equal, Greater, Less, NotEqual];

fn compare(
    key: &str,
    target: compare::CompareTarget,
    result: compare::CompareResult,
    operand: compare::TargetUnion,
) -> pb::Compare {
    pb::Compare {
        key: bytes(key),
        target: target.into(),
        result: result.into(),
        target_union: Some(operand),
        ..Default::default()
    }
}

pub(crate) fn version(key: &str, result: compare::CompareResult, version: i64) -> pb::Compare {
    let operand = compare::TargetUnion::Version(version);
    compare(key, compare::CompareTarget::Version, result, operand)
}

pub(crate) fn created(key: &str, result: compare::CompareResult, revision: i64) -> pb::Compare {
    let operand = compare::TargetUnion::CreateRevision(revision);
    compare(key, compare::CompareTarget::Create, result, operand)
}

pub(crate) fn modified(key: &str, result: compare::CompareResult, revision: i64) -> pb::Compare {
    let operand = compare::TargetUnion::ModRevision(revision);
    compare(key, compare::CompareTarget::Mod, result, operand)
}

pub(crate) fn value(key: &str, result: compare::CompareResult, value: &str) -> pb::Compare {
    let operand = compare::TargetUnion::Value(bytes(value));
    compare(key, compare::CompareTarget::Value, result, operand)
}

pub(crate) fn lease(key: &str, result: compare::CompareResult, lease: i64) -> pb::Compare {
    let operand = compare::TargetUnion::Lease(lease);
    compare(key, compare::CompareTarget::Lease, result, operand)
}
