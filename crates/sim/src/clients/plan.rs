//! How much load a run has, and of which kind.

use core::time::Duration;

use bytes::Bytes;

use super::watching::WatchPlan;
use crate::draws::{Chance, Draws, Site};

/// Most clients of a run.
pub const CLIENTS_MAX: u32 = 16;

/// Keys whose operations are searched for an order.
const SEARCHED_KEYS: u32 = 3;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Put a key that all clients share.
    Put,
    /// Put a key of the client's own, once.
    PutOwn,
    /// Delete a key of the client's own, alone.
    DeleteOwn,
    /// Delete a range of shared keys.
    DeleteRange,
    /// Put a shared key if it is as last seen, or else read it.
    Swap,
    /// A transaction of several operations, maybe nested.
    Txn,
    /// A transaction that only reads.
    ReadTxn,
    /// Read one shared key.
    Get,
    /// Read a range, with an order, a limit, filters.
    Range,
    /// Read at a revision of the past, or one to come.
    OldRange,
    /// Ask for nothing but the revision.
    Revision,
    /// Forget history.
    Compact,
    /// Begin a lease.
    Grant,
    /// Put a key that all clients share, on a lease.
    PutLeased,
    /// Keep a lease alive.
    KeepAlive,
    /// End a lease.
    Revoke,
    /// Ask how long a lease has left.
    TimeToLive,
    /// Ask which leases there are.
    Leases,
}

impl Kind {
    /// Every kind, with how often it is drawn where it is on.
    pub const ALL: [(Self, u32); 18] = [
        (Self::Put, 24),
        (Self::PutOwn, 8),
        (Self::DeleteOwn, 4),
        (Self::DeleteRange, 4),
        (Self::Swap, 14),
        (Self::Txn, 12),
        (Self::ReadTxn, 4),
        (Self::Get, 16),
        (Self::Range, 8),
        (Self::OldRange, 4),
        (Self::Revision, 1),
        (Self::Compact, 1),
        (Self::Grant, 3),
        (Self::PutLeased, 6),
        (Self::KeepAlive, 8),
        (Self::Revoke, 1),
        (Self::TimeToLive, 2),
        (Self::Leases, 1),
    ];
}

/// How often each kind is drawn, relative to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix(Vec<(Kind, u32)>);

impl Mix {
    /// These kinds. At least one has a weight above zero.
    pub fn new(weights: Vec<(Kind, u32)>) -> Self {
        assert!(weights.iter().any(|(_, weight)| 0 < *weight), "there is nothing to ask");
        Self(weights)
    }

    /// The same, of some kinds only; at least one of them has a weight above zero.
    #[must_use]
    pub fn only(self, is_wanted: impl Fn(Kind) -> bool) -> Self {
        Self::new(self.0.into_iter().filter(|(kind, _)| is_wanted(*kind)).collect())
    }

    /// The kind at this place of [`Self::total`].
    pub(super) fn at(&self, mut place: u64) -> Kind {
        for (kind, weight) in &self.0 {
            let weight = u64::from(*weight);
            if place < weight {
                return *kind;
            }
            place -= weight;
        }
        unreachable!("the place is below the total")
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(_, weight)| u64::from(*weight)).sum()
    }
}

/// Whom a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Another node each time.
    Any,
    /// The leader, if one is known.
    Leader,
    /// The same node, as long as it runs.
    One,
}

/// How long clients pause between operations. They change between the three every few operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The longest pause within a burst.
    pub burst: Duration,
    /// The longest pause at other times.
    pub steady: Duration,
    /// The longest pause when there is nothing to do.
    pub idle: Duration,
}

