//! Transactions: compares, order, revisions, nesting, and all or nothing.

use bytes::Bytes;
use quorate_kv::{
    Command, CommandError, Compare, CompareResult, CompareTarget, DeleteRangeRequest, LeaseId,
    PutRequest, RangeRequest, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};

use crate::support::{
    Node, always, compare, delete, node, op_delete, op_put, op_range, put, range,
};

use CompareResult::{Equal, Greater, Less, NotEqual, Unrecognized};

/// a: created 2, modified 4, version 2, value "m"; b: created 3.
fn two() -> Node {
    let mut node = node();
    node.put("a", "k");
    node.put("b", "z");
    node.put("a", "m");
    node
}

fn holds(node: &Node, compares: Vec<Compare>) -> bool {
    let request = TxnRequest { compares, ..TxnRequest::default() };
    let read = node.store.read_txn(&request).expect("memory is sound");
    read.expect("a transaction of compares cannot be refused").succeeded
}

fn value(value: &'static str) -> CompareTarget {
    CompareTarget::Value(value.into())
}

type Target = fn(i64) -> CompareTarget;

#[test]
fn every_target_compares_every_way() {
    let node = two();
    let targets: [(Target, i64); 4] = [
        (CompareTarget::Version, 2),
        (CompareTarget::Create, 2),
        (CompareTarget::Mod, 4),
        (|lease| CompareTarget::Lease(LeaseId(lease)), 0),
    ];
    for (target, stored) in targets {
        for (given, equal, greater, less) in [
            (stored - 1, false, true, false),
            (stored, true, false, false),
            (stored + 1, false, false, true),
        ] {
            let held = |result| holds(&node, vec![compare("a", result, target(given))]);
            assert_eq!(held(Equal), equal, "{:?}", target(given));
            assert_eq!(held(NotEqual), !equal, "{:?}", target(given));
            assert_eq!(held(Greater), greater, "{:?}", target(given));
            assert_eq!(held(Less), less, "{:?}", target(given));
        }
    }
    for (given, equal, greater, less) in
        [("l", false, true, false), ("m", true, false, false), ("ma", false, false, true)]
    {
        let held = |result| holds(&node, vec![compare("a", result, value(given))]);
        assert_eq!((held(Equal), held(Greater), held(Less)), (equal, greater, less));
        assert_eq!(held(NotEqual), !equal);
    }
}

#[test]
fn a_missing_key_compares_as_0_but_its_value_never_holds() {
    let node = two();
    let held = |result, target| holds(&node, vec![compare("x", result, target)]);
    assert!(held(Equal, CompareTarget::Version(0)));
    assert!(held(Equal, CompareTarget::Create(0)));
    assert!(held(Equal, CompareTarget::Mod(0)));
    assert!(held(Equal, CompareTarget::Lease(LeaseId(0))));
    assert!(held(Less, CompareTarget::Mod(1)));
    assert!(!held(Greater, CompareTarget::Mod(0)));
    for result in [Equal, NotEqual, Greater, Less, Unrecognized] {
        assert!(!held(result, value("")), "{result:?}");
        assert!(!held(result, value("v")), "{result:?}");
    }
}

#[test]
fn numbers_of_later_versions_compare_as_in_etcd() {
    let node = two();
    assert!(holds(&node, vec![compare("a", Unrecognized, CompareTarget::Mod(99))]));
    assert!(holds(&node, vec![compare("a", Equal, CompareTarget::Unrecognized)]));
    assert!(!holds(&node, vec![compare("a", NotEqual, CompareTarget::Unrecognized)]));
}

#[test]
fn all_compares_must_hold_and_none_is_true() {
    let node = two();
    let yes = || compare("a", Equal, CompareTarget::Version(2));
    let no = || compare("a", Equal, CompareTarget::Version(3));
    assert!(holds(&node, vec![]));
    assert!(holds(&node, vec![yes(), yes()]));
    assert!(!holds(&node, vec![yes(), no()]));
    assert!(!holds(&node, vec![no(), yes()]));
}

