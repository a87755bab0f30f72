//! Compact: what is refused, what stays readable, what goes.

use quorate_etcdapi::etcdserverpb::{HashKvRequest, PutRequest, RangeRequest};

use super::super::script::{Request, Script, always, delete, everything, get, op, put, range};
use super::{Case, case};

/// The whole of the case at each of its revisions, and one beyond.
fn read_all(s: &mut Script, changes: i64) {
    for count in 0..=changes + 1 {
        s.range(RangeRequest { revision: s.at(count), ..range("a", "z") });
    }
}

pub(super) const CASES: &[Case] = &[
    case("compact_future", &["compact.future"], |s| {
        s.set(&[("a", "1")]);
        s.compact(s.at(2));
        s.compact(s.at(1000));
        s.compact(i64::MAX);
        s.get("a");
    }),
    case("compact_twice", &["compact.again"], |s| {
        s.set(&[("a", "1"), ("a", "2"), ("a", "3")]);
        s.compact(s.at(2));
        s.compact(s.at(2));
        s.compact(s.at(1));
        s.compact(0);
        s.compact(-1);
        s.compact(s.at(3));
    }),
    case("compact_and_read", &["compact.reads", "range.revision-compacted"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")]);
        s.compact(s.at(3));
        read_all(s, 5);
        s.range(RangeRequest { revision: s.at(2), serializable: true, ..get("a") });
        s.range(RangeRequest { revision: s.at(2), count_only: true, ..range("a", "z") });
        s.range(RangeRequest { revision: 1, ..get("a") });
    }),
    case("compact_at_its_revision", &["range.revision-at-compaction"], |s| {
        s.set(&[("a", "1"), ("a", "2"), ("b", "1")]);
        s.compact(s.at(2));
        s.range(RangeRequest { revision: s.at(2), ..range("a", "z") });
        s.range(RangeRequest { revision: s.at(1), ..range("a", "z") });
    }),
    case("compact_at_the_current_revision", &["compact.reads"], |s| {
        s.set(&[("a", "1"), ("a", "2")]);
        s.compact(s.at(2));
        read_all(s, 2);
        s.set(&[("a", "3")]);
        read_all(s, 3);
    }),
    case("compact_keeps_what_is_live", &["compact.keeps"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("b", "3")]);
        s.set(&[("c", "4"), ("c", "5")]);
        s.compact_physically(s.at(5));
        s.range(everything());
        s.range(RangeRequest { revision: s.at(5), ..everything() });
        s.put(PutRequest { prev_kv: true, ..put("a", "6") });
        s.get("a");
    }),
    case("compact_after_a_delete", &["compact.keeps", "revision.generation"], |s| {
        s.set(&[("a", "1"), ("a", "2")]);
        s.delete(delete("a"));
        s.compact_physically(s.at(3));
        s.get("a");
        s.range(RangeRequest { revision: s.at(3), ..get("a") });
        s.range(RangeRequest { revision: s.at(2), ..get("a") });
        s.put(PutRequest { prev_kv: true, ..put("a", "3") });
        s.get("a");
    }),
    case("compact_between_generations", &["compact.keeps", "revision.generation"], |s| {
        s.set(&[("a", "1")]);
        s.delete(delete("a"));
        s.set(&[("b", "x"), ("a", "2"), ("a", "3")]);
        s.compact_physically(s.at(3));
        read_all(s, 5);
        s.compact_physically(s.at(4));
        read_all(s, 5);
    }),
    case("compact_physical", &["compact.physical"], |s| {
        s.set(&[("a", "1"), ("a", "2")]);
        s.compact_physically(s.at(1));
        s.compact_physically(s.at(1));
        s.compact_physically(s.at(9));
        s.get("a");
    }),
    case("compact_does_not_bump", &["compact.header", "revision.not-bumped"], |s| {
        s.set(&[("a", "1"), ("a", "2"), ("a", "3")]);
        s.compact(s.at(1));
        s.get("a");
        s.compact(s.at(3));
        s.set(&[("a", "4")]);
    }),
    case("compact_within_a_txn", &["txn.checked-first", "range.revision-compacted"], |s| {
        s.set(&[("a", "1"), ("a", "2"), ("a", "3")]);
        s.compact(s.at(2));
        let old = RangeRequest { revision: s.at(1), ..get("a") };
        let kept = RangeRequest { revision: s.at(2), ..get("a") };
        s.txn(always(vec![op(old.clone())]));
        s.txn(always(vec![op(put("a", "4")), op(old)]));
        s.txn(always(vec![op(kept)]));
        s.get("a");
    }),
    case("compact_and_filters", &["compact.reads", "range.bounds"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3")]);
        s.compact(s.at(3));
        s.range(RangeRequest { max_mod_revision: s.at(1), ..range("a", "z") });
        s.range(RangeRequest { min_create_revision: s.at(1), ..range("a", "z") });
    }),
    case("compact_and_hash", &["maintenance.hash-kv"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3")]);
        s.compact_physically(s.at(2));
        for revision in [0, s.at(1), s.at(2), s.at(3), s.at(4)] {
            s.ask(Request::HashKv(HashKvRequest { revision }));
        }
    }),
];
