//! One connection of a client, from its first byte to its end: HTTP/2 on `h2` itself, where nearly
//! all requests come, and HTTP/1.1 by a library.

mod alive;
mod body;
mod exchange;
mod http2;
mod keys;

pub(crate) use keys::Keys;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::Service;

use crate::authority::{Repaired, Version};
use crate::gathered::{Gathered, Unanswered};
use crate::server::told_to_stop;
use crate::windows::Windows;

/// How long a client may say nothing after it has connected, and how long the headers of a request
/// over HTTP/1.1 may take; a connection without requests is kept as long.
const SILENCE_MAX: Duration = Duration::from_mins(5);

/// Everything that one address serves. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front {
    /// What serves the keys where their requests are read, if they are served here.
    pub(crate) keys: Option<Arc<Keys>>,
    /// Serves everything.
    pub(crate) routes: Router,
}

/// Serves one connection until the client or the server ends it.
pub(crate) async fn serve(
    stream: TcpStream,
    front: Front,
    windows: &Windows,
    mut stopped: watch::Receiver<bool>,
) {
    // A socket that refuses this is slower, not wrong.
    let _ = stream.set_nodelay(true);
    let unanswered = Unanswered::default();
    let mut stream = Repaired::new(Gathered::new(stream, unanswered.clone()), SILENCE_MAX);
    let version = tokio::select! {
        version = stream.version() => version,
        () = told_to_stop(&mut stopped) => return,
    };
    match version {
        Ok(Version::Http2) => {
            let window = windows.open();
            if let Err(error) = http2::serve(stream, &window, front, unanswered, stopped).await {
                tracing::debug!(%error, "a client's connection ended badly");
            }
        }
        Ok(Version::Http1) => serve_http1(stream, front.routes, stopped).await,
        Err(error) => tracing::debug!(%error, "a client said nothing that was understood"),
    }
}

async fn serve_http1(
    stream: Repaired<Gathered<TcpStream>>,
    routes: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        routes.clone().call(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(SILENCE_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended badly");
    }
}