#[test]
fn a_compare_of_a_range_must_hold_for_every_key() {
    let node = two();
    let held = |key: &'static str, end: &'static str, result, target| {
        let range_end = Bytes::from_static(end.as_bytes());
        holds(&node, vec![Compare { key: key.into(), range_end, result, target }])
    };
    assert!(held("a", "c", Less, CompareTarget::Create(4)));
    assert!(!held("a", "c", Less, CompareTarget::Create(3)));
    assert!(held("a", "\0", Greater, value("a")));
    assert!(!held("a", "\0", Greater, value("m")));
    assert!(held("x", "z", Equal, CompareTarget::Version(0)), "an empty range is a missing key");
    assert!(!held("x", "z", NotEqual, value("v")));
    assert!(held("b", "a", Equal, CompareTarget::Mod(0)), "also if its end comes first");
}

#[test]
fn the_branch_that_is_taken_answers_one_by_one() {
    let mut node = two();
    let mut request = TxnRequest {
        compares: vec![compare("a", Equal, value("m"))],
        success: vec![op_put("yes", ""), op_range("a", "")],
        failure: vec![op_put("no", "")],
    };
    let response = node.txn(&request).expect("the transaction is sound");
    assert!(response.succeeded);
    let [ResponseOp::Put(put), ResponseOp::Range(range)] = &response.responses[..] else {
        panic!("a put and a range were asked for");
    };
    assert_eq!((put.revision, range.revision, range.count), (5, 5, 1));
    request.compares[0].result = NotEqual;
    let response = node.txn(&request).expect("the transaction is sound");
    assert!(!response.succeeded && response.responses.len() == 1);
    assert_eq!(node.keys_at(0).unwrap(), ["a", "b", "no", "yes"]);
}

#[test]
fn later_operations_see_earlier_writes_and_revisions_say_so() {
    let mut node = two();
    let all = || op_range("\0", "\0");
    let missing = op_delete("x", "");
    let ops =
        vec![all(), missing.clone(), op_put("c", ""), all(), op_delete("a", "c"), all(), missing];
    let response = node.txn(&always(ops)).expect("the transaction is sound");
    let seen: Vec<(i64, i64)> = response
        .responses
        .iter()
        .map(|op| match op {
            ResponseOp::Range(range) => (range.revision, range.count),
            ResponseOp::Put(put) => (put.revision, -1),
            ResponseOp::DeleteRange(delete) => (delete.revision, delete.deleted),
            ResponseOp::Txn(_) => panic!("none was asked for"),
        })
        .collect();
    assert_eq!(seen, [(4, 2), (4, 0), (5, -1), (5, 3), (5, 2), (5, 1), (5, 0)]);
    assert_eq!(response.revision, 5, "one revision for all of it");
    let events = node.store.events(5, 9).expect("memory is sound").expect("readable");
    let subs: Vec<i64> = events.records.iter().map(|(at, _)| at.sub).collect();
    assert_eq!(subs, [0, 1, 2]);
}

#[test]
fn without_a_change_the_revision_stays() {
    let mut node = two();
    let response = node.txn(&always(vec![op_delete("x", ""), op_range("a", "")]));
    assert_eq!(response.expect("the transaction is sound").revision, 4);
    assert_eq!(node.store.revision(), 4);
}

#[test]
fn nested_compares_are_evaluated_before_any_write() {
    let mut node = two();
    let nested = TxnRequest {
        compares: vec![compare("c", Equal, CompareTarget::Create(0))],
        success: vec![op_put("was-absent", "")],
        failure: vec![op_put("was-present", "")],
    };
    let response = node.txn(&always(vec![op_put("c", ""), RequestOp::Txn(nested)]));
    let response = response.expect("the transaction is sound");
    let ResponseOp::Txn(TxnResponse { revision, succeeded, responses }) = &response.responses[1]
    else {
        panic!("a transaction was asked for");
    };
    assert_eq!((*revision, *succeeded), (0, true), "etcd leaves a nested header empty");
    assert!(matches!(&responses[..], [ResponseOp::Put(put)] if put.revision == 5));
    assert!(node.find("was-absent").is_some());
}

