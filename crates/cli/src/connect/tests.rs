//! Tests of what is sent again and what is reported as unknown.

use super::*;

#[test]
fn an_unanswered_write_is_unknown_and_an_unanswered_read_is_asked_again() {
    let texts = ["etcdserver: request timed out", "etcdserver: server stopped", "broken pipe"];
    for text in texts {
        let write = miss_of(Kind::Write, Status::unavailable(text));
        assert!(matches!(write, Miss::Unknown { .. }), "{text}: {write:?}");
        let read = miss_of(Kind::Read, Status::unavailable(text));
        assert!(matches!(read, Miss::NotNow { .. }), "{text}: {read:?}");
        let again = miss_of(Kind::Repeatable, Status::unavailable(text));
        assert!(matches!(again, Miss::NotNow { .. }), "{text}: {again:?}");
    }
    let broken = miss_of(Kind::Write, Status::unknown("transport error"));
    assert!(matches!(broken, Miss::Unknown { .. }), "{broken:?}");
}

#[test]
fn a_definite_refusal_is_never_reported_as_unknown() {
    for error in [ApiError::NoLeader, ApiError::LeaderChanged] {
        let miss = miss_of(Kind::Write, Status::unavailable(error.text()));
        assert!(matches!(miss, Miss::NotNow { .. }), "{error}: {miss:?}");
    }
    let busy = miss_of(Kind::Write, Status::unknown(ApiError::TooManyRequests.text()));
    assert!(matches!(busy, Miss::NotNow { .. }), "{busy:?}");
    let full = miss_of(Kind::Write, Status::resource_exhausted(ApiError::NoSpace.text()));
    assert!(matches!(full, Miss::Refused(_)), "{full:?}");
}
