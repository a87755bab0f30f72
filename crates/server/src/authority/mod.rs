//! Lets in the clients whose `:authority` is no authority.
//!
//! etcdctl 3.4 puts the whole URL there when it asks one endpoint (`endpoint status`, `hashkv`,
//! `defrag`), and version 3.5.0 of etcd's Go client `#initially=[...]` (etcd issue 13192). Go's
//! HTTP/2 takes either; the one used here resets such a stream before anyone sees the request. So
//! the first requests of a connection are looked at, and what cannot be an authority is replaced.
//! A connection whose first request is right, as nearly all are, is not looked at any further.
//! Since this sees how a connection begins, it says which version of HTTP that is.

mod block;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What a connection of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length, type, flags and stream of a frame (RFC 9113, section 4.1).
const FRAME_HEAD_BYTES: usize = 9;

/// The longest frame that is accepted here, HTTP/2's default.
const FRAME_BYTES_MAX: usize = 16_384;

/// The type of a frame that begins a request.
const HEADERS: u8 = 1;

/// How much is read at once while a connection is looked at.
const READ_BYTES: usize = 4096;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1, or nothing that is known.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A connection, read through [`Repair`].
#[derive(Debug)]
pub(crate) struct Repaired<S> {
    inner: S,
    repair: Repair,
    /// Ends a connection whose preface does not end: nobody else looks at the time so early.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Repaired<S> {
    /// A connection of which nothing was read yet, and whose preface may take so long.
    pub(crate) fn new(inner: S, preface_timeout: Duration) -> Self {
        let patience = Some(Box::pin(tokio::time::sleep(preface_timeout)));
        Self { inner, repair: Repair::default(), patience }
    }
}

impl<S: AsyncRead + Unpin> Repaired<S> {
    /// Waits until it is known what the client speaks. Fails if it says too little for too long.
    pub(crate) async fn version(&mut self) -> io::Result<Version> {
        poll_fn(|context| {
            while self.repair.stage == Stage::Preface {
                ready!(self.poll_more(context))?;
            }
            let version = if self.repair.is_http2 { Version::Http2 } else { Version::Http1 };
            Poll::Ready(Ok(version))
        })
        .await
    }

    /// Reads some more into the repair.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_BYTES];
        let mut read = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.inner).poll_read(context, &mut read) {
            Poll::Pending if is_over(&mut self.patience, context) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            polled => ready!(polled)?,
        }
        match read.filled() {
            [] => self.repair.give_up(),
            filled => self.repair.take(filled),
        }
        if self.repair.stage != Stage::Preface {
            self.patience = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether the time for the preface is over.
fn is_over(patience: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> bool {
    patience.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready())
}

impl<S: AsyncRead + Unpin> AsyncRead for Repaired<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.repair.hand_out(out) {
                return Poll::Ready(Ok(()));
            }
            if this.repair.stage == Stage::Done {
                return Pin::new(&mut this.inner).poll_read(context, out);
            }
            ready!(this.poll_more(context))?;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Repaired<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// What is done with the bytes that come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// They are compared with the preface.
    #[default]
    Preface,
    /// They are frames, of which those that begin requests are looked at.
    Frames,
    /// They are handed on.
    Done,
}

/// The bytes of a connection on their way in.
#[derive(Debug, Default)]
struct Repair {
    stage: Stage,
    /// Read, and not understood yet: less than a frame.
    pending: Vec<u8>,
    /// To be handed on.
    ready: Vec<u8>,
    handed_out: usize,
    /// Whether the preface of HTTP/2 was seen.
    is_http2: bool,
    /// Whether some request had to be repaired: then others of this connection may have to be.
    has_repaired: bool,
}

impl Repair {
    /// Takes what was read.
    fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        while self.advance() {}
        if self.stage == Stage::Done {
            self.ready.append(&mut self.pending);
        }
    }

    /// Nothing more comes, or nothing more is understood.
    fn give_up(&mut self) {
        self.stage = Stage::Done;
        self.ready.append(&mut self.pending);
    }

    /// Hands on what is ready, as far as it fits; whether that was anything.
    fn hand_out(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let rest = &self.ready[self.handed_out..];
        if rest.is_empty() {
            return false;
        }
        let count = rest.len().min(out.remaining());
        out.put_slice(&rest[..count]);
        self.handed_out += count;
        if self.handed_out == self.ready.len() {
            self.ready.clear();
            self.handed_out = 0;
        }
        true
    }

    /// Goes one step on, if enough was read for one.
    fn advance(&mut self) -> bool {
        match self.stage {
            Stage::Preface => self.compare_preface(),
            Stage::Frames => self.look_at_frame(),
            Stage::Done => false,
        }
    }

    fn compare_preface(&mut self) -> bool {
        let count = self.pending.len().min(PREFACE.len());
        if self.pending[..count] != PREFACE[..count] {
            self.stage = Stage::Done;
            return false;
        }
        if count < PREFACE.len() {
            return false;
        }
        self.hand_on(count);
        self.is_http2 = true;
        self.stage = Stage::Frames;
        true
    }

    fn look_at_frame(&mut self) -> bool {
        let [high, middle, low, kind, flags, ..] = self.pending[..] else { return false };
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if FRAME_BYTES_MAX < length {
            self.stage = Stage::Done;
            return false;
        }
        let end = FRAME_HEAD_BYTES + length;
        if self.pending.len() < end {
            return false;
        }
        if kind == HEADERS {
            let repaired = block::repaired(flags, &self.pending[FRAME_HEAD_BYTES..end]);
            match repaired {
                Some(payload) => self.replace_payload(end, &payload),
                None if !self.has_repaired => self.stage = Stage::Done,
                None => self.hand_on(end),
            }
        } else {
            self.hand_on(end);
        }
        self.stage == Stage::Frames
    }

    fn hand_on(&mut self, count: usize) {
        self.ready.extend(self.pending.drain(..count));
    }

    fn replace_payload(&mut self, end: usize, payload: &[u8]) {
        self.has_repaired = true;
        let length = u32::try_from(payload.len()).expect("a payload gets no longer by a repair");
        self.ready.extend_from_slice(&length.to_be_bytes()[1..]);
        self.ready.extend_from_slice(&self.pending[3..FRAME_HEAD_BYTES]);
        self.ready.extend_from_slice(payload);
        self.pending.drain(..end);
    }
}

#[cfg(test)]
mod tests;
