//! The body of a request over HTTP/2, for those who take any body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use hyper::body::{Body, Frame, SizeHint};

/// What comes after the head of a request.
pub(super) struct RequestBody {
    /// What was read already.
    first: Option<Bytes>,
    rest: RecvStream,
    /// Whether only trailers can come.
    has_ended: bool,
    length: Option<u64>,
}

impl RequestBody {
    /// A body that begins with `first`, of a request with these headers.
    pub(super) fn new(headers: &HeaderMap, first: Option<Bytes>, rest: RecvStream) -> Self {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length = length.and_then(|length| length.parse().ok());
        Self { first, rest, has_ended: false, length }
    }
}

/// Takes what has come of a body, and lets the client send as much again.
pub(super) fn poll_data(
    body: &mut RecvStream,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, h2::Error>>> {
    let data = ready!(body.poll_data(context));
    if let Some(Ok(data)) = &data {
        // It fails only for more than has come.
        let _ = body.flow_control().release_capacity(data.len());
    }
    Poll::Ready(data)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if !self.has_ended {
            match ready!(poll_data(&mut self.rest, context)) {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Err(error)) => return Poll::Ready(failure(error).map(Err)),
                None => self.has_ended = true,
            }
        }
        let trailers = ready!(self.rest.poll_trailers(context));
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => failure(error).map(Err),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A client that resets its stream for no fault only stops to send.
fn failure(error: h2::Error) -> Option<h2::Error> {
    let is_stop = matches!(error.reason(), Some(Reason::NO_ERROR | Reason::CANCEL));
    (!is_stop).then_some(error)
}
