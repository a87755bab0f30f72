//! The queues between the threads: many senders, one thread that takes.
//!
//! Threads wake each other for every write, so what a wake-up costs decides what a write costs.
//! The receiver takes everything that waits at once, a sender wakes it only if it sleeps, and only
//! after the lock is free again, so that the two do not meet at once at that lock. What is not
//! urgent is left without waking anybody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Room that a queue keeps once it has been this long.
const KEPT_MAX: usize = 8192;

/// The receiver is gone. The message is dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Why nothing was received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nothing came in time.
    Timeout,
    /// Nothing can come any more.
    Disconnected,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// The receiver, while it sleeps or is about to.
    sleeper: Option<Thread>,
    senders: usize,
    is_received: bool,
}

/// The end that many threads have.
pub(crate) struct Sender<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// The end that one thread has.
pub(crate) struct Receiver<T> {
    shared: Arc<Mutex<State<T>>>,
    /// What was taken and not given out yet.
    taken: VecDeque<T>,
}

/// A queue. It is not bounded: whoever fills it is, before.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { waiting: VecDeque::new(), sleeper: None, senders: 1, is_received: true };
    let shared = Arc::new(Mutex::new(state));
    (Sender { shared: shared.clone() }, Receiver { shared, taken: VecDeque::new() })
}

fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().expect("nothing panics while it holds the lock")
}

impl<T> Sender<T> {
    /// Leaves a message and wakes the receiver.
    pub(crate) fn send(&self, message: T) -> Result<(), Gone> {
        let mut state = self.push(message)?;
        let sleeper = state.sleeper.take();
        drop(state);
        wake(sleeper);
        Ok(())
    }

    /// Leaves a message that the receiver finds when it wakes for another reason.
    pub(crate) fn leave(&self, message: T) -> Result<(), Gone> {
        self.push(message).map(drop)
    }

    /// Wakes the receiver if something was left.
    pub(crate) fn wake(&self) {
        let mut state = lock(&self.shared);
        let sleeper = if state.waiting.is_empty() { None } else { state.sleeper.take() };
        drop(state);
        wake(sleeper);
    }

    fn push(&self, message: T) -> Result<MutexGuard<'_, State<T>>, Gone> {
        let mut state = lock(&self.shared);
        if !state.is_received {
            // Whatever dropping it does happens without the lock.
            drop(state);
            drop(message);
            return Err(Gone);
        }
        state.waiting.push_back(message);
        Ok(state)
    }
}

fn wake(sleeper: Option<Thread>) {
    if let Some(sleeper) = sleeper {
        sleeper.unpark();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.shared).senders += 1;
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.senders -= 1;
        let sleeper = if state.senders == 0 { state.sleeper.take() } else { None };
        drop(state);
        wake(sleeper);
    }
}

impl<T> Receiver<T> {
    /// Waits for the next message. `None` once nobody can send any.
    pub(crate) fn recv(&mut self) -> Option<T> {
        self.next(None).ok()
    }

    /// Waits for the next message, but not for longer than this.
    pub(crate) fn recv_timeout(&mut self, timeout: Duration) -> Result<T, Nothing> {
        if let Some(message) = self.taken.pop_front() {
            return Ok(message);
        }
        self.next(Some(Instant::now() + timeout))
    }

    /// The next message, if one is there.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        if self.taken.is_empty() {
            let shared = self.shared.clone();
            self.take(&mut lock(&shared));
        }
        self.taken.pop_front()
    }

    fn next(&mut self, until: Option<Instant>) -> Result<T, Nothing> {
        loop {
            if let Some(message) = self.taken.pop_front() {
                return Ok(message);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if self.has_taken(left)? {
                continue;
            }
            match left {
                None => thread::park(),
                Some(left) => thread::park_timeout(left),
            }
        }
    }

    /// Takes what is there, or gets ready to sleep.
    fn has_taken(&mut self, left: Option<Duration>) -> Result<bool, Nothing> {
        let shared = self.shared.clone();
        let mut state = lock(&shared);
        state.sleeper = None;
        if !state.waiting.is_empty() {
            self.take(&mut state);
            return Ok(true);
        }
        if state.senders == 0 {
            return Err(Nothing::Disconnected);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Nothing::Timeout);
        }
        state.sleeper = Some(thread::current());
        Ok(false)
    }

    fn take(&mut self, state: &mut State<T>) {
        if KEPT_MAX < self.taken.capacity() {
            self.taken = VecDeque::new();
        }
        core::mem::swap(&mut self.taken, &mut state.waiting);
    }
}

impl<T> Drop for Receiver<T> {
    /// Drops what waits, so that whoever waits for an answer to it learns that none will come.
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.is_received = false;
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

#[cfg(test)]
mod tests;
