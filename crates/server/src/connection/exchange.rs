//! A request over HTTP/2 and its answer, by way of the routes: whatever is not answered where it is
//! read. And how an answer goes out, as its client makes room for it.

use std::future::poll_fn;
use std::pin::pin;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use hyper::body::Body as _;
use tower::Service;

use crate::gathered::UnansweredRequest;

/// Most bytes for which room is asked at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What HTTP/2 has no place for (RFC 9113, section 8.2.2).
const OF_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The client has taken its request back, or is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// Has a request answered by its route, and sends the answer.
pub(super) async fn exchange(
    mut routes: Router,
    request: Request<Body>,
    mut respond: SendResponse<Bytes>,
    unanswered: UnansweredRequest,
) -> Result<(), Gone> {
    let response = tokio::select! {
        biased;
        response = routes.call(request) => response,
        _ = poll_fn(|context| respond.poll_reset(context)) => return Err(Gone),
    };
    drop(unanswered);
    let Ok(response) = response;
    let (head, body) = response.into_parts();
    let mut head = Response::from_parts(head, ());
    complete(head.headers_mut(), &body);
    let has_body = !body.is_end_stream();
    let stream = respond.send_response(head, !has_body).inspect_err(|error| {
        tracing::debug!(%error, "an answer could not be sent");
        respond.send_reset(Reason::INTERNAL_ERROR);
    })?;
    if has_body { send_body(stream, body).await } else { Ok(()) }
}

/// What an answer says of itself beside what its route says.
fn complete(headers: &mut HeaderMap, body: &Body) {
    for name in &OF_CONNECTION {
        headers.remove(name);
    }
    if let Some(length) = body.size_hint().exact()
        && !body.is_end_stream()
    {
        headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    let now = httpdate::fmt_http_date(SystemTime::now());
    headers.entry(DATE).or_insert_with(|| HeaderValue::try_from(now).expect("it is ASCII"));
}

async fn send_body(mut stream: SendStream<Bytes>, body: Body) -> Result<(), Gone> {
    let mut body = pin!(body);
    loop {
        let frame = tokio::select! {
            biased;
            frame = poll_fn(|context| body.as_mut().poll_frame(context)) => frame,
            _ = poll_fn(|context| stream.poll_reset(context)) => return Err(Gone),
        };
        let frame = match frame {
            None => return Ok(stream.send_data(Bytes::new(), true)?),
            Some(Err(error)) => {
                tracing::debug!(%error, "an answer broke off");
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                let end = if body.is_end_stream() { End::Yes } else { End::No };
                send_data(&mut stream, data, end).await?;
                if end == End::Yes {
                    return Ok(());
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return Ok(stream.send_trailers(trailers)?);
                }
            }
        }
    }
}

/// Whether nothing comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Yes,
    No,
}

/// Sends a part of an answer, no faster than its client makes room for it.
pub(super) async fn send_data(
    stream: &mut SendStream<Bytes>,
    mut data: Bytes,
    end: End,
) -> Result<(), Gone> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len().min(PIECE_BYTES));
        while stream.capacity() == 0 {
            poll_fn(|context| stream.poll_capacity(context)).await.ok_or(Gone)??;
        }
        let piece = data.split_to(data.len().min(stream.capacity()));
        stream.send_data(piece, end == End::Yes && data.is_empty())?;
        if data.is_empty() {
            return Ok(());
        }
    }
    Ok(stream.send_data(data, end == End::Yes)?)
}
