//! Answers as plain data. Headers carry the store's revision; cluster, member and term are
//! added by whoever speaks to the client.

use bytes::Bytes;

use crate::{AlarmResponse, KeyValue, LeaseId, LeaseTtl};

/// The answer to a [`crate::Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a transaction.
    Txn(TxnResponse),
    /// To a compaction.
    Compact(CompactResponse),
    /// To a change of the quota.
    SetQuota,
    /// To a publication.
    Publish,
    /// To the passing of time.
    Advance,
    /// To a request about an alarm.
    Alarm(AlarmResponse),
    /// To the grant of a lease.
    LeaseGrant(LeaseGrantResponse),
    /// To the end of a lease.
    LeaseRevoke(LeaseRevokeResponse),
    /// To the renewal of leases.
    LeaseRenew(LeaseRenewResponse),
}

/// The answer to a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeResponse {
    /// The store's current revision, whatever revision was asked for.
    pub revision: i64,
    /// What was found, after filters, order and limit.
    pub kvs: Vec<KeyValue>,
    /// Whether more keys than the limit were left after the filters.
    pub more: bool,
    /// How many keys the range has at the revision read, whatever limit and filters say.
    pub count: i64,
}

/// The answer to a put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutResponse {
    /// The revision of the put.
    pub revision: i64,
    /// What the key held before, if asked for and if it was there.
    pub prev_kv: Option<KeyValue>,
}

/// The answer to a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteRangeResponse {
    /// The revision of the delete, or the current one if nothing was deleted.
    pub revision: i64,
    /// How many keys were deleted.
    pub deleted: i64,
    /// What they held, in key order, if asked for.
    pub prev_kvs: Vec<KeyValue>,
}

/// The answer to a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnResponse {
    /// The revision after the transaction; 0 in a nested one, whose header etcd leaves empty.
    pub revision: i64,
    /// Whether the compares held.
    pub succeeded: bool,
    /// One answer per operation of the branch taken, in order.
    pub responses: Vec<ResponseOp>,
}

/// The answer to one operation of a transaction. Its revision is the one the transaction began
/// at, plus 1 once anything was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseOp {
    /// To a range.
    Range(RangeResponse),
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a transaction within.
    Txn(TxnResponse),
}

/// The answer to a compaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactResponse {
    /// The store's current revision, which compaction leaves alone.
    pub revision: i64,
}

/// The answer to the grant of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGrantResponse {
    /// The store's current revision, which a grant leaves alone.
    pub revision: i64,
    /// The lease.
    pub id: LeaseId,
    /// How long it lives.
    pub ttl: LeaseTtl,
}

/// The answer to the end of a lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseRevokeResponse {
    /// The revision in which its keys were deleted, or the current one if it had none.
    pub revision: i64,
}

/// The answer to the renewal of leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRenewResponse {
    /// The store's current revision, which a renewal leaves alone.
    pub revision: i64,
    /// For each lease named, in order, how long it lives; none if there is no such lease any more.
    pub renewed: Vec<Option<LeaseTtl>>,
}

/// What is known of one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTimeToLive {
    /// The store's current revision.
    pub revision: i64,
    /// The lease that was asked for.
    pub id: LeaseId,
    /// Its time; none if there is no such lease.
    pub time: Option<LeaseTime>,
    /// The keys attached to it, sorted, if asked for.
    pub keys: Vec<Bytes>,
}

/// How long a lease lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTime {
    /// As granted.
    pub granted: LeaseTtl,
    /// The whole seconds left.
    pub seconds_left: i64,
}

/// The leases there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseList {
    /// The store's current revision.
    pub revision: i64,
    /// Their ids, the one that is over first at the front; by id among equals.
    pub ids: Vec<LeaseId>,
}

impl Response {
    /// The bytes of the keys and values that it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put(put) => put.bytes(),
            Self::DeleteRange(delete) => delete.bytes(),
            Self::Txn(txn) => txn.bytes(),
            Self::Compact(_)
            | Self::SetQuota
            | Self::Publish
            | Self::Advance
            | Self::Alarm(_)
            | Self::LeaseGrant(_)
            | Self::LeaseRevoke(_)
            | Self::LeaseRenew(_) => 0,
        }
    }
}

impl RangeResponse {
    /// The bytes of the keys and values that it holds.
    pub fn bytes(&self) -> usize {
        self.kvs.iter().map(KeyValue::bytes).sum()
    }
}

impl PutResponse {
    fn bytes(&self) -> usize {
        self.prev_kv.as_ref().map_or(0, KeyValue::bytes)
    }
}

impl DeleteRangeResponse {
    fn bytes(&self) -> usize {
        self.prev_kvs.iter().map(KeyValue::bytes).sum()
    }
}

impl TxnResponse {
    /// The bytes of the keys and values that it holds, those of transactions within included.
    pub fn bytes(&self) -> usize {
        let bytes_of = |response: &ResponseOp| match response {
            ResponseOp::Range(range) => range.bytes(),
            ResponseOp::Put(put) => put.bytes(),
            ResponseOp::DeleteRange(delete) => delete.bytes(),
            ResponseOp::Txn(txn) => txn.bytes(),
        };
        self.responses.iter().map(bytes_of).sum()
    }
}
