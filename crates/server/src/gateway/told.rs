//! The JSON of an answer on its way to the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::call::Replies;

/// How much is handed to the connection at once: so it is not all taken long before it is sent.
const PIECE_BYTES: usize = 64 << 10;

/// An answer that is not sent yet, with the call that it came from, whose room it has.
#[derive(Debug)]
pub(super) struct Told {
    left: Bytes,
    _replies: Replies,
}

impl Told {
    /// This JSON, made of what the call returned.
    pub(super) fn new(json: Bytes, replies: Replies) -> Self {
        Self { left: json, _replies: replies }
    }
}

impl HttpBody for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.left.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
