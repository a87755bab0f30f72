//! What came of the requests: how long each took, and what went wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::pace::{Admission, Window};
use super::plan::Kind;
use super::trouble::Trouble;

/// Longest latency that is told apart from longer ones, in microseconds: an hour.
const LATENCY_MAX: u64 = 3_600_000_000;

/// Digits of a latency that are kept.
const DIGITS: u8 = 3;

/// Most errors that are told apart; what servers say may vary without end.
const TROUBLES_MAX: usize = 32;

/// Latencies, to a thousandth of each.
#[derive(Debug)]
pub(super) struct Latencies {
    /// In microseconds.
    histogram: Histogram<u64>,
}

impl Latencies {
    /// None yet.
    pub(super) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS);
        Self { histogram: histogram.expect("the bounds are in order") }
    }

    /// One more.
    pub(super) fn record(&mut self, latency: Duration) {
        let micros = latency.as_micros().try_into().unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros);
    }

    /// Those of another as well.
    pub(super) fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("all have the same bounds");
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that this share of them does not exceed, in milliseconds; 0 of none.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        milliseconds(self.histogram.value_at_quantile(share))
    }

    /// The longest, in milliseconds; 0 of none.
    pub(super) fn max(&self) -> f64 {
        milliseconds(self.histogram.max())
    }

    /// The arithmetic mean, in milliseconds; 0 of none.
    pub(super) fn mean(&self) -> f64 {
        if self.histogram.is_empty() { 0.0 } else { self.histogram.mean() / 1e3 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Errors by what they are.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<Trouble, u64>);

impl Troubles {
    /// So many more of one.
    pub(super) fn add(&mut self, trouble: Trouble, count: u64) {
        let is_told_apart = self.0.contains_key(&trouble) || self.0.len() < TROUBLES_MAX;
        let trouble = if is_told_apart { trouble } else { Trouble::Other };
        *self.0.entry(trouble).or_default() += count;
    }

    /// Each with its count.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Trouble, u64)> {
        self.0.iter().map(|(trouble, count)| (trouble, *count))
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

/// The end of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) admission: Admission,
    pub(super) kind: Kind,
    /// From when it was due.
    pub(super) latency: Duration,
    /// When.
    pub(super) at: Instant,
}

/// What came of the requests of one thread, or of all.
#[derive(Debug)]
pub(super) struct Tally {
    /// How long reads took that were answered.
    pub(super) reads: Latencies,
    /// How long writes took.
    pub(super) writes: Latencies,
    /// Requests without the answer that was asked for.
    pub(super) troubles: Troubles,
    /// How many were answered within the window.
    pub(super) done: u64,
    /// When the last of them was.
    pub(super) last: Option<Instant>,
}

impl Tally {
    /// Of no requests.
    pub(super) fn new() -> Self {
        let (reads, writes) = (Latencies::new(), Latencies::new());
        Self { reads, writes, troubles: Troubles::default(), done: 0, last: None }
    }

    /// A request has ended.
    pub(super) fn on_end(&mut self, window: &Window, end: Ended, trouble: Option<Trouble>) {
        if let Some(trouble) = trouble {
            if end.admission == Admission::Counted {
                self.troubles.add(trouble, 1);
            }
            return;
        }
        if window.has_done(end.admission, end.at) {
            self.done += 1;
            self.last = self.last.max(Some(end.at));
        }
        if end.admission == Admission::Counted {
            let latencies = match end.kind {
                Kind::Read => &mut self.reads,
                Kind::Write => &mut self.writes,
            };
            latencies.record(end.latency);
        }
    }

    /// What came of others as well.
    pub(super) fn add(&mut self, other: &Self) {
        self.reads.add(&other.reads);
        self.writes.add(&other.writes);
        for (trouble, count) in other.troubles.iter() {
            self.troubles.add(trouble.clone(), count);
        }
        self.done += other.done;
        self.last = self.last.max(other.last);
    }
}

/// What all threads tell while they work.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Since when.
    origin: Instant,
    done: AtomicU64,
    failed: AtomicU64,
    /// When the last request was answered, in microseconds.
    last: AtomicU64,
    /// The longest time in which none was, in microseconds.
    pause: AtomicU64,
}

impl Pulse {
    /// Nothing has happened since then.
    pub(super) fn new(origin: Instant) -> Self {
        let zero = || AtomicU64::new(0);
        Self { origin, done: zero(), failed: zero(), last: zero(), pause: zero() }
    }

