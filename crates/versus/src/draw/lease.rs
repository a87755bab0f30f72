//! Requests about leases. None is short enough to expire while a sequence runs.

use quorate_etcdapi::etcdserverpb as pb;

use crate::random::Random;
use crate::relative::GIVEN;
use crate::sequence::Step;

/// The longest a lease may last, in seconds.
const TTL_MAX: i64 = 9_000_000_000;

/// A lease that may have been granted.
pub(super) fn id(random: &mut Random) -> i64 {
    random.weighted(&[(6, 1), (4, 2), (1, 3), (1, -1), (1, i64::MAX), (3, GIVEN), (1, GIVEN + 1)])
}

/// A number for a new lease; 0 lets the server choose.
fn new_id(random: &mut Random) -> i64 {
    random.weighted(&[(6, 1), (4, 2), (1, 3), (1, -1), (1, i64::MAX), (1, i64::MIN), (4, 0)])
}

fn ttl(random: &mut Random) -> i64 {
    random.weighted(&[
        (6, 1000),
        (3, 100),
        (1, 0),
        (1, -1),
        (1, 1),
        (1, i64::MIN),
        (1, TTL_MAX),
        (1, TTL_MAX + 1),
        (1, i64::MAX),
    ])
}

pub(super) fn step(random: &mut Random) -> Step {
    match random.below(16) {
        0..=5 => Step::Grant(pb::LeaseGrantRequest { ttl: ttl(random), id: new_id(random) }),
        6..=8 => Step::Revoke(pb::LeaseRevokeRequest { id: id(random) }),
        9..=11 => Step::KeepAlive(pb::LeaseKeepAliveRequest { id: id(random) }),
        12..=14 => {
            let keys = random.chance(70);
            Step::TimeToLive(pb::LeaseTimeToLiveRequest { id: id(random), keys })
        }
        _ => Step::Leases(pb::LeaseLeasesRequest {}),
    }
}
