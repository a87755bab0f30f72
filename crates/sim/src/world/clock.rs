//! Time: the world's, and what each node's own clock makes of it.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

use quorate_consensus::Instant;

/// A moment of the world, in microseconds since it began. No node can see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The time since `earlier`, or zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// As the clients and the checkers of their histories count: the world's own clock.
    pub const fn instant(self) -> Instant {
        Instant::from_micros(self.0)
    }
}

impl Add<Duration> for SimTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// How fast a clock runs, in millionths of the world's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64);

impl Rate {
    /// As fast as the world.
    pub const TRUE: Self = Self(1_000_000);
}

/// The monotonic clock of one process: it starts at zero, may run fast or slow, and may jump ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    anchor: SimTime,
    local: u64,
    rate: Rate,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start(now: SimTime, rate: Rate) -> Self {
        assert!(0 < rate.0, "a clock that stands still never comes to any deadline");
        Self { anchor: now, local: 0, rate }
    }

    /// What it shows.
    pub(crate) fn read(&self, now: SimTime) -> Instant {
        let elapsed = u128::from(now.0 - self.anchor.0) * u128::from(self.rate.0) / 1_000_000;
        Instant::from_micros(self.local + elapsed as u64)
    }

    /// The first moment, not before `now`, at which it shows `deadline` or more.
    pub(crate) fn when(&self, deadline: Instant, now: SimTime) -> SimTime {
        let Some(left) = deadline.as_micros().checked_sub(self.local) else { return now };
        let elapsed = (u128::from(left) * 1_000_000).div_ceil(u128::from(self.rate.0));
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        SimTime(self.anchor.0.saturating_add(elapsed)).max(now)
    }

    /// Goes on at another rate.
    pub(crate) fn run_at(&mut self, now: SimTime, rate: Rate) {
        let shown = self.read(now).as_micros();
        *self = Self { local: shown, ..Self::start(now, rate) };
    }

    /// Jumps ahead.
    pub(crate) fn jump(&mut self, now: SimTime, by: Duration) {
        let shown = self.read(now) + by;
        *self = Self { local: shown.as_micros(), ..Self::start(now, self.rate) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_met_at_the_first_moment_the_clock_shows_it() {
        for rate in [950_000, 999_999, 1_000_000, 1_050_000, 3_000_000] {
            let clock = Clock::start(SimTime(17), Rate(rate));
            for deadline in [0, 1, 2, 999, 1_000_003] {
                let at = clock.when(Instant::from_micros(deadline), SimTime(17));
                assert!(Instant::from_micros(deadline) <= clock.read(at), "{rate} {deadline}");
                let before = SimTime(at.0 - 1).max(SimTime(17));
                assert!(before == at || clock.read(before) < Instant::from_micros(deadline));
            }
        }
    }

    #[test]
    fn changes_of_rate_and_jumps_never_go_back() {
        let mut clock = Clock::start(SimTime(0), Rate(1_050_000));
        clock.run_at(SimTime(1_000_000), Rate(950_000));
        assert_eq!(clock.read(SimTime(1_000_000)).as_micros(), 1_050_000);
        clock.jump(SimTime(2_000_000), Duration::from_secs(5));
        assert_eq!(clock.read(SimTime(2_000_000)).as_micros(), 7_000_000);
    }
}
