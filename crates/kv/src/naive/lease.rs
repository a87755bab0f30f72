//! Leases of the naive model: a list, and every question a scan of it and of the keys.

use bytes::Bytes;

use super::Naive;
use crate::{
    ClusterTime, Command, CommandError, ContentHash, LEASE_BYTES, Lease, LeaseGrantRequest,
    LeaseGrantResponse, LeaseId, LeaseList, LeaseRenewRequest, LeaseRenewResponse,
    LeaseRevokeResponse, LeaseTime, LeaseTimeToLive, LeaseTtl, PutRequest, Record, Response,
};

/// As many leases as end with one entry, and so many keys that no further one does.
const EXPIRED_MAX: usize = 500;
const EXPIRED_KEYS_ENOUGH: usize = 10_000;

impl Naive {
    /// Applies the next entry, stamped with this time; none brings no command. Returns the leases
    /// that were over, and what a client must be told.
    pub fn apply_at(
        &mut self,
        time: ClusterTime,
        command: Option<&Command>,
    ) -> (Vec<LeaseId>, Option<Result<Response, CommandError>>) {
        self.changes = 0;
        self.changed.clear();
        self.time = self.time.max(time);
        let is_compaction = matches!(command, Some(Command::Compact(_)));
        let expired = if is_compaction { Vec::new() } else { self.expire() };
        (expired, command.map(|command| self.obey(command)))
    }

    /// Ends the leases that are over, as the beginning of an entry does. Which these were.
    fn expire(&mut self) -> Vec<LeaseId> {
        let mut over: Vec<Lease> =
            self.leases.iter().filter(|lease| lease.deadline <= self.time).copied().collect();
        over.sort_by_key(|lease| (lease.deadline, lease.id));
        let (mut expired, mut keys) = (Vec::new(), 0);
        for lease in over {
            if EXPIRED_MAX <= expired.len() || EXPIRED_KEYS_ENOUGH <= keys {
                break;
            }
            keys += self.end(lease.id);
            expired.push(lease.id);
        }
        expired
    }

    pub(super) fn grant(
        &mut self,
        request: LeaseGrantRequest,
    ) -> Result<LeaseGrantResponse, CommandError> {
        let LeaseGrantRequest { id, ttl } = request;
        if self.leases.iter().any(|lease| lease.id == id) {
            return Err(CommandError::LeaseExists);
        }
        self.check_space(LEASE_BYTES)?;
        self.leases.push(Lease::beginning(id, ttl, self.time));
        Ok(LeaseGrantResponse { revision: self.standing.revision, id, ttl })
    }

    pub(super) fn revoke(&mut self, id: LeaseId) -> Result<LeaseRevokeResponse, CommandError> {
        if self.leases.iter().all(|lease| lease.id != id) {
            return Err(CommandError::LeaseNotFound);
        }
        self.end(id);
        Ok(LeaseRevokeResponse { revision: self.standing.revision })
    }

    pub(super) fn renew_all(&mut self, request: &LeaseRenewRequest) -> LeaseRenewResponse {
        let renewed = request.ids.iter().map(|id| self.renew(*id)).collect();
        LeaseRenewResponse { revision: self.standing.revision, renewed }
    }

    fn renew(&mut self, id: LeaseId) -> Option<LeaseTtl> {
        let now = self.time;
        let is_found = |lease: &&mut Lease| lease.id == id && lease.is_live(now);
        let lease = self.leases.iter_mut().find(is_found)?;
        *lease = Lease::beginning(id, lease.ttl, now);
        Some(lease.ttl)
    }

    /// Ends a lease, and deletes its keys in one revision. How many.
    fn end(&mut self, id: LeaseId) -> usize {
        self.leases.retain(|lease| lease.id != id);
        let keys = self.keys_of(id);
        let before = self.standing.revision;
        for key in &keys {
            self.write(before, Record::tombstone(key.clone()));
        }
        self.changes = 0;
        self.end_alarm();
        keys.len()
    }

    fn keys_of(&self, id: LeaseId) -> Vec<Bytes> {
        let all = self.kvs_at(&[0], &[0], self.standing.revision);
        all.into_iter().filter(|kv| kv.lease == id).map(|kv| kv.key).collect()
    }

    pub(super) fn check_lease(&self, request: &PutRequest) -> Result<(), CommandError> {
        let is_live = |lease: &Lease| lease.id == request.lease && lease.is_live(self.time);
        if request.lease == LeaseId::NONE || self.leases.iter().any(is_live) {
            return Ok(());
        }
        Err(CommandError::LeaseNotFound)
    }

    /// What is known of a lease at the model's own time; its keys too.
    pub fn lease_time_to_live(&self, id: LeaseId) -> LeaseTimeToLive {
        let live = self.leases.iter().find(|lease| lease.id == id && lease.is_live(self.time));
        let time = live.map(|lease| LeaseTime {
            granted: lease.ttl,
            seconds_left: lease.seconds_left(self.time),
        });
        let keys = if time.is_some() { self.keys_of(id) } else { Vec::new() };
        LeaseTimeToLive { revision: self.standing.revision, id, time, keys }
    }

    /// The leases that are not over.
    pub fn lease_list(&self) -> LeaseList {
        let live = self.leases.iter().filter(|lease| lease.is_live(self.time));
        let mut order: Vec<(ClusterTime, LeaseId)> =
            live.map(|lease| (lease.deadline, lease.id)).collect();
        order.sort();
        let ids = order.into_iter().map(|(_, id)| id).collect();
        LeaseList { revision: self.standing.revision, ids }
    }

    /// The hash over all leases.
    pub fn lease_hash(&self) -> ContentHash {
        self.leases.iter().fold(ContentHash(0), |sum, lease| sum.plus(lease.hash()))
    }

    pub(super) fn lease_bytes(&self) -> u64 {
        self.leases.len() as u64 * LEASE_BYTES
    }
}
