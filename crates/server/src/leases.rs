//! Leases, as the API layers ask the node for them.

use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::time::Duration;

use quorate_etcdapi::ApiError;
use quorate_kv::{
    Command, LeaseGrantRequest, LeaseGrantResponse, LeaseId, LeaseKeys, LeaseList,
    LeaseRevokeRequest, LeaseRevokeResponse, LeaseTimeToLive, LeaseTtl, Response,
};
use quorate_replica::{KeptAlive, ReadRequest, ReadResponse};
use tokio::time::Instant;

use crate::client::{Client, Freshness};

/// How long renewals are tried again while there is no leader to make them.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(7);

/// Between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Ids for leases whose clients leave the choice to the server: positive, and spread so widely
/// that two members hardly ever choose the same.
#[derive(Debug)]
pub(crate) struct LeaseIds {
    state: AtomicU64,
}

impl LeaseIds {
    /// A sequence of its own for each start.
    pub(crate) fn new(entropy: u64) -> Self {
        Self { state: AtomicU64::new(entropy) }
    }

    /// The next one.
    pub(crate) fn next(&self) -> LeaseId {
        // SplitMix64: a sequence without repetition, of which equal distances show nothing.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        loop {
            let mut mixed = self.state.fetch_add(STEP, Memory::Relaxed).wrapping_add(STEP);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let id = ((mixed ^ (mixed >> 31)) >> 1).cast_signed();
            if id != 0 {
                return LeaseId(id);
            }
        }
    }
}

impl Client {
    /// Begins a lease of this many seconds, or of the fewest there may be. Without an id, one that
    /// is not taken is chosen.
    pub(crate) async fn grant(
        &self,
        id: LeaseId,
        seconds: i64,
    ) -> Result<LeaseGrantResponse, ApiError> {
        let minimum = LeaseTtl::minimum(self.config().election_timeout);
        let ttl = LeaseTtl::granted(seconds, minimum)?;
        if id != LeaseId::NONE {
            return self.grant_as(id, ttl).await;
        }
        loop {
            match self.grant_as(self.lease_ids().next(), ttl).await {
                Err(ApiError::LeaseExists) => (),
                result => return result,
            }
        }
    }

    async fn grant_as(&self, id: LeaseId, ttl: LeaseTtl) -> Result<LeaseGrantResponse, ApiError> {
        let grant = Command::LeaseGrant(LeaseGrantRequest { id, ttl });
        match self.write(grant).await? {
            Response::LeaseGrant(response) => Ok(response),
            other => unreachable!("to a grant: {other:?}"),
        }
    }

    /// Ends a lease, and deletes the keys attached to it.
    pub(crate) async fn revoke(&self, id: LeaseId) -> Result<LeaseRevokeResponse, ApiError> {
        match self.write(Command::LeaseRevoke(LeaseRevokeRequest { id })).await? {
            Response::LeaseRevoke(response) => Ok(response),
            other => unreachable!("to a revocation: {other:?}"),
        }
    }

    /// Has a lease begin its time anew, and waits while there is no leader to do it: once more does
    /// no harm.
    pub(crate) async fn keep_alive_patiently(&self, id: LeaseId) -> Result<KeptAlive, ApiError> {
        let since = Instant::now();
        loop {
            match self.keep_alive(id).await {
                Err(error) if error.passes() && since.elapsed() < RENEWAL_PATIENCE => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// How long a lease has yet to live, and which keys are attached to it.
    pub(crate) async fn time_to_live(
        &self,
        id: LeaseId,
        keys: LeaseKeys,
    ) -> Result<LeaseTimeToLive, ApiError> {
        let read = ReadRequest::Lease { id, keys };
        match self.read(read, Freshness::Linearizable).await? {
            ReadResponse::Lease(response) => Ok(response),
            other => unreachable!("to a question for a lease: {other:?}"),
        }
    }

    /// All leases, those that end first at the front.
    pub(crate) async fn leases(&self) -> Result<LeaseList, ApiError> {
        match self.read(ReadRequest::Leases, Freshness::Linearizable).await? {
            ReadResponse::Leases(response) => Ok(response),
            other => unreachable!("to a question for all leases: {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_positive_and_differ_also_between_members() {
        let (first, second) = (LeaseIds::new(1), LeaseIds::new(2));
        let ids: BTreeSet<LeaseId> =
            (0..1_000).flat_map(|_| [first.next(), second.next()]).collect();
        assert_eq!(ids.len(), 2_000);
        assert!(ids.iter().all(|id| 0 < id.0));
    }
}
