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
fn a_refusal_of_http_is_definite_unless_it_may_come_from_in_between() {
    let status = |code: &str| {
        let text = format!("grpc-status header missing, mapped from HTTP status code {code}");
        http_refusal(&Status::unknown(text))
    };
    assert_eq!((status("404"), status("400")), (Some(404), Some(400)));
    for code in ["200", "408", "429", "502", "503", "504", "x", ""] {
        assert_eq!(status(code), None, "{code}");
    }
    assert_eq!(http_refusal(&Status::unknown("404")), None);
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
