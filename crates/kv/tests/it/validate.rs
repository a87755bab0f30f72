//! The checks before consensus, with etcd's texts and quirks.

use quorate_kv::{
    Command, CompareResult, CompareTarget, LeaseId, Limits, Mutant, PublishRequest, PutRequest,
    RequestError, RequestOp, Rule, TXN_DEPTH_MAX, TxnRequest, validate, validate_delete_range,
    validate_put, validate_range, validate_txn,
};

use crate::support::{always, compare, delete, op_delete, op_put, op_range, put, range};

fn check(request: TxnRequest) -> Result<(), RequestError> {
    validate(&Command::Txn(request), &Limits::default())
}

fn nested(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> RequestOp {
    RequestOp::Txn(TxnRequest { compares: Vec::new(), success, failure })
}

#[test]
fn every_key_must_be_given() {
    let limits = Limits::default();
    let error = Err(RequestError::EmptyKey);
    assert_eq!(validate_range(&range("", ""), &limits), error);
    assert_eq!(validate_put(&put("", "v"), &limits), error);
    assert_eq!(validate_delete_range(&delete("", "z"), &limits), error);
    for op in [op_range("", ""), op_put("", ""), op_delete("", "")] {
        assert_eq!(check(always(vec![op_put("a", ""), op.clone()])), error);
        assert_eq!(check(always(vec![nested(vec![], vec![op])])), error);
    }
    let compares = vec![compare("", CompareResult::Equal, CompareTarget::Mod(0))];
    assert_eq!(check(TxnRequest { compares, ..TxnRequest::default() }), error);
    assert_eq!(validate_range(&range("a", ""), &limits), Ok(()));
    assert_eq!(validate(&Command::Advance, &limits), Ok(()));
}

#[test]
fn what_is_ignored_must_not_be_given() {
    let ignoring = |value, lease| PutRequest {
        lease: LeaseId(lease),
        ignore_value: true,
        ignore_lease: true,
        ..put("a", value)
    };
    let check = |request: PutRequest| {
        let alone = validate_put(&request, &Limits::default());
        assert_eq!(check(always(vec![RequestOp::Put(request)])), alone);
        alone
    };
    assert_eq!(check(ignoring("", 0)), Ok(()));
    assert_eq!(check(ignoring("v", 0)), Err(RequestError::ValueProvided));
    assert_eq!(check(ignoring("", 7)), Err(RequestError::LeaseProvided));
    assert_eq!(check(ignoring("v", 7)), Err(RequestError::ValueProvided));
}

#[test]
fn each_list_and_what_it_leaves_to_nested_ones_is_limited() {
    let error = Err(RequestError::TooManyOperations);
    let ranges = |count| vec![op_range("a", ""); count];
    assert_eq!(check(always(ranges(128))), Ok(()));
    assert_eq!(check(always(ranges(129))), error);
    assert_eq!(check(TxnRequest { failure: ranges(129), ..TxnRequest::default() }), error);
    let compares = vec![compare("a", CompareResult::Equal, CompareTarget::Mod(0)); 129];
    assert_eq!(check(TxnRequest { compares, ..TxnRequest::default() }), error);
    let both = TxnRequest { failure: ranges(128), ..always(ranges(128)) };
    assert_eq!(check(both), Ok(()), "each list counts by itself");

    let mut ops = ranges(99);
    ops.push(nested(ranges(28), ranges(28)));
    assert_eq!(check(always(ops)), Ok(()), "100 here and 28 below");
    let mut ops = ranges(99);
    ops.push(nested(ranges(29), vec![]));
    assert_eq!(check(always(ops)), error, "100 here and 29 below");
}

#[test]
fn nesting_has_a_limit_of_its_own() {
    let limits = Limits { txn_ops_max: usize::MAX, ..Limits::default() };
    let nest =
        |levels| (1..levels).fold(always(vec![]), |txn, _| always(vec![RequestOp::Txn(txn)]));
    let check = |levels| validate(&Command::Txn(nest(levels)), &limits);
    assert_eq!(check(TXN_DEPTH_MAX), Ok(()));
    assert_eq!(check(TXN_DEPTH_MAX + 1), Err(RequestError::TooManyOperations));
}

#[test]
fn keys_and_values_have_a_limit() {
    let limits = Limits { request_bytes_max: 10, ..Limits::default() };
    let error = Err(RequestError::TooLarge);
    assert_eq!(validate_put(&put("1234", "567890"), &limits), Ok(()));
    assert_eq!(validate_put(&put("1234", "567890x"), &limits), error);
    assert_eq!(validate_range(&range("123456", "78901"), &limits), error);
    assert_eq!(validate_delete_range(&delete("123456", "78901"), &limits), error);
    let publish = |attributes: &'static str| {
        let attributes = attributes.into();
        validate(&Command::Publish(PublishRequest { member: 1, attributes }), &limits)
    };
    assert_eq!((publish("1234567890"), publish("12345678901")), (Ok(()), error));
    let compares = |value: &'static str| {
        vec![compare("a", CompareResult::Equal, CompareTarget::Value(value.into()))]
    };
    let txn = |value| TxnRequest {
        compares: compares(value),
        ..always(vec![nested(vec![op_put("b", "23")], vec![op_delete("x", "y")])])
    };
    assert_eq!(validate(&Command::Txn(txn("5678")), &limits), Ok(()));
    assert_eq!(validate(&Command::Txn(txn("56789")), &limits), error);
}

