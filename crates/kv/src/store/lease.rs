//! Leases as the log moves them: granted, renewed, revoked, and over when its clock says so.
//!
//! A lease ends in a revision of its own, if it has keys, as in etcd. Those that are over end at
//! the beginning of an entry, just after the clock has moved and before the entry's own command:
//! the stamp is the moment at which the command happens, so it finds them gone. A bounded number
//! end per entry; the others wait for the next one, which whoever leads proposes at once, and are
//! over all the same: they cannot be renewed, and no key can be attached to them. An entry that
//! compacts ends no lease, so that no watch misses a revision that was written and compacted in
//! one step.

use bytes::Bytes;

use super::Store;
use crate::{
    ClusterTime, CommandError, Context, LEASE_BYTES, Lease, LeaseCounts, LeaseGrantRequest,
    LeaseGrantResponse, LeaseId, LeaseList, LeaseRenewRequest, LeaseRenewResponse,
    LeaseRevokeRequest, LeaseRevokeResponse, LeaseTime, LeaseTimeToLive, LeaseTtl, Record, Rule,
    Rules,
};

/// The most leases that end with one entry because they are over.
const EXPIRED_MAX: usize = 500;

/// Keys deleted by expiry after which no further lease ends with the same entry.
const EXPIRED_KEYS_ENOUGH: usize = 10_000;

/// What an entry did to a lease, as the hash sees it. Part of the format.
const EFFECT_HELD: u64 = 201;
const EFFECT_ENDED: u64 = 202;

impl<R: Rules> Store<R> {
    /// The lease of this name. It may be over, and wait for an entry that ends it.
    pub fn lease(&self, id: LeaseId) -> Option<Lease> {
        self.leases.find(id)
    }

    /// How long a lease has left, and the keys attached to it.
    ///
    /// `now` is the caller's estimate of the cluster's time: the store's own clock stands still
    /// between two entries. One that is over at the store's clock is not there any more.
    pub fn lease_time_to_live(
        &self,
        id: LeaseId,
        now: ClusterTime,
        keys: LeaseKeys,
    ) -> LeaseTimeToLive {
        let lease = self.leases.find(id).filter(|lease| lease.is_live(self.state.time));
        let time = lease.map(|lease| LeaseTime {
            granted: lease.ttl,
            seconds_left: lease.seconds_left(now.max(self.state.time)),
        });
        let has_keys = keys == LeaseKeys::Listed && time.is_some();
        let keys = self.leases.keys(id).filter(|_| has_keys).map(Bytes::copy_from_slice);
        LeaseTimeToLive { revision: self.state.revision, id, time, keys: keys.collect() }
    }

    /// All leases that are not over.
    pub fn lease_list(&self) -> LeaseList {
        let live = self.leases.by_deadline().filter(|(deadline, _)| self.state.time < *deadline);
        LeaseList { revision: self.state.revision, ids: live.map(|(_, id)| id).collect() }
    }

    /// The cluster time at which the next lease is over: an entry stamped then or later ends it.
    pub fn next_lease_deadline(&self) -> Option<ClusterTime> {
        self.leases.by_deadline().next().map(|(deadline, _)| deadline)
    }

    /// What has happened to leases since the store was opened.
    pub fn lease_counts(&self) -> LeaseCounts {
        self.lease_counts
    }

    /// The leases that the last entry ended because they were over, in that order.
    pub fn last_expired(&self) -> &[LeaseId] {
        &self.last_expired
    }

    pub(super) fn on_lease_grant(
        &mut self,
        request: LeaseGrantRequest,
    ) -> Result<LeaseGrantResponse, CommandError> {
        let LeaseGrantRequest { id, ttl } = request;
        assert!(id != LeaseId::NONE, "a lease has a name when it is proposed");
        if self.leases.find(id).is_some() {
            return Err(CommandError::LeaseExists);
        }
        self.check_space(LEASE_BYTES)?;
        let lease = self.beginning(id, ttl);
        self.leases.insert(lease);
        self.state.leases += 1;
        self.state.logical_bytes += LEASE_BYTES;
        self.note_lease(id, Some(lease));
        self.lease_counts.granted += 1;
        Ok(LeaseGrantResponse { revision: self.state.revision, id, ttl })
    }

    pub(super) fn on_lease_revoke(
        &mut self,
        request: LeaseRevokeRequest,
    ) -> Result<LeaseRevokeResponse, CommandError> {
        if self.leases.find(request.id).is_none() {
            return Err(CommandError::LeaseNotFound);
        }
        self.end_lease(request.id);
        self.lease_counts.revoked += 1;
        Ok(LeaseRevokeResponse { revision: self.state.revision })
    }

