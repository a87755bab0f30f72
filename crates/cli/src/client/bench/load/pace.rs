//! When requests begin, and which of them count.
//!
//! In a closed loop a client begins the next when the last is answered. In an open one requests are
//! due at a steady rate, whether or not earlier ones were answered, and their latency is counted
//! from when they were due: a server that stalls is charged for all that had to wait meanwhile.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Shortest sleep between requests that are due: those that fall into it begin together.
const SLEEP_MIN: Duration = Duration::from_micros(50);

/// The time that is measured.
#[derive(Debug)]
pub(super) struct Window {
    /// When the load begins.
    pub(super) origin: Instant,
    /// When the time that counts begins.
    pub(super) start: Instant,
    /// Until when.
    pub(super) until: Until,
}

/// What ends it.
#[derive(Debug)]
pub(super) enum Until {
    /// The clock.
    Time(Instant),
    /// So many requests that are left.
    Requests(AtomicU64),
}

/// Whether a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes, but it does not count.
    WarmUp,
    /// Yes.
    Counted,
    /// No, and no other.
    Over,
}

impl Window {
    /// What becomes of a request that is due then.
    pub(super) fn admit(&self, due: Instant) -> Admission {
        if due < self.start {
            return Admission::WarmUp;
        }
        let is_open = match &self.until {
            Until::Time(end) => due < *end,
            Until::Requests(left) => {
                let take = |left: u64| left.checked_sub(1);
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
            }
        };
        if is_open { Admission::Counted } else { Admission::Over }
    }

    /// Whether what was answered then counts as done.
    pub(super) fn has_done(&self, admission: Admission, answered: Instant) -> bool {
        match &self.until {
            Until::Time(end) => self.start <= answered && answered < *end,
            Until::Requests(_) => admission == Admission::Counted,
        }
    }

    /// When it ends, if the clock ends it.
    pub(super) fn end(&self) -> Option<Instant> {
        match &self.until {
            Until::Time(end) => Some(*end),
            Until::Requests(_) => None,
        }
    }
}

/// The part that one thread has in requests at a steady rate.
#[derive(Debug)]
pub(super) struct Arrivals {
    origin: Instant,
    /// Requests a second, over all threads.
    rate: u32,
    thread: u64,
    threads: u64,
    /// The number of the next request, counted for this thread.
    next: Cell<u64>,
    /// As many permits as requests that are due and not taken.
    due: Semaphore,
}

impl Arrivals {
    /// Those of a thread.
    pub(super) fn new(origin: Instant, rate: u32, thread: usize, threads: usize) -> Self {
        let number = |count: usize| u64::try_from(count).expect("there are few threads");
        let (thread, threads) = (number(thread), number(threads));
        let due = Semaphore::new(0);
        Self { origin, rate, thread, threads, next: Cell::new(0), due }
    }

    /// When the next request was due, which is now or has been; nothing after the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        let number = self.next.get();
        self.next.set(number + 1);
        Some(self.due_at(number))
    }

    /// Lets no more requests begin.
    pub(super) fn close(&self) {
        self.due.close();
    }

    /// Lets requests begin when they are due, until the end.
    pub(super) async fn release(&self, end: Option<Instant>) -> io::Result<()> {
        let mut timer = Timer::new()?;
        let mut released = 0;
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| end <= now) || self.due.is_closed() {
                self.close();
                return Ok(());
            }
            let due = self.due_before(now);
            self.due.add_permits((due - released) as usize);
            released = due;
            timer.sleep(self.due_at(due).saturating_duration_since(now).max(SLEEP_MIN)).await?;
        }
    }

    /// How many requests due before the end were never begun.
    pub(super) fn unsent(&self, end: Option<Instant>) -> u64 {
        end.map_or(0, |end| self.due_before(end).saturating_sub(self.next.get()))
    }

    fn due_at(&self, number: u64) -> Instant {
        let place = u128::from(number * self.threads + self.thread);
        let nanos = place * 1_000_000_000 / u128::from(self.rate);
        self.origin + Duration::from_nanos(nanos.try_into().expect("a run ends before that"))
    }

    /// How many requests are due before this.
    fn due_before(&self, time: Instant) -> u64 {
        let nanos = time.saturating_duration_since(self.origin).as_nanos();
        let places = (nanos * u128::from(self.rate)).div_ceil(1_000_000_000);
        let own = places.saturating_sub(self.thread.into()).div_ceil(self.threads.into());
        own.try_into().expect("a run ends before that")
    }
}

