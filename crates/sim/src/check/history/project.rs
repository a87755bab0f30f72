//! What an operation with its answer says about a single key.

use bytes::Bytes;
use quorate_kv::{
    Command, CompareResult, CompareTarget, DeleteRangeRequest, DeleteRangeResponse, KeyValue,
    PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp, Response, ResponseOp,
    SortOrder, TxnRequest, TxnResponse,
};
use quorate_replica::{ReadRequest, ReadResponse};

use super::search::Action;

/// The value of a key, if it exists.
pub(super) type Value = Option<Bytes>;

/// What must have been there.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Before {
    Anything,
    Exactly(Value),
}

/// What one operation saw of one key and made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnKey {
    before: Before,
    after: Option<Value>,
}

impl OnKey {
    /// It neither saw nor changed the key.
    const NOTHING: Self = Self { before: Before::Anything, after: None };

    fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }

    /// The key was seen like this. That tells something about the state before the operation only
    /// as long as the operation has not written the key itself.
    fn see(&mut self, value: Value) {
        if self.after.is_none() {
            self.before = Before::Exactly(value);
        }
    }

    fn write(&mut self, value: Value) {
        self.after = Some(value);
    }
}

impl Action for OnKey {
    type State = Value;

    fn step(&self, state: &Value) -> Option<Value> {
        match &self.before {
            Before::Exactly(seen) if seen != state => None,
            Before::Anything | Before::Exactly(_) => {
                Some(self.after.clone().unwrap_or_else(|| state.clone()))
            }
        }
    }
}

/// What a command did to the key, by its answer.
pub(super) fn answered(key: &[u8], command: &Command, response: &Response) -> Option<OnKey> {
    let mut on_key = OnKey::NOTHING;
    match (command, response) {
        (Command::Put(put), Response::Put(answer)) => see_put(&mut on_key, key, put, answer),
        (Command::DeleteRange(delete), Response::DeleteRange(answer)) => {
            see_delete(&mut on_key, key, delete, answer);
        }
        (Command::Txn(txn), Response::Txn(answer)) => see_txn(&mut on_key, key, txn, answer),
        _ => {}
    }
    (!on_key.is_nothing()).then_some(on_key)
}

/// What a read saw of the key.
pub(super) fn read(key: &[u8], request: &ReadRequest, response: &ReadResponse) -> Option<OnKey> {
    let mut on_key = OnKey::NOTHING;
    match (request, response) {
        (ReadRequest::Range(range), ReadResponse::Range(answer)) => {
            see_range(&mut on_key, key, range, answer);
        }
        (ReadRequest::Txn(txn), ReadResponse::Txn(answer)) => {
            see_txn(&mut on_key, key, txn, answer);
        }
        _ => {}
    }
    (!on_key.is_nothing()).then_some(on_key)
}

/// What a command may do to the key if it happens, whatever its answer would be: of several, each
/// may be what happens.
pub(super) fn possible(key: &[u8], command: &Command) -> Vec<OnKey> {
    let mut writes = Vec::new();
    match command {
        Command::Put(put) if put.key == key => writes.push(Some(put.value.clone())),
        Command::DeleteRange(delete) if covers(&delete.key, &delete.range_end, key) => {
            writes.push(None);
        }
        Command::Txn(txn) => possible_writes(key, txn, &mut writes),
        _ => {}
    }
    writes.into_iter().map(|after| OnKey { before: Before::Anything, after: Some(after) }).collect()
}

/// Whether a command may see or change the key.
pub(super) fn may_touch(key: &[u8], command: &Command) -> bool {
    match command {
        Command::Put(put) => put.key == key,
        Command::DeleteRange(delete) => covers(&delete.key, &delete.range_end, key),
        Command::Txn(txn) => txn_may_touch(key, txn),
        // No lease has a key that is searched.
        Command::Compact(_)
        | Command::SetQuota(_)
        | Command::Publish(_)
        | Command::Advance
        | Command::Alarm(_)
        | Command::LeaseGrant(_)
        | Command::LeaseRevoke(_)
        | Command::LeaseRenew(_) => false,
    }
}

/// Whether a read may see the key.
pub(super) fn may_see(key: &[u8], request: &ReadRequest) -> bool {
    match request {
        ReadRequest::Range(range) => covers(&range.key, &range.range_end, key),
        ReadRequest::Txn(txn) => txn_may_touch(key, txn),
        ReadRequest::Hash { .. }
        | ReadRequest::Revision
        | ReadRequest::Lease { .. }
        | ReadRequest::Leases
        | ReadRequest::KeepAlive { .. } => false,
    }
}