    pub(super) fn on_lease_renew(&mut self, request: &LeaseRenewRequest) -> LeaseRenewResponse {
        let renewed = request.ids.iter().map(|id| self.renew(*id)).collect();
        LeaseRenewResponse { revision: self.state.revision, renewed }
    }

    fn renew(&mut self, id: LeaseId) -> Option<LeaseTtl> {
        let may_be_over = self.rules.breaks(Rule::RenewRevives);
        let is_live = |lease: &Lease| lease.is_live(self.state.time) || may_be_over;
        let lease = self.leases.find(id).filter(is_live)?;
        self.restart_lease(lease);
        self.lease_counts.renewed += 1;
        Some(lease.ttl)
    }

    fn restart_lease(&mut self, lease: Lease) {
        let renewed = self.beginning(lease.id, lease.ttl);
        self.leases.postpone(renewed);
        self.state.lease_hash = self.state.lease_hash.minus(lease.hash());
        self.note_lease(lease.id, Some(renewed));
    }

    fn beginning(&self, id: LeaseId, ttl: LeaseTtl) -> Lease {
        let lease = Lease::beginning(id, ttl, self.state.time);
        if self.rules.breaks(Rule::LeaseExpiresEarly) {
            return Lease { deadline: ClusterTime(lease.deadline.0 - ttl.micros() / 2), ..lease };
        }
        lease
    }

    /// Everything that follows the state of a lease but its place in memory.
    fn note_lease(&mut self, id: LeaseId, lease: Option<Lease>) {
        self.effects.push(if lease.is_some() { EFFECT_HELD } else { EFFECT_ENDED });
        self.effects.push(id.0.cast_unsigned());
        if let Some(lease) = lease {
            self.effects.push(lease.deadline.0);
            self.state.lease_hash = self.state.lease_hash.plus(lease.hash());
        }
        self.lease_log.push(self.state.position.index + 1, id, lease);
    }

    /// Ends the leases that are over.
    pub(super) fn expire_leases(&mut self) {
        if self.rules.breaks(Rule::LeaseNeverExpires) {
            return;
        }
        let mut keys = 0;
        while self.last_expired.len() < EXPIRED_MAX && keys < EXPIRED_KEYS_ENOUGH {
            let Some((deadline, id)) = self.leases.by_deadline().next() else { return };
            if self.state.time < deadline {
                return;
            }
            keys += self.end_lease(id);
            self.last_expired.push(id);
            self.lease_counts.expired += 1;
        }
    }

    /// Ends a lease and deletes its keys, in order, in one revision. How many these were.
    fn end_lease(&mut self, id: LeaseId) -> usize {
        let lease = self.leases.find(id).expect("a lease that ends is held");
        self.state.lease_hash = self.state.lease_hash.minus(lease.hash());
        self.state.leases -= 1;
        self.state.logical_bytes -= LEASE_BYTES;
        self.note_lease(id, None);
        let keys = self.leases.remove(id);
        let left = usize::from(self.rules.breaks(Rule::RevokeLeavesKey));
        for key in keys.iter().take(keys.len().saturating_sub(left)) {
            self.delete_leased(key);
        }
        self.end_writing();
        self.end_alarm();
        keys.len()
    }

    fn delete_leased(&mut self, key: &[u8]) {
        let exists = self.index.head(key).is_some();
        assert!(
            exists || self.rules.breaks(Rule::DetachForgotten),
            "a key leaves its lease when it is deleted"
        );
        if exists {
            self.write(key, |_| Record::tombstone(Bytes::copy_from_slice(key)));
        }
        if self.rules.breaks(Rule::LeaseKeysManyRevisions) {
            self.end_writing();
        }
    }

    /// Whether a key may be attached to `lease`.
    pub(super) fn check_lease(&self, lease: LeaseId) -> Result<(), CommandError> {
        if lease == LeaseId::NONE || self.rules.breaks(Rule::LostLeaseAccepted) {
            return Ok(());
        }
        let held = self.leases.find(lease).filter(|lease| lease.is_live(self.state.time));
        held.map(|_| ()).ok_or(CommandError::LeaseNotFound)
    }

    /// What etcd does when a leader takes over, and the deadlines in the log are there to avoid.
    pub(super) fn extend_leases_if_broken(&mut self, context: Context) {
        let is_new_leader = self.state.position.round < context.position.round;
        if is_new_leader && self.rules.breaks(Rule::LeaseExtendedByFailover) {
            let leases: Vec<Lease> = self.leases.all().collect();
            for lease in leases {
                self.restart_lease(lease);
            }
        }
    }
}

/// Whether the keys of a lease are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseKeys {
    /// They are not.
    #[default]
    Omitted,
    /// They are.
    Listed,
}
