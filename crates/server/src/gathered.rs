//! Answers that are ready together leave together.
//!
//! Each answer of a connection wakes the task that writes to its socket, and tokio runs that task
//! next, before those that have the other answers: one system call, and one packet, for each. So a
//! write waits once until everything else that is ready has run, unless nothing else is expected on
//! its connection. grpc-go, which etcd uses, does the same.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many requests of a connection have no answer yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unanswered {
    count: Arc<AtomicUsize>,
}

impl Unanswered {
    /// Counts a request until what is returned is dropped.
    pub(crate) fn begin(&self) -> UnansweredRequest {
        self.count.fetch_add(1, Ordering::Relaxed);
        UnansweredRequest { count: self.count.clone() }
    }

    fn has_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }
}

/// A request without an answer.
#[derive(Debug)]
pub(crate) struct UnansweredRequest {
    count: Arc<AtomicUsize>,
}

impl Drop for UnansweredRequest {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose writes are gathered.
#[derive(Debug)]
pub(crate) struct Gathered<S> {
    inner: S,
    unanswered: Unanswered,
    /// Whether what is being written has waited.
    has_waited: bool,
    /// Whether something was written through since the connection was last read.
    has_flushed: bool,
}

impl<S> Gathered<S> {
    /// A connection on which these requests are without an answer.
    pub(crate) fn new(inner: S, unanswered: Unanswered) -> Self {
        Self { inner, unanswered, has_waited: false, has_flushed: false }
    }

    /// Lets others run, once for all that a turn of the connection writes.
    fn poll_others(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.has_waited || !self.unanswered.has_any() {
            return Poll::Ready(());
        }
        self.has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Each turn of a connection begins with reading.
        if core::mem::take(&mut self.has_flushed) {
            self.has_waited = false;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_others(context));
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    /// Told that each piece is a write of its own, `h2` puts pieces of up to a KiB together, and
    /// writes the answers in them at once; otherwise it writes through each piece of 256 bytes.
    fn is_write_vectored(&self) -> bool {
        false
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        self.has_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn write(stream: &mut Gathered<DuplexStream>, waker: &Waker, bytes: &[u8]) -> Poll<usize> {
        let mut context = Context::from_waker(waker);
        let written = Pin::new(stream).poll_write(&mut context, bytes);
        written.map(|written| written.expect("it is open"))
    }

    fn flush(stream: &mut Gathered<DuplexStream>, waker: &Waker) {
        let mut context = Context::from_waker(waker);
        assert!(Pin::new(stream).poll_flush(&mut context).is_ready());
    }

    fn read(stream: &mut Gathered<DuplexStream>, waker: &Waker) {
        let mut room = [0; 8];
        let mut room = ReadBuf::new(&mut room);
        let mut context = Context::from_waker(waker);
        assert!(Pin::new(stream).poll_read(&mut context, &mut room).is_pending());
    }

    #[tokio::test]
    async fn a_write_waits_once_for_the_answers_that_are_ready_with_it() {
        let (stream, mut client) = duplex(64);
        let unanswered = Unanswered::default();
        let mut stream = Gathered::new(stream, unanswered.clone());
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let request = unanswered.begin();
        for (round, piece) in [b"one", b"two"].into_iter().enumerate() {
            read(&mut stream, &waker);
            assert_eq!(write(&mut stream, &waker, piece), Poll::Pending);
            assert_eq!(wakes.0.load(Ordering::Relaxed), round + 1, "it is polled again");
            read(&mut stream, &waker);
            assert_eq!(write(&mut stream, &waker, piece), Poll::Ready(3));
            flush(&mut stream, &waker);
            assert_eq!(write(&mut stream, &waker, piece), Poll::Ready(3), "it has waited");
            flush(&mut stream, &waker);
        }
        drop(request);
        assert_eq!(write(&mut stream, &waker, b"three"), Poll::Ready(5), "nothing is expected");
        let mut seen = [0; 17];
        client.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"oneonetwotwothree");
    }
}
