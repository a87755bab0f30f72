//! How much is watched in a run, and how.

use core::time::Duration;

use quorate_kv::WatchLimits;

use crate::draws::{Draws, Site};

/// Most clients that watch.
pub const WATCHERS_MAX: u32 = 4;

/// What the clients that watch are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPlan {
    /// How many clients watch, up to [`WATCHERS_MAX`].
    pub watchers: u32,
    /// Most watches that one of them begins at once.
    pub watches_max: u32,
    /// The longest time from one thing that a client does with its stream to the next.
    pub gap: Duration,
    /// The longest time that a client does not take what it is told.
    pub stall: Duration,
    /// About how many bytes a node hands to a connection at once.
    pub batch_bytes: usize,
    /// The nodes' bounds on watches.
    pub limits: WatchLimits,
}

impl Default for WatchPlan {
    /// Two clients that watch a little of everything, on nodes of the usual bounds.
    fn default() -> Self {
        Self {
            watchers: 2,
            watches_max: 3,
            gap: Duration::from_millis(1_500),
            stall: Duration::from_secs(1),
            batch_bytes: 256 << 10,
            limits: WatchLimits::default(),
        }
    }
}

impl WatchPlan {
    /// A plan drawn from the seed.
    pub fn draw(draws: Draws) -> Self {
        const SITE: Site = Site::new("watchers/plan");
        let sized = |key, sizes: &[usize]| *draws.one_of(SITE, [key], sizes);
        let millis =
            |key, first, last| Duration::from_millis(draws.between(SITE, [key], first, last));
        let usual = WatchLimits::default();
        Self {
            watchers: *draws.one_of(SITE, [0], &[0, 1, 1, 2, 2, 3, WATCHERS_MAX]),
            watches_max: draws.between(SITE, [1], 1, 5) as u32,
            gap: millis(2, 300, 3_000),
            stall: millis(3, 100, 5_000),
            batch_bytes: sized(4, &[1, 500, 256 << 10]),
            limits: WatchLimits {
                key_bytes_max: usual.key_bytes_max,
                watches_max: sized(5, &[3, usual.watches_max, usual.watches_max]),
                outbox_bytes_max: sized(6, &[1, 300, 2_000, usual.outbox_bytes_max]),
                outboxes_bytes_max: usual.outboxes_bytes_max,
                fragment_bytes_max: sized(7, &[1, 200, usual.fragment_bytes_max]),
                progress_interval_micros: draws.between(SITE, [8], 50_000, 3_000_000),
            },
        }
    }
}
