//! Checks that need no state, made before a request is proposed: etcd's, with its quirks.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Command, Compare, CompareTarget, DeleteRangeRequest, LEASE_RENEW_MAX, LeaseId, PutRequest,
    RangeRequest, RequestError, RequestOp, Rule, Rules, Strict, TxnRequest,
};

/// How deeply transactions may be nested, the outermost counted. The budget of operations would
/// allow as many levels as operations; this bound keeps recursion shallow whatever the budget.
pub const TXN_DEPTH_MAX: usize = 64;

/// What a request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most operations in one list of a transaction (etcd's `--max-txn-ops`).
    pub txn_ops_max: usize,
    /// The most bytes of keys and values in a request (etcd's `--max-request-bytes`).
    pub request_bytes_max: usize,
}

impl Default for Limits {
    /// etcd's defaults.
    fn default() -> Self {
        Self { txn_ops_max: 128, request_bytes_max: 1_572_864 }
    }
}

/// Checks a command as it came from a client.
pub fn validate(command: &Command, limits: &Limits) -> Result<(), RequestError> {
    match command {
        Command::Put(request) => validate_put(request, limits),
        Command::DeleteRange(request) => validate_delete_range(request, limits),
        Command::Txn(request) => validate_txn(request, limits, &Strict),
        Command::Publish(request) => check_size(request.attributes.len(), limits),
        Command::LeaseRenew(request) if LEASE_RENEW_MAX < request.ids.len() => {
            Err(RequestError::TooManyOperations)
        }
        Command::Compact(_)
        | Command::SetQuota(_)
        | Command::Advance
        | Command::Alarm(_)
        | Command::LeaseGrant(_)
        | Command::LeaseRevoke(_)
        | Command::LeaseRenew(_) => Ok(()),
    }
}

/// Checks a range.
pub fn validate_range(request: &RangeRequest, limits: &Limits) -> Result<(), RequestError> {
    check_range(request)?;
    check_size(request.key.len() + request.range_end.len(), limits)
}

/// Checks a put.
pub fn validate_put(request: &PutRequest, limits: &Limits) -> Result<(), RequestError> {
    check_put(request)?;
    check_size(request.key.len() + request.value.len(), limits)
}

/// Checks a delete.
pub fn validate_delete_range(
    request: &DeleteRangeRequest,
    limits: &Limits,
) -> Result<(), RequestError> {
    check_delete_range(request)?;
    check_size(request.key.len() + request.range_end.len(), limits)
}

/// Checks a transaction, all branches at every depth.
pub fn validate_txn(
    request: &TxnRequest,
    limits: &Limits,
    rules: &impl Rules,
) -> Result<(), RequestError> {
    check_txn(request, limits.txn_ops_max, TXN_DEPTH_MAX)?;
    if !rules.breaks(Rule::DuplicatesAllowed) {
        Writes::of(&request.success)?;
        Writes::of(&request.failure)?;
    }
    check_size(txn_bytes(request), limits)
}

fn check_size(bytes: usize, limits: &Limits) -> Result<(), RequestError> {
    if bytes <= limits.request_bytes_max { Ok(()) } else { Err(RequestError::TooLarge) }
}

fn check_key(key: &[u8]) -> Result<(), RequestError> {
    if key.is_empty() { Err(RequestError::EmptyKey) } else { Ok(()) }
}

fn check_range(request: &RangeRequest) -> Result<(), RequestError> {
    check_key(&request.key)
}

fn check_delete_range(request: &DeleteRangeRequest) -> Result<(), RequestError> {
    check_key(&request.key)
}

fn check_put(request: &PutRequest) -> Result<(), RequestError> {
    check_key(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(RequestError::ValueProvided);
    }
    if request.ignore_lease && request.lease != LeaseId::NONE {
        return Err(RequestError::LeaseProvided);
    }
    Ok(())
}

/// Checks one level. A nested transaction gets only the operations that this level leaves over.
fn check_txn(request: &TxnRequest, ops_max: usize, depth_left: usize) -> Result<(), RequestError> {
    let ops = request.compares.len().max(request.success.len()).max(request.failure.len());
    if ops_max < ops || depth_left == 0 {
        return Err(RequestError::TooManyOperations);
    }
    for compare in &request.compares {
        check_key(&compare.key)?;
    }
    for op in request.success.iter().chain(&request.failure) {
        match op {
            RequestOp::Range(range) => check_range(range)?,
            RequestOp::Put(put) => check_put(put)?,
            RequestOp::DeleteRange(delete) => check_delete_range(delete)?,
            RequestOp::Txn(txn) => check_txn(txn, ops_max - ops, depth_left - 1)?,
        }
    }
    Ok(())
}

/// The bytes of keys and values in a transaction.
fn txn_bytes(request: &TxnRequest) -> usize {
    let compares: usize = request.compares.iter().map(compare_bytes).sum();
    let ops: usize = request.success.iter().chain(&request.failure).map(op_bytes).sum();
    compares + ops
}

