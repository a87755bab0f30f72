//! How far a snapshot for a peer has come. The host moves the bytes.

use core::time::Duration;

use crate::entry::Meta;
use crate::time::Instant;

/// A stage on the way of a snapshot. Every stage ends by itself: a peer never stays here because
/// one report was lost (etcd#10225).
#[derive(Clone, Debug)]
pub(crate) enum SnapshotStage {
    /// The host is to be asked.
    Wanted,
    /// The host was asked.
    Requested { since: Instant },
    /// The peer holds its bytes and is to be told to install it.
    Held { meta: Box<Meta>, told: u32 },
    /// The peer was told.
    Told { meta: Box<Meta>, told: u32, since: Instant },
    /// The host gave up; it is asked again after a while.
    Failed { since: Instant },
}

/// What a stage asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotStep {
    /// The host is to stream a snapshot.
    Request,
    /// The peer is to be told to install this one.
    Tell(Box<Meta>),
}

impl SnapshotStage {
    /// How long a host may be silent about a snapshot it was asked for, in election timeouts: it
    /// streams gigabytes, but it always ends by saying so.
    const SILENCE_MAX: u32 = 60;

    /// How often a peer is told before its host is taken to have lost the bytes.
    const TOLD_MAX: u32 = 10;

    /// Does what the stage waits for, if that is the engine's to do.
    pub(crate) fn advance(&mut self, now: Instant) -> Option<SnapshotStep> {
        match self {
            Self::Wanted => {
                *self = Self::Requested { since: now };
                Some(SnapshotStep::Request)
            }
            Self::Held { meta, told } => {
                let snapshot = meta.clone();
                *self = Self::Told { meta: meta.clone(), told: *told + 1, since: now };
                Some(SnapshotStep::Tell(snapshot))
            }
            _ => None,
        }
    }

    /// Takes the next step if this one has taken too long.
    pub(crate) fn resume(&mut self, now: Instant, election_timeout: Duration) {
        let is_over = |since: Instant, times: u32| since + election_timeout * times <= now;
        let next = match self {
            Self::Requested { since } if is_over(*since, Self::SILENCE_MAX) => Self::Wanted,
            Self::Failed { since } if is_over(*since, 1) => Self::Wanted,
            Self::Told { since, told, .. } if is_over(*since, 1) && *told == Self::TOLD_MAX => {
                Self::Wanted
            }
            Self::Told { meta, told, since } if is_over(*since, 1) => {
                Self::Held { meta: meta.clone(), told: *told }
            }
            _ => return,
        };
        *self = next;
    }

    /// The peer is at work on it.
    pub(crate) fn extend(&mut self, now: Instant) {
        if let Self::Told { since, told, .. } = self {
            *since = now;
            *told = 1;
        }
    }
}
