//! Leases as plain data: how long they live, when they end, what they count for.

use core::time::Duration;

use crate::hash::lease_hash;
use crate::{ClusterTime, ContentHash, LeaseId, RequestError};

/// What a lease counts for in the quota, in bytes. The keys attached to it count by themselves.
pub const LEASE_BYTES: u64 = 64;

/// The most leases that one renewal names.
pub const LEASE_RENEW_MAX: usize = 1_000;

const MICROS_PER_SECOND: u64 = 1_000_000;

/// How long a lease lives without a renewal: 1 to 9,000,000,000 seconds (etcd's bound).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseTtl(i64);

impl LeaseTtl {
    /// The longest.
    pub const MAX: Self = Self(9_000_000_000);

    /// The TTL of this many seconds; none if it is out of bounds.
    pub fn new(seconds: i64) -> Option<Self> {
        (1..=Self::MAX.0).contains(&seconds).then_some(Self(seconds))
    }

    /// The shortest TTL that a cluster with this election timeout grants: one and a half of it,
    /// in whole seconds, so that no lease ends while a leader is being elected (etcd).
    pub fn minimum(election_timeout: Duration) -> Self {
        let seconds = (election_timeout * 3 / 2).as_millis().div_ceil(1_000);
        Self(i64::try_from(seconds).unwrap_or(i64::MAX).clamp(1, Self::MAX.0))
    }

    /// The TTL that a client gets who asks for this many seconds, of which 0 and negative numbers
    /// are some too. Raised here and not where it is applied: members may have been started with
    /// different election timeouts.
    pub fn granted(asked: i64, minimum: Self) -> Result<Self, RequestError> {
        if Self::MAX.0 < asked {
            return Err(RequestError::LeaseTtlTooLarge);
        }
        Ok(Self(asked.max(minimum.0)))
    }

    /// In seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// In microseconds.
    pub fn micros(self) -> u64 {
        self.0.cast_unsigned() * MICROS_PER_SECOND
    }
}

/// A lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name, never [`LeaseId::NONE`].
    pub id: LeaseId,
    /// How long it lives after each renewal.
    pub ttl: LeaseTtl,
    /// The cluster time from which on it is over.
    pub deadline: ClusterTime,
}

impl Lease {
    /// A lease that is granted, or renewed, at `now`.
    pub fn beginning(id: LeaseId, ttl: LeaseTtl, now: ClusterTime) -> Self {
        Self { id, ttl, deadline: ClusterTime(now.0.saturating_add(ttl.micros())) }
    }

    /// Whether it is not over yet.
    pub fn is_live(&self, now: ClusterTime) -> bool {
        now < self.deadline
    }

    /// The whole seconds that it has left, at least 0.
    pub fn seconds_left(&self, now: ClusterTime) -> i64 {
        let micros = self.deadline.0.saturating_sub(now.0);
        i64::try_from(micros / MICROS_PER_SECOND).unwrap_or(i64::MAX)
    }

    /// This lease's share of the hash over all leases.
    pub fn hash(&self) -> ContentHash {
        lease_hash(self)
    }
}

/// What a node has seen happen to leases since its store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// Leases granted.
    pub granted: u64,
    /// Renewals that found their lease.
    pub renewed: u64,
    /// Leases that were revoked before they were over.
    pub revoked: u64,
    /// Leases that were over.
    pub expired: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = MICROS_PER_SECOND;

    #[test]
    fn a_ttl_is_raised_to_the_minimum_and_refused_above_the_maximum() {
        let minimum = LeaseTtl::minimum(Duration::from_secs(1));
        assert_eq!(minimum.seconds(), 2);
        assert_eq!(LeaseTtl::minimum(Duration::from_secs(2)).seconds(), 3);
        assert_eq!(LeaseTtl::minimum(Duration::from_millis(10)).seconds(), 1);
        for (asked, granted) in [(i64::MIN, 2), (-1, 2), (0, 2), (1, 2), (2, 2), (3, 3)] {
            let ttl = LeaseTtl::granted(asked, minimum).expect("it is not too large");
            assert_eq!(ttl.seconds(), granted, "{asked}");
        }
        assert_eq!(LeaseTtl::granted(9_000_000_000, minimum), Ok(LeaseTtl::MAX));
        let refused = LeaseTtl::granted(9_000_000_001, minimum);
        assert_eq!(refused, Err(RequestError::LeaseTtlTooLarge));
        assert_eq!((LeaseTtl::new(0), LeaseTtl::new(9_000_000_001)), (None, None));
    }

    #[test]
    fn a_lease_is_over_at_its_deadline_and_not_before() {
        let ttl = LeaseTtl::new(10).expect("in bounds");
        let lease = Lease::beginning(LeaseId(1), ttl, ClusterTime(5 * SECOND));
        assert_eq!(lease.deadline, ClusterTime(15 * SECOND));
        let before = ClusterTime(15 * SECOND - 1);
        assert!(lease.is_live(before) && !lease.is_live(lease.deadline));
        assert_eq!(
            (lease.seconds_left(ClusterTime(5 * SECOND)), lease.seconds_left(before)),
            (10, 0)
        );
        assert_eq!(lease.seconds_left(ClusterTime(99 * SECOND)), 0);
    }
}
