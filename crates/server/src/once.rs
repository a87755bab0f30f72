//! One answer on its way from a thread to the task that waits for it.
//!
//! A task that is woken runs at once, maybe in the place of the thread that woke it, and finds one
//! answer where there will be many. So a thread can leave all that it has to tell, and wake those
//! who wait afterwards.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// No answer will come: the other end is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

#[derive(Debug)]
enum State<T> {
    /// Nothing was told; who waits for it.
    Untold(Option<Waker>),
    Told(T),
    Over,
}

/// The end that tells. Dropped without having told, it says that no answer will come.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// The end that waits.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shared: Arc<Mutex<State<T>>>,
}

/// The way of one answer.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State::Untold(None)));
    (Sender { shared: shared.clone() }, Receiver { shared })
}

fn lock<T>(shared: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    shared.lock().expect("nothing panics while it holds the lock")
}

impl<T> Sender<T> {
    /// Tells it. Whoever waited may have gone: then it is dropped.
    pub(crate) fn send(self, answer: T) {
        if let Some(waker) = self.leave(answer) {
            waker.wake();
        }
    }

    /// Tells it without waking anybody. The caller has to wake what is returned.
    #[must_use]
    pub(crate) fn leave(self, answer: T) -> Option<Waker> {
        self.end(State::Told(answer))
    }

    fn end(&self, end: State<T>) -> Option<Waker> {
        let mut state = lock(&self.shared);
        match &mut *state {
            State::Untold(waker) => {
                let waker = waker.take();
                *state = end;
                waker
            }
            State::Told(_) | State::Over => None,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(waker) = self.end(State::Over) {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Gone>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.shared);
        if let State::Untold(waker) = &mut *state {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        match core::mem::replace(&mut *state, State::Over) {
            State::Told(answer) => Poll::Ready(Ok(answer)),
            State::Untold(_) | State::Over => Poll::Ready(Err(Gone)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(receiver: &mut Receiver<T>, wakes: &Arc<Wakes>) -> Poll<Result<T, Gone>> {
        pin!(receiver).poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
    }

    fn count(wakes: &Wakes) -> usize {
        wakes.0.load(Ordering::Relaxed)
    }

    #[test]
    fn what_is_left_wakes_nobody_until_it_is_said() {
        let wakes = Arc::default();
        let (sender, mut receiver) = channel();
        assert_eq!(poll(&mut receiver, &wakes), Poll::Pending);
        let waker = sender.leave(7).expect("somebody waits");
        assert_eq!(count(&wakes), 0);
        waker.wake();
        assert_eq!((count(&wakes), poll(&mut receiver, &wakes)), (1, Poll::Ready(Ok(7))));
    }

    #[test]
    fn the_last_who_asked_is_woken_and_nobody_twice() {
        let [early, late] = [Arc::default(), Arc::default()];
        let (sender, mut receiver) = channel();
        assert_eq!(poll(&mut receiver, &early), Poll::Pending);
        assert_eq!(poll(&mut receiver, &late), Poll::Pending);
        sender.send(7);
        assert_eq!((count(&early), count(&late)), (0, 1));
        assert_eq!(poll(&mut receiver, &late), Poll::Ready(Ok(7)));
    }

    #[test]
    fn an_end_without_an_answer_is_told() {
        let wakes = Arc::default();
        let (sender, mut receiver) = channel::<u8>();
        assert_eq!(poll(&mut receiver, &wakes), Poll::Pending);
        drop(sender);
        assert_eq!((count(&wakes), poll(&mut receiver, &wakes)), (1, Poll::Ready(Err(Gone))));
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_dropped() {
        let answer = Arc::new(());
        let (sender, receiver) = channel();
        drop(receiver);
        sender.send(answer.clone());
        assert_eq!(Arc::strong_count(&answer), 1);
    }
}
