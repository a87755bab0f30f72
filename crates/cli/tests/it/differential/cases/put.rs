//! Put: what it keeps, returns and refuses.

use quorate_etcdapi::etcdserverpb::PutRequest;

use super::super::script::{delete, get, put, range};
use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("put_empty_key", &["put.empty-key"], |s| {
        s.put(put("", "x"));
        s.put(PutRequest { ignore_value: true, ..put("", "x") });
        s.put(PutRequest { lease: 77, ..put("", "") });
    }),
    case("put_and_get", &["put.answer", "revision.bumped"], |s| {
        s.put(put("a", "1"));
        s.get("a");
        s.put(put("a", "2"));
        s.get("a");
    }),
    case("put_empty_value", &["put.answer"], |s| {
        s.put(put("a", ""));
        s.get("a");
        s.put(PutRequest { prev_kv: true, ..put("a", "1") });
    }),
    case("put_same_value", &["put.same-value"], |s| {
        s.set(&[("a", "1"), ("a", "1"), ("a", "1")]);
        s.get("a");
    }),
    case("put_prev_kv", &["put.prev-kv"], |s| {
        s.put(PutRequest { prev_kv: true, ..put("a", "1") });
        s.put(PutRequest { prev_kv: true, ..put("a", "2") });
        s.put(put("a", "3"));
        s.put(PutRequest { prev_kv: true, ..put("a", "4") });
        s.delete(delete("a"));
        s.put(PutRequest { prev_kv: true, ..put("a", "5") });
    }),
    case("put_unknown_lease", &["put.lease-unknown"], |s| {
        s.put(PutRequest { lease: 12_345, ..put("a", "1") });
        s.put(PutRequest { lease: -1, ..put("a", "1") });
        s.put(PutRequest { lease: i64::MAX, prev_kv: true, ..put("a", "1") });
        s.get("a");
    }),
    case("put_lease_zero", &["put.lease-zero"], |s| {
        s.put(PutRequest { lease: 0, ..put("a", "1") });
        s.get("a");
    }),
    case("put_ignore_value", &["put.ignore-value"], |s| {
        s.set(&[("a", "1")]);
        s.put(PutRequest { ignore_value: true, prev_kv: true, ..put("a", "") });
        s.get("a");
        s.put(PutRequest { ignore_value: true, ..put("a", "2") });
        s.get("a");
    }),
    case("put_ignore_lease", &["put.ignore-lease"], |s| {
        s.set(&[("a", "1")]);
        s.put(PutRequest { ignore_lease: true, prev_kv: true, ..put("a", "2") });
        s.get("a");
        s.put(PutRequest { ignore_lease: true, lease: 5, ..put("a", "3") });
        s.get("a");
    }),
    case("put_ignore_both", &["put.ignore-value", "put.ignore-lease"], |s| {
        s.set(&[("a", "1")]);
        s.put(PutRequest { ignore_lease: true, ignore_value: true, ..put("a", "") });
        s.put(PutRequest { ignore_lease: true, ignore_value: true, lease: 5, ..put("a", "2") });
        s.get("a");
    }),
    case("put_ignore_on_a_missing_key", &["put.ignore-missing"], |s| {
        s.put(PutRequest { ignore_value: true, ..put("a", "") });
        s.put(PutRequest { ignore_lease: true, ..put("a", "1") });
        s.set(&[("a", "1")]);
        s.delete(delete("a"));
        s.put(PutRequest { ignore_value: true, ..put("a", "") });
        s.put(PutRequest { ignore_lease: true, ..put("a", "1") });
        s.range(range("a", "z"));
    }),
    case("put_refusals_in_order", &["put.refusal-order"], |s| {
        s.put(PutRequest { ignore_value: true, ignore_lease: true, lease: 5, ..put("", "x") });
        s.put(PutRequest { ignore_value: true, ignore_lease: true, lease: 5, ..put("a", "x") });
        s.put(PutRequest { ignore_value: true, lease: 5, ..put("missing", "") });
        s.put(PutRequest { ignore_lease: true, ..put("missing", "x") });
    }),
    case("put_bytes", &["range.bytes"], |s| {
        let every = (0..=u8::MAX).collect::<Vec<u8>>();
        s.put(put(&every, "x"));
        s.put(PutRequest { value: every.clone().into(), ..put("a", "") });
        s.range(get(&every));
        s.get("a");
    }),
];
