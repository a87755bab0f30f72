//! Txn: a key is changed once in a branch.

use quorate_etcdapi::etcdserverpb::{RequestOp, TxnRequest};

use super::super::script::{
    Equal, always, delete, delete_range, everything, get, op, put, range, version, when,
};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("duplicate_puts", &["txn.duplicates"], |s| {
        s.txn(always(vec![op(put("a", "1")), op(put("a", "1"))]));
        s.txn(always(vec![op(put("a", "1")), op(put("b", "1")), op(put("a", "2"))]));
        let failure = vec![op(put("a", "1")), op(put("a", "2"))];
        s.txn(TxnRequest { failure, ..Default::default() });
        s.range(everything());
    }),
    case("duplicate_put_and_delete", &["txn.duplicates"], |s| {
        s.txn(always(vec![op(put("a", "1")), op(delete("a"))]));
        s.txn(always(vec![op(delete("a")), op(put("a", "1"))]));
        s.txn(always(vec![op(put("b", "1")), op(delete_range("a", "c"))]));
        s.txn(always(vec![op(delete_range("a", "c")), op(put("b", "1"))]));
        s.range(everything());
    }),
    case("duplicate_at_the_ends_of_a_range", &["txn.duplicates"], |s| {
        s.txn(always(vec![op(delete_range("a", "c")), op(put("c", "1"))]));
        s.txn(always(vec![op(delete_range("a", "c")), op(put("a", "1"))]));
        s.txn(always(vec![op(delete_range("b", "c")), op(put("a", "1"))]));
        s.txn(always(vec![op(delete_range("a", "a\0")), op(put("a\0", "1"))]));
        s.range(everything());
    }),
    case("duplicate_deletes_are_allowed", &["txn.overlapping-deletes"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3")]);
        s.txn(always(vec![
            op(delete("a")),
            op(delete("a")),
            op(delete_range("a", "c")),
            op(delete_range("b", "d")),
        ]));
        s.range(everything());
    }),
    case("duplicate_across_branches_is_allowed", &["txn.duplicates"], |s| {
        let put_a = || vec![op(put("a", "1"))];
        s.txn(when(version("a", Equal, 0), put_a(), put_a()));
        s.txn(when(version("a", Equal, 0), put_a(), vec![op(delete("a"))]));
        s.range(everything());
    }),
    case("duplicate_in_nested", &["txn.duplicates-nested"], |s| {
        let inner = || op(always(vec![op(put("a", "1"))]));
        s.txn(always(vec![op(put("a", "2")), inner()]));
        s.txn(always(vec![inner(), op(put("a", "2"))]));
        s.txn(always(vec![inner(), inner()]));
        s.txn(always(vec![inner(), op(delete("a"))]));
        s.txn(always(vec![op(always(vec![op(put("a", "1")), op(put("a", "2"))]))]));
        s.range(everything());
    }),
    case("duplicate_in_nested_deletes", &["txn.duplicates-nested"], |s| {
        let inner = || op(always(vec![op(delete_range("a", "c"))]));
        s.txn(always(vec![op(put("b", "2")), inner()]));
        s.txn(always(vec![inner(), op(put("b", "2"))]));
        s.txn(always(vec![inner(), op(always(vec![op(put("b", "2"))]))]));
        s.txn(always(vec![inner(), inner()]));
        s.range(everything());
    }),
    case("duplicate_in_then_and_else", &["txn.duplicates-branches"], |s| {
        let both = |success: RequestOp, failure: RequestOp| {
            op(when(version("x", Equal, 0), vec![success], vec![failure]))
        };
        s.txn(always(vec![both(op(put("a", "1")), op(put("a", "2")))]));
        s.txn(always(vec![both(op(put("a", "1")), op(delete("a")))]));
        s.txn(always(vec![both(op(get("a")), op(put("a", "2"))), op(put("a", "3"))]));
        s.txn(always(vec![both(op(put("a", "1")), op(get("a"))), op(put("a", "3"))]));
        s.range(everything());
    }),
    case("duplicate_of_a_branch_not_taken", &["txn.duplicates-branches"], |s| {
        let first = when(version("x", Equal, 0), vec![op(put("a", "1"))], vec![]);
        let second = when(version("x", Equal, 1), vec![op(put("a", "2"))], vec![]);
        s.txn(always(vec![op(first), op(second)]));
        s.range(everything());
    }),
    case("duplicate_with_a_from_key_delete", &["txn.from-key-quirk"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3")]);
        s.txn(always(vec![op(delete_range("b", "\0")), op(put("c", "4"))]));
        s.range(everything());
        s.txn(always(vec![op(put("b", "5")), op(delete_range("b", "\0"))]));
        s.range(everything());
        s.txn(always(vec![op(delete_range("\0", "\0")), op(put("a", "6"))]));
        s.range(everything());
    }),
    case("duplicate_with_a_reversed_delete", &["txn.duplicates"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.txn(always(vec![op(delete_range("c", "a")), op(put("b", "3"))]));
        s.txn(always(vec![op(delete_range("b", "b")), op(put("b", "4"))]));
        s.range(everything());
    }),
    case("duplicate_reads_are_allowed", &["txn.duplicates"], |s| {
        s.txn(always(vec![op(get("a")), op(put("a", "1")), op(get("a")), op(range("a", "z"))]));
    }),
    case("empty_operation", &["txn.empty-operation"], |s| {
        s.txn(always(vec![RequestOp { request: None }]));
        s.txn(always(vec![op(put("a", "1")), RequestOp { request: None }]));
        let failure = vec![RequestOp { request: None }];
        s.txn(TxnRequest { failure, ..always(vec![op(put("a", "1"))]) });
        s.txn(always(vec![op(always(vec![RequestOp { request: None }]))]));
        s.get("a");
    }),
];
