//! Txn: how many operations, and how many a nested one has left.

use quorate_etcdapi::etcdserverpb::{RequestOp, TxnRequest};

use super::super::script::{Equal, always, get, op, put, version};
use super::{Case, case};

/// etcd's default.
const OPERATIONS_MAX: usize = 128;

/// As many puts, each on its own key.
fn puts(count: usize) -> Vec<RequestOp> {
    (0..count).map(|number| op(put(format!("k{number:03}"), "x"))).collect()
}

fn gets(count: usize) -> Vec<RequestOp> {
    (0..count).map(|_| op(get("k000"))).collect()
}

pub(super) const CASES: &[Case] = &[
    case("limit_success", &["txn.limit"], |s| {
        s.txn(always(puts(OPERATIONS_MAX)));
        s.txn(always(puts(OPERATIONS_MAX + 1)));
        s.txn(always(gets(OPERATIONS_MAX + 1)));
        s.get("k127");
    }),
    case("limit_failure", &["txn.limit"], |s| {
        s.txn(TxnRequest { failure: puts(OPERATIONS_MAX), ..Default::default() });
        s.txn(TxnRequest { failure: puts(OPERATIONS_MAX + 1), ..Default::default() });
    }),
    case("limit_compare", &["txn.limit"], |s| {
        let compares = |count| vec![version("a", Equal, 0); count];
        s.txn(TxnRequest { compare: compares(OPERATIONS_MAX), ..Default::default() });
        s.txn(TxnRequest { compare: compares(OPERATIONS_MAX + 1), ..Default::default() });
    }),
    case("limit_is_of_the_longest_list", &["txn.limit"], |s| {
        s.txn(TxnRequest {
            compare: vec![version("a", Equal, 0); 100],
            success: gets(100),
            failure: gets(100),
        });
    }),
    case("limit_nested", &["txn.limit-nested"], |s| {
        let nested = |outer: usize, inner: usize| {
            let mut operations = gets(outer - 1);
            operations.push(op(always(gets(inner))));
            always(operations)
        };
        for (outer, inner) in [(1, 127), (1, 128), (100, 28), (100, 29), (128, 0), (128, 1)] {
            s.txn(nested(outer, inner));
        }
    }),
    case("limit_nested_twice", &["txn.limit-nested"], |s| {
        for inner in [126, 127] {
            s.txn(always(vec![op(always(vec![op(always(gets(inner)))]))]));
        }
        let two = always(vec![op(always(gets(126))), op(always(gets(126)))]);
        s.txn(two);
    }),
    case("limit_nested_in_failure", &["txn.limit-nested"], |s| {
        for inner in [127, 128] {
            let failure = vec![op(always(gets(inner)))];
            s.txn(TxnRequest { failure, ..Default::default() });
        }
    }),
    case("limit_before_duplicates", &["txn.validated"], |s| {
        s.txn(always(vec![op(put("a", "x")); OPERATIONS_MAX + 1]));
        s.txn(always(vec![op(put("", "x")); OPERATIONS_MAX + 1]));
    }),
];
