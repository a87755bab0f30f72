//! Requests as plain data: what clients ask, in the terms of etcd's messages.

use bytes::Bytes;

use crate::{AlarmRequest, LeaseId, LeaseTtl};

/// What an entry of the log asks the store to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Write one key.
    Put(PutRequest),
    /// Delete a key or a range of keys.
    DeleteRange(DeleteRangeRequest),
    /// Compare, then do one of two lists of operations.
    Txn(TxnRequest),
    /// Forget history.
    Compact(CompactRequest),
    /// Make this the cluster's quota. Proposed by a leader that was configured otherwise than
    /// the cluster is, see [`crate::Store::quota_command`].
    SetQuota(SetQuotaRequest),
    /// Remember what a member tells of itself.
    Publish(PublishRequest),
    /// Nothing but the passing of time.
    Advance,
    /// Raise or end an alarm.
    Alarm(AlarmRequest),
    /// Begin a lease.
    LeaseGrant(LeaseGrantRequest),
    /// End a lease, and delete the keys attached to it.
    LeaseRevoke(LeaseRevokeRequest),
    /// Have leases begin their time anew.
    LeaseRenew(LeaseRenewRequest),
}

/// The order of the keys and values in a range's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// By key, or ascending when the target is not the key.
    #[default]
    None,
    /// Lowest first.
    Ascend,
    /// Highest first.
    Descend,
}

/// What a range's answer is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// The version.
    Version,
    /// The create revision.
    Create,
    /// The mod revision.
    Mod,
    /// The value.
    Value,
}

/// Read a key or a range of keys. In every request, an empty `range_end` means the single
/// `key`, `"\0"` means every key from `key` on, anything else the keys in `[key, range_end)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeRequest {
    /// The first key.
    pub key: Bytes,
    /// The end of the range.
    pub range_end: Bytes,
    /// The most keys to return; 0 or less is no limit.
    pub limit: i64,
    /// The main revision to read at; 0 or less is the current one.
    pub revision: i64,
    /// The order of the answer.
    pub sort_order: SortOrder,
    /// What the answer is sorted by.
    pub sort_target: SortTarget,
    /// Answer from this node's state, which may be old.
    pub serializable: bool,
    /// Leave the values out.
    pub keys_only: bool,
    /// Return the count alone.
    pub count_only: bool,
    /// Leave out keys with a lower mod revision; 0 is off.
    pub min_mod_revision: i64,
    /// Leave out keys with a higher mod revision; 0 is off.
    pub max_mod_revision: i64,
    /// Leave out keys with a lower create revision; 0 is off.
    pub min_create_revision: i64,
    /// Leave out keys with a higher create revision; 0 is off.
    pub max_create_revision: i64,
}

impl RangeRequest {
    /// Whether it leaves keys out by their revisions.
    pub(crate) fn has_filter(&self) -> bool {
        let bounds = [
            self.min_mod_revision,
            self.max_mod_revision,
            self.min_create_revision,
            self.max_create_revision,
        ];
        bounds != [0; 4]
    }

    /// Whether its answer can be told in pieces while it is found: in key order, without filters.
    pub fn is_streamable(&self) -> bool {
        self.sort_target == SortTarget::Key
            && self.sort_order != SortOrder::Descend
            && !self.has_filter()
    }
}

/// Write one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutRequest {
    /// The key.
    pub key: Bytes,
    /// Its new value.
    pub value: Bytes,
    /// The lease to attach the key to, or none, which detaches it.
    pub lease: LeaseId,
    /// Return what the key held before.
    pub prev_kv: bool,
    /// Keep the value that the key has.
    pub ignore_value: bool,
    /// Keep the lease that the key has.
    pub ignore_lease: bool,
}

/// Delete a key or a range of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteRangeRequest {
    /// The first key.
    pub key: Bytes,
    /// The end of the range.
    pub range_end: Bytes,
    /// Return what was deleted.
    pub prev_kv: bool,
}

/// How a stored quantity must relate to the one given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompareResult {
    /// Stored = given.
    #[default]
    Equal,
    /// Stored > given.
    Greater,
    /// Stored < given.
    Less,
    /// Stored != given.
    NotEqual,
    /// A number this version does not know. It always holds, as in etcd.
    Unrecognized,
}