/// A timer that is exact to some ten microseconds; the runtime's own counts milliseconds.
///
/// The system gives it as a descriptor that can be read when the time is over, as a pipe can be
/// when there is something in it.
struct Timer {
    descriptor: Receiver,
}

impl Timer {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { descriptor: Receiver::from_owned_fd_unchecked(timer)? })
    }

    async fn sleep(&mut self, duration: Duration) -> io::Result<()> {
        let it_value = Timespec::try_from(duration).expect("runs are shorter");
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
        // What is read is how often it has expired. It takes less room than there is, so that the
        // next read waits.
        self.descriptor.read(&mut [0; 16]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_window_counts_what_begins_in_it() {
        let origin = Instant::now();
        let (start, end) = (origin + SECOND, origin + 3 * SECOND);
        let window = Window { origin, start, until: Until::Time(end) };
        let admitted = |seconds| window.admit(origin + seconds * SECOND);
        assert_eq!(admitted(0), Admission::WarmUp);
        assert_eq!((admitted(1), admitted(2)), (Admission::Counted, Admission::Counted));
        assert_eq!(admitted(3), Admission::Over);
        assert!(window.has_done(Admission::WarmUp, start), "it was answered within");
        assert!(!window.has_done(Admission::Counted, end), "it was answered after");
    }

    #[test]
    fn a_number_of_requests_ends_a_window() {
        let start = Instant::now();
        let until = Until::Requests(AtomicU64::new(2));
        let window = Window { origin: start, start, until };
        assert_eq!(window.admit(start), Admission::Counted);
        assert_eq!(window.admit(start + SECOND), Admission::Counted);
        assert_eq!(window.admit(start), Admission::Over);
        assert!(!window.has_done(Admission::WarmUp, start));
    }

    #[test]
    fn threads_take_turns_at_a_steady_rate() {
        let origin = Instant::now();
        let threads: Vec<Arrivals> =
            (0..3).map(|thread| Arrivals::new(origin, 1000, thread, 3)).collect();
        for place in 0..30_u32 {
            let thread = &threads[place as usize % 3];
            let due = thread.due_at(u64::from(place / 3));
            assert_eq!(due, origin + Duration::from_millis(1) * place);
            assert_eq!(thread.due_before(due), u64::from(place / 3), "not before");
            assert_eq!(thread.due_before(due + Duration::from_nanos(1)), u64::from(place / 3) + 1);
        }
        let all: u64 = threads.iter().map(|thread| thread.due_before(origin + SECOND)).sum();
        assert_eq!(all, 1000);
    }

    #[tokio::test]
    async fn what_waited_for_a_stalled_server_is_charged_from_when_it_was_due() {
        let arrivals = Arrivals::new(Instant::now() - SECOND, 100, 0, 1);
        let end = Instant::now() + SECOND;
        let release = arrivals.release(Some(end));
        let take = async {
            // Nobody took any for a second: the first waited for all of it.
            let first = arrivals.next().await.unwrap();
            let second = arrivals.next().await.unwrap();
            arrivals.close();
            (first, second)
        };
        let (released, (first, second)) = tokio::join!(release, take);
        released.unwrap();
        assert!(SECOND <= first.elapsed());
        assert_eq!(second - first, Duration::from_millis(10));
        assert_eq!(arrivals.next().await, None);
        assert_eq!(arrivals.unsent(Some(first + SECOND)), 98);
    }
}
