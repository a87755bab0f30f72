//! Txn: comparisons.

use quorate_etcdapi::etcdserverpb::{Compare, TxnRequest, compare::TargetUnion};

use super::super::script::{
    Equal, Greater, Less, NotEqual, RELATIONS, Script, bytes, created, delete, lease, modified, op,
    put, value, version, when,
};
use super::{Case, case};

/// A key put twice, and another deleted after two puts.
fn seed(s: &mut Script) {
    s.set(&[("a", "m"), ("a", "n"), ("gone", "x"), ("gone", "y")]);
    s.delete(delete("gone"));
}

/// Each relation of each operand, on a key that exists and on two that do not.
fn relate<T: Clone>(
    s: &mut Script,
    operands: &[T],
    compare: impl Fn(&str, quorate_etcdapi::etcdserverpb::compare::CompareResult, T) -> Compare,
) {
    seed(s);
    for key in ["a", "gone", "never"] {
        for relation in RELATIONS {
            for operand in operands {
                s.check(compare(key, relation, operand.clone()));
            }
        }
    }
}

fn over(end: &str, compare: Compare) -> Compare {
    Compare { range_end: bytes(end), ..compare }
}

pub(super) const CASES: &[Case] = &[
    case("compare_version", &["compare.targets", "compare.missing-number"], |s| {
        relate(s, &[-1, 0, 1, 2, 3], version);
    }),
    case("compare_create", &["compare.targets", "compare.missing-number"], |s| {
        let operands = [0, s.at(0), s.at(1), s.at(2)];
        relate(s, &operands, created);
    }),
    case("compare_mod", &["compare.targets", "compare.missing-number"], |s| {
        let operands = [0, s.at(1), s.at(2), s.at(3)];
        relate(s, &operands, modified);
    }),
    case("compare_value", &["compare.targets", "compare.missing-value"], |s| {
        relate(s, &["", "m", "n", "na", "o"], value);
    }),
    case("compare_lease", &["compare.targets", "compare.missing-number"], |s| {
        relate(s, &[-1, 0, 1], lease);
    }),
    case("compare_none", &["compare.empty-list"], |s| {
        s.txn(TxnRequest { success: vec![op(put("a", "1"))], ..Default::default() });
        s.txn(TxnRequest::default());
        s.get("a");
    }),
    case("compare_all_must_hold", &["compare.all"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        for (first, second) in [("1", "2"), ("1", "3"), ("0", "2"), ("0", "3")] {
            let compare = vec![value("a", Equal, first), value("b", Equal, second)];
            s.txn(TxnRequest { compare, ..Default::default() });
        }
        let compare = vec![value("a", Equal, "1"), value("a", Greater, "1")];
        s.txn(TxnRequest { compare, ..Default::default() });
    }),
    case("compare_without_operand", &["compare.no-operand"], |s| {
        seed(s);
        for key in ["a", "never"] {
            for target in 0..=4 {
                let key = bytes(key);
                s.check(Compare { key, target, ..Default::default() });
            }
        }
    }),
    case("compare_operand_of_another_target", &["compare.no-operand"], |s| {
        seed(s);
        for target in 0..=4 {
            let target_union = Some(TargetUnion::Version(2));
            s.check(Compare { key: bytes("a"), target, target_union, ..Default::default() });
            let target_union = Some(TargetUnion::Value(bytes("n")));
            s.check(Compare { key: bytes("a"), target, target_union, ..Default::default() });
        }
    }),
    case("compare_empty_key", &["compare.empty-key"], |s| {
        s.check(version("", Equal, 0));
        s.txn(when(value("", Equal, ""), vec![], vec![op(put("a", "1"))]));
        s.get("a");
    }),
    case("compare_absence", &["compare.missing-number"], |s| {
        let create = |key| when(version(key, Equal, 0), vec![op(put(key, "1"))], vec![]);
        s.txn(create("a"));
        s.txn(create("a"));
        s.delete(delete("a"));
        s.txn(create("a"));
        s.get("a");
    }),
    case("compare_range", &["compare.range"], |s| {
        s.set(&[("a", "1"), ("b", "1"), ("c", "2"), ("c", "1")]);
        s.check(over("d", value("a", Equal, "1")));
        s.check(over("d", version("a", Equal, 1)));
        s.check(over("c", version("a", Equal, 1)));
        s.check(over("d", version("a", Greater, 0)));
        s.check(over("\0", value("b", Equal, "1")));
        s.check(over("\0", value("b", NotEqual, "1")));
        s.check(over("d", modified("a", Less, s.at(4))));
        s.check(over("d", created("a", Less, s.at(4))));
    }),
    case("compare_empty_range", &["compare.empty-range"], |s| {
        s.set(&[("a", "1")]);
        for relation in RELATIONS {
            s.check(over("z", value("x", relation, "1")));
            s.check(over("z", value("x", relation, "")));
            s.check(over("z", version("x", relation, 0)));
            s.check(over("z", version("x", relation, 1)));
        }
        s.check(over("a", version("z", Equal, 0)));
        s.check(over("a", version("a", Equal, 0)));
        s.check(over("a", version("a", Equal, 1)));
    }),
    case("compare_unknown_relation", &["compare.unknown"], |s| {
        seed(s);
        for result in [4, -1] {
            s.check(Compare { result, ..version("a", Equal, 2) });
            s.check(Compare { result, ..version("a", Equal, 1) });
            s.check(Compare { result, ..value("never", Equal, "") });
        }
    }),
    case("compare_unknown_target", &["compare.unknown"], |s| {
        seed(s);
        for target in [5, -1] {
            s.check(Compare { target, ..version("a", Equal, 2) });
            s.check(Compare { target, ..version("a", Equal, 0) });
            s.check(Compare { target, ..version("a", NotEqual, 0) });
            s.check(Compare { target, ..version("never", Equal, 0) });
        }
    }),
];
