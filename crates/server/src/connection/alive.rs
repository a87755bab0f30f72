//! Whether a client of HTTP/2 that says nothing is still there: it is asked, as etcd asks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

/// How often a client that says nothing is asked, etcd's `--grpc-keepalive-interval`.
const INTERVAL: Duration = Duration::from_hours(2);

/// How long it may take to answer, etcd's `--grpc-keepalive-timeout`.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The questions of one connection.
pub(super) struct Alive {
    pings: PingPong,
    timer: Pin<Box<Sleep>>,
    /// Whether a question is under way.
    is_asked: bool,
    /// Whether the client has asked for something since the timer was set.
    is_heard: bool,
}

impl Alive {
    /// For a connection that has just begun.
    pub(super) fn new(pings: PingPong) -> Self {
        Self { pings, timer: Box::pin(sleep(INTERVAL)), is_asked: false, is_heard: false }
    }

    /// The client has asked for something.
    pub(super) fn on_heard(&mut self) {
        self.is_heard = true;
    }

    /// Ends when the client has not answered in time.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.is_asked && self.pings.poll_pong(context).is_ready() {
                self.is_asked = false;
                self.wait(INTERVAL);
            }
            ready!(self.timer.as_mut().poll(context));
            if core::mem::take(&mut self.is_heard) {
                self.is_asked = false;
                self.wait(INTERVAL);
            } else if self.is_asked || self.pings.send_ping(Ping::opaque()).is_err() {
                return Poll::Ready(());
            } else {
                self.is_asked = true;
                self.wait(TIMEOUT);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.timer.as_mut().reset(Instant::now() + time);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use h2::{Reason, client, server};
    use tokio::io::DuplexStream;

    use super::*;

    /// Serves nobody: ends with the connection, or when its client is found to be gone.
    async fn serve(stream: DuplexStream, is_heard: bool) -> Duration {
        let start = Instant::now();
        let mut connection = server::handshake(stream).await.expect("it speaks HTTP/2");
        let mut alive = Alive::new(connection.ping_pong().expect("it is the first"));
        poll_fn(|context| {
            if is_heard {
                alive.on_heard();
            }
            if alive.poll_lost(context).is_ready() {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                return Poll::Ready(());
            }
            connection.poll_closed(context).map(drop)
        })
        .await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_answer_is_given_up() {
        let (near, far) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(near, false));
        // Nobody drives the client's end.
        let client = client::handshake(far).await.map(|(_, connection)| connection);
        let _client: client::Connection<_, Bytes> = client.expect("it speaks HTTP/2");
        let took = served.await.expect("it ends").as_secs();
        assert_eq!(took, (INTERVAL + TIMEOUT).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_is_kept() {
        let (near, far) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(near, false));
        let (send, connection) = client::handshake(far).await.expect("it speaks HTTP/2");
        let _send: client::SendRequest<Bytes> = send;
        let _driven = tokio::spawn(connection);
        sleep(5 * INTERVAL).await;
        assert!(!served.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_for_something_is_not_asked() {
        let (near, far) = tokio::io::duplex(4096);
        let served = tokio::spawn(serve(near, true));
        let client = client::handshake(far).await.map(|(_, connection)| connection);
        let _client: client::Connection<_, Bytes> = client.expect("it speaks HTTP/2");
        sleep(5 * INTERVAL).await;
        assert!(!served.is_finished());
    }
}
