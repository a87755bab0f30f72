//! Leases: answers as etcd gives them.

use quorate_kv as kv;

use crate::etcdserverpb as pb;
use crate::response::Responder;

/// The time left of a lease that does not exist.
const NO_LEASE: i64 = -1;

impl Responder {
    /// The answer to a grant.
    pub fn lease_grant(&self, response: kv::LeaseGrantResponse) -> pb::LeaseGrantResponse {
        pb::LeaseGrantResponse {
            header: Some(self.header(response.revision)),
            id: response.id.0,
            ttl: response.ttl.seconds(),
            error: String::new(),
        }
    }

    /// The answer to a revocation.
    pub fn lease_revoke(&self, response: kv::LeaseRevokeResponse) -> pb::LeaseRevokeResponse {
        pb::LeaseRevokeResponse { header: Some(self.header(response.revision)) }
    }

    /// The answer to a renewal, made at `revision`. A lease that is gone has no time.
    pub fn lease_keep_alive(
        &self,
        revision: i64,
        id: kv::LeaseId,
        renewed: Option<kv::LeaseTtl>,
    ) -> pb::LeaseKeepAliveResponse {
        pb::LeaseKeepAliveResponse {
            header: Some(self.header(revision)),
            id: id.0,
            ttl: renewed.map_or(0, kv::LeaseTtl::seconds),
        }
    }

    /// The answer to a question for one lease's time.
    pub fn lease_time_to_live(&self, response: kv::LeaseTimeToLive) -> pb::LeaseTimeToLiveResponse {
        pb::LeaseTimeToLiveResponse {
            header: Some(self.header(response.revision)),
            id: response.id.0,
            ttl: response.time.map_or(NO_LEASE, |time| time.seconds_left),
            granted_ttl: response.time.map_or(0, |time| time.granted.seconds()),
            keys: response.keys,
        }
    }

    /// The answer to a question for all leases.
    pub fn lease_leases(&self, response: kv::LeaseList) -> pb::LeaseLeasesResponse {
        pb::LeaseLeasesResponse {
            header: Some(self.header(response.revision)),
            leases: response.ids.into_iter().map(|id| pb::LeaseStatus { id: id.0 }).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONDER: Responder = Responder { cluster_id: 1, member_id: 2, raft_term: 3 };

    fn ttl(seconds: i64) -> kv::LeaseTtl {
        kv::LeaseTtl::new(seconds).expect("it is within bounds")
    }

    #[test]
    fn a_renewal_of_a_lease_that_is_gone_succeeds_with_no_time() {
        let answer = RESPONDER.lease_keep_alive(5, kv::LeaseId(-7), None);
        assert_eq!((answer.id, answer.ttl), (-7, 0));
        assert_eq!(answer.header.expect("there is a header").revision, 5);
        assert_eq!(RESPONDER.lease_keep_alive(5, kv::LeaseId(7), Some(ttl(9))).ttl, 9);
    }

    #[test]
    fn a_question_for_a_lease_that_does_not_exist_succeeds_with_minus_one() {
        let id = kv::LeaseId(7);
        let asked = kv::LeaseTimeToLive { revision: 5, id, time: None, keys: Vec::new() };
        let answer = RESPONDER.lease_time_to_live(asked);
        assert_eq!((answer.id, answer.ttl, answer.granted_ttl), (7, -1, 0));
        let time = kv::LeaseTime { granted: ttl(10), seconds_left: 0 };
        let asked = kv::LeaseTimeToLive { revision: 5, id, time: Some(time), keys: Vec::new() };
        let answer = RESPONDER.lease_time_to_live(asked);
        assert_eq!((answer.id, answer.ttl, answer.granted_ttl), (7, 0, 10));
    }
}
