//! Counts of observations by size, in atomics: an observation takes no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// 1 ms times powers of two: etcd's buckets for its log's syncs and its commits, in nanoseconds.
pub(super) static SYNC_BOUNDS: [u64; 14] = powers_of_two(1_000_000);

/// 100 µs times powers of two, in nanoseconds: etcd's for its round trips and its applying.
pub(super) static FINE_BOUNDS: [u64; 14] = powers_of_two(100_000);

/// The client library's usual buckets for requests, 5 ms to 10 s, in nanoseconds.
pub(super) static REQUEST_BOUNDS: [u64; 11] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Powers of two, for things that are counted.
pub(super) static COUNT_BOUNDS: [u64; 14] = powers_of_two(1);

const fn powers_of_two(first: u64) -> [u64; 14] {
    let mut bounds = [first; 14];
    let mut place = 1;
    while place < bounds.len() {
        bounds[place] = bounds[place - 1] * 2;
        place += 1;
    }
    bounds
}

/// Observations by size.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The inclusive upper bounds of the buckets but the last, which has none.
    bounds: &'static [u64],
    /// What a unit of `bounds` is in units of the text.
    scale: f64,
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug)]
pub(super) struct View {
    /// Bound, none for the last, and the observations that are not above it.
    pub(super) buckets: Vec<(Option<f64>, u64)>,
    /// All observations.
    pub(super) count: u64,
    /// Their sum.
    pub(super) sum: f64,
}

impl Histogram {
    /// Durations, with bounds in nanoseconds; told in seconds.
    pub(super) fn of_durations(bounds: &'static [u64]) -> Self {
        Self::new(bounds, 1e-9)
    }

    /// Things that are counted.
    pub(super) fn of_counts(bounds: &'static [u64]) -> Self {
        Self::new(bounds, 1.0)
    }

    fn new(bounds: &'static [u64], scale: f64) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, scale, buckets, sum: AtomicU64::new(0) }
    }

    /// One more observation, in the unit of the bounds.
    pub(crate) fn observe(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[place].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// One more duration.
    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 1));
    }

    /// Observes how long `work` takes.
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.observe_duration(start.elapsed());
        result
    }

    #[expect(clippy::cast_precision_loss, reason = "sums and bounds are told in floats")]
    pub(super) fn view(&self) -> View {
        let bounds = self.bounds.iter().map(|bound| Some(self.scaled(*bound as f64)));
        let mut count = 0;
        let buckets = bounds.chain([None]).zip(&self.buckets);
        let buckets = buckets
            .map(|(bound, bucket)| {
                count += bucket.load(Relaxed);
                (bound, count)
            })
            .collect();
        View { buckets, count, sum: self.scaled(self.sum.load(Relaxed) as f64) }
    }

    /// Divides, so that a bound of 2 ms reads `0.002`.
    fn scaled(&self, value: f64) -> f64 {
        value / (1.0 / self.scale).round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_seconds_as_etcd_tells_them() {
        let histogram = Histogram::of_durations(&SYNC_BOUNDS);
        histogram.observe_duration(Duration::from_micros(1_500));
        let view = histogram.view();
        let bounds: Vec<_> = view.buckets.iter().filter_map(|(bound, _)| *bound).collect();
        assert_eq!(bounds[..3], [0.001, 0.002, 0.004]);
        assert_eq!(bounds.last(), Some(&8.192));
        assert_eq!((view.buckets[0].1, view.buckets[1].1, view.count), (0, 1, 1));
        assert!((view.sum - 0.0015).abs() < 1e-12);
    }
}
