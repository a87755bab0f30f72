//! Range: keys, intervals, limits, revisions, filters.

use quorate_etcdapi::etcdserverpb::RangeRequest;

use super::super::script::{everything, get, range};
use super::{Case, case};

const LETTERS: &[(&str, &str)] = &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];

pub(super) const CASES: &[Case] = &[
    case("range_empty_key", &["range.empty-key"], |s| {
        s.get("");
        s.range(range("", "z"));
        s.range(range("", "\0"));
    }),
    case("range_single_key", &["range.single"], |s| {
        s.set(LETTERS);
        s.get("b");
        s.get("bb");
        s.get("\0");
    }),
    case("range_interval", &["range.interval"], |s| {
        s.set(LETTERS);
        s.range(range("b", "d"));
        s.range(range("a", "aa"));
        s.range(range("bb", "cc"));
        s.range(range("x", "z"));
    }),
    case("range_from_key", &["range.from-key"], |s| {
        s.set(LETTERS);
        s.range(range("c", "\0"));
        s.range(range("cc", "\0"));
        s.range(range("e", "\0"));
    }),
    case("range_everything", &["range.everything"], |s| {
        s.range(everything());
        s.set(LETTERS);
        s.range(everything());
        s.range(range("\0", "b"));
    }),
    case("range_prefix", &["range.prefix"], |s| {
        s.set(&[("ab", "1"), ("aba", "2"), ("abz", "3"), ("ac", "4"), ("b", "5")]);
        s.range(range("ab", "ac"));
        s.range(range("a", "b"));
        s.range(range("abq", "abr"));
    }),
    case("range_prefix_of_high_bytes", &["range.prefix", "range.bytes"], |s| {
        for key in [&b"a\xff"[..], b"a\xff\xff", b"\xff", b"\xff\xff", b"\xff\xff\x01"] {
            s.put(super::super::script::put(key, "x"));
        }
        s.range(range(b"a\xff", b"b"));
        s.range(range(b"\xff\xff", b"\0"));
        s.range(range(b"\xff", b"\xff\xff"));
    }),
    case("range_arbitrary_bytes", &["range.bytes"], |s| {
        for key in [&b"\0"[..], b"\0\0", b"\x01", b"\x7f", b"\x80", b"\xc3\x28", b"k\0k", b"k\n"] {
            s.put(super::super::script::put(key, "x"));
        }
        s.range(everything());
        s.range(range(b"\x7f", b"\xc4"));
        s.range(get(b"k\0k"));
        s.range(get(b"\0"));
    }),
    case("range_reversed", &["range.reversed"], |s| {
        s.set(LETTERS);
        s.range(range("c", "a"));
        s.range(range("b", "b"));
        s.range(RangeRequest { count_only: true, ..range("c", "a") });
        s.range(RangeRequest { limit: 1, ..range("c", "a") });
    }),
    case("range_limit", &["range.limit", "range.more", "range.count"], |s| {
        s.set(LETTERS);
        for limit in [-1, 0, 1, 3, 4, 5, i64::MAX, i64::MIN] {
            s.range(RangeRequest { limit, ..range("a", "z") });
        }
        s.range(RangeRequest { limit: 1, ..get("a") });
        s.range(RangeRequest { limit: 1, ..get("missing") });
    }),
    case("range_more_after_filters", &["range.more", "range.count", "range.bounds"], |s| {
        s.set(LETTERS);
        for limit in 1..=4 {
            let min_mod_revision = s.at(2);
            s.range(RangeRequest { limit, min_mod_revision, ..range("a", "z") });
            let max_mod_revision = s.at(2);
            s.range(RangeRequest { limit, max_mod_revision, ..range("a", "z") });
        }
    }),
    case("range_count_ignores_limit_and_bounds", &["range.count"], |s| {
        s.set(LETTERS);
        let min_create_revision = s.at(4);
        s.range(RangeRequest { limit: 1, ..range("a", "z") });
        s.range(RangeRequest { min_create_revision, ..range("a", "z") });
        s.range(RangeRequest {
            min_create_revision,
            limit: 1,
            count_only: true,
            ..range("a", "z")
        });
    }),
    case("range_at_the_current_revision", &["range.revision-current"], |s| {
        s.set(LETTERS);
        let last = s.at(4);
        for revision in [0, -1, i64::MIN, last] {
            s.range(RangeRequest { revision, ..range("a", "z") });
        }
    }),
    case("range_at_a_past_revision", &["range.revision-past", "range.header"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("a", "3")]);
        s.delete(super::super::script::delete("b"));
        s.set(&[("b", "4")]);
        for count in 0..=5 {
            let revision = s.at(count);
            s.range(RangeRequest { revision, ..range("a", "z") });
            s.range(RangeRequest { revision, count_only: true, ..range("a", "z") });
        }
    }),
    case("range_at_a_future_revision", &["range.revision-future"], |s| {
        s.set(&[("a", "1")]);
        for revision in [s.at(1), s.at(2), s.at(1000), i64::MAX] {
            s.range(RangeRequest { revision, ..get("a") });
            s.range(RangeRequest { revision, serializable: true, ..get("a") });
            s.range(RangeRequest { revision, count_only: true, ..range("a", "z") });
        }
    }),
    case("range_serializable", &["range.serializable"], |s| {
        s.set(LETTERS);
        s.range(RangeRequest { serializable: true, ..range("a", "z") });
        s.range(RangeRequest {
            serializable: true,
            limit: 2,
            revision: s.at(3),
            ..range("a", "z")
        });
        s.range(RangeRequest { serializable: true, ..get("") });
    }),
    case("range_keys_only", &["range.keys-only"], |s| {
        s.set(LETTERS);
        s.range(RangeRequest { keys_only: true, ..range("a", "z") });
        s.range(RangeRequest { keys_only: true, limit: 2, ..range("a", "z") });
        s.range(RangeRequest { keys_only: true, ..get("a") });
    }),
    case("range_count_only", &["range.count-only"], |s| {
        s.set(LETTERS);
        s.range(RangeRequest { count_only: true, ..range("a", "z") });
        s.range(RangeRequest { count_only: true, limit: 2, ..range("a", "z") });
        s.range(RangeRequest { count_only: true, keys_only: true, ..range("b", "z") });
        s.range(RangeRequest { count_only: true, revision: s.at(2), ..range("a", "z") });
        s.range(RangeRequest { count_only: true, ..get("missing") });
    }),
    case("range_bounds_on_revisions", &["range.bounds"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]);
        for count in 1..=5 {
            let bound = s.at(count);
            s.range(RangeRequest { min_mod_revision: bound, ..range("a", "z") });
            s.range(RangeRequest { max_mod_revision: bound, ..range("a", "z") });
            s.range(RangeRequest { min_create_revision: bound, ..range("a", "z") });
            s.range(RangeRequest { max_create_revision: bound, ..range("a", "z") });
        }
    }),
    case("range_bounds_together", &["range.bounds"], |s| {
        s.set(&[("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]);
        let (second, third, fourth) = (s.at(2), s.at(3), s.at(4));
        let both =
            RangeRequest { min_mod_revision: second, max_mod_revision: third, ..range("a", "z") };
        s.range(both.clone());
        s.range(RangeRequest { limit: 1, ..both.clone() });
        s.range(RangeRequest { keys_only: true, ..both.clone() });
        s.range(RangeRequest { max_create_revision: second, ..both });
        s.range(RangeRequest {
            min_mod_revision: fourth,
            max_mod_revision: second,
            ..range("a", "z")
        });
    }),
    case("range_negative_bounds", &["range.bounds"], |s| {
        s.set(&[("a", "1"), ("b", "2")]);
        s.range(RangeRequest { min_mod_revision: -1, ..range("a", "z") });
        s.range(RangeRequest { max_mod_revision: -1, ..range("a", "z") });
        s.range(RangeRequest { max_create_revision: -1, ..range("a", "z") });
    }),
    case("range_after_delete", &["range.single", "range.revision-past"], |s| {
        s.set(&[("a", "1")]);
        s.delete(super::super::script::delete("a"));
        s.get("a");
        s.range(RangeRequest { revision: s.at(1), ..get("a") });
        s.range(RangeRequest { revision: s.at(2), ..get("a") });
    }),
    case("range_stream_in_another_order", &["range-stream"], |s| {
        s.set(&[("a", "1")]);
        s.range_stream(RangeRequest { max_mod_revision: 1, ..get("a") });
    }),
];