#[test]
fn a_failed_check_anywhere_on_the_path_changes_nothing() {
    let future = RequestOp::Range(RangeRequest { revision: 5, ..range("a", "") });
    let negative = RequestOp::Range(RangeRequest { revision: -2, ..range("a", "") });
    let lease = RequestOp::Put(PutRequest { lease: LeaseId(9), ..put("l", "") });
    let keep = RequestOp::Put(PutRequest { ignore_value: true, ..put("c", "") });
    let nested = RequestOp::Txn(always(vec![op_put("n", ""), future.clone()]));
    let cases = [
        (future.clone(), CommandError::FutureRevision),
        (negative, CommandError::Compacted),
        (lease, CommandError::LeaseNotFound),
        (keep, CommandError::KeyNotFound),
        (nested, CommandError::FutureRevision),
    ];
    for (op, error) in cases {
        let mut node = two();
        let before = (node.store.revision(), node.store.content_hash(), node.store.sizes());
        let request = always(vec![op_put("c", ""), op_delete("a", ""), op.clone()]);
        assert_eq!(node.txn(&request), Err(error), "{op:?}");
        let after = (node.store.revision(), node.store.content_hash(), node.store.sizes());
        assert_eq!(before, after, "{op:?}");
        let not_taken = TxnRequest { failure: vec![op], ..always(vec![op_put("c", "")]) };
        assert!(node.txn(&not_taken).is_ok(), "the branch not taken is not checked");
    }
}

/// etcd 3.6 checks operations in order; 3.4 checked all puts before all ranges.
#[test]
fn the_first_failed_check_is_told() {
    let future = RequestOp::Range(RangeRequest { revision: 99, ..range("a", "") });
    let lease = RequestOp::Put(PutRequest { lease: LeaseId(9), ..put("l", "") });
    let both = PutRequest { lease: LeaseId(9), ignore_value: true, ..put("x", "") };
    let mut node = two();
    let mut refusal = |ops| node.txn(&always(ops)).expect_err("each has a fault");
    assert_eq!(refusal(vec![future.clone(), lease.clone()]), CommandError::FutureRevision);
    assert_eq!(refusal(vec![lease, future]), CommandError::LeaseNotFound);
    let alone = node.put_with(&both).expect_err("it has two faults");
    assert_eq!(alone, CommandError::LeaseNotFound, "on its own, the lease comes first");
    let within = node.txn(&always(vec![RequestOp::Put(both)]));
    assert_eq!(within, Err(CommandError::KeyNotFound), "in a transaction, the key does");
}

#[test]
fn a_range_at_minus_1_is_the_present_until_the_first_compaction() {
    let mut node = two();
    let request = always(vec![RequestOp::Range(RangeRequest { revision: -1, ..range("a", "") })]);
    assert!(node.txn(&request).is_ok(), "as seen with etcd 3.4.23");
    assert!(matches!(node.store.read_txn(&request), Ok(Ok(_))));
    node.compact(0).expect("0 is accepted once");
    assert_eq!(node.txn(&request), Err(CommandError::Compacted));
    assert_eq!(node.store.read_txn(&request), Ok(Err(CommandError::Compacted)));
}

/// etcd lets a delete from a key on and a put inside it pass, and does them in list order.
#[test]
fn a_put_after_a_delete_from_a_key_on_survives_it() {
    let mut node = two();
    node.txn(&always(vec![op_delete("a", "\0"), op_put("b", "new")])).expect("it is accepted");
    let b = node.find("b").expect("it was put last");
    assert_eq!((b.create_revision, b.mod_revision, b.version), (5, 5, 1));
    node.txn(&always(vec![op_put("b", "x"), op_delete("a", "\0")])).expect("it is accepted");
    assert_eq!(node.find("b"), None);
    let keep = PutRequest { ignore_value: true, ignore_lease: true, ..put("b", "") };
    node.put("b", "old");
    let ops = vec![RequestOp::DeleteRange(delete("a", "\0")), RequestOp::Put(keep)];
    node.txn(&always(ops)).expect("the key was there when the transaction was checked");
    let b = node.find("b").expect("it was put last");
    assert_eq!((b.value, b.version), (Bytes::new(), 1), "there is no value left to keep");
}

