//! One connection of HTTP/2. Requests for keys that came whole are answered by the task that reads
//! them: nothing is handed from task to task for them, and answers that are ready together leave
//! together. Every other request has a task of its own.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::{self, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::Front;
use super::alive::Alive;
use super::body::RequestBody;
use super::exchange::exchange;
use super::keys;
use crate::gathered::Unanswered;
use crate::server::told_to_stop;
use crate::windows::Window;

/// Most requests under way on one connection. A client keeps more to itself until some have ended.
const STREAMS_MAX: u32 = 16_384;

/// Most bytes of a request's headers.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// Most bytes of one request's answer that wait to be written.
const UNWRITTEN_BYTES_MAX: usize = 400 << 10;

/// Most resets of streams that a client may cause by faults of its own (CVE-2025-8671).
const FAULTS_MAX: usize = 1024;

/// Serves a connection whose client has begun to speak HTTP/2.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    window: &Window,
    front: Front,
    unanswered: Unanswered,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), h2::Error> {
    let handshake = settings(window).handshake(stream);
    let mut connection = tokio::select! {
        connection = handshake => connection?,
        () = told_to_stop(&mut stopped) => return Ok(()),
    };
    let mut alive = Alive::new(connection.ping_pong().expect("nobody else has asked for it"));
    let mut calls = FuturesUnordered::new();
    let keys = front.keys.as_deref();
    let mut serve = |context: &mut Context<'_>, connection: &mut Connection<S, Bytes>| {
        if alive.poll_lost(context).is_ready() {
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        loop {
            let requests = poll_requests(connection, context, |context, mut request, respond| {
                alive.on_heard();
                let unanswered = unanswered.begin();
                match keys::take(keys, &mut request, context) {
                    Ok((keys, call)) => calls.push(keys.answer(call, respond, unanswered)),
                    Err(first) => {
                        let (routes, request) = (front.routes.clone(), with_body(request, first));
                        tokio::spawn(exchange(routes, request, respond, unanswered));
                    }
                }
            });
            if let Poll::Ready(ended) = requests {
                return Poll::Ready(ended);
            }
            let has_answered = poll_calls(&mut calls, context);
            keys.inspect(|keys| keys.wake());
            if !has_answered {
                return Poll::Pending;
            }
        }
    };
    tokio::select! {
        biased;
        ended = poll_fn(|context| serve(context, &mut connection)) => return ended,
        () = told_to_stop(&mut stopped) => connection.graceful_shutdown(),
    }
    poll_fn(|context| serve(context, &mut connection)).await
}

fn settings(window: &Window) -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .initial_window_size(window.of_stream())
        .initial_connection_window_size(window.of_connection())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_local_error_reset_streams(Some(FAULTS_MAX))
        .max_send_buffer_size(UNWRITTEN_BYTES_MAX);
    builder
}

/// Reads and writes what it can, and hands out every request that has come.
fn poll_requests<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S, Bytes>,
    context: &mut Context<'_>,
    mut hand_out: impl FnMut(&mut Context<'_>, Request<RecvStream>, SendResponse<Bytes>),
) -> Poll<Result<(), h2::Error>> {
    loop {
        let Some(accepted) = ready!(connection.poll_next_unpin(context)) else {
            return Poll::Ready(Ok(()));
        };
        let (request, respond) = accepted?;
        hand_out(context, request, respond);
    }
}

/// Lets the calls go on that can. Whether any has ended.
fn poll_calls<F: Future<Output = ()>>(
    calls: &mut FuturesUnordered<F>,
    context: &mut Context<'_>,
) -> bool {
    let mut has_ended = false;
    while let Poll::Ready(Some(())) = calls.poll_next_unpin(context) {
        has_ended = true;
    }
    has_ended
}

/// The request with its body as routes take it.
fn with_body(request: Request<RecvStream>, first: Option<Bytes>) -> Request<Body> {
    let (head, rest) = request.into_parts();
    let body = RequestBody::new(&head.headers, first, rest);
    Request::from_parts(head, Body::new(body))
}
