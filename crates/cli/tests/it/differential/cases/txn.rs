//! Txn: branches, order, one revision, nesting, and the shape of the answer.

use quorate_etcdapi::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest};

use super::super::script::{
    Equal, always, delete, delete_range, everything, get, modified, op, put, range, value, version,
    when,
};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("txn_branches", &["txn.branches"], |s| {
        s.set(&[("a", "1")]);
        let branches = |expected| {
            when(value("a", Equal, expected), vec![op(put("b", "yes"))], vec![op(put("b", "no"))])
        };
        s.txn(branches("1"));
        s.get("b");
        s.txn(branches("2"));
        s.get("b");
    }),
    case("txn_each_operation", &["txn.operations", "txn.headers"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.txn(always(vec![
            op(get("a")),
            op(PutRequest { prev_kv: true, ..put("a", "3") }),
            op(DeleteRangeRequest { prev_kv: true, ..delete("b") }),
            op(range("a", "z")),
            op(always(vec![op(get("a"))])),
        ]));
        s.range(everything());
    }),
    case("txn_reads_its_writes", &["txn.reads-its-writes"], |s| {
        s.set(&[("a", "1")]);
        s.txn(always(vec![
            op(get("a")),
            op(put("b", "2")),
            op(range("a", "z")),
            op(delete("a")),
            op(range("a", "z")),
            op(RangeRequest { count_only: true, ..range("a", "z") }),
            op(put("c", "3")),
            op(RangeRequest { limit: 1, ..range("a", "z") }),
        ]));
    }),
    case("txn_delete_sees_its_puts", &["txn.reads-its-writes"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.txn(always(vec![
            op(DeleteRangeRequest { prev_kv: true, ..delete_range("a", "z") }),
            op(DeleteRangeRequest { prev_kv: true, ..delete_range("a", "z") }),
            op(range("a", "z")),
        ]));
        s.txn(always(vec![op(delete("missing")), op(put("c", "3"))]));
        s.range(everything());
    }),
    case("txn_is_one_revision", &["txn.one-revision", "revision.sub"], |s| {
        s.txn(always(vec![op(put("a", "1")), op(put("b", "2")), op(put("c", "3"))]));
        s.range(everything());
        s.txn(always(vec![op(delete("a")), op(put("b", "4")), op(put("d", "5"))]));
        s.range(everything());
        for count in 0..=2 {
            s.range(RangeRequest { revision: s.at(count), ..range("a", "z") });
        }
    }),
    case("txn_delete_then_put", &["txn.one-revision", "revision.generation"], |s| {
        s.set(&[("a", "1"), ("a", "2")]);
        s.txn(always(vec![op(delete_range("a", "\0")), op(put("a", "3"))]));
        s.get("a");
        s.set(&[("a", "4")]);
        s.get("a");
    }),
    case("txn_without_change", &["revision.not-bumped", "txn.read-only"], |s| {
        s.set(&[("a", "1")]);
        s.txn(TxnRequest::default());
        s.txn(when(version("a", Equal, 9), vec![op(put("a", "2"))], vec![]));
        s.txn(always(vec![op(delete("missing")), op(get("a"))]));
        s.txn(always(vec![op(always(vec![]))]));
        s.get("a");
    }),
    case("txn_headers_within", &["txn.headers"], |s| {
        s.set(&[("a", "1")]);
        s.txn(always(vec![
            op(get("a")),
            op(delete("missing")),
            op(put("a", "2")),
            op(get("a")),
            op(delete("a")),
        ]));
        s.txn(always(vec![op(get("a")), op(get("b"))]));
    }),
    case("txn_headers_nested", &["txn.headers", "txn.nested"], |s| {
        s.set(&[("a", "1")]);
        let inner = always(vec![op(get("a")), op(put("b", "2")), op(get("b"))]);
        s.txn(always(vec![op(get("a")), op(inner), op(get("a"))]));
        s.txn(always(vec![op(always(vec![op(always(vec![op(put("c", "3"))]))]))]));
    }),
    case("txn_nested_branches", &["txn.nested"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        let inner = |expected| {
            when(value("b", Equal, expected), vec![op(put("c", "yes"))], vec![op(get("b"))])
        };
        s.txn(when(value("a", Equal, "1"), vec![op(inner("2"))], vec![op(inner("3"))]));
        s.txn(when(value("a", Equal, "9"), vec![op(inner("2"))], vec![op(inner("3"))]));
        s.range(everything());
    }),
    case("txn_nested_conditions_first", &["txn.nested-before-writes"], |s| {
        s.set(&[("a", "1")]);
        let inner = when(value("a", Equal, "1"), vec![op(put("b", "old"))], vec![op(get("a"))]);
        s.txn(always(vec![op(put("a", "2")), op(inner.clone())]));
        s.range(everything());
        s.txn(always(vec![op(put("a", "1")), op(inner)]));
        s.range(everything());
        let gone = when(version("a", Equal, 0), vec![op(put("c", "gone"))], vec![]);
        s.txn(always(vec![op(delete("a")), op(gone)]));
        s.range(everything());
    }),
    case("txn_nested_deeply", &["txn.nested"], |s| {
        let mut txn = always(vec![op(put("deep", "1"))]);
        for _ in 0..10 {
            txn = always(vec![op(txn)]);
        }
        s.txn(txn);
        s.get("deep");
    }),
    case("txn_read_only", &["txn.read-only"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.txn(when(value("a", Equal, "1"), vec![op(range("a", "z"))], vec![op(get("b"))]));
        s.txn(when(value("a", Equal, "2"), vec![op(range("a", "z"))], vec![op(get("b"))]));
        let past = RangeRequest { revision: s.at(1), ..range("a", "z") };
        s.txn(always(vec![op(past), op(get("b"))]));
    }),
    case("txn_serializable", &["txn.serializable"], |s| {
        s.set(&[("a", "1")]);
        let local = |key| RangeRequest { serializable: true, ..get(key) };
        s.txn(when(value("a", Equal, "1"), vec![op(local("a"))], vec![op(local("b"))]));
        s.check(value("a", Equal, "1"));
    }),
    case("txn_range_options", &["txn.operations"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]);
        s.txn(always(vec![
            op(RangeRequest { limit: 2, ..range("a", "z") }),
            op(RangeRequest { keys_only: true, ..range("a", "z") }),
            op(RangeRequest { sort_order: 2, sort_target: 3, limit: 1, ..range("a", "z") }),
            op(RangeRequest { min_mod_revision: s.at(3), ..range("a", "z") }),
            op(RangeRequest { revision: s.at(2), ..range("a", "z") }),
            op(range("z", "a")),
        ]));
    }),
    case("txn_future_revision", &["txn.checked-first"], |s| {
        s.set(&[("a", "1")]);
        let future = RangeRequest { revision: s.at(9), ..get("a") };
        s.txn(always(vec![op(put("a", "2")), op(future.clone())]));
        s.txn(always(vec![op(future.clone())]));
        s.txn(always(vec![op(always(vec![op(future.clone())]))]));
        s.txn(when(value("a", Equal, "1"), vec![op(get("a"))], vec![op(future)]));
        s.get("a");
    }),
    case("txn_own_revision_is_future", &["txn.checked-first"], |s| {
        s.set(&[("a", "1")]);
        let own = RangeRequest { revision: s.at(2), ..get("a") };
        s.txn(always(vec![op(put("a", "2")), op(own)]));
        let before = RangeRequest { revision: s.at(1), ..get("a") };
        s.txn(always(vec![op(put("a", "3")), op(before)]));
        s.get("a");
    }),
    case("txn_negative_revision", &["txn.negative-revision"], |s| {
        s.set(&[("a", "1")]);
        let negative = RangeRequest { revision: -1, ..get("a") };
        s.range(negative.clone());
        s.txn(always(vec![op(negative.clone())]));
        s.txn(always(vec![op(put("a", "2")), op(negative)]));
        s.get("a");
    }),
    case("txn_unknown_lease", &["txn.checked-first"], |s| {
        let leased = PutRequest { lease: 99, ..put("b", "2") };
        s.txn(always(vec![op(put("a", "1")), op(leased.clone())]));
        s.txn(always(vec![op(put("a", "1")), op(always(vec![op(leased.clone())]))]));
        s.txn(when(version("a", Equal, 0), vec![op(put("a", "1"))], vec![op(leased)]));
        s.range(everything());
    }),
    case("txn_ignore_on_a_missing_key", &["txn.checked-first"], |s| {
        let keep = |key| PutRequest { ignore_value: true, ..put(key, "") };
        s.txn(always(vec![op(put("a", "1")), op(keep("missing"))]));
        s.txn(always(vec![op(put("a", "1")), op(put("b", "1")), op(keep("c"))]));
        let lease = PutRequest { ignore_lease: true, ..put("missing", "1") };
        s.txn(always(vec![op(put("a", "1")), op(lease)]));
        s.range(everything());
    }),
    case("txn_ignore_within", &["txn.operations", "put.ignore-value"], |s| {
        s.set(&[("a", "1")]);
        let keep = PutRequest { ignore_value: true, prev_kv: true, ..put("a", "") };
        s.txn(always(vec![op(keep), op(get("a"))]));
        let given = PutRequest { ignore_value: true, ..put("a", "2") };
        s.txn(always(vec![op(given)]));
        let lease = PutRequest { ignore_lease: true, lease: 7, ..put("a", "2") };
        s.txn(always(vec![op(lease)]));
    }),
    case("txn_empty_keys_within", &["txn.validated"], |s| {
        s.txn(always(vec![op(put("a", "1")), op(get(""))]));
        s.txn(always(vec![op(put("a", "1")), op(put("", "1"))]));
        s.txn(always(vec![op(put("a", "1")), op(delete(""))]));
        let failure = vec![op(put("", "1"))];
        s.txn(TxnRequest { failure, ..always(vec![op(put("a", "1"))]) });
        s.txn(always(vec![op(always(vec![op(get(""))]))]));
        s.range(everything());
    }),
    case("txn_unknown_sort_within", &["sort.unknown", "txn.validated"], |s| {
        s.txn(always(vec![op(put("a", "1")), op(RangeRequest { sort_order: 7, ..get("a") })]));
    }),
    case("txn_compare_and_swap", &["txn.branches", "compare.targets"], |s| {
        s.set(&[("a", "1")]);
        let swap = |revision| {
            let condition = modified("a", Equal, revision);
            when(condition, vec![op(put("a", "2"))], vec![op(get("a"))])
        };
        let (first, second) = (s.at(1), s.at(2));
        s.txn(swap(first));
        s.txn(swap(first));
        s.txn(swap(second));
        let guarded =
            when(modified("a", Equal, s.at(3)), vec![op(delete("a"))], vec![op(get("a"))]);
        s.txn(guarded.clone());
        s.txn(guarded);
    }),
];