fn txn_may_touch(key: &[u8], txn: &TxnRequest) -> bool {
    let in_compares = txn.compares.iter().any(|one| covers(&one.key, &one.range_end, key));
    let in_ops = txn.success.iter().chain(&txn.failure).any(|op| match op {
        RequestOp::Range(range) => covers(&range.key, &range.range_end, key),
        RequestOp::Put(put) => put.key == key,
        RequestOp::DeleteRange(delete) => covers(&delete.key, &delete.range_end, key),
        RequestOp::Txn(nested) => txn_may_touch(key, nested),
    });
    in_compares || in_ops
}

fn possible_writes(key: &[u8], txn: &TxnRequest, writes: &mut Vec<Value>) {
    for op in txn.success.iter().chain(&txn.failure) {
        match op {
            RequestOp::Put(put) if put.key == key => writes.push(Some(put.value.clone())),
            RequestOp::DeleteRange(delete) if covers(&delete.key, &delete.range_end, key) => {
                writes.push(None);
            }
            RequestOp::Txn(nested) => possible_writes(key, nested, writes),
            _ => {}
        }
    }
}

fn see_put(on_key: &mut OnKey, key: &[u8], put: &PutRequest, answer: &PutResponse) {
    if put.key != key {
        return;
    }
    if put.prev_kv {
        on_key.see(answer.prev_kv.as_ref().map(value_of));
    }
    on_key.write(Some(put.value.clone()));
}

fn see_delete(
    on_key: &mut OnKey,
    key: &[u8],
    delete: &DeleteRangeRequest,
    answer: &DeleteRangeResponse,
) {
    if !covers(&delete.key, &delete.range_end, key) {
        return;
    }
    if delete.prev_kv || answer.deleted == 0 {
        on_key.see(answer.prev_kvs.iter().find(|kv| kv.key == key).map(value_of));
    }
    on_key.write(None);
}

fn see_txn(on_key: &mut OnKey, key: &[u8], txn: &TxnRequest, answer: &TxnResponse) {
    if answer.succeeded {
        see_compares(on_key, key, txn);
    }
    let branch = if answer.succeeded { &txn.success } else { &txn.failure };
    for (op, response) in branch.iter().zip(&answer.responses) {
        match (op, response) {
            (RequestOp::Range(range), ResponseOp::Range(answer)) => {
                see_range(on_key, key, range, answer);
            }
            (RequestOp::Put(put), ResponseOp::Put(answer)) => see_put(on_key, key, put, answer),
            (RequestOp::DeleteRange(delete), ResponseOp::DeleteRange(answer)) => {
                see_delete(on_key, key, delete, answer);
            }
            (RequestOp::Txn(nested), ResponseOp::Txn(answer)) => {
                see_txn(on_key, key, nested, answer);
            }
            _ => {}
        }
    }
}

/// What it means for the key that all compares held. Those of a nested transaction look at the
/// state before the outermost, which only counts while nothing was written.
fn see_compares(on_key: &mut OnKey, key: &[u8], txn: &TxnRequest) {
    for compare in &txn.compares {
        let is_exact = compare.result == CompareResult::Equal && compare.range_end.is_empty();
        if compare.key != key || !is_exact {
            continue;
        }
        match &compare.target {
            CompareTarget::Value(value) => on_key.see(Some(value.clone())),
            CompareTarget::Version(0) | CompareTarget::Create(0) | CompareTarget::Mod(0) => {
                on_key.see(None);
            }
            _ => {}
        }
    }
}

/// Only of an answer that shows all there is to see is it known what it says of a key.
fn see_range(on_key: &mut OnKey, key: &[u8], range: &RangeRequest, answer: &RangeResponse) {
    let filters = [
        range.min_mod_revision,
        range.max_mod_revision,
        range.min_create_revision,
        range.max_create_revision,
    ];
    let is_whole = !range.keys_only && !range.count_only && filters == [0; 4];
    let is_sorted_by_key = range.sort_order == SortOrder::None || range.limit <= 0;
    let is_present = range.revision <= 0;
    if !is_whole || !is_present || !is_sorted_by_key || answer.more {
        return;
    }
    if covers(&range.key, &range.range_end, key) {
        on_key.see(answer.kvs.iter().find(|kv| kv.key == key).map(value_of));
    }
}

fn value_of(kv: &KeyValue) -> Bytes {
    kv.value.clone()
}

fn covers(first: &[u8], end: &[u8], key: &[u8]) -> bool {
    match end {
        [] => first == key,
        [0] => first <= key,
        end => first <= key && key < end,
    }
}
