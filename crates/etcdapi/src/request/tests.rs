//! Requests survive the way out and back, and what they cannot say is refused in etcd's words.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::*;

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..9).prop_map(Bytes::from)
}

fn key() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 1..9).prop_map(Bytes::from)
}

prop_compose! {
    fn range()(
        (key, range_end) in (key(), bytes()),
        (limit, revision) in any::<(i64, i64)>(),
        sort_order in prop_oneof![
            Just(kv::SortOrder::None), Just(kv::SortOrder::Ascend), Just(kv::SortOrder::Descend)
        ],
        sort_target in prop_oneof![
            Just(kv::SortTarget::Key), Just(kv::SortTarget::Version), Just(kv::SortTarget::Create),
            Just(kv::SortTarget::Mod), Just(kv::SortTarget::Value)
        ],
        (serializable, keys_only, count_only) in any::<(bool, bool, bool)>(),
        (min_mod_revision, max_mod_revision) in any::<(i64, i64)>(),
        (min_create_revision, max_create_revision) in any::<(i64, i64)>(),
    ) -> kv::RangeRequest {
        kv::RangeRequest {
            key, range_end, limit, revision, sort_order, sort_target, serializable, keys_only,
            count_only, min_mod_revision, max_mod_revision, min_create_revision,
            max_create_revision,
        }
    }
}

prop_compose! {
    fn put()(
        (key, value, lease) in (bytes(), bytes(), any::<i64>()),
        (prev_kv, ignore_value, ignore_lease) in any::<(bool, bool, bool)>(),
    ) -> kv::PutRequest {
        let lease = kv::LeaseId(lease);
        kv::PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease }
    }
}

prop_compose! {
    fn delete()(
        key in bytes(), range_end in bytes(), prev_kv in any::<bool>(),
    ) -> kv::DeleteRangeRequest {
        kv::DeleteRangeRequest { key, range_end, prev_kv }
    }
}

prop_compose! {
    fn compare()(
        key in bytes(),
        range_end in bytes(),
        result in prop_oneof![
            Just(kv::CompareResult::Equal), Just(kv::CompareResult::Greater),
            Just(kv::CompareResult::Less), Just(kv::CompareResult::NotEqual),
            Just(kv::CompareResult::Unrecognized)
        ],
        target in prop_oneof![
            any::<i64>().prop_map(kv::CompareTarget::Version),
            any::<i64>().prop_map(kv::CompareTarget::Create),
            any::<i64>().prop_map(kv::CompareTarget::Mod),
            bytes().prop_map(kv::CompareTarget::Value),
            any::<i64>().prop_map(|id| kv::CompareTarget::Lease(kv::LeaseId(id))),
            Just(kv::CompareTarget::Unrecognized)
        ],
    ) -> kv::Compare {
        kv::Compare { key, range_end, result, target }
    }
}

fn operation() -> BoxedStrategy<kv::RequestOp> {
    let leaf = prop_oneof![
        range().prop_map(kv::RequestOp::Range),
        put().prop_map(kv::RequestOp::Put),
        delete().prop_map(kv::RequestOp::DeleteRange),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| txn_of(inner).prop_map(kv::RequestOp::Txn)).boxed()
}

fn txn_of(operation: BoxedStrategy<kv::RequestOp>) -> impl Strategy<Value = kv::TxnRequest> {
    (vec(compare(), 0..3), vec(operation.clone(), 0..3), vec(operation, 0..3))
        .prop_map(|(compares, success, failure)| kv::TxnRequest { compares, success, failure })
}

/// Through the bytes of the wire, so that a field left out on one side is noticed.
fn over_the_wire<M: Message + Default>(message: M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("what prost wrote it can read")
}

proptest! {
    #[test]
    fn a_range_survives(range in range()) {
        let message = over_the_wire(pb::RangeRequest::from(range.clone()));
        prop_assert_eq!(kv::RangeRequest::try_from(message), Ok(range));
    }

    #[test]
    fn a_put_survives(put in put()) {
        let message = over_the_wire(pb::PutRequest::from(put.clone()));
        prop_assert_eq!(kv::PutRequest::from(message), put);
    }

    #[test]
    fn a_delete_survives(delete in delete()) {
        let message = over_the_wire(pb::DeleteRangeRequest::from(delete.clone()));
        prop_assert_eq!(kv::DeleteRangeRequest::from(message), delete);
    }

    #[test]
    fn a_compaction_survives(revision in any::<i64>(), physical in any::<bool>()) {
        let compact = kv::CompactRequest { revision, physical };
        let message = over_the_wire(pb::CompactionRequest::from(compact));
        prop_assert_eq!(kv::CompactRequest::from(message), compact);
    }

    #[test]
    fn a_transaction_survives(txn in txn_of(operation())) {
        let message = over_the_wire(pb::TxnRequest::from(txn.clone()));
        prop_assert_eq!(kv::TxnRequest::try_from(message), Ok(txn));
    }

    #[test]
    fn any_bytes_are_refused_or_converted(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = pb::TxnRequest::decode(bytes.as_slice()) {
            let _ = kv::TxnRequest::try_from(message);
        }
        if let Ok(message) = pb::RangeRequest::decode(bytes.as_slice()) {
            let _ = kv::RangeRequest::try_from(message);
        }
    }
}

