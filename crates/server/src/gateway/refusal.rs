//! Failures as JSON, and the HTTP status of each gRPC code.
//!
//! etcd up to 3.5 names the text `error` and `message`; 3.6 dropped the former, which broke clients
//! (etcd issue 21100). Both are sent, and so are both shapes of a failure within a stream.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use tonic::{Code, Status};

use super::json_type;

/// The client's own deadline has passed, in etcd's words.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// The answer to a request that failed.
pub(super) fn refuse(status: &Status) -> Response {
    let text = status.message();
    let body = json!({
        "error": text,
        "message": text,
        "code": i32::from(status.code()),
        "details": [],
    });
    (http_status(status.code()), json_type(), body.to_string()).into_response()
}

/// The answer to a stream that failed before it told anything.
pub(super) fn refuse_stream(status: &Status) -> Response {
    (http_status(status.code()), json_type(), line(status)).into_response()
}

/// The last line of a stream that failed.
pub(super) fn line(status: &Status) -> Bytes {
    let http = http_status(status.code());
    let body = json!({
        "error": {
            "grpc_code": i32::from(status.code()),
            "http_code": http.as_u16(),
            "http_status": http.canonical_reason().unwrap_or_default(),
            "message": status.message(),
            "code": i32::from(status.code()),
            "details": [],
        },
    });
    Bytes::from(format!("{body}\n"))
}

/// The HTTP status for a code, as the gateway of etcd 3.6 maps them.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // What nginx calls a request that its client closed.
        Code::Cancelled => StatusCode::from_u16(499).expect("it has three digits"),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
