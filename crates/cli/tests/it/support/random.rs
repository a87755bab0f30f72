//! Repeatable choices (`SplitMix64`: Steele, Lea and Flood 2014).

use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that repeats a plan.
const SEED_VARIABLE: &str = "QUORATE_SEED";

/// A stream of choices, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for one of several users of the seed.
    pub(crate) fn split(seed: u64, user: u64) -> Self {
        let mut mixed = Self(seed ^ user.wrapping_mul(0xd134_2543_de82_ef95));
        Self(mixed.next())
    }

    /// 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number less than `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        assert!(0 < bound, "there is nothing to choose from");
        usize::try_from(self.next() % bound as u64).expect("it is less than a usize")
    }

    /// Brings a list into random order (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            list.swap(place, self.below(place + 1));
        }
    }
}

/// The seed of this run's plan: `QUORATE_SEED`, or a new one.
pub(crate) fn seed() -> u64 {
    if let Ok(given) = std::env::var(SEED_VARIABLE) {
        return given.parse().expect("QUORATE_SEED is a number");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
    u64::try_from(now.as_micros() & 0xffff_ffff).expect("it has 32 bits")
}
