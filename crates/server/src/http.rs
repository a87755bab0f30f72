//! What is served over plain HTTP on the client port: versions and health.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use quorate_kv::{AlarmKind, RangeRequest};
use quorate_replica::ReadRequest;
use serde_json::json;

use crate::about;
use crate::alarms;
use crate::client::{Client, Freshness};
use crate::metrics;
use crate::version;

/// The key that health checks read, as etcd's do. It need not exist.
const HEALTH_KEY: &str = "health";

/// The routes.
pub(crate) fn routes(client: Client) -> Router {
    Router::new()
        .route("/version", get_alone(versions))
        .route("/quorate/status", get(about::status))
        .route("/quorate/round-trips", get(about::round_trips))
        .merge(observing())
        .fallback(not_found)
        .with_state(client)
}

/// What `--listen-metrics-urls` serves: metrics and health, and nothing else.
pub(crate) fn observing_routes(client: Client) -> Router {
    observing().with_state(client)
}

fn observing() -> Router<Client> {
    Router::new()
        .route("/health", get_alone(health))
        .route("/livez", get_alone(livez))
        .route("/livez/{check}", get_alone(livez_one))
        .route("/readyz", get_alone(readyz))
        .route("/readyz/{check}", get_alone(readyz_one))
        .merge(metrics::routes())
}

/// What only GET is taken for, as in etcd: not even HEAD, which checks nothing there.
fn get_alone<H, T>(handler: H) -> MethodRouter<Client>
where
    H: Handler<T, Client>,
    T: 'static,
{
    get(handler).head(only_get).fallback(only_get)
}

async fn only_get() -> Response {
    let text = "Method Not Allowed\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")], text).into_response()
}

/// A gRPC method that does not exist here is told so in gRPC's own way.
pub(crate) async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !content_type.starts_with(b"application/grpc") {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let method = uri.path().trim_start_matches('/');
    let message = format!("quorate: {method} is not available in this version");
    let headers = [
        (header::CONTENT_TYPE, "application/grpc".to_owned()),
        (header::HeaderName::from_static("grpc-status"), "12".to_owned()),
        (header::HeaderName::from_static("grpc-message"), message),
    ];
    (StatusCode::OK, headers).into_response()
}

async fn versions() -> Response {
    Json(json!({
        "etcdserver": version::ETCD_VERSION,
        "etcdcluster": version::CLUSTER_VERSION,
        "storage": version::STORAGE_VERSION,
        "quorate": version::QUORATE_VERSION,
    }))
    .into_response()
}

/// What a health check can be told to leave out.
type Parameters = Query<Vec<(String, String)>>;

fn values<'a>(parameters: &'a Parameters, name: &str) -> BTreeSet<&'a str> {
    let named = parameters.iter().filter(|(key, _)| key == name);
    named.map(|(_, value)| value.as_str()).collect()
}

async fn health(State(client): State<Client>, parameters: Parameters) -> Response {
    let excluded = values(&parameters, "exclude");
    let is_serializable = values(&parameters, "serializable").contains("true");
    let problem = find_problem(&client, &excluded, is_serializable).await;
    client.metrics().health.on_checked(problem.as_deref());
    let (status, health, reason) = match problem {
        None => (StatusCode::OK, "true", String::new()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, "false", reason),
    };
    (status, Json(json!({ "health": health, "reason": reason }))).into_response()
}

async fn find_problem(
    client: &Client,
    excluded: &BTreeSet<&str>,
    is_serializable: bool,
) -> Option<String> {
    match client.figures().await {
        Err(error) => return Some(format!("FIGURES ERROR:{error}")),
        Ok(figures) => {
            let alarms = alarms::all(client, &figures).into_iter();
            let mut names = alarms.map(|alarm| alarms::name_of(alarm.kind));
            if let Some(name) = names.find(|name| !excluded.contains(name)) {
                return Some(format!("ALARM {name}"));
            }
        }
    }
    if !is_serializable && client.leader().is_none() {
        return Some("RAFT NO LEADER".to_owned());
    }
    let freshness = if is_serializable { Freshness::Local } else { Freshness::Linearizable };
    read(client, freshness).await.err().map(|error| format!("RANGE ERROR:{error}"))
}