#[test]
fn the_numbers_of_the_wire_mean_what_etcd_says() {
    let range = |sort_order, sort_target| pb::RangeRequest {
        key: "k".into(),
        sort_order,
        sort_target,
        ..pb::RangeRequest::default()
    };
    let orders = [kv::SortOrder::None, kv::SortOrder::Ascend, kv::SortOrder::Descend];
    for (number, order) in (0..).zip(orders) {
        let converted = kv::RangeRequest::try_from(range(number, 0)).expect("known order");
        assert_eq!(converted.sort_order, order);
    }
    let targets = [
        kv::SortTarget::Key,
        kv::SortTarget::Version,
        kv::SortTarget::Create,
        kv::SortTarget::Mod,
        kv::SortTarget::Value,
    ];
    for (number, target) in (0..).zip(targets) {
        let converted = kv::RangeRequest::try_from(range(0, number)).expect("known target");
        assert_eq!(converted.sort_target, target);
    }
    for (order, target) in [(3, 0), (-1, 0), (0, 5), (0, i32::MIN)] {
        let refused = kv::RangeRequest::try_from(range(order, target));
        assert_eq!(refused, Err(ApiError::InvalidSortOption), "{order} {target}");
    }
}

/// A mistake made both ways would survive the way out and back; this one is caught here.
#[test]
fn each_field_reaches_its_place() {
    let range = pb::RangeRequest {
        key: "k".into(),
        range_end: "z".into(),
        limit: 1,
        revision: 2,
        sort_order: 1,
        sort_target: 2,
        serializable: true,
        keys_only: false,
        count_only: false,
        min_mod_revision: 3,
        max_mod_revision: 4,
        min_create_revision: 5,
        max_create_revision: 6,
    };
    let expected = kv::RangeRequest {
        key: "k".into(),
        range_end: "z".into(),
        limit: 1,
        revision: 2,
        sort_order: kv::SortOrder::Ascend,
        sort_target: kv::SortTarget::Create,
        serializable: true,
        keys_only: false,
        count_only: false,
        min_mod_revision: 3,
        max_mod_revision: 4,
        min_create_revision: 5,
        max_create_revision: 6,
    };
    assert_eq!(kv::RangeRequest::try_from(range.clone()), Ok(expected.clone()));
    let keys = kv::RangeRequest::try_from(pb::RangeRequest { keys_only: true, ..range.clone() });
    assert_eq!(keys, Ok(kv::RangeRequest { keys_only: true, ..expected.clone() }));
    let count = kv::RangeRequest::try_from(pb::RangeRequest { count_only: true, ..range });
    assert_eq!(count, Ok(kv::RangeRequest { count_only: true, ..expected }));

    let put = pb::PutRequest { key: "k".into(), value: "v".into(), lease: 7, ..Default::default() };
    let expected = kv::PutRequest {
        key: "k".into(),
        value: "v".into(),
        lease: kv::LeaseId(7),
        ..kv::PutRequest::default()
    };
    assert_eq!(kv::PutRequest::from(put.clone()), expected);
    let previous = kv::PutRequest::from(pb::PutRequest { prev_kv: true, ..put.clone() });
    assert_eq!(previous, kv::PutRequest { prev_kv: true, ..expected.clone() });
    let value = kv::PutRequest::from(pb::PutRequest { ignore_value: true, ..put.clone() });
    assert_eq!(value, kv::PutRequest { ignore_value: true, ..expected.clone() });
    let lease = kv::PutRequest::from(pb::PutRequest { ignore_lease: true, ..put });
    assert_eq!(lease, kv::PutRequest { ignore_lease: true, ..expected });
}

#[test]
fn a_missing_key_is_named_before_a_bad_sort_option() {
    let range = pb::RangeRequest { sort_order: 9, ..pb::RangeRequest::default() };
    assert_eq!(kv::RangeRequest::try_from(range), Err(ApiError::EmptyKey));
}

#[test]
fn an_empty_operation_is_refused_at_any_depth() {
    let empty = pb::RequestOp { request: None };
    let inner = pb::TxnRequest { failure: vec![empty.clone()], ..pb::TxnRequest::default() };
    let nested = pb::RequestOp { request: Some(Request::RequestTxn(inner)) };
    for operation in [empty, nested] {
        let txn = pb::TxnRequest { success: vec![operation], ..pb::TxnRequest::default() };
        assert_eq!(kv::TxnRequest::try_from(txn), Err(ApiError::KeyNotFound));
    }
}

