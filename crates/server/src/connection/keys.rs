//! Requests for keys that came whole, answered where they were read.
//!
//! What is unusual about a request (its message comes in pieces, is long, compressed, or none) is
//! left to the gRPC library, by way of the routes, and so are all refusals of what it asks for.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use quorate_etcdapi::ApiError;
use tonic::{Code, Status};

use super::body::poll_data;
use super::exchange::{End, Gone, send_data};
use crate::api::{KeyRequest, KvService, Told};
use crate::client::Client;
use crate::gathered::UnansweredRequest;
use crate::metrics::{Entered, GrpcLayer};
use crate::waiter::Held;

/// The longest message that is answered here: reading a longer one would keep the connection's
/// other requests waiting.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What the paths of the service of keys begin with.
const PATH: &str = "/etcdserverpb.KV/";

/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");

/// What serves the keys.
pub(crate) struct Keys {
    client: Client,
    service: KvService,
    counted: GrpcLayer,
}

/// A request, and its being counted.
pub(super) struct Call {
    request: KeyRequest,
    entered: Entered,
}

/// Takes a request if it is one for these keys that came whole. Else it is left to the routes, with
/// what was read of its body.
pub(super) fn take<'a>(
    keys: Option<&'a Keys>,
    request: &mut Request<RecvStream>,
    context: &mut Context<'_>,
) -> Result<(&'a Keys, Call), Option<Bytes>> {
    let keys = keys.filter(|_| is_usual(request)).ok_or(None)?;
    let Poll::Ready(Some(Ok(data))) = poll_data(request.body_mut(), context) else {
        return Err(None);
    };
    let message = message_of(&data).filter(|_| request.body().is_end_stream());
    let decoded = message.and_then(|message| KeyRequest::decode(request.uri().path(), message));
    let Some(decoded) = decoded else { return Err(Some(data)) };
    let entered = keys.counted.enter(request.uri().path(), data.len());
    Ok((keys, Call { request: decoded, entered }))
}

fn is_usual(request: &Request<RecvStream>) -> bool {
    let headers = request.headers();
    request.method() == Method::POST
        && request.uri().path().starts_with(PATH)
        && headers.get(CONTENT_TYPE).is_some_and(|kind| *kind == GRPC)
        && !headers.contains_key(ENCODING)
}

/// The one message that this is all of, if it is short and not compressed. Copied, for what it is
/// read from may be much longer, and would be kept as long as a key of it.
fn message_of(data: &[u8]) -> Option<Bytes> {
    let [0, length @ ..] = *data.first_chunk::<PREFIX_BYTES>()? else { return None };
    let message = &data[PREFIX_BYTES..];
    let is_whole = u32::from_be_bytes(length) as usize == message.len();
    (is_whole && message.len() <= MESSAGE_BYTES_MAX).then(|| Bytes::copy_from_slice(message))
}

impl Keys {
    /// Those of this node, counted there.
    pub(crate) fn new(client: &Client, counted: GrpcLayer) -> Self {
        let client = client.waking_later();
        Self { service: KvService::new(client.clone()), client, counted }
    }

    /// Has the calls go on that have been polled since: the node's threads are woken once for all.
    pub(super) fn wake(&self) {
        self.client.wake();
    }

    /// Answers a request, unless its client takes it back.
    pub(super) async fn answer(
        &self,
        call: Call,
        mut respond: SendResponse<Bytes>,
        unanswered: UnansweredRequest,
    ) {
        let Call { request, entered } = call;
        let told = tokio::select! {
            biased;
            told = self.tell(request, &entered) => told,
            _ = poll_fn(|context| respond.poll_reset(context)) => return,
        };
        drop(unanswered);
        // Whoever is gone needs no answer.
        let _ = match told {
            Ok(answer) => send(respond, answer, entered).await,
            Err(error) => refuse(respond, error, entered),
        };
    }

    async fn tell(&self, request: KeyRequest, entered: &Entered) -> Told<Bytes> {
        entered.admitted()?;
        self.service.answer(request).await
    }
}

async fn send(
    mut respond: SendResponse<Bytes>,
    answer: Held<Bytes>,
    entered: Entered,
) -> Result<(), Gone> {
    let mut head = Response::new(());
    head.headers_mut().insert(CONTENT_TYPE, GRPC);
    let mut stream = respond.send_response(head, false)?;
    let Held { answer, share } = answer;
    entered.on_sent(answer.len());
    send_data(&mut stream, answer, End::No).await?;
    drop(share);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, OK);
    stream.send_trailers(trailers)?;
    entered.end(Code::Ok);
    Ok(())
}

fn refuse(mut respond: SendResponse<Bytes>, error: ApiError, entered: Entered) -> Result<(), Gone> {
    let status = Status::from(error);
    let code = status.code();
    respond.send_response(status.into_http(), true)?;
    entered.end(code);
    Ok(())
}
