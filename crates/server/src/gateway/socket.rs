//! The gateway over WebSocket, as etcd offers it on the same paths: a client asks on and on, and is
//! answered meanwhile, which pages cannot do over plain HTTP.
//!
//! Each message of the client is the JSON of one request, and each line of the answer is a message
//! back. They are the bodies of a POST to the same path, by whose limits and words they go. The
//! first message is all that a method takes which takes one.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use quorate_etcdapi::ApiError;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::method::{Asks, Method};
use super::refusal::{line, refuse};
use super::{BODIES_KIB_MAX, Gateway, serve};
use crate::server::told_to_stop;

/// Most clients over WebSocket at a time.
pub(super) const SOCKETS_MAX: usize = 1024;

/// The longest message, in bytes: those of all sockets are no more than all bodies may hold.
const MESSAGE_BYTES_MAX: usize = (BODIES_KIB_MAX << 10) / SOCKETS_MAX;

/// Room for one read, in bytes, which each socket has.
const READ_BYTES: usize = 4 << 10;

/// How often a client is asked whether it is there. One that says nothing in that time is gone.
const PING_INTERVAL: Duration = Duration::from_mins(1);

/// How long a client may take to take leave after the answer has ended.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// What a token is named by among the subprotocols: pages can set no other header.
const BEARER: &str = "Bearer";

/// Answers a request for a WebSocket. `None` to any other.
pub(super) async fn upgrade(
    gateway: &Arc<Gateway>,
    method: &Arc<Method>,
    request: Request,
) -> Option<Response> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.ok()?;
    let Ok(place) = gateway.sockets.clone().try_acquire_owned() else {
        return Some(refuse(&ApiError::TooManyRequests.into()));
    };
    if let Some(token) = token(&parts.headers) {
        parts.headers.insert(header::AUTHORIZATION, token);
    }
    let (gateway, method) = (gateway.clone(), method.clone());
    let upgrade = upgrade
        .protocols([BEARER])
        .read_buffer_size(READ_BYTES)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .max_message_size(MESSAGE_BYTES_MAX);
    Some(upgrade.on_upgrade(|socket| async move {
        let mut socket = Socket { socket, ask: None, line: BytesMut::new(), is_there: true };
        socket.talk(gateway, method, parts).await;
        drop(place);
    }))
}

/// `Bearer, TOKEN` as the header that it stands for.
fn token(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocols = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let (name, token) = protocols.split_once(',')?;
    if name.trim() != BEARER {
        return None;
    }
    HeaderValue::from_str(&format!("{BEARER} {}", token.trim())).ok()
}

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Something that was passed on.
    Asked,
    /// Something that needs no answer.
    Else,
    /// What is no message, or too long a one.
    Unreadable,
    /// That it leaves, or nothing more.
    Left,
}

/// Whether a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

/// One client's.
struct Socket {
    socket: WebSocket,
    /// Where its messages go; nowhere, once no more are wanted.
    ask: Option<mpsc::Sender<Bytes>>,
    /// What it is being told, as far as it is there.
    line: BytesMut,
    /// Whether it said something since it was last asked.
    is_there: bool,
}

impl Socket {
    /// Passes on what the client asks, and what it is told, until either has an end.
    async fn talk(&mut self, gateway: Arc<Gateway>, method: Arc<Method>, parts: Parts) {
        let mut stopped = gateway.stopped.clone();
        let (asks, (ask, asked)) = (method.asks, mpsc::channel(1));
        self.ask = Some(ask);
        let body = Body::from_stream(ReceiverStream::new(asked).map(Ok::<_, Infallible>));
        let answer = serve(gateway, method, Request::from_parts(parts, body));
        let told = stream::once(answer).flat_map(|answer| answer.into_body().into_data_stream());
        let mut told = pin!(told);
        let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            let flow = tokio::select! {
                piece = told.next() => match piece {
                    Some(Ok(piece)) => self.on_piece(&piece).await,
                    Some(Err(_)) | None => break,
                },
                heard = self.hear() => self.on_heard(heard, asks).await,
                _ = ping.tick() => self.on_ping().await,
                () = told_to_stop(&mut stopped), if self.ask.is_some() => {
                    self.ask = None;
                    Flow::Continue
                }
            };
            if flow == Flow::Stop {
                return;
            }
        }
        if self.line.is_empty() || self.tell_line().await == Flow::Continue {
            self.take_leave().await;
        }
    }

    /// Lines of a stream come one by one, and what is no stream comes in pieces of one line, which
    /// does not end.
    async fn on_piece(&mut self, piece: &[u8]) -> Flow {
        let (piece, is_whole) = match piece.strip_suffix(b"\n") {
            Some(end) => (end, true),
            None => (piece, false),
        };
        self.line.extend_from_slice(piece);
        if is_whole { self.tell_line().await } else { Flow::Continue }
    }

    async fn tell_line(&mut self) -> Flow {
        let line = self.line.split().freeze();
        let text = Utf8Bytes::try_from(line).expect("what the gateway tells is JSON");
        self.send(Message::Text(text)).await
    }

    /// What the service has no room for stays with the client.
    async fn hear(&mut self) -> Heard {
        let room = match &self.ask {
            Some(ask) => ask.reserve().await.ok(),
            None => None,
        };
        let message = match self.socket.recv().await {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Heard::Else,
            Some(Err(_)) => return Heard::Unreadable,
            Some(Ok(Message::Close(_))) | None => return Heard::Left,
        };
        let Some(room) = room else { return Heard::Else };
        room.send(message);
        Heard::Asked
    }

    async fn on_heard(&mut self, heard: Heard, asks: Asks) -> Flow {
        self.is_there = true;
        match heard {
            Heard::Asked if asks == Asks::Once => self.ask = None,
            Heard::Asked | Heard::Else => {}
            Heard::Left => return Flow::Stop,
            Heard::Unreadable => {
                let text = format!(
                    "what came is no message of a WebSocket, or one of more than \
                     {MESSAGE_BYTES_MAX} bytes"
                );
                let refused = line(&Status::invalid_argument(text));
                self.line.clear();
                if self.on_piece(&refused).await == Flow::Continue {
                    self.take_leave().await;
                }
                return Flow::Stop;
            }
        }
        Flow::Continue
    }

    async fn on_ping(&mut self) -> Flow {
        if !std::mem::take(&mut self.is_there) {
            return Flow::Stop;
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Flow {
        match self.socket.send(message).await {
            Ok(()) => Flow::Continue,
            Err(_) => Flow::Stop,
        }
    }

    /// Waits for the client to have heard everything: a connection that is closed before would
    /// take with it what is still on its way.
    async fn take_leave(&mut self) {
        if self.send(Message::Close(None)).await == Flow::Stop {
            return;
        }
        let heard = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // Who does not answer is left all the same.
        let _ = timeout(FAREWELL_MAX, heard).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_subprotocol() {
        let token = |protocols: &'static str| {
            let value = HeaderValue::from_static(protocols);
            token(&HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, value)]))
        };
        assert_eq!(token("Bearer, abc").unwrap(), "Bearer abc");
        assert_eq!(token("Bearer,abc.1").unwrap(), "Bearer abc.1");
        for none in ["Bearer", "other, abc", "abc"] {
            assert_eq!(token(none), None, "{none}");
        }
    }
}
