//! `DeleteRange`: what goes, what is returned, and what counts as a change.

use quorate_etcdapi::etcdserverpb::{DeleteRangeRequest, RangeRequest};

use super::super::script::{delete, delete_range, everything, get, range};
use super::{Case, case};

const LETTERS: &[(&str, &str)] = &[("d", "1"), ("b", "2"), ("a", "3"), ("c", "4")];

pub(super) const CASES: &[Case] = &[
    case("delete_empty_key", &["delete.empty-key"], |s| {
        s.delete(delete(""));
        s.delete(delete_range("", "z"));
        s.delete(delete_range("", "\0"));
    }),
    case("delete_one", &["delete.ranges"], |s| {
        s.set(LETTERS);
        s.delete(delete("b"));
        s.range(everything());
        s.delete(delete("b"));
        s.range(everything());
    }),
    case("delete_interval", &["delete.ranges"], |s| {
        s.set(LETTERS);
        s.delete(delete_range("a", "c"));
        s.range(everything());
    }),
    case("delete_from_key", &["delete.ranges"], |s| {
        s.set(LETTERS);
        s.delete(delete_range("c", "\0"));
        s.range(everything());
    }),
    case("delete_everything", &["delete.ranges"], |s| {
        s.set(LETTERS);
        s.delete(delete_range("\0", "\0"));
        s.range(everything());
    }),
    case("delete_reversed", &["delete.ranges", "delete.nothing"], |s| {
        s.set(LETTERS);
        s.delete(delete_range("c", "a"));
        s.delete(delete_range("c", "c"));
        s.range(everything());
    }),
    case("delete_prev_kvs", &["delete.prev-kvs"], |s| {
        s.set(LETTERS);
        s.set(&[("b", "5")]);
        s.delete(DeleteRangeRequest { prev_kv: true, ..delete_range("a", "d") });
        s.delete(DeleteRangeRequest { prev_kv: true, ..delete("d") });
        s.delete(DeleteRangeRequest { prev_kv: true, ..delete("d") });
    }),
    case("delete_nothing", &["delete.nothing", "revision.not-bumped"], |s| {
        s.set(LETTERS);
        s.delete(delete("missing"));
        s.delete(delete_range("x", "z"));
        s.get("a");
    }),
    case("delete_is_one_revision", &["revision.sub", "delete.ranges"], |s| {
        s.set(LETTERS);
        s.delete(delete_range("a", "z"));
        s.set(&[("e", "5")]);
        for revision in [s.at(4), s.at(5), s.at(6)] {
            s.range(RangeRequest { revision, ..range("a", "z") });
        }
    }),
    case("delete_then_put", &["revision.generation"], |s| {
        s.set(&[("a", "1"), ("a", "2")]);
        s.delete(delete("a"));
        s.get("a");
        s.set(&[("a", "3")]);
        s.get("a");
        s.set(&[("a", "4")]);
        s.get("a");
        for count in 1..=5 {
            s.range(RangeRequest { revision: s.at(count), ..get("a") });
        }
    }),
];