#[test]
fn a_read_only_transaction_reads_and_says_so() {
    let node = two();
    let read = TxnRequest {
        compares: vec![compare("a", Equal, value("m"))],
        success: vec![
            op_range("a", ""),
            RequestOp::Txn(TxnRequest {
                compares: vec![compare("a", Equal, value("x"))],
                success: vec![],
                failure: vec![op_range("b", "")],
            }),
        ],
        failure: vec![],
    };
    assert!(read.is_read_only() && !read.is_serializable());
    let response = node.store.read_txn(&read).expect("memory is sound").expect("it is readable");
    assert_eq!((response.revision, response.succeeded, response.responses.len()), (4, true, 2));
    let ResponseOp::Txn(nested) = &response.responses[1] else {
        panic!("a transaction was asked for");
    };
    assert!(!nested.succeeded && nested.responses.len() == 1);

    let stale = RequestOp::Range(RangeRequest { serializable: true, ..range("a", "") });
    assert!(always(vec![stale.clone(), RequestOp::Txn(always(vec![stale]))]).is_serializable());
    assert!(TxnRequest::default().is_serializable(), "compares alone may be stale");
    let deep = always(vec![RequestOp::Txn(TxnRequest {
        failure: vec![op_delete("a", "")],
        ..TxnRequest::default()
    })]);
    assert!(!deep.is_read_only());
}

/// 8 MiB, of which a transaction asks for everything so many times.
fn everything(node: &mut Node, times: usize) -> TxnRequest {
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let value = Bytes::from(vec![b'v'; 1 << 20]);
        let request = PutRequest { value, ..put(key, "") };
        node.put_with(&request).expect("there is room");
    }
    let mut success = vec![op_put("new", "value")];
    success.extend(vec![op_range("\0", "\0"); times]);
    TxnRequest { success, ..TxnRequest::default() }
}

#[test]
fn an_answer_that_is_too_large_is_refused_before_anything_is_written() {
    let mut node = node();
    let request = everything(&mut node, 32);
    let before = node.store.revision();
    assert_eq!(node.txn(&request), Err(CommandError::AnswerTooLarge));
    assert_eq!(node.store.revision(), before);
    assert_eq!(node.find("new"), None);

    let reads = TxnRequest { success: request.success[1..].to_vec(), ..TxnRequest::default() };
    let read = node.store.read_txn(&reads).expect("memory is sound");
    assert_eq!(read, Err(CommandError::AnswerTooLarge));
    let nested = RequestOp::Txn(reads.clone());
    let outer = TxnRequest { success: vec![nested], ..TxnRequest::default() };
    assert_eq!(node.txn(&outer), Err(CommandError::AnswerTooLarge));
    let untaken = TxnRequest { failure: reads.success, ..TxnRequest::default() };
    assert!(node.txn(&untaken).is_ok(), "only the branch that is taken answers");
}

#[test]
fn an_answer_that_just_fits_is_given() {
    let mut node = node();
    let request = everything(&mut node, 31);
    let answer = node.txn(&request).expect("31 times 8 MiB and a bit");
    assert!((248 << 20) < answer.bytes(), "{}", answer.bytes());
}

#[test]
fn a_deletion_that_would_tell_too_much_is_refused_and_nothing_is_deleted() {
    let mut node = node();
    let value = Bytes::from(vec![b'v'; 4 << 20]);
    for key in 0..65 {
        let request =
            PutRequest { key: format!("k{key}").into(), value: value.clone(), ..put("", "") };
        node.put_with(&request).expect("there is room");
    }
    let telling = DeleteRangeRequest { prev_kv: true, ..delete("k", "l") };
    let refused = node.apply(&Command::DeleteRange(telling));
    assert_eq!(refused, Err(CommandError::AnswerTooLarge));
    assert_eq!(node.delete("k", "l"), 65, "and without telling all of them are");
}
