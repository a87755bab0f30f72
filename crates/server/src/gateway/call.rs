//! gRPC with the services in this process: one request, and the messages that come back.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method, Uri, Version};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tonic::{Code, Status};
use tower::ServiceExt;

/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A message as gRPC sends it.
pub(super) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("what is read has a limit far below that");
    let mut out = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    out.put_u8(0);
    out.put_u32(length);
    out.put_slice(message);
    out.freeze()
}

/// Calls a method with the framed messages of this body.
pub(super) async fn call(
    grpc: Router,
    path: PathAndQuery,
    metadata: HeaderMap,
    body: Body,
) -> Replies {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = metadata;
    let response = match grpc.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    // A call that fails at once says so in its headers.
    Replies { body, bytes: BytesMut::new(), ended: Status::from_header_map(&parts.headers) }
}

/// The messages that a call returns.
#[derive(Debug)]
pub(super) struct Replies {
    body: Body,
    bytes: BytesMut,
    /// How the call ended, once it has.
    ended: Option<Status>,
}

impl Replies {
    /// The one message of a call that returns one.
    pub(super) async fn only(&mut self) -> Result<Bytes, Status> {
        let message = poll_fn(|context| self.poll_message(context)).await;
        let message = message.unwrap_or_else(|| Err(Status::internal("there was no answer")))?;
        // The status stands behind the message.
        match poll_fn(|context| self.poll_message(context)).await {
            Some(Err(status)) => Err(status),
            Some(Ok(_)) | None => Ok(message),
        }
    }

    /// The next message; then the failure, if the call failed; then nothing.
    pub(super) fn poll_message(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            if let Some(message) = self.take_message() {
                return Poll::Ready(Some(Ok(message)));
            }
            if let Some(status) = &mut self.ended {
                let status = std::mem::replace(status, Status::ok(""));
                return Poll::Ready((status.code() != Code::Ok).then_some(Err(status)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.bytes.extend_from_slice(&data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        self.ended = Status::from_header_map(&trailers);
                    }
                },
                Some(Err(error)) => self.ended = Some(Status::internal(error.to_string())),
                None => self.ended = Some(Status::internal("an answer broke off")),
            }
        }
    }

    fn take_message(&mut self) -> Option<Bytes> {
        let mut prefix = self.bytes.get(..PREFIX_BYTES)?;
        let compression = prefix.get_u8();
        assert_eq!(compression, 0, "nobody asked for compression");
        let length = prefix.get_u32() as usize;
        if self.bytes.len() < PREFIX_BYTES + length {
            return None;
        }
        self.bytes.advance(PREFIX_BYTES);
        Some(self.bytes.split_to(length).freeze())
    }
}
