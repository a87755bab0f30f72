//! A request's headers as gRPC takes them, and its deadline.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use tonic::Status;

/// What a header begins with that is meant for the service: `Grpc-Metadata-Token` is `token`.
const PREFIX: &str = "grpc-metadata-";

/// The header that carries a deadline.
const TIMEOUT: &str = "grpc-timeout";

/// The metadata of a request with these headers.
pub(super) fn of(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    metadata.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    metadata.insert(header::TE, HeaderValue::from_static("trailers"));
    for (name, value) in headers {
        let name = match name.as_str().strip_prefix(PREFIX) {
            Some(name) => name,
            None if *name == header::AUTHORIZATION => name.as_str(),
            None => continue,
        };
        let Ok(name) = HeaderName::try_from(name) else { continue };
        if !is_reserved(&name) {
            metadata.append(name, value.clone());
        }
    }
    metadata
}

/// Whether a name is the protocol's own.
fn is_reserved(name: &HeaderName) -> bool {
    [header::CONTENT_TYPE, header::TE, header::USER_AGENT].contains(name)
        || name.as_str().starts_with("grpc-")
}

/// How long the client waits, if it says so: a number and a unit, as in gRPC.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match parse(text) {
        Some(timeout) => Ok((!timeout.is_zero()).then_some(timeout)),
        None => Err(Status::invalid_argument(format!("invalid grpc-timeout: {text}"))),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = count.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.saturating_mul(3600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn the_token_goes_on_and_the_rest_stays() {
        let metadata = of(&headers(&[
            ("authorization", "Bearer a"),
            ("grpc-metadata-token", "b"),
            ("grpc-metadata-grpc-timeout", "1S"),
            ("grpc-metadata-te", "c"),
            ("cookie", "d"),
        ]));
        assert_eq!(metadata.len(), 4, "{metadata:?}");
        assert_eq!(metadata["authorization"], "Bearer a");
        assert_eq!(metadata["token"], "b");
        assert_eq!(metadata["te"], "trailers");
    }

    #[test]
    fn a_timeout_is_a_number_and_a_unit() {
        let timeout = |text| timeout(&headers(&[("grpc-timeout", text)]));
        assert_eq!(timeout("2S").unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(timeout("30m").unwrap(), Some(Duration::from_millis(30)));
        assert_eq!(timeout("0S").unwrap(), None);
        assert_eq!(timeout("18446744073709551615H").unwrap(), Some(Duration::from_secs(u64::MAX)));
        for text in ["", "S", "5", "abc", "-1S", "1.5S", "1 S", "9999999999999999999999S"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }
}
