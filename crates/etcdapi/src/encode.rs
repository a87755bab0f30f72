//! Requests the other way: from the state machine's types to etcd's messages.
//!
//! For whoever speaks to a server with our own types: the command line, and tests that send one
//! request to a store and to a server. An unrecognized comparison is written as a number that no
//! version of etcd has given a meaning.

use quorate_kv as kv;

use crate::etcdserverpb as pb;
use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::range_request::{SortOrder, SortTarget};
use pb::request_op::Request;

/// Stands for every number without a meaning.
const UNRECOGNIZED: i32 = -1;

impl From<kv::RangeRequest> for pb::RangeRequest {
    fn from(range: kv::RangeRequest) -> Self {
        Self {
            key: range.key,
            range_end: range.range_end,
            limit: range.limit,
            revision: range.revision,
            sort_order: sort_order(range.sort_order).into(),
            sort_target: sort_target(range.sort_target).into(),
            serializable: range.serializable,
            keys_only: range.keys_only,
            count_only: range.count_only,
            min_mod_revision: range.min_mod_revision,
            max_mod_revision: range.max_mod_revision,
            min_create_revision: range.min_create_revision,
            max_create_revision: range.max_create_revision,
        }
    }
}

fn sort_order(order: kv::SortOrder) -> SortOrder {
    match order {
        kv::SortOrder::None => SortOrder::None,
        kv::SortOrder::Ascend => SortOrder::Ascend,
        kv::SortOrder::Descend => SortOrder::Descend,
    }
}

fn sort_target(target: kv::SortTarget) -> SortTarget {
    match target {
        kv::SortTarget::Key => SortTarget::Key,
        kv::SortTarget::Version => SortTarget::Version,
        kv::SortTarget::Create => SortTarget::Create,
        kv::SortTarget::Mod => SortTarget::Mod,
        kv::SortTarget::Value => SortTarget::Value,
    }
}

impl From<kv::PutRequest> for pb::PutRequest {
    fn from(put: kv::PutRequest) -> Self {
        Self {
            key: put.key,
            value: put.value,
            lease: put.lease.0,
            prev_kv: put.prev_kv,
            ignore_value: put.ignore_value,
            ignore_lease: put.ignore_lease,
        }
    }
}

impl From<kv::DeleteRangeRequest> for pb::DeleteRangeRequest {
    fn from(delete: kv::DeleteRangeRequest) -> Self {
        Self { key: delete.key, range_end: delete.range_end, prev_kv: delete.prev_kv }
    }
}

impl From<kv::CompactRequest> for pb::CompactionRequest {
    fn from(compact: kv::CompactRequest) -> Self {
        Self { revision: compact.revision, physical: compact.physical }
    }
}

impl From<kv::TxnRequest> for pb::TxnRequest {
    fn from(txn: kv::TxnRequest) -> Self {
        Self {
            compare: txn.compares.into_iter().map(pb::Compare::from).collect(),
            success: txn.success.into_iter().map(pb::RequestOp::from).collect(),
            failure: txn.failure.into_iter().map(pb::RequestOp::from).collect(),
        }
    }
}

impl From<kv::RequestOp> for pb::RequestOp {
    fn from(operation: kv::RequestOp) -> Self {
        let request = match operation {
            kv::RequestOp::Range(range) => Request::RequestRange(range.into()),
            kv::RequestOp::Put(put) => Request::RequestPut(put.into()),
            kv::RequestOp::DeleteRange(delete) => Request::RequestDeleteRange(delete.into()),
            kv::RequestOp::Txn(txn) => Request::RequestTxn(txn.into()),
        };
        Self { request: Some(request) }
    }
}

impl From<kv::Compare> for pb::Compare {
    fn from(compare: kv::Compare) -> Self {
        let (target, target_union) = compare_target(compare.target);
        Self {
            key: compare.key,
            range_end: compare.range_end,
            result: compare_result(compare.result),
            target,
            target_union,
        }
    }
}

fn compare_result(result: kv::CompareResult) -> i32 {
    match result {
        kv::CompareResult::Equal => CompareResult::Equal.into(),
        kv::CompareResult::Greater => CompareResult::Greater.into(),
        kv::CompareResult::Less => CompareResult::Less.into(),
        kv::CompareResult::NotEqual => CompareResult::NotEqual.into(),
        kv::CompareResult::Unrecognized => UNRECOGNIZED,
    }
}

fn compare_target(target: kv::CompareTarget) -> (i32, Option<TargetUnion>) {
    let (target, operand) = match target {
        kv::CompareTarget::Version(version) => {
            (CompareTarget::Version, TargetUnion::Version(version))
        }
        kv::CompareTarget::Create(revision) => {
            (CompareTarget::Create, TargetUnion::CreateRevision(revision))
        }
        kv::CompareTarget::Mod(revision) => {
            (CompareTarget::Mod, TargetUnion::ModRevision(revision))
        }
        kv::CompareTarget::Value(value) => (CompareTarget::Value, TargetUnion::Value(value)),
        kv::CompareTarget::Lease(lease) => (CompareTarget::Lease, TargetUnion::Lease(lease.0)),
        kv::CompareTarget::Unrecognized => return (UNRECOGNIZED, None),
    };
    (target.into(), Some(operand))
}
