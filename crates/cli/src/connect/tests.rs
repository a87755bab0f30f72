//! Tests of what is sent again, what is reported as unknown, and how addresses are read.

use super::*;

#[test]
fn endpoints_are_read_as_etcdctl_reads_them() {
    let endpoints = "127.0.0.1:2379, http://b:1".parse::<Endpoints>().unwrap();
    assert_eq!(endpoints.0, [HttpUrl::new("127.0.0.1", 2379), HttpUrl::new("b", 1)]);
    assert!("".parse::<Endpoints>().is_err());
    let refusal = "https://b:1".parse::<Endpoints>().unwrap_err();
    assert!(refusal.to_string().contains("TLS"), "{refusal}");
}

#[test]
fn durations_are_read_as_go_writes_them() {
    let cases = [("5s", 5_000), ("500ms", 500), ("1m30s", 90_000), ("1.5h", 5_400_000)];
    for (text, milliseconds) in cases {
        let expected = Timeout(Duration::from_millis(milliseconds));
        assert_eq!(text.parse::<Timeout>(), Ok(expected), "{text}");
    }
    for text in ["", "5", "s", "5x", "-5s", "1..2s", "0s"] {
        assert!(text.parse::<Timeout>().is_err(), "{text}");
    }
}

#[test]
fn an_unanswered_write_is_unknown_and_an_unanswered_read_is_asked_again() {
    let texts = ["etcdserver: request timed out", "etcdserver: server stopped", "broken pipe"];
    for text in texts {
        let write = miss_of(Kind::Write, Status::unavailable(text));
        assert!(matches!(write, Miss::Unknown { .. }), "{text}: {write:?}");
        let read = miss_of(Kind::Read, Status::unavailable(text));
        assert!(matches!(read, Miss::NotNow { .. }), "{text}: {read:?}");
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
