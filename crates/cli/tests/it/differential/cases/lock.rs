//! Locks.

use super::super::script::{Request, Script, bytes, delete, everything, put};
use super::lease::attach;
use super::{Case, case};

const LONG: i64 = 600;

fn lock(s: &mut Script, name: &str, lease: i64) {
    s.ask(Request::lock(name, lease));
}

fn unlock(s: &mut Script, key: &str) {
    s.ask(Request::Unlock(bytes(key)));
}

pub(super) const CASES: &[Case] = &[
    case("lock_and_unlock", &["lock.key", "lock.unlock"], |s| {
        s.grant(0x1f2e, LONG);
        lock(s, "m", 0x1f2e);
        s.range(everything());
        s.time_to_live(0x1f2e);
        unlock(s, "m/1f2e");
        s.range(everything());
        unlock(s, "m/1f2e");
    }),
    case("lock_names_are_bytes", &["lock.key"], |s| {
        s.grant(-7, LONG);
        for name in ["", "/", "a/b", "\0"] {
            lock(s, name, -7);
        }
        s.ask(Request::Lock { name: bytes(b"\xff\xfe"), lease: -7 });
        s.range(everything());
    }),
    case("lock_again_under_the_same_lease", &["lock.again"], |s| {
        s.grant(7, LONG);
        lock(s, "m", 7);
        s.put(put("x", "1"));
        lock(s, "m", 7);
        s.range(everything());
    }),
    case("lock_under_an_unknown_lease", &["lock.unknown-lease"], |s| {
        lock(s, "m", 7);
        s.range(everything());
    }),
    case("lock_without_a_lease", &["lock.own-lease"], |s| {
        lock(s, "m", 0);
    }),
    case("lock_waits_for_the_unlock", &["lock.waits"], |s| {
        s.grant(7, LONG);
        s.grant(8, LONG);
        lock(s, "m", 7);
        s.waits(Request::lock("m", 8), "m", Request::Unlock(bytes("m/7")));
        s.range(everything());
        s.waits(Request::lock("m", 7), "m", Request::Revoke(8));
        s.range(everything());
    }),
    case("lock_waits_for_who_is_deleted", &["lock.waits"], |s| {
        s.grant(7, LONG);
        s.grant(8, LONG);
        lock(s, "m", 7);
        s.waits(Request::lock("m", 8), "m", Request::Delete(delete("m/7")));
        s.range(everything());
    }),
    case("lock_lost_while_it_waits", &["lock.lost"], |s| {
        s.grant(7, LONG);
        s.grant(8, LONG);
        lock(s, "m", 7);
        s.waits(
            Request::lock("m", 8),
            "m",
            Request::Each(vec![Request::Revoke(8), Request::Unlock(bytes("m/7"))]),
        );
        s.range(everything());
    }),
    case("lock_held_by_any_older_key", &["lock.waits"], |s| {
        s.grant(7, LONG);
        attach(s, "m/anything", 0);
        s.waits(Request::lock("m", 7), "m", Request::Delete(delete("m/anything")));
        s.range(everything());
    }),
    case("unlock_without_a_key", &["lock.unlock"], |s| {
        unlock(s, "");
    }),
];
