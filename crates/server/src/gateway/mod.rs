//! The JSON gateway: etcd's services as `POST /v3/...`, for clients without gRPC.
//!
//! A request's JSON becomes the protobuf message that a gRPC client would have sent, goes to the
//! same services within this process, and the answer goes back as JSON. What a message looks like
//! in either form follows from the interface's descriptors: a service that gRPC offers is offered
//! here, and one that it does not answers alike.
//!
//! - [`paths`] says which path is which method, [`method`] what the method takes and returns.
//! - [`intake`] reads bodies within limits, [`values`] finds the values in them.
//! - [`transcode`] turns JSON into messages and back, [`metadata`] headers into metadata.
//! - [`call`] speaks gRPC with the services; [`stream`] makes lines of what a stream returns.
//! - [`told`] sends an answer that is no stream.
//! - [`refusal`] words failures; [`remainder`] reads what they leave unread.
//! - [`socket`] is all of this over WebSocket.

mod call;
mod intake;
mod metadata;
mod method;
mod paths;
mod refusal;
mod remainder;
mod socket;
mod stream;
mod told;
mod transcode;
mod values;

pub use self::paths::PATHS;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use prost_reflect::DescriptorPool;
use quorate_etcdapi::DESCRIPTORS;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tonic::Status;

use self::call::Replies;
use self::intake::Intake;
use self::method::{Asks, Method, Tells};
use self::refusal::{deadline_exceeded, refuse, refuse_stream};
use self::told::Told;
use crate::room::Room;

/// What all bodies that are being read hold at most, in KiB. Beyond it requests are refused.
const BODIES_KIB_MAX: usize = 256 << 10;

/// What paths begin with; the second is etcd's old name for the first.
const PREFIXES: [&str; 2] = ["/v3", "/v3beta"];

/// What the handlers share.
struct Gateway {
    /// The gRPC services.
    grpc: Router,
    /// Longest JSON value that is read, in bytes.
    value_bytes_max: usize,
    /// Room for bodies.
    room: Room,
    /// Room for clients over WebSocket.
    sockets: Arc<Semaphore>,
    /// Whether the server stops.
    stopped: watch::Receiver<bool>,
}

/// The gateway to these services, whose messages have at most so many bytes.
pub(crate) fn routes(
    grpc: Router,
    message_bytes_max: usize,
    stopped: watch::Receiver<bool>,
) -> Router {
    let gateway = Arc::new(Gateway {
        grpc,
        value_bytes_max: value_bytes_max(message_bytes_max),
        room: Room::of_kib(BODIES_KIB_MAX),
        sockets: Arc::new(Semaphore::new(socket::SOCKETS_MAX)),
        stopped,
    });
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("the descriptors were generated");
    let mut router = Router::new();
    for (path, name) in PATHS {
        let method = Arc::new(Method::find(&pool, name));
        for prefix in PREFIXES {
            let posted = {
                let (gateway, method) = (gateway.clone(), method.clone());
                move |request| serve(gateway.clone(), method.clone(), request)
            };
            let (gateway, method) = (gateway.clone(), method.clone());
            let other = move |request| serve_otherwise(gateway.clone(), method.clone(), request);
            let handlers = post(posted).fallback(other);
            router = router.route(&format!("{prefix}{path}"), handlers);
        }
    }
    for prefix in PREFIXES {
        router = router.route(&format!("{prefix}/{{*path}}"), any(unknown));
    }
    router.layer(from_fn(remainder::read_to_the_end))
}

/// Base64 makes four bytes of three; the rest is for names and white space.
fn value_bytes_max(message_bytes_max: usize) -> usize {
    message_bytes_max.saturating_mul(2).saturating_add(64 << 10)
}

async fn unknown() -> Response {
    refuse(&Status::not_found("Not Found"))
}

/// Anything but a POST. If it is not for a WebSocket, it is refused as in etcd 3.6, whose gateway
/// calls it unimplemented.
async fn serve_otherwise(gateway: Arc<Gateway>, method: Arc<Method>, request: Request) -> Response {
    if let Some(response) = socket::upgrade(&gateway, &method, request).await {
        return response;
    }
    let mut response = refuse(&Status::unimplemented("Method Not Allowed"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn serve(gateway: Arc<Gateway>, method: Arc<Method>, request: Request) -> Response {
    let timeout = match metadata::timeout(request.headers()) {
        Ok(timeout) => timeout,
        Err(status) => return refuse(&status),
    };
    // A deadline beyond all time is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let answer = gateway.answer(method, request, deadline);
    match deadline {
        None => answer.await,
        Some(deadline) => {
            let answer = tokio::time::timeout_at(deadline, answer).await;
            answer.unwrap_or_else(|_| refuse(&deadline_exceeded()))
        }
    }
}

impl Gateway {
    async fn answer(
        &self,
        method: Arc<Method>,
        request: Request,
        deadline: Option<Instant>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let intake = Intake::new(body, self.value_bytes_max, &self.room);
        let asked = match method.asks {
            Asks::Once => stream::ask_once(intake, &method).await,
            Asks::Often => stream::ask_often(intake, method.clone()).await,
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(status) => return refuse(&status),
        };
        let metadata = metadata::of(&parts.headers);
        let replies = self.call(&method, metadata, asked.body).await;
        match method.tells {
            Tells::Once => tell_once(replies, &method).await,
            Tells::Often => {
                let lines = stream::Lines::new(replies, method, asked.refused, deadline);
                lines.begin().await.unwrap_or_else(|status| refuse_stream(&status))
            }
        }
    }

    async fn call(&self, method: &Method, metadata: HeaderMap, body: Body) -> Replies {
        call::call(self.grpc.clone(), method.path.clone(), metadata, body).await
    }
}

async fn tell_once(mut replies: Replies, method: &Method) -> Response {
    let told = match replies.only().await {
        Ok(message) => transcode::to_json(message, &method.output),
        Err(status) => Err(status),
    };
    match told {
        Ok(json) => (json_type(), Body::new(Told::new(json.into(), replies))).into_response(),
        Err(status) => refuse(&status),
    }
}

/// The header of everything the gateway says.
fn json_type() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]
}
