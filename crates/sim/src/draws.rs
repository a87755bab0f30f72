//! Random choices, each named by where it is made.
//!
//! A draw is a function of the seed, its site and its keys (which link, which message, which
//! client), not of how many draws came before it. So taking one fault or operation out of a run
//! leaves all other choices as they were, and a failing run can be made smaller piece by piece.

use core::time::Duration;

use quorate_consensus::Seed;

/// A place in the code that makes choices, named once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site(u64);

impl Site {
    /// The site of this name. Two sites of one name make the same choices.
    pub const fn new(name: &str) -> Self {
        // FNV-1a, since it can run at compile time.
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        Self(hash)
    }
}

/// Parts per million: how likely something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(pub u32);

impl Chance {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1_000_000);

    /// This many in a hundred.
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }
}

/// All choices of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    seed: Seed,
}

impl Draws {
    /// The choices of this seed.
    pub const fn new(seed: Seed) -> Self {
        Self { seed }
    }

    /// The seed they come from.
    pub const fn seed(self) -> Seed {
        self.seed
    }

    /// 64 random bits.
    pub fn bits<const N: usize>(self, site: Site, keys: [u64; N]) -> u64 {
        let start = mix(self.seed.0 ^ mix(site.0));
        keys.iter().fold(start, |hash, key| mix(hash ^ mix(*key)))
    }

    /// A number below `bound`, which is not zero.
    pub fn below<const N: usize>(self, site: Site, keys: [u64; N], bound: u64) -> u64 {
        assert!(0 < bound, "there is nothing to choose from");
        // The high half of the product maps all 64-bit numbers to the range almost evenly.
        ((u128::from(self.bits(site, keys)) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `first..=last`.
    pub fn between<const N: usize>(self, site: Site, keys: [u64; N], first: u64, last: u64) -> u64 {
        assert!(first <= last, "the range is empty");
        match (last - first).checked_add(1) {
            Some(width) => first + self.below(site, keys, width),
            None => self.bits(site, keys),
        }
    }

    /// Whether something of this likelihood happens.
    pub fn happens<const N: usize>(self, site: Site, keys: [u64; N], chance: Chance) -> bool {
        self.below(site, keys, 1_000_000) < u64::from(chance.0)
    }

    /// A duration in `first..=last`, whole microseconds.
    pub fn duration<const N: usize>(
        self,
        site: Site,
        keys: [u64; N],
        first: Duration,
        last: Duration,
    ) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.between(site, keys, micros(first), micros(last)))
    }

    /// One of the choices, of which there is at least one.
    pub fn one_of<T, const N: usize>(self, site: Site, keys: [u64; N], choices: &[T]) -> &T {
        &choices[self.below(site, keys, choices.len() as u64) as usize]
    }
}

/// The finaliser of Steele, Lea and Flood's `SplitMix64`, on the next state of its sequence.
pub(crate) fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Site = Site::new("here");
    const THERE: Site = Site::new("there");
    const DRAWS: Draws = Draws::new(Seed(7));

    #[test]
    fn a_choice_depends_on_seed_site_and_every_key() {
        let choice = DRAWS.bits(HERE, [1, 2]);
        assert_eq!(choice, Draws::new(Seed(7)).bits(HERE, [1, 2]));
        assert_ne!(choice, Draws::new(Seed(8)).bits(HERE, [1, 2]));
        assert_ne!(choice, DRAWS.bits(THERE, [1, 2]));
        assert_ne!(choice, DRAWS.bits(HERE, [2, 1]));
        assert_ne!(choice, DRAWS.bits(HERE, [1, 3]));
    }

    #[test]
    fn choices_are_the_same_for_ever() {
        assert_eq!(DRAWS.bits(HERE, [1, 2]), 4_194_472_097_173_128_854);
    }

    #[test]
    fn ranges_are_filled_evenly_to_both_ends() {
        let mut counts = [0_u32; 6];
        for key in 0..60_000 {
            counts[DRAWS.between(HERE, [key], 10, 15) as usize - 10] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        assert_eq!(DRAWS.between(HERE, [0], 3, 3), 3);
    }

    #[test]
    fn likelihoods_are_kept() {
        let happens =
            |chance| (0..100_000).filter(|key| DRAWS.happens(HERE, [*key], chance)).count();
        assert_eq!(happens(Chance::NEVER), 0);
        assert_eq!(happens(Chance::ALWAYS), 100_000);
        let some = happens(Chance::percent(5));
        assert!((4_700..5_300).contains(&some), "{some}");
    }

    #[test]
    fn durations_stay_in_range() {
        let (first, last) = (Duration::from_micros(5), Duration::from_millis(1));
        let drawn = (0..1_000).map(|key| DRAWS.duration(HERE, [key], first, last));
        assert!(drawn.into_iter().all(|drawn| (first..=last).contains(&drawn)));
    }
}
