//! Requests: etcd's messages to and from the state machine's own types.
//!
//! What cannot be represented is refused here, with etcd's words: an unknown sort option and an
//! operation without content. Everything else about a request is for `quorate_kv::validate` to
//! judge. Of several faults of a transaction, [`check_txn`] finds the one that etcd names.

mod faults;

use bytes::Bytes;
use quorate_kv as kv;

use crate::error::ApiError;
use crate::etcdserverpb as pb;
use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::range_request::{SortOrder, SortTarget};
use pb::request_op::Request;

pub use faults::check_txn;

impl TryFrom<pb::RangeRequest> for kv::RangeRequest {
    type Error = ApiError;

    fn try_from(range: pb::RangeRequest) -> Result<Self, ApiError> {
        // etcd looks at the key before the sort option.
        if range.key.is_empty() {
            return Err(ApiError::EmptyKey);
        }
        Ok(Self {
            key: range.key,
            range_end: range.range_end,
            limit: range.limit,
            revision: range.revision,
            sort_order: sort_order(range.sort_order)?,
            sort_target: sort_target(range.sort_target)?,
            serializable: range.serializable,
            keys_only: range.keys_only,
            count_only: range.count_only,
            min_mod_revision: range.min_mod_revision,
            max_mod_revision: range.max_mod_revision,
            min_create_revision: range.min_create_revision,
            max_create_revision: range.max_create_revision,
        })
    }
}

fn sort_order(number: i32) -> Result<kv::SortOrder, ApiError> {
    match SortOrder::try_from(number) {
        Ok(SortOrder::None) => Ok(kv::SortOrder::None),
        Ok(SortOrder::Ascend) => Ok(kv::SortOrder::Ascend),
        Ok(SortOrder::Descend) => Ok(kv::SortOrder::Descend),
        Err(_) => Err(ApiError::InvalidSortOption),
    }
}

fn sort_target(number: i32) -> Result<kv::SortTarget, ApiError> {
    match SortTarget::try_from(number) {
        Ok(SortTarget::Key) => Ok(kv::SortTarget::Key),
        Ok(SortTarget::Version) => Ok(kv::SortTarget::Version),
        Ok(SortTarget::Create) => Ok(kv::SortTarget::Create),
        Ok(SortTarget::Mod) => Ok(kv::SortTarget::Mod),
        Ok(SortTarget::Value) => Ok(kv::SortTarget::Value),
        Err(_) => Err(ApiError::InvalidSortOption),
    }
}

impl From<pb::PutRequest> for kv::PutRequest {
    fn from(put: pb::PutRequest) -> Self {
        Self {
            key: put.key,
            value: put.value,
            lease: kv::LeaseId(put.lease),
            prev_kv: put.prev_kv,
            ignore_value: put.ignore_value,
            ignore_lease: put.ignore_lease,
        }
    }
}

impl From<pb::DeleteRangeRequest> for kv::DeleteRangeRequest {
    fn from(delete: pb::DeleteRangeRequest) -> Self {
        Self { key: delete.key, range_end: delete.range_end, prev_kv: delete.prev_kv }
    }
}

impl From<pb::CompactionRequest> for kv::CompactRequest {
    fn from(compaction: pb::CompactionRequest) -> Self {
        Self { revision: compaction.revision, physical: compaction.physical }
    }
}

impl TryFrom<pb::TxnRequest> for kv::TxnRequest {
    type Error = ApiError;

    fn try_from(txn: pb::TxnRequest) -> Result<Self, ApiError> {
        Ok(Self {
            compares: txn.compare.into_iter().map(kv::Compare::from).collect(),
            success: operations(txn.success)?,
            failure: operations(txn.failure)?,
        })
    }
}

fn operations(operations: Vec<pb::RequestOp>) -> Result<Vec<kv::RequestOp>, ApiError> {
    operations.into_iter().map(kv::RequestOp::try_from).collect()
}

/// Nesting is bounded before this runs: the protobuf decoder refuses more than 100 levels.
impl TryFrom<pb::RequestOp> for kv::RequestOp {
    type Error = ApiError;

    fn try_from(operation: pb::RequestOp) -> Result<Self, ApiError> {
        match operation.request {
            Some(Request::RequestRange(range)) => Ok(Self::Range(range.try_into()?)),
            Some(Request::RequestPut(put)) => Ok(Self::Put(put.into())),
            Some(Request::RequestDeleteRange(delete)) => Ok(Self::DeleteRange(delete.into())),
            Some(Request::RequestTxn(txn)) => Ok(Self::Txn(txn.try_into()?)),
            // The text that etcd has for an operation without content.
            None => Err(ApiError::KeyNotFound),
        }
    }
}

impl From<pb::Compare> for kv::Compare {
    fn from(compare: pb::Compare) -> Self {
        let target = compare_target(compare.target, compare.target_union);
        let result = compare_result(compare.result);
        Self { key: compare.key, range_end: compare.range_end, result, target }
    }
}

fn compare_result(number: i32) -> kv::CompareResult {
    match CompareResult::try_from(number) {
        Ok(CompareResult::Equal) => kv::CompareResult::Equal,
        Ok(CompareResult::Greater) => kv::CompareResult::Greater,
        Ok(CompareResult::Less) => kv::CompareResult::Less,
        Ok(CompareResult::NotEqual) => kv::CompareResult::NotEqual,
        Err(_) => kv::CompareResult::Unrecognized,
    }
}

/// The target decides what is compared; an operand that is absent, or meant for another target,
/// counts as 0 or empty, as in etcd.
fn compare_target(number: i32, operand: Option<TargetUnion>) -> kv::CompareTarget {
    match CompareTarget::try_from(number) {
        Ok(CompareTarget::Version) => kv::CompareTarget::Version(match operand {
            Some(TargetUnion::Version(version)) => version,
            _ => 0,
        }),
        Ok(CompareTarget::Create) => kv::CompareTarget::Create(match operand {
            Some(TargetUnion::CreateRevision(revision)) => revision,
            _ => 0,
        }),
        Ok(CompareTarget::Mod) => kv::CompareTarget::Mod(match operand {
            Some(TargetUnion::ModRevision(revision)) => revision,
            _ => 0,
        }),
        Ok(CompareTarget::Value) => kv::CompareTarget::Value(match operand {
            Some(TargetUnion::Value(value)) => value,
            _ => Bytes::new(),
        }),
        Ok(CompareTarget::Lease) => kv::CompareTarget::Lease(match operand {
            Some(TargetUnion::Lease(lease)) => kv::LeaseId(lease),
            _ => kv::LeaseId::NONE,
        }),
        Err(_) => kv::CompareTarget::Unrecognized,
    }
}

#[cfg(test)]
mod tests;
