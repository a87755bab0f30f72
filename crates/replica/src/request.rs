//! What clients ask of a node, and how a request ends that never reached the state machine.

use quorate_consensus::{Instant, Refusal, TransferError};
use quorate_kv::LeaseTtl;

/// Names a waiting client. The host's choice; never reused while the request lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The end of a request that the state machine did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing happened, for this reason. Safe to retry.
    Refused(Refusal),
    /// No leader took it before the deadline. Nothing happened. Safe to retry.
    NoLeader,
    /// The deadline passed while it may have been under way, or its traces were replaced by a
    /// snapshot: it may have happened.
    Unknown,
    /// The end of a request to hand over leadership.
    Transferred(Result<(), TransferError>),
}

/// Who waits for a committed entry, by ticket or by whatever the host has in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiters<T = Ticket> {
    /// Nobody, or somebody at another node.
    Nobody,
    /// One client, for the answer to its command.
    One(T),
    /// Those who want the leases kept alive that the entry renews, in the order of its ids.
    Renewals {
        /// When they were proposed, by the clock of this node.
        since: Instant,
        /// Who.
        all: Vec<T>,
    },
}

impl<T> Waiters<T> {
    /// The same with something else in place of each.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Waiters<U> {
        match self {
            Self::Nobody => Waiters::Nobody,
            Self::One(one) => Waiters::One(change(one)),
            Self::Renewals { since, all } => {
                Waiters::Renewals { since, all: all.into_iter().map(change).collect() }
            }
        }
    }
}

impl<T> From<Option<T>> for Waiters<T> {
    fn from(one: Option<T>) -> Self {
        one.map_or(Self::Nobody, Self::One)
    }
}

/// The answer to a client that wants a lease kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAlive {
    /// The store's revision.
    pub revision: i64,
    /// How long the lease lives; none if there is no such lease any more.
    pub ttl: Option<LeaseTtl>,
}
