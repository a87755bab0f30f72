//! How much time the clock in the log may have counted, by the world's own time.
//!
//! That clock moves only while a node leads, at most as fast as the clocks of nodes run, and by
//! their leaps. So what passes here between two moments bounds what a lease can have lived from
//! above: one that is over sooner was ended early.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::{Instant, NodeId};

/// As fast as the world, in millionths.
const TRUE_RATE: u64 = 1_000_000;

/// A clock that never counts less than the one in the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct LedClock {
    leaders: BTreeSet<NodeId>,
    /// How fast the clocks run that are not true, in millionths.
    rates: BTreeMap<NodeId, u64>,
    at: Instant,
    /// In millionths of microseconds.
    counted: u128,
}

impl LedClock {
    /// What it shows.
    pub(crate) fn reading(&self) -> Duration {
        let micros = self.counted.div_ceil(u128::from(TRUE_RATE));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Time has come to this moment.
    pub(crate) fn advance(&mut self, now: Instant) {
        let elapsed = now.as_micros() - self.at.as_micros();
        self.at = now;
        if !self.leaders.is_empty() {
            let fastest = self.rates.values().copied().max().unwrap_or(0).max(TRUE_RATE);
            self.counted += u128::from(elapsed) * u128::from(fastest);
        }
    }

    /// A node leads from now on.
    pub(crate) fn on_leading(&mut self, node: NodeId) {
        self.leaders.insert(node);
    }

    /// A node does not lead any more, or has no process.
    pub(crate) fn on_following(&mut self, node: NodeId) {
        self.leaders.remove(&node);
    }

    /// A node's clock runs at another rate from now on, in millionths.
    pub(crate) fn on_rate(&mut self, node: NodeId, rate: u64) {
        self.rates.insert(node, rate);
    }

    /// A node's clock jumps ahead.
    pub(crate) fn on_jump(&mut self, node: NodeId, by: Duration) {
        if self.leaders.contains(&node) {
            self.counted += by.as_micros() * u128::from(TRUE_RATE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N1: NodeId = NodeId(1);
    const N2: NodeId = NodeId(2);

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn it_counts_while_somebody_leads_as_fast_as_the_fastest_clock_and_with_leaps() {
        let mut led = LedClock::default();
        led.advance(at(1_000));
        assert_eq!(led.reading(), Duration::ZERO);
        led.on_leading(N1);
        led.on_leading(N2);
        led.advance(at(3_000));
        assert_eq!(led.reading(), Duration::from_millis(2));
        led.on_rate(N2, 1_050_000);
        led.advance(at(4_000));
        assert_eq!(led.reading(), Duration::from_micros(3_050));
        led.on_rate(N2, 950_000);
        led.on_following(N2);
        led.on_jump(N2, Duration::from_secs(9));
        led.on_jump(N1, Duration::from_micros(50));
        led.advance(at(5_000));
        assert_eq!(led.reading(), Duration::from_micros(4_100));
        led.on_following(N1);
        led.advance(at(9_000));
        assert_eq!(led.reading(), Duration::from_micros(4_100));
    }
}
