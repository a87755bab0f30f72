//! Who may speak HTTP with this member: which host names it answers to, and web pages of which
//! origins may read what it says. gRPC has neither, as in etcd. etcd lets pages of every origin
//! open a WebSocket, whatever `--cors` says; here they must be listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::HttpSettings;

/// Stands for every origin or host.
const ALL: &str = "*";

/// Methods that pages may use.
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE");

/// Headers that pages may set.
const HEADERS: HeaderValue = HeaderValue::from_static("accept, content-type, authorization");

/// What is let through.
#[derive(Debug)]
pub(crate) struct Edge {
    origins: BTreeSet<String>,
    hosts: BTreeSet<String>,
}

impl Edge {
    /// As configured.
    pub(crate) fn of(settings: &HttpSettings) -> Arc<Self> {
        let HttpSettings { cors, host_whitelist, .. } = settings.clone();
        Arc::new(Self { origins: cors, hosts: host_whitelist })
    }

    /// What pages of the request's origin are told, if anything.
    fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.origins.contains(ALL) {
            return Some(HeaderValue::from_static(ALL));
        }
        let origin = headers.get(header::ORIGIN)?;
        self.origins.contains(origin.to_str().ok()?).then(|| origin.clone())
    }

    fn is_known_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.contains(ALL) || self.hosts.contains(host)
    }
}

/// Lets a request through, or answers it.
pub(crate) async fn guard(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let host = host_of(&request);
    if !edge.is_known_host(&host) {
        return misdirected(&host);
    }
    let origin = edge.allowed_origin(request.headers());
    if origin.is_none() && is_socket_of_page(request.headers()) {
        return unlisted_origin();
    }
    // A page asks this before it sends what is not a plain form.
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::OK.into_response()
    } else {
        next.run(request).await
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    }
    response
}

/// Whether a page wants to open a WebSocket, which a browser lets it do with any host: what would
/// be told there is not kept from it as an answer is.
fn is_socket_of_page(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).map_or(&b""[..], |upgrade| upgrade.as_bytes());
    upgrade.eq_ignore_ascii_case(b"websocket") && headers.contains_key(header::ORIGIN)
}

fn unlisted_origin() -> Response {
    let text = "pages of this origin open no WebSocket here: add it to --cors\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

/// The name that a request calls this member by, without a port.
fn host_of(request: &Request) -> String {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(Authority::as_str);
    let host = named.or(authority).unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => host,
    };
    without_port.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// A page that has its own name resolved to this address would otherwise pass for a local one
/// (CVE-2018-5702).
fn misdirected(host: &str) -> Response {
    let text = format!(
        "this member does not answer to the name {host:?}: call it by a listed name, or add this \
         one to --host-whitelist\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn edge(origins: &[&str], hosts: &[&str]) -> Edge {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Edge { origins: set(origins), hosts: set(hosts) }
    }

    #[test]
    fn a_listed_origin_is_told_so_and_another_is_not() {
        let origin = |edge: Edge, origin: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            edge.allowed_origin(&headers).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(origin(edge(&["*"], &[]), "http://a").unwrap(), "*");
        assert_eq!(origin(edge(&["http://a"], &[]), "http://a").unwrap(), "http://a");
        assert_eq!(origin(edge(&["http://a"], &[]), "http://b"), None);
        assert_eq!(edge(&["http://a"], &[]).allowed_origin(&HeaderMap::new()), None);
    }

    #[test]
    fn a_host_is_known_by_its_name_alone() {
        let host = |host: &str| {
            let request = Request::builder().header(header::HOST, host).body(Body::empty());
            host_of(&request.expect("it is a request"))
        };
        assert_eq!(host("a.example:2379"), "a.example");
        assert_eq!(host("a.example"), "a.example");
        assert_eq!(host("[::1]:2379"), "::1");
        assert_eq!(host("[::1]"), "::1");
        assert!(edge(&[], &["a"]).is_known_host("a"));
        assert!(!edge(&[], &["a"]).is_known_host("b"));
        assert!(edge(&[], &["*"]).is_known_host("b"));
        assert!(edge(&[], &[]).is_known_host("b"));
    }
}
