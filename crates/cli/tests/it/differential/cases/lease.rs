//! Leases: grant, revocation, renewal, expiry, and the keys attached to them.

use quorate_etcdapi::etcdserverpb::PutRequest;

use super::super::script::{
    Equal, Request, Script, always, delete, everything, lease, op, put, version, when,
};
use super::{Case, case};

/// A TTL that outlives any test.
const LONG: i64 = 600;

/// Puts a key that is attached to a lease.
pub(super) fn attach(s: &mut Script, key: &str, lease: i64) {
    s.put(PutRequest { lease, ..put(key, "v") });
}

pub(super) const CASES: &[Case] = &[
    case("lease_grant", &["lease.grant"], |s| {
        s.grant(7, LONG);
        s.time_to_live(7);
        s.put(put("a", "1"));
    }),
    case("lease_grant_without_an_id", &["lease.grant-any"], |s| {
        s.ask(Request::GrantAny(LONG));
        s.ask(Request::GrantAny(LONG));
    }),
    case("lease_ids_are_any_number_but_zero", &["lease.grant"], |s| {
        for id in [-1, i64::MAX, i64::MIN, 1] {
            s.grant(id, LONG);
            s.time_to_live(id);
        }
    }),
    case("lease_grant_twice", &["lease.exists"], |s| {
        s.grant(7, LONG);
        s.grant(7, 2 * LONG);
        s.time_to_live(7);
        s.revoke(7);
        s.grant(7, 2 * LONG);
    }),
    case("lease_ttl_is_raised", &["lease.minimum"], |s| {
        for (id, ttl) in [(1, 1), (2, 0), (3, -5), (4, i64::MIN), (5, 3)] {
            s.grant(id, ttl);
        }
    }),
    case("lease_ttl_too_large", &["lease.maximum"], |s| {
        s.grant(1, 9_000_000_000);
        s.time_to_live(1);
        s.grant(2, 9_000_000_001);
        s.grant(1, i64::MAX);
        s.time_to_live(2);
    }),
    case("lease_revoke", &["lease.revoke"], |s| {
        s.grant(7, LONG);
        for key in ["c", "a", "b"] {
            attach(s, key, 7);
        }
        s.set(&[("d", "stays")]);
        s.revoke(7);
        s.range(everything());
        s.time_to_live(7);
        s.revoke(7);
    }),
    case("lease_revoke_without_keys", &["lease.revoke-empty"], |s| {
        s.grant(7, LONG);
        s.revoke(7);
        s.set(&[("a", "1")]);
    }),
    case("lease_revoke_unknown", &["lease.unknown"], |s| {
        s.revoke(7);
        s.revoke(0);
    }),
    case("lease_time_to_live_unknown", &["lease.unknown"], |s| {
        s.time_to_live(7);
        s.time_to_live(0);
    }),
    case("lease_time_to_live_with_keys", &["lease.keys"], |s| {
        s.grant(7, LONG);
        s.time_to_live(7);
        for key in ["c", "a", "b"] {
            attach(s, key, 7);
        }
        s.time_to_live(7);
        s.delete(delete("a"));
        s.time_to_live(7);
    }),
    case("lease_keep_alive", &["lease.keep-alive"], |s| {
        s.grant(7, LONG);
        s.grant(8, 2 * LONG);
        s.keep_alive(&[7, 8, 9, 0, 7]);
        s.revoke(7);
        s.keep_alive(&[7, 8]);
        s.put(put("a", "1"));
    }),
    case("lease_leases", &["lease.list"], |s| {
        s.ask(Request::Leases);
        s.grant(3, 3 * LONG);
        s.grant(1, 2 * LONG);
        s.grant(2, LONG);
        s.ask(Request::Leases);
        s.revoke(1);
        s.ask(Request::Leases);
    }),
    case("lease_put_on_a_revoked_one", &["put.lease-unknown"], |s| {
        s.grant(7, LONG);
        attach(s, "a", 7);
        s.revoke(7);
        attach(s, "a", 7);
        s.range(everything());
    }),
    case("lease_of_a_key_moves", &["lease.moves"], |s| {
        s.grant(7, LONG);
        s.grant(8, LONG);
        attach(s, "a", 7);
        attach(s, "a", 8);
        s.time_to_live(7);
        s.time_to_live(8);
        s.revoke(7);
        s.get("a");
        s.revoke(8);
        s.get("a");
    }),
    case("lease_zero_detaches", &["lease.detaches"], |s| {
        s.grant(7, LONG);
        attach(s, "a", 7);
        attach(s, "a", 0);
        s.time_to_live(7);
        s.revoke(7);
        s.get("a");
    }),
    case("lease_is_kept_if_asked", &["lease.kept"], |s| {
        s.grant(7, LONG);
        attach(s, "a", 7);
        s.put(PutRequest { ignore_lease: true, ..put("a", "2") });
        s.get("a");
        s.put(PutRequest { ignore_value: true, lease: 7, ..put("a", "") });
        s.time_to_live(7);
        s.revoke(7);
        s.get("a");
    }),
    case("lease_of_a_deleted_key", &["lease.detaches"], |s| {
        s.grant(7, LONG);
        attach(s, "a", 7);
        s.delete(delete("a"));
        s.set(&[("a", "again")]);
        s.revoke(7);
        s.get("a");
    }),
    case("lease_within_a_txn", &["lease.txn"], |s| {
        s.grant(7, LONG);
        s.txn(always(vec![
            op(PutRequest { lease: 7, ..put("a", "1") }),
            op(PutRequest { lease: 7, ..put("b", "2") }),
            op(put("c", "3")),
        ]));
        s.time_to_live(7);
        s.txn(when(lease("a", Equal, 7), vec![op(delete("a"))], vec![]));
        s.txn(always(vec![
            op(PutRequest { lease: 7, ..put("d", "1") }),
            op(PutRequest { lease: 9, ..put("e", "1") }),
        ]));
        s.revoke(7);
        s.range(everything());
    }),
    case("lease_in_a_branch_not_taken", &["lease.txn"], |s| {
        let attached = PutRequest { lease: 9, ..put("a", "1") };
        s.txn(when(version("a", Equal, 0), vec![op(put("a", "2"))], vec![op(attached)]));
        s.get("a");
    }),
    case("lease_expires", &["lease.expiry"], |s| {
        s.grant(7, 2);
        attach(s, "b", 7);
        attach(s, "a", 7);
        s.set(&[("c", "stays")]);
        s.ask(Request::AwaitGone("a"));
        s.range(everything());
        s.time_to_live(7);
        s.keep_alive(&[7]);
        s.revoke(7);
        attach(s, "a", 7);
    }),
];