/// What is compared, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompareTarget {
    /// The version.
    Version(i64),
    /// The create revision.
    Create(i64),
    /// The mod revision.
    Mod(i64),
    /// The value.
    Value(Bytes),
    /// The lease.
    Lease(LeaseId),
    /// A number this version does not know. It compares as equal, as in etcd.
    Unrecognized,
}

/// One condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The first key.
    pub key: Bytes,
    /// The end of the range; the condition must hold for every key in it.
    pub range_end: Bytes,
    /// The relation.
    pub result: CompareResult,
    /// Both sides of it.
    pub target: CompareTarget,
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOp {
    /// Read.
    Range(RangeRequest),
    /// Write one key.
    Put(PutRequest),
    /// Delete.
    DeleteRange(DeleteRangeRequest),
    /// A transaction within.
    Txn(TxnRequest),
}

/// Do `success` if every compare holds, else `failure`, as one atomic step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnRequest {
    /// The conditions; none at all is true.
    pub compares: Vec<Compare>,
    /// What to do if all hold.
    pub success: Vec<RequestOp>,
    /// What to do otherwise.
    pub failure: Vec<RequestOp>,
}

impl Command {
    /// Whether clients' data changes by it, or what they may read.
    pub(crate) fn changes_data(&self) -> bool {
        match self {
            Self::Put(_)
            | Self::DeleteRange(_)
            | Self::Txn(_)
            | Self::Compact(_)
            | Self::LeaseGrant(_)
            | Self::LeaseRevoke(_) => true,
            Self::SetQuota(_)
            | Self::Publish(_)
            | Self::Advance
            | Self::Alarm(_)
            | Self::LeaseRenew(_) => false,
        }
    }

    /// Whether it may need space; of a transaction, any branch counts.
    pub(crate) fn takes_space(&self) -> bool {
        match self {
            Self::Put(_) | Self::LeaseGrant(_) => true,
            Self::Txn(txn) => txn.has_puts(),
            _ => false,
        }
    }
}

impl TxnRequest {
    fn has_puts(&self) -> bool {
        self.success.iter().chain(&self.failure).any(|op| match op {
            RequestOp::Put(_) => true,
            RequestOp::Range(_) | RequestOp::DeleteRange(_) => false,
            RequestOp::Txn(txn) => txn.has_puts(),
        })
    }

    /// Whether no branch at any depth can write, so that it need not go through the log.
    pub fn is_read_only(&self) -> bool {
        self.success.iter().chain(&self.failure).all(RequestOp::is_read_only)
    }

    /// Whether every range in it, at any depth, may be answered from old state. A transaction
    /// of compares alone is serializable too, as in etcd.
    pub fn is_serializable(&self) -> bool {
        self.success.iter().chain(&self.failure).all(RequestOp::is_serializable)
    }
}

impl RequestOp {
    /// Whether it cannot write.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Range(_) => true,
            Self::Put(_) | Self::DeleteRange(_) => false,
            Self::Txn(txn) => txn.is_read_only(),
        }
    }

    fn is_serializable(&self) -> bool {
        match self {
            Self::Range(range) => range.serializable,
            Self::Put(_) | Self::DeleteRange(_) => false,
            Self::Txn(txn) => txn.is_serializable(),
        }
    }
}

/// Forget every version that is not visible at `revision` or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactRequest {
    /// The main revision, which itself stays readable.
    pub revision: i64,
    /// Answer only when the records are removed; see [`crate::Store::is_compacted_physically`].
    pub physical: bool,
}

/// Change the cluster's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetQuotaRequest {
    /// The quota in logical bytes; `u64::MAX` is no quota.
    pub quota_bytes: u64,
}

/// What a member tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishRequest {
    /// The member's id.
    pub member: u64,
    /// Its name and addresses, opaque to the store; replaces what it told before.
    pub attributes: Bytes,
}

/// Begin a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGrantRequest {
    /// Its name, never [`LeaseId::NONE`]: whoever takes the request from a client that leaves the
    /// choice open picks one.
    pub id: LeaseId,
    /// How long it lives without a renewal; see [`LeaseTtl::granted`].
    pub ttl: LeaseTtl,
}

/// End a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRevokeRequest {
    /// Which.
    pub id: LeaseId,
}

/// Have leases begin their time anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseRenewRequest {
    /// Which, in the order of the answers; not more than [`crate::LEASE_RENEW_MAX`].
    pub ids: Vec<LeaseId>,
}
