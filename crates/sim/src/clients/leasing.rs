//! What clients ask of leases.

use bytes::Bytes;
use quorate_kv::{
    Command, LeaseGrantRequest, LeaseId, LeaseKeys, LeaseRevokeRequest, LeaseTtl, PutRequest,
};
use quorate_replica::ReadRequest;

use super::Ask;
use super::shape::{Known, Shape};
use crate::draws::Chance;

/// The longest time that a lease is granted, in seconds: it is over within a run.
const TTL_SECONDS_MAX: u64 = 4;

/// Keys that are put on leases. They are not among those whose operations are searched for an
/// order, since a lease that is over deletes them without an operation.
const KEYS: u64 = 6;

impl Shape<'_> {
    /// A lease named after the operation.
    pub(super) fn grant(self) -> Command {
        let seconds = 1 + self.below(0, 2, TTL_SECONDS_MAX);
        let ttl = LeaseTtl::new(seconds.cast_signed()).expect("a few seconds are in bounds");
        let id = LeaseId(self.operation.ticket().0.cast_signed());
        Command::LeaseGrant(LeaseGrantRequest { id, ttl })
    }

    /// One of the leases that the client has heard of.
    fn known_lease(self, known: &Known) -> Option<LeaseId> {
        let count = known.leases.len() as u64;
        (0 < count).then(|| known.leases[self.below(0, 3, count) as usize])
    }

    pub(super) fn put_leased(self, known: &Known) -> Command {
        let Some(lease) = self.known_lease(known) else { return self.grant() };
        let is_detached = self.happens(0, 4, Chance::percent(10));
        Command::Put(PutRequest {
            key: Bytes::from(format!("leased/{}", self.below(0, 5, KEYS))),
            value: self.value(0),
            lease: if is_detached { LeaseId::NONE } else { lease },
            ..PutRequest::default()
        })
    }

    pub(super) fn keep_alive(self, known: &Known) -> Ask {
        let Some(id) = self.known_lease(known) else { return Ask::Command(self.grant()) };
        if self.happens(0, 4, Chance::percent(20)) {
            return Ask::Linearizable(ReadRequest::KeepAlive { id });
        }
        Ask::KeepAlive(id)
    }

    pub(super) fn revoke(self, known: &Known) -> Command {
        let Some(id) = self.known_lease(known) else { return self.grant() };
        Command::LeaseRevoke(LeaseRevokeRequest { id })
    }

    pub(super) fn time_to_live(self, known: &Known) -> Ask {
        let Some(id) = self.known_lease(known) else { return Ask::Command(self.grant()) };
        let has_keys = self.happens(0, 4, Chance::percent(50));
        let keys = if has_keys { LeaseKeys::Listed } else { LeaseKeys::Omitted };
        Ask::Linearizable(ReadRequest::Lease { id, keys })
    }
}
