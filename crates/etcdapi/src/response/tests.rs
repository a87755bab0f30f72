//! Every field of an answer reaches its place, and headers are as etcd sets them.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const RESPONDER: Responder = Responder { cluster_id: 11, member_id: 22, raft_term: 33 };

/// The header of an outermost answer.
fn outer(revision: i64) -> pb::ResponseHeader {
    pb::ResponseHeader { cluster_id: 11, member_id: 22, revision, raft_term: 33 }
}

/// The header of an answer within a transaction.
fn inner(revision: i64) -> pb::ResponseHeader {
    pb::ResponseHeader { cluster_id: 0, member_id: 0, revision, raft_term: 0 }
}

/// A key-value whose fields all differ.
fn key_value() -> kv::KeyValue {
    kv::KeyValue {
        key: Bytes::from_static(b"key"),
        create_revision: 2,
        mod_revision: 3,
        version: 4,
        value: Bytes::from_static(b"value"),
        lease: kv::LeaseId(5),
    }
}

/// The same as etcd's message.
fn message() -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: Bytes::from_static(b"key"),
        create_revision: 2,
        mod_revision: 3,
        version: 4,
        value: Bytes::from_static(b"value"),
        lease: 5,
    }
}

#[test]
fn a_range_answer_has_every_field() {
    let response = kv::RangeResponse { revision: 9, kvs: vec![key_value()], more: true, count: 7 };
    let expected =
        pb::RangeResponse { header: Some(outer(9)), kvs: vec![message()], more: true, count: 7 };
    assert_eq!(RESPONDER.range(response), expected);
}

#[test]
fn a_put_answer_has_every_field() {
    let response = kv::PutResponse { revision: 9, prev_kv: Some(key_value()) };
    let expected = pb::PutResponse { header: Some(outer(9)), prev_kv: Some(message()) };
    assert_eq!(RESPONDER.put(response), expected);
}

#[test]
fn a_delete_answer_has_every_field() {
    let response = kv::DeleteRangeResponse { revision: 9, deleted: 1, prev_kvs: vec![key_value()] };
    let expected =
        pb::DeleteRangeResponse { header: Some(outer(9)), deleted: 1, prev_kvs: vec![message()] };
    assert_eq!(RESPONDER.delete_range(response), expected);
}

#[test]
fn a_compaction_answer_has_its_header() {
    let response = kv::CompactResponse { revision: 9 };
    assert_eq!(RESPONDER.compact(response).header, Some(outer(9)));
}

/// Either half alone decides about the hash, so that no difference in it is lost for sure.
#[test]
fn a_hash_answer_folds_both_halves() {
    let content =
        |hash| kv::ContentAt { hash: kv::ContentHash(hash), compact_revision: 4, hash_revision: 6 };
    let answer = RESPONDER.hash_kv(9, content(0xAAAA_0000_0000_5555));
    assert_eq!(answer.header, Some(outer(9)));
    assert_eq!((answer.hash, answer.compact_revision, answer.hash_revision), (0xAAAA_5555, 4, 6));
    assert_ne!(RESPONDER.hash_kv(9, content(0xAAAB_0000_0000_5555)).hash, answer.hash);
    assert_ne!(RESPONDER.hash_kv(9, content(0xAAAA_0000_0000_5556)).hash, answer.hash);
}

/// etcd sets only the revision in the answers within, and leaves a nested header empty.
#[test]
fn headers_within_a_transaction_carry_the_revision_alone() {
    let range = kv::RangeResponse { revision: 8, ..kv::RangeResponse::default() };
    let put = kv::PutResponse { revision: 9, ..kv::PutResponse::default() };
    let delete = kv::DeleteRangeResponse { revision: 9, ..kv::DeleteRangeResponse::default() };
    let nested = kv::TxnResponse { succeeded: true, ..kv::TxnResponse::default() };
    let responses = vec![
        kv::ResponseOp::Range(range),
        kv::ResponseOp::Put(put),
        kv::ResponseOp::DeleteRange(delete),
        kv::ResponseOp::Txn(nested),
    ];
    let response = kv::TxnResponse { revision: 9, succeeded: true, responses };

    let answer = RESPONDER.txn(response);
    assert_eq!(answer.header, Some(outer(9)));
    assert!(answer.succeeded);
    let headers: Vec<_> = answer.responses.iter().map(header_of).collect();
    assert_eq!(headers, [inner(8), inner(9), inner(9), pb::ResponseHeader::default()].map(Some));
}

fn header_of(operation: &pb::ResponseOp) -> Option<pb::ResponseHeader> {
    match operation.response.as_ref().expect("each operation is answered") {
        Response::ResponseRange(range) => range.header,
        Response::ResponsePut(put) => put.header,
        Response::ResponseDeleteRange(delete) => delete.header,
        Response::ResponseTxn(txn) => txn.header,
    }
}

proptest! {
    #[test]
    fn a_key_value_survives(
        key in vec(any::<u8>(), 0..9),
        value in vec(any::<u8>(), 0..9),
        (create_revision, mod_revision, version, lease) in any::<(i64, i64, i64, i64)>(),
    ) {
        let (key, value, lease) = (Bytes::from(key), Bytes::from(value), kv::LeaseId(lease));
        let original =
            kv::KeyValue { key, create_revision, mod_revision, version, value, lease };
        let message = mvccpb::KeyValue::from(original.clone());
        prop_assert_eq!(kv::KeyValue::from(message), original);
    }
}