fn txn_of_puts(success: &[&pb::PutRequest], failure: &[&pb::PutRequest]) -> pb::TxnRequest {
    let operations = |puts: &[&pb::PutRequest]| {
        let requests = puts.iter().map(|&put| Some(Request::RequestPut(put.clone())));
        requests.map(|request| pb::RequestOp { request }).collect()
    };
    pb::TxnRequest { compare: vec![], success: operations(success), failure: operations(failure) }
}

/// The orders were found by `cargo xtask versus-etcd --semantics`.
#[test]
fn of_several_faults_the_one_that_comes_first_is_named() {
    let keyless = pb::PutRequest::default();
    let sound = pb::PutRequest { key: "k".into(), ..Default::default() };
    let valued = pb::PutRequest { value: "v".into(), ignore_value: true, ..sound.clone() };
    let leased = pb::PutRequest { lease: 1, ignore_lease: true, ..sound.clone() };
    let empty = pb::RequestOp { request: None };
    let unsorted = pb::RangeRequest { key: "k".into(), sort_order: 9, ..Default::default() };
    let unsorted = pb::RequestOp { request: Some(Request::RequestRange(unsorted)) };
    let faults = [
        (&keyless, ApiError::EmptyKey),
        (&valued, ApiError::ValueProvided),
        (&leased, ApiError::LeaseProvided),
    ];
    for (put, fault) in faults {
        for later in [&empty, &unsorted] {
            let mut txn = txn_of_puts(&[&sound, put], &[]);
            txn.failure.push(later.clone());
            assert_eq!(check_txn(&txn, 128), Err(fault));
        }
        let mut txn = txn_of_puts(&[], &[put]);
        txn.success.push(empty.clone());
        assert_eq!(check_txn(&txn, 128), Err(ApiError::KeyNotFound));
        txn.compare.push(pb::Compare::default());
        assert_eq!(check_txn(&txn, 128), Err(ApiError::EmptyKey), "comparisons come first");
        assert_eq!(check_txn(&txn, 0), Err(ApiError::TooManyOperations), "lengths before all");
    }
    assert_eq!(check_txn(&txn_of_puts(&[&sound], &[&sound]), 1), Ok(()));
}

#[test]
fn a_nested_transaction_is_checked_where_it_stands_with_what_is_left() {
    let sound = pb::PutRequest { key: "k".into(), ..Default::default() };
    let inner = Request::RequestTxn(txn_of_puts(&[&sound, &sound], &[]));
    let mut txn = txn_of_puts(&[&sound], &[]);
    txn.success.push(pb::RequestOp { request: Some(inner) });
    txn.success.push(pb::RequestOp { request: None });
    assert_eq!(check_txn(&txn, 5), Err(ApiError::KeyNotFound));
    assert_eq!(check_txn(&txn, 4), Err(ApiError::TooManyOperations));
}

#[test]
fn an_operand_that_is_absent_or_of_another_target_counts_as_nothing() {
    let targets = [
        (CompareTarget::Version, kv::CompareTarget::Version(0)),
        (CompareTarget::Create, kv::CompareTarget::Create(0)),
        (CompareTarget::Mod, kv::CompareTarget::Mod(0)),
        (CompareTarget::Value, kv::CompareTarget::Value(Bytes::new())),
        (CompareTarget::Lease, kv::CompareTarget::Lease(kv::LeaseId::NONE)),
    ];
    for (target, expected) in targets {
        let stranger = match target {
            CompareTarget::Version => TargetUnion::Lease(7),
            _ => TargetUnion::Version(7),
        };
        for target_union in [None, Some(stranger)] {
            let compare =
                pb::Compare { target: target.into(), target_union, ..pb::Compare::default() };
            assert_eq!(kv::Compare::from(compare).target, expected);
        }
    }
}

#[test]
fn unknown_comparisons_stay_what_they_are() {
    let compare = pb::Compare { result: 4, target: 5, ..pb::Compare::default() };
    let converted = kv::Compare::from(compare);
    assert_eq!(converted.result, kv::CompareResult::Unrecognized);
    assert_eq!(converted.target, kv::CompareTarget::Unrecognized);
}

/// Conversion recurses, so the depth must be bounded before it: 200 levels do not decode.
#[test]
fn deep_nesting_is_refused_by_the_decoder() {
    let mut txn = pb::TxnRequest::default();
    for _ in 0..200 {
        let operation = pb::RequestOp { request: Some(Request::RequestTxn(txn)) };
        txn = pb::TxnRequest { success: vec![operation], ..pb::TxnRequest::default() };
    }
    assert!(pb::TxnRequest::decode(txn.encode_to_vec().as_slice()).is_err());
}
