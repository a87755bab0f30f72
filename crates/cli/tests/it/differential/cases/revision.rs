//! What makes a revision, and what is kept of it.

use quorate_etcdapi::etcdserverpb::RangeRequest;

use super::super::script::{
    Equal, Request, always, delete, delete_range, everything, get, op, put, version, when,
};
use super::{Case, case};

/// On a store on which nothing happened.
pub(super) const FRESH: &[Case] = &[
    case("fresh_store", &["revision.first"], |s| {
        s.get("a");
        s.range(everything());
        s.range(RangeRequest { revision: 1, ..everything() });
        s.range(RangeRequest { revision: 2, ..everything() });
        s.delete(delete_range("\0", "\0"));
        s.txn(always(vec![]));
    }),
    case("fresh_store_compaction", &["compact.fresh"], |s| {
        s.compact(2);
        s.compact(0);
        s.compact(0);
        s.get("a");
        s.compact(1);
        s.compact(1);
        s.get("a");
        s.set(&[("a", "1")]);
        s.get("a");
    }),
];

pub(super) const CASES: &[Case] = &[
    case("revision_of_each_change", &["revision.bumped"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.delete(delete("a"));
        s.txn(always(vec![op(put("c", "3")), op(put("d", "4"))]));
        s.txn(always(vec![op(delete("c")), op(delete("d"))]));
        s.set(&[("e", "5")]);
        s.range(everything());
    }),
    case("revision_of_no_change", &["revision.not-bumped"], |s| {
        s.set(&[("a", "1")]);
        s.get("a");
        s.delete(delete("missing"));
        s.txn(when(version("a", Equal, 5), vec![op(put("a", "2"))], vec![op(get("a"))]));
        s.compact(s.at(1));
        s.ask(Request::Defragment);
        s.set(&[("a", "3")]);
        s.get("a");
    }),
    case("revision_of_refusals", &["revision.not-bumped"], |s| {
        s.put(put("", "1"));
        s.txn(always(vec![op(put("a", "1")), op(put("a", "2"))]));
        s.compact(s.at(5));
        s.range(RangeRequest { revision: s.at(7), ..get("a") });
        s.set(&[("a", "1")]);
    }),
    case("revision_fields", &["revision.fields"], |s| {
        s.set(&[("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")]);
        s.range(everything());
        s.txn(always(vec![op(put("a", "4")), op(put("b", "2")), op(put("c", "1"))]));
        s.range(everything());
    }),
    case("revision_in_headers", &["revision.header", "range.header"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.range(RangeRequest { revision: s.at(1), ..get("a") });
        s.range(RangeRequest { serializable: true, ..get("a") });
        s.delete(delete("a"));
        s.delete(delete("a"));
        s.txn(always(vec![op(get("b"))]));
        s.txn(always(vec![op(put("b", "3"))]));
        s.compact(s.at(2));
    }),
];

/// With an end and a start of all processes in between.
pub(super) const RESTART: &[Case] = &[
    case("restart_after_a_write", &["revision.restart"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("a", "3")]);
        s.ask(Request::Restart);
        s.range(everything());
        for count in 0..=4 {
            s.range(RangeRequest { revision: s.at(count), ..everything() });
        }
        s.set(&[("b", "4")]);
        s.range(everything());
    }),
    case("restart_after_a_compacted_tombstone", &["revision.restart"], |s| {
        s.set(&[("a", "1"), ("a", "2")]);
        s.delete(delete("a"));
        s.compact_physically(s.at(3));
        s.ask(Request::Restart);
        s.range(everything());
        s.range(RangeRequest { revision: s.at(2), ..everything() });
        s.range(RangeRequest { revision: s.at(4), ..everything() });
        s.compact(s.at(3));
        s.set(&[("a", "3")]);
        s.get("a");
    }),
];
