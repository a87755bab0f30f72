//! Whether a refusal is one that clients of etcd know.

use quorate_etcdapi::ApiError;
use tonic::Code;

/// What refusals begin with that come from below the services: too long, not readable, not there.
const OTHERS: [(Code, &str); 10] = [
    (Code::ResourceExhausted, "grpc: received message larger than max ("),
    (Code::Internal, "failed to decode Protobuf message"),
    (Code::Unimplemented, "quorate: "),
    (Code::Unimplemented, "etcdserver: only a range in key order"),
    (Code::NotFound, "unknown service"),
    (Code::NotFound, "Not Found"),
    (Code::InvalidArgument, "the body is not the JSON of a "),
    (Code::InvalidArgument, "the body is not a series of JSON objects"),
    (Code::InvalidArgument, "the body ends within a JSON object"),
    (Code::ResourceExhausted, "the JSON of a request exceeds "),
];

/// Fails unless the code and the text belong together, in the words of etcd or our own. Locks and
/// elections pass on what they are told as `Unknown`, as in etcd.
pub(super) fn assert_known(code: Code, text: &str, asked: &str) {
    let is_etcds = ApiError::all().any(|error| {
        (code == Code::Unknown || Code::from(error.code()) == code) && error.text() == text
    });
    let is_other = OTHERS.iter().any(|(other, begin)| *other == code && text.starts_with(begin));
    assert!(is_etcds || is_other, "{asked} is refused in unknown words: {code:?} {text:?}");
}
