//! A message beyond the limit, refused as etcd refuses it.
//!
//! The gRPC library cuts such a message off before any handler sees it, and answers with a code and
//! text of its own. Clients of etcd know what Go's library answers: `ResourceExhausted`, with both
//! lengths.

use http::{HeaderValue, Response};
use tonic::Code;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// The library's text around the two lengths, percent-encoded as it travels.
const BEFORE: &str = "Error,%20decoded%20message%20length%20too%20large:%20found%20";
const BETWEEN: &str = "%20bytes,%20the%20limit%20is:%20";
const AFTER: &str = "%20bytes";

/// Puts etcd's answer in the place of the library's. Any other answer stays.
pub(crate) fn name_as_etcd<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    let Some((found, limit)) = headers.get(MESSAGE).and_then(lengths) else { return response };
    let text =
        format!("grpc:%20received%20message%20larger%20than%20max%20({found}%20vs.%20{limit})");
    let text = HeaderValue::try_from(text).expect("it is printable ASCII");
    headers.insert(STATUS, HeaderValue::from(Code::ResourceExhausted as i32));
    headers.insert(MESSAGE, text);
    response
}

/// The length of the message and the longest one, in bytes, if that is what the text is about.
fn lengths(message: &HeaderValue) -> Option<(u64, u64)> {
    let text = message.to_str().ok()?.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
    let (found, limit) = text.split_once(BETWEEN)?;
    Some((found.parse().ok()?, limit.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    fn renamed(status: Status) -> Status {
        let response = name_as_etcd(status.into_http::<()>());
        Status::from_header_map(response.headers()).expect("it carries a status")
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_in_etcds_words() {
        let text = "Error, decoded message length too large: found 7 bytes, the limit is: 5 bytes";
        let status = renamed(Status::out_of_range(text));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "grpc: received message larger than max (7 vs. 5)");
    }

    #[test]
    fn any_other_refusal_stays() {
        for text in ["etcdserver: mvcc: required revision has been compacted", "", "Error, 7"] {
            let status = renamed(Status::out_of_range(text));
            assert_eq!(status.code(), Code::OutOfRange);
            assert_eq!(status.message(), text);
        }
    }
}
