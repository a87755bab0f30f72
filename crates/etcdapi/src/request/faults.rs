//! Which fault of a transaction is named: the first in etcd's order.
//!
//! That order mixes what conversion refuses with what `quorate_kv::validate` refuses, so it is
//! looked for before either.

use super::{Request, pb, sort_order, sort_target};
use crate::error::ApiError;

/// The first fault of a transaction, all branches at every depth: lists that are too long, then
/// comparisons, then the operations of both branches. Which keys are written twice is not looked
/// at, nor how large it is.
///
/// Nesting is bounded before this runs: the protobuf decoder refuses more than 100 levels.
pub fn check_txn(txn: &pb::TxnRequest, ops_max: usize) -> Result<(), ApiError> {
    let ops = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    let ops_left = ops_max.checked_sub(ops).ok_or(ApiError::TooManyOperations)?;
    for compare in &txn.compare {
        check_key(&compare.key)?;
    }
    for operation in txn.success.iter().chain(&txn.failure) {
        match &operation.request {
            Some(Request::RequestRange(range)) => check_range(range)?,
            Some(Request::RequestPut(put)) => check_put(put)?,
            Some(Request::RequestDeleteRange(delete)) => check_key(&delete.key)?,
            Some(Request::RequestTxn(txn)) => check_txn(txn, ops_left)?,
            None => return Err(ApiError::KeyNotFound),
        }
    }
    Ok(())
}

fn check_key(key: &[u8]) -> Result<(), ApiError> {
    if key.is_empty() { Err(ApiError::EmptyKey) } else { Ok(()) }
}

fn check_range(range: &pb::RangeRequest) -> Result<(), ApiError> {
    check_key(&range.key)?;
    sort_order(range.sort_order)?;
    sort_target(range.sort_target)?;
    Ok(())
}

fn check_put(put: &pb::PutRequest) -> Result<(), ApiError> {
    check_key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(ApiError::ValueProvided);
    }
    if put.ignore_lease && put.lease != 0 {
        return Err(ApiError::LeaseProvided);
    }
    Ok(())
}