async fn read(client: &Client, freshness: Freshness) -> Result<(), String> {
    let range = RangeRequest { key: HEALTH_KEY.into(), ..RangeRequest::default() };
    let result = client.read(ReadRequest::Range(range), freshness).await;
    result.map(|_| ()).map_err(|error| error.to_string())
}

/// One thing that can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    SerializableRead,
    LinearizableRead,
    DataCorruption,
    NonLearner,
}

const LIVEZ: [(&str, Check); 1] = [("serializable_read", Check::SerializableRead)];

const READYZ: [(&str, Check); 4] = [
    ("data_corruption", Check::DataCorruption),
    ("serializable_read", Check::SerializableRead),
    ("linearizable_read", Check::LinearizableRead),
    ("non_learner", Check::NonLearner),
];

async fn livez(State(client): State<Client>, parameters: Parameters) -> Response {
    run_checks(&client, "livez", &LIVEZ, &parameters).await
}

async fn readyz(State(client): State<Client>, parameters: Parameters) -> Response {
    run_checks(&client, "readyz", &READYZ, &parameters).await
}

async fn livez_one(State(client): State<Client>, Path(name): Path<String>) -> Response {
    run_one(&client, "livez", &LIVEZ, &name).await
}

async fn readyz_one(State(client): State<Client>, Path(name): Path<String>) -> Response {
    run_one(&client, "readyz", &READYZ, &name).await
}

async fn run_one(
    client: &Client,
    group: &str,
    checks: &[(&'static str, Check)],
    name: &str,
) -> Response {
    match checks.iter().find(|(known, _)| *known == name) {
        None => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        Some(check) => run_checks(client, group, &[*check], &Query(Vec::new())).await,
    }
}

async fn run_checks(
    client: &Client,
    group: &str,
    checks: &[(&'static str, Check)],
    parameters: &Parameters,
) -> Response {
    let excluded = values(parameters, "exclude");
    let is_verbose = parameters.iter().any(|(key, _)| key == "verbose");
    let mut lines = BTreeMap::new();
    let mut is_well = true;
    for (place, (name, check)) in checks.iter().enumerate() {
        let line = if excluded.contains(name) {
            format!("[+]{name} excluded: ok\n")
        } else {
            match perform(client, *check).await {
                Ok(()) => format!("[+]{name} ok\n"),
                Err(reason) => {
                    is_well = false;
                    format!("[-]{name} failed: {reason}\n")
                }
            }
        };
        lines.insert(place, line);
    }
    let listing: String = lines.into_values().collect();
    match (is_well, is_verbose) {
        (true, false) => (StatusCode::OK, "ok\n").into_response(),
        (true, true) => {
            (StatusCode::OK, listing + &format!("{group} check passed\n")).into_response()
        }
        (false, _) => {
            let body = listing + &format!("{group} check failed\n");
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

async fn perform(client: &Client, check: Check) -> Result<(), String> {
    match check {
        Check::SerializableRead => read(client, Freshness::Local).await,
        Check::LinearizableRead => read(client, Freshness::Linearizable).await,
        Check::NonLearner if client.members().is_learner(client.node()) => {
            Err("this member is a learner".to_owned())
        }
        Check::NonLearner => Ok(()),
        // A member that finds damage stops, so one that answers has found none itself.
        Check::DataCorruption => {
            let figures = client.figures().await.map_err(|error| error.to_string())?;
            let mut alarms = figures.alarms.iter();
            match alarms.find(|alarm| alarm.kind == AlarmKind::Corrupt) {
                Some(_) => Err("alarm activated: CORRUPT".to_owned()),
                None => Ok(()),
            }
        }
    }
}
