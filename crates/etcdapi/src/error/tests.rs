//! The error table against what etcd's clients match on.

use std::collections::BTreeSet;

use super::*;

/// The texts are an interface: two errors with one text could not be told apart by a client.
#[test]
fn every_text_is_unique() {
    let texts: BTreeSet<_> = ApiError::all().map(ApiError::text).collect();
    assert_eq!(texts.len(), ApiError::all().count());
}

#[test]
fn texts_carry_the_prefix_unless_an_embedded_client_wrote_them() {
    let bare: Vec<_> = ApiError::all().filter(|e| !e.text().starts_with("etcdserver: ")).collect();
    let embedded = [
        ApiError::NotPrimaryLessor,
        ApiError::LockSessionExpired,
        ApiError::ElectionNotLeader,
        ApiError::ElectionNoLeader,
        ApiError::ElectionLeaderMissing,
    ];
    assert_eq!(bare, embedded);
}

/// How many errors etcd 3.6 has for each code; a row under the wrong code changes two counts.
#[test]
fn each_code_has_its_errors() {
    let counts = [
        (Code::Canceled, 2),
        (Code::Unknown, 8),
        (Code::InvalidArgument, 18),
        (Code::DeadlineExceeded, 1),
        (Code::NotFound, 2),
        (Code::PermissionDenied, 1),
        (Code::ResourceExhausted, 1),
        (Code::FailedPrecondition, 23),
        (Code::OutOfRange, 3),
        (Code::Unimplemented, 0),
        (Code::Unavailable, 8),
        (Code::DataLoss, 1),
        (Code::Unauthenticated, 1),
    ];
    for (code, count) in counts {
        let found: Vec<_> = ApiError::all().filter(|error| error.code() == code).collect();
        assert_eq!(found.len(), count, "{code:?}: {found:?}");
    }
}

/// What clients are known to match exactly: kube-apiserver, Patroni, Jepsen, the Go client.
#[test]
fn the_errors_that_clients_match_reach_the_wire_exactly() {
    let cases = [
        (ApiError::Compacted, 11, "etcdserver: mvcc: required revision has been compacted"),
        (ApiError::FutureRevision, 11, "etcdserver: mvcc: required revision is a future revision"),
        (ApiError::NoSpace, 8, "etcdserver: mvcc: database space exceeded"),
        (ApiError::LeaseNotFound, 5, "etcdserver: requested lease not found"),
        (ApiError::TooManyRequests, 2, "etcdserver: too many requests"),
        (ApiError::DuplicateKey, 3, "etcdserver: duplicate key given in txn request"),
        (ApiError::AuthOldRevision, 3, "etcdserver: revision of auth store is old"),
        (ApiError::InvalidAuthToken, 16, "etcdserver: invalid auth token"),
        (ApiError::NotPrimaryLessor, 2, "not a primary lessor"),
        (ApiError::Timeout, 14, "etcdserver: request timed out"),
        (ApiError::Unhealthy, 14, "etcdserver: unhealthy cluster"),
        (ApiError::ElectionLeaderMissing, 2, "\"leader\" field must be provided"),
    ];
    for (error, code, text) in cases {
        let status = tonic::Status::from(error);
        assert_eq!((status.code() as i32, status.message()), (code, text));
    }
}

#[test]
fn every_code_keeps_its_number_on_the_way_to_tonic() {
    for error in ApiError::all() {
        let code = error.code();
        assert_eq!(tonic::Code::from(code) as i32, i32::from(code as u8), "{error:?}");
    }
}

/// An error of the state machine keeps its meaning: the table must not swap two of them.
#[test]
fn refusals_of_the_state_machine_keep_their_meaning() {
    let cases = [
        (ApiError::from(kv::CommandError::Compacted), "has been compacted"),
        (ApiError::from(kv::CommandError::FutureRevision), "is a future revision"),
        (ApiError::from(kv::CommandError::KeyNotFound), "key not found"),
        (ApiError::from(kv::CommandError::LeaseNotFound), "requested lease not found"),
        (ApiError::from(kv::CommandError::NoSpace), "database space exceeded"),
        (ApiError::from(kv::CommandError::AnswerTooLarge), "too many requests"),
        (ApiError::from(kv::RequestError::EmptyKey), "key is not provided"),
        (ApiError::from(kv::RequestError::ValueProvided), "value is provided"),
        (ApiError::from(kv::RequestError::LeaseProvided), "lease is provided"),
        (ApiError::from(kv::RequestError::TooManyOperations), "too many operations"),
        (ApiError::from(kv::RequestError::DuplicateKey), "duplicate key given"),
        (ApiError::from(kv::RequestError::TooLarge), "request is too large"),
    ];
    for (error, words) in cases {
        assert!(error.text().contains(words), "{error:?}");
    }
}
