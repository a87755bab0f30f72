//! What a member tells of itself beyond what etcd's members do, for `quorate status` and
//! `quorate doctor`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorate_consensus::NodeId;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::member::MemberDetails;
use crate::url::HttpUrl;
use crate::version;

/// How long a connection to a peer may take when the way to it is measured.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// Connections to each peer, of which the fastest counts: the others met a busy processor.
const SAMPLES: usize = 3;

/// What this member knows of itself and, if it leads, of the others.
pub(crate) async fn status(State(client): State<Client>) -> Response {
    let (status, figures) = match (client.status().await, client.figures().await) {
        (Ok(status), Ok(figures)) => (status, figures),
        (Err(error), _) | (_, Err(error)) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response();
        }
    };
    let peers = status.peers.iter().map(|peer| {
        json!({
            "member": name_of(peer.node),
            "matched": peer.matched.0,
            "flow": format!("{:?}", peer.flow),
            "active": peer.is_active,
        })
    });
    let config = client.config();
    Json(json!({
        "member": name_of(status.node),
        "name": config.name,
        "version": version::QUORATE_VERSION,
        "engine": config.engine.to_string(),
        "role": format!("{:?}", status.role),
        "leader": status.leader.map(name_of),
        "term": status.ballot.round,
        "compacted": status.compacted.0,
        "last": status.last.0,
        "persisted": status.persisted.0,
        "committed": status.committed.0,
        "applied": figures.applied.0,
        "revision": figures.revision,
        "state_hash": format!("{:032x}", figures.state_hash.0),
        "storage": format!("{:?}", status.storage),
        "heartbeat_interval_ms": milliseconds(config.heartbeat_interval),
        "election_timeout_ms": milliseconds(config.election_timeout),
        "clock_us": clock_microseconds(),
        "peers": peers.collect::<Vec<_>>(),
    }))
    .into_response()
}

/// How long a connection to the peer port of each other member takes: one way there and back on
/// the network, without what the member does. Measured when asked.
pub(crate) async fn round_trips(State(client): State<Client>) -> Response {
    let mut asked = JoinSet::new();
    for (node, details) in &client.members().details {
        if *node == client.node() {
            continue;
        }
        let details = MemberDetails::decode(details.clone());
        let details = details.expect("the log's details were encoded here");
        asked.spawn(round_trip(*node, details.peer_urls));
    }
    Json(json!({ "member": name_of(client.node()), "peers": asked.join_all().await }))
        .into_response()
}

async fn round_trip(node: NodeId, urls: Vec<HttpUrl>) -> Value {
    let mut fastest = None;
    let mut problem = Value::Null;
    'urls: for url in &urls {
        for _ in 0..SAMPLES {
            let begun = Instant::now();
            match timeout(CONNECT_MAX, TcpStream::connect(url.authority())).await {
                Ok(Ok(_)) => {
                    let took = begun.elapsed();
                    fastest = Some(fastest.map_or(took, |other: Duration| other.min(took)));
                }
                Ok(Err(error)) => {
                    problem = error.to_string().into();
                    continue 'urls;
                }
                Err(_) => {
                    problem = "no connection in time".into();
                    continue 'urls;
                }
            }
        }
        break;
    }
    json!({
        "member": name_of(node),
        "urls": urls.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "microseconds": fastest.map(microseconds),
        "problem": if fastest.is_some() { Value::Null } else { problem },
    })
}

/// etcd names members in hexadecimal.
fn name_of(node: NodeId) -> String {
    format!("{:x}", node.0)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The machine's clock. Nothing here depends on it; certificates and people do.
fn clock_microseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, microseconds)
}