fn compare_bytes(compare: &Compare) -> usize {
    let value = match &compare.target {
        CompareTarget::Value(value) => value.len(),
        _ => 0,
    };
    compare.key.len() + compare.range_end.len() + value
}

fn op_bytes(op: &RequestOp) -> usize {
    match op {
        RequestOp::Range(range) => range.key.len() + range.range_end.len(),
        RequestOp::Put(put) => put.key.len() + put.value.len(),
        RequestOp::DeleteRange(delete) => delete.key.len() + delete.range_end.len(),
        RequestOp::Txn(txn) => txn_bytes(txn),
    }
}

/// What one list of operations writes, nested ones included, for the rule that no key is
/// written twice (etcd: `checkIntervals`).
#[derive(Default)]
struct Writes<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Intervals<'a>,
}

impl<'a> Writes<'a> {
    /// Deletes of this level come first, then nested transactions in order, then puts of this
    /// level. So a nested put is checked against the deletes of this level and of the nested
    /// transactions before it, not of those after it.
    fn of(ops: &'a [RequestOp]) -> Result<Self, RequestError> {
        let mut writes = Self::default();
        for op in ops {
            if let RequestOp::DeleteRange(delete) = op {
                writes.deletes.insert_range(&delete.key, &delete.range_end);
            }
        }
        for op in ops {
            if let RequestOp::Txn(txn) = op {
                writes.add_nested(txn)?;
            }
        }
        for op in ops {
            if let RequestOp::Put(put) = op {
                writes.add_put(&put.key)?;
            }
        }
        Ok(writes)
    }

    /// Only one branch of a nested transaction happens, so both may write the same key.
    fn add_nested(&mut self, txn: &'a TxnRequest) -> Result<(), RequestError> {
        let success = Self::of(&txn.success)?;
        let failure = Self::of(&txn.failure)?;
        for &key in &success.puts {
            self.add_put(key)?;
        }
        for &key in failure.puts.difference(&success.puts) {
            self.add_put(key)?;
        }
        self.deletes.insert_all(success.deletes);
        self.deletes.insert_all(failure.deletes);
        Ok(())
    }

    fn add_put(&mut self, key: &'a [u8]) -> Result<(), RequestError> {
        if self.deletes.contains(key) || !self.puts.insert(key) {
            return Err(RequestError::DuplicateKey);
        }
        Ok(())
    }
}

/// The last key of an interval, or just beyond it.
#[derive(Clone, Copy)]
enum End<'a> {
    /// The interval ends before this key.
    Before(&'a [u8]),
    /// The interval ends with this key, and includes it.
    With(&'a [u8]),
}

impl<'a> End<'a> {
    fn covers(self, key: &[u8]) -> bool {
        match self {
            Self::Before(end) => key < end,
            Self::With(last) => key <= last,
        }
    }

    /// Ends compare as the sets of keys below them do.
    fn rank(self) -> (&'a [u8], bool) {
        match self {
            Self::Before(end) => (end, false),
            Self::With(last) => (last, true),
        }
    }
}

/// A union of key intervals that answers whether it has a key. Intervals that others cover are
/// merged away, so a question looks at one interval however many were put in.
#[derive(Default)]
struct Intervals<'a> {
    by_start: BTreeMap<&'a [u8], End<'a>>,
}

impl<'a> Intervals<'a> {
    /// Adds the range of a delete. One from a key to the end of all keys (`"\0"`) adds nothing:
    /// etcd compares the `"\0"` as a key, finds the interval empty, and so accepts puts inside.
    fn insert_range(&mut self, key: &'a [u8], range_end: &'a [u8]) {
        if range_end.is_empty() {
            self.insert(key, End::With(key));
        } else if key < range_end {
            self.insert(key, End::Before(range_end));
        }
    }

    fn insert_all(&mut self, other: Self) {
        for (start, end) in other.by_start {
            self.insert(start, end);
        }
    }

    fn insert(&mut self, start: &'a [u8], end: End<'a>) {
        let mut start = start;
        let mut end = end;
        if let Some((&before, &before_end)) = self.by_start.range(..=start).next_back()
            && before_end.covers(start)
        {
            start = before;
            end = longer(end, before_end);
        }
        while let Some((&inner, &inner_end)) = self.by_start.range(start..).next()
            && end.covers(inner)
        {
            end = longer(end, inner_end);
            self.by_start.remove(inner);
        }
        self.by_start.insert(start, end);
    }

    fn contains(&self, key: &'a [u8]) -> bool {
        let before = self.by_start.range(..=key).next_back();
        before.is_some_and(|(_, end)| end.covers(key))
    }
}

fn longer<'a>(a: End<'a>, b: End<'a>) -> End<'a> {
    if a.rank() < b.rank() { b } else { a }
}