#[test]
fn no_key_is_written_twice() {
    let a = || op_put("a", "");
    let duplicates = [
        ("twice here", vec![a(), a()]),
        ("here and below", vec![a(), nested(vec![a()], vec![])]),
        ("in two nested ones", vec![nested(vec![a()], vec![]), nested(vec![], vec![a()])]),
        ("put and deleted", vec![a(), op_delete("a", "")]),
        ("deleted and put", vec![op_delete("a", ""), a()]),
        ("inside a deleted range", vec![a(), op_delete("0", "b")]),
        ("inside a second range", vec![op_delete("x", "z"), op_delete("0", "b"), a()]),
        ("inside overlapping ranges", vec![op_delete("0", "a"), op_delete("1", "c"), a()]),
        ("put below, deleted here", vec![nested(vec![a()], vec![]), op_delete("a", "b")]),
        ("put here, deleted below", vec![a(), nested(vec![], vec![op_delete("a", "b")])]),
        (
            "deleted below, put below later",
            vec![nested(vec![op_delete("a", "")], vec![]), nested(vec![a()], vec![])],
        ),
        ("both in a nested one", vec![nested(vec![], vec![a(), a()])]),
    ];
    for (name, ops) in duplicates {
        assert_eq!(check(always(ops.clone())), Err(RequestError::DuplicateKey), "{name}");
        let failure = TxnRequest { failure: ops, ..TxnRequest::default() };
        assert_eq!(check(failure), Err(RequestError::DuplicateKey), "{name}, if it fails");
    }
}

#[test]
fn etcd_lets_these_pass() {
    let a = || op_put("a", "");
    let accepted = [
        ("two keys", vec![a(), op_put("b", "")]),
        ("overlapping deletes", vec![op_delete("a", "c"), op_delete("b", "d"), op_delete("b", "")]),
        ("beside a deleted range", vec![op_delete("0", "a"), a(), op_delete("a\0", "z")]),
        ("in both branches below", vec![nested(vec![a()], vec![a()])]),
        ("in both, deleted below", vec![nested(vec![a()], vec![op_delete("a", "")])]),
        ("from a key on", vec![op_delete("a", "\0"), a()]),
        ("from the first key on", vec![op_delete("\0", "\0"), a()]),
        ("a range that ends first", vec![op_delete("b", "a"), a()]),
        (
            "put below, deleted below later",
            vec![nested(vec![a()], vec![]), nested(vec![op_delete("a", "")], vec![])],
        ),
    ];
    for (name, ops) in accepted {
        assert_eq!(check(always(ops)), Ok(()), "{name}");
    }
    let both = TxnRequest { failure: vec![a()], ..always(vec![a()]) };
    assert_eq!(check(both), Ok(()), "the two branches of one transaction");
}

#[test]
fn merged_intervals_answer_as_the_list_of_them() {
    let ends = ["", "b", "c", "d", "e"];
    for seed in 0..4000_usize {
        let pick = |at: usize| seed.wrapping_mul(2_654_435_761) >> (3 * at);
        let deletes: Vec<(&'static str, &'static str)> =
            (0..4).map(|at| (["a", "b", "c", "d"][pick(at) % 4], ends[pick(at + 4) % 5])).collect();
        for key in ["a", "b", "bb", "c", "d", "e"] {
            let is_inside = deletes.iter().any(|&(start, end)| {
                if end.is_empty() { key == start } else { start <= key && key < end }
            });
            let mut ops: Vec<RequestOp> =
                deletes.iter().map(|(key, end)| op_delete(key, end)).collect();
            ops.push(op_put(key, ""));
            let expected = if is_inside { Err(RequestError::DuplicateKey) } else { Ok(()) };
            assert_eq!(check(always(ops)), expected, "{key} in {deletes:?}");
        }
    }
}

#[test]
fn the_check_can_be_broken() {
    let twice = always(vec![op_put("a", ""), op_put("a", "")]);
    let broken = Mutant(Rule::DuplicatesAllowed);
    assert_eq!(validate_txn(&twice, &Limits::default(), &broken), Ok(()));
}
