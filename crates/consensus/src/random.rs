//! Random choices from a seed: the same seed gives the same choices.

use core::time::Duration;

use crate::ids::Seed;

/// Steele, Lea and Flood's `SplitMix64` (OOPSLA 2014): one word of state, equidistributed, and far
/// more than election timeouts ask for.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator at the start of the sequence of `seed`.
    pub(crate) fn new(seed: Seed) -> Self {
        Self(seed.0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration in `least..least + spread`, whole microseconds; `least` if the spread is empty.
    pub(crate) fn duration(&mut self, least: Duration, spread: Duration) -> Duration {
        let width = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX);
        // The high half of the product maps 2^64 values to `width` with a bias below 2^-32 for
        // every spread shorter than an hour.
        let offset = (u128::from(self.next()) * u128::from(width)) >> 64;
        least + Duration::from_micros(offset as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_stay_in_range_and_reach_both_ends() {
        let mut random = Random::new(Seed(7));
        let mut seen = [false; 10];
        for _ in 0..1_000 {
            let drawn = random.duration(Duration::from_micros(5), Duration::from_micros(10));
            let offset = drawn.as_micros() as usize - 5;
            seen[offset] = true;
        }
        assert_eq!(seen, [true; 10]);
    }

    #[test]
    fn an_empty_spread_is_no_choice() {
        let mut random = Random::new(Seed(1));
        let least = Duration::from_millis(3);
        assert_eq!(random.duration(least, Duration::ZERO), least);
    }

    #[test]
    fn equal_seeds_draw_equally_and_others_do_not() {
        let draw = |seed| Random::new(Seed(seed)).next();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