/// The load of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many clients, 1 to [`CLIENTS_MAX`].
    pub clients: u32,
    /// How many keys they share.
    pub hot_keys: u32,
    /// The longest key, in bytes.
    pub key_bytes_max: u32,
    /// The longest value, in bytes; a name of its operation always fits.
    pub value_bytes_max: u32,
    /// What they ask.
    pub mix: Mix,
    /// Which of the reads may be old.
    pub serializable: Chance,
    /// Which of the operations with an unknown end are tried again, under a new name.
    pub retry: Chance,
    /// Whom they ask, one of these for each client.
    pub targets: Vec<Target>,
    /// When.
    pub pace: Pace,
    /// How long a client waits for an end.
    pub patience: Duration,
    /// Who watches.
    pub watching: WatchPlan,
}

impl Default for Plan {
    /// A few clients that do a little of everything, without haste.
    fn default() -> Self {
        Self {
            clients: 4,
            hot_keys: 5,
            key_bytes_max: 16,
            value_bytes_max: 64,
            mix: Mix::new(Kind::ALL.to_vec()),
            serializable: Chance::percent(20),
            retry: Chance::percent(50),
            targets: vec![Target::Any, Target::Leader, Target::One],
            pace: Pace {
                burst: Duration::from_millis(2),
                steady: Duration::from_millis(60),
                idle: Duration::from_secs(1),
            },
            patience: Duration::from_secs(10),
            watching: WatchPlan::default(),
        }
    }
}

impl Plan {
    /// A plan drawn from the seed: each dimension is first switched on or off, then sized.
    pub fn draw(draws: Draws) -> Self {
        const SITE: Site = Site::new("clients/plan");
        let millis =
            |key, first, last| Duration::from_millis(draws.between(SITE, [key], first, last));
        let sized = |key, sizes: &[u32]| *draws.one_of(SITE, [key], sizes);
        let percent = |key, choices: &[u32]| Chance::percent(*draws.one_of(SITE, [key], choices));
        let targets = [
            vec![Target::Any],
            vec![Target::Leader],
            vec![Target::One],
            vec![Target::Any, Target::Leader, Target::One],
        ];
        Self {
            clients: draws.between(SITE, [0], 1, u64::from(CLIENTS_MAX)) as u32,
            hot_keys: sized(1, &[1, 2, 3, 5, 8, 32]),
            key_bytes_max: sized(2, &[6, 6, 16, 200]),
            value_bytes_max: sized(3, &[16, 16, 64, 256, 4_096]),
            mix: draw_mix(draws),
            serializable: percent(4, &[0, 10, 30, 60]),
            retry: percent(5, &[0, 50, 100]),
            targets: draws.one_of(SITE, [6], &targets).clone(),
            pace: Pace {
                burst: millis(7, 0, 4),
                steady: millis(8, 5, 200),
                idle: millis(9, 200, 3_000),
            },
            patience: millis(10, 500, 12_000),
            watching: WatchPlan::draw(draws),
        }
    }

    /// Some of those keys, to be looked at closely.
    pub fn searched_keys(&self, draws: Draws) -> Vec<Bytes> {
        (0..self.hot_keys.min(SEARCHED_KEYS)).map(|index| self.hot_key(draws, index)).collect()
    }

    /// The key of this number among those that clients share.
    pub fn hot_key(&self, draws: Draws, index: u32) -> Bytes {
        const SITE: Site = Site::new("clients/key");
        let mut key = format!("hot/{index:02}").into_bytes();
        let shortest = key.len() as u64;
        let longest = u64::from(self.key_bytes_max).max(shortest);
        let length = draws.between(SITE, [u64::from(index)], shortest, longest);
        key.resize(length as usize, b'x');
        key.into()
    }
}

/// Most of the kinds, but always one that writes and one that reads.
fn draw_mix(draws: Draws) -> Mix {
    const SITE: Site = Site::new("clients/mix");
    let is_on = |kind: Kind| {
        let is_basic = matches!(kind, Kind::Put | Kind::Get);
        is_basic || draws.happens(SITE, [kind as u64], Chance::percent(60))
    };
    let on = Kind::ALL.into_iter().filter(|(kind, _)| is_on(*kind));
    Mix::new(on.collect())
}
