//! Writing to a peer from the thread that has something to say.
//!
//! A message that goes through a task costs two wake-ups before it is on its way. So while a
//! connection keeps up, the thread that orders writes to its socket itself, once a turn, and the
//! task only takes over what the socket does not take at once.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::BytesMut;
use quorate_codec::wire::Wire;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::dial::encode;

/// Most bytes written at once: what is longer would keep the thread from its work.
const BYTES_MAX: usize = 256 << 10;

/// The direct way to one peer.
#[derive(Debug, Default)]
pub(super) struct Direct {
    state: Mutex<State>,
    /// Told when the task has to take over.
    taken_over: Notify,
}

#[derive(Debug, Default)]
enum State {
    /// No connection, or one that is behind: everything goes through the task's queue.
    #[default]
    Closed,
    Open(Way),
    /// The task has to take over, with what is not written yet.
    Blocked(BytesMut),
}

#[derive(Debug)]
struct Way {
    stream: Arc<TcpStream>,
    protocol: u8,
    unwritten: BytesMut,
}

/// Whether the direct way is open again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reopened {
    Yes,
    /// More messages wait in the queue.
    No,
}

impl Direct {
    /// Takes a message, to be written with the next flush, or passes it on to `queue` if the way
    /// is not open. While that runs the way does not open, so that messages stay in order.
    pub(super) fn send<T: Wire>(&self, message: T, queue: impl FnOnce(T)) {
        let mut state = self.lock();
        match &mut *state {
            State::Open(way) => {
                encode(way.protocol, &message, &mut way.unwritten);
                if BYTES_MAX < way.unwritten.len() {
                    self.block(&mut state);
                }
            }
            State::Closed | State::Blocked(_) => queue(message),
        }
    }

    /// Writes what was taken. Returns how many bytes.
    pub(super) fn flush(&self) -> usize {
        let mut state = self.lock();
        let State::Open(way) = &mut *state else { return 0 };
        if way.unwritten.is_empty() {
            return 0;
        }
        // What went wrong is found out, and told, by the task.
        let written = way.stream.try_write(&way.unwritten).unwrap_or(0);
        if written == way.unwritten.len() {
            way.unwritten.clear();
        } else {
            drop(way.unwritten.split_to(written));
            self.block(&mut state);
        }
        written
    }

    /// Waits until the task has to take over.
    pub(super) async fn blocked(&self) {
        self.taken_over.notified().await;
    }

    /// Opens the way over a connection through whose queue nothing has to go first, unless
    /// `has_queued` says otherwise.
    pub(super) fn open(
        &self,
        stream: &Arc<TcpStream>,
        protocol: u8,
        has_queued: impl FnOnce() -> bool,
    ) -> Reopened {
        let mut state = self.lock();
        if has_queued() {
            return Reopened::No;
        }
        let unwritten = BytesMut::new();
        *state = State::Open(Way { stream: stream.clone(), protocol, unwritten });
        Reopened::Yes
    }

    /// Closes the way. Returns what was taken and is not written.
    pub(super) fn close(&self) -> BytesMut {
        match core::mem::take(&mut *self.lock()) {
            State::Closed => BytesMut::new(),
            State::Open(way) => way.unwritten,
            State::Blocked(unwritten) => unwritten,
        }
    }

    fn block(&self, state: &mut State) {
        if let State::Open(way) = core::mem::take(state) {
            *state = State::Blocked(way.unwritten);
            self.taken_over.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }
}

#[cfg(test)]
mod tests;