    /// A request was answered; what came before the origin says nothing.
    pub(super) fn on_answer(&self, now: Instant) {
        let Some(elapsed) = now.checked_duration_since(self.origin) else { return };
        self.done.fetch_add(1, Ordering::Relaxed);
        let now = u64::try_from(elapsed.as_micros()).expect("a run ends before that");
        let last = self.last.fetch_max(now, Ordering::Relaxed);
        self.pause.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
    }

    /// One was not.
    pub(super) fn on_trouble(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were answered.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many were not.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// The longest time in which none was answered, up to the end.
    pub(super) fn longest_pause(&self, end: Instant) -> Duration {
        let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
        let tail = end.saturating_duration_since(self.origin).saturating_sub(last);
        tail.max(Duration::from_micros(self.pause.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::Until;
    use super::*;

    fn is_near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected / 500.0
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut latencies = Latencies::new();
        (1..=10_000).for_each(|tenths| latencies.record(Duration::from_micros(tenths * 100)));
        let expected = [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)];
        for (share, milliseconds) in expected {
            assert!(is_near(latencies.quantile(share), milliseconds), "{share}: {latencies:?}");
        }
        assert!(is_near(latencies.max(), 1000.0) && is_near(latencies.mean(), 500.05));
        assert_eq!(latencies.count(), 10_000);
    }

    #[test]
    fn one_slow_answer_of_a_thousand_is_beyond_the_99_9th_percentile() {
        let mut latencies = Latencies::new();
        (0..999).for_each(|_| latencies.record(Duration::from_millis(1)));
        latencies.record(Duration::from_hours(2));
        assert!(is_near(latencies.quantile(0.999), 1.0), "{latencies:?}");
        assert!(is_near(latencies.max(), 3_600_000.0), "as long as can be told");
    }

    #[test]
    fn of_nothing_there_are_figures_too() {
        let none = Latencies::new();
        assert_eq!((none.quantile(0.99), none.max(), none.mean()), (0.0, 0.0, 0.0));
    }

    #[test]
    fn what_begins_in_the_warm_up_counts_as_done_but_has_no_latency() {
        let now = Instant::now();
        let until = Until::Time(now + Duration::from_hours(1));
        let window = Window { origin: now, start: now, until };
        let mut tally = Tally::new();
        let mut end = |admission, kind, trouble| {
            let ended = Ended { admission, kind, latency: Duration::from_millis(1), at: now };
            tally.on_end(&window, ended, trouble);
            (tally.done, tally.reads.count() + tally.writes.count(), tally.troubles.count())
        };
        assert_eq!(end(Admission::WarmUp, Kind::Write, None), (1, 0, 0));
        assert_eq!(end(Admission::WarmUp, Kind::Write, Some(Trouble::Reset)), (1, 0, 0));
        assert_eq!(end(Admission::Counted, Kind::Read, None), (2, 1, 0));
        assert_eq!(end(Admission::Counted, Kind::Read, Some(Trouble::Reset)), (2, 1, 1));
        let mut all = Tally::new();
        all.add(&tally);
        all.add(&tally);
        assert_eq!((all.done, all.reads.count(), all.troubles.count()), (4, 2, 2));
    }

    #[test]
    fn errors_are_told_apart_up_to_a_number() {
        let mut troubles = Troubles::default();
        for code in 0..100 {
            troubles.add(Trouble::Status { code, text: code.to_string() }, 1);
        }
        assert_eq!(troubles.iter().count(), TROUBLES_MAX + 1);
        assert_eq!(troubles.count(), 100);
    }

    #[test]
    fn the_longest_pause_may_be_before_between_or_after_answers() {
        let origin = Instant::now();
        let at = |milliseconds| origin + Duration::from_millis(milliseconds);
        let pause = |answers: &[u64]| {
            let pulse = Pulse::new(origin);
            for answer in answers {
                pulse.on_answer(at(*answer));
            }
            pulse.longest_pause(at(1000)).as_millis()
        };
        assert_eq!(pause(&[]), 1000);
        assert_eq!(pause(&[600, 900]), 600);
        assert_eq!(pause(&[100, 800, 750]), 700);
        assert_eq!(pause(&[100, 200]), 800);
    }
}
