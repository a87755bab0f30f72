//! Requests about locks and elections, on a few names and leases.

use bytes::Bytes;
use quorate_etcdapi::v3electionpb as election;
use quorate_etcdapi::v3lockpb as lock;

use super::{keys, lease, revision};
use crate::random::Random;
use crate::sequence::Step;

pub(super) fn step(random: &mut Random) -> Step {
    match random.below(16) {
        0..=4 => Step::Lock(lock::LockRequest { name: name(random), lease: owner(random) }),
        5 | 6 => Step::Unlock(lock::UnlockRequest { key: key(random) }),
        7..=10 => Step::Campaign(election::CampaignRequest {
            name: name(random),
            lease: owner(random),
            value: keys::value(random),
        }),
        11 | 12 => {
            let (leader, value) = (leader(random), keys::value(random));
            Step::Proclaim(election::ProclaimRequest { leader, value })
        }
        13 => Step::Leader(election::LeaderRequest { name: name(random) }),
        _ => Step::Resign(election::ResignRequest { leader: leader(random) }),
    }
}

/// What is locked, or campaigned for.
fn name(random: &mut Random) -> Bytes {
    Bytes::from_static(random.weighted(&[(8, &b"a"[..]), (3, b"b"), (1, b""), (1, b"\xff")]))
}

/// A lease by a number that the sequence chose: those of the server would differ in keys. 0 would
/// have the server choose one.
fn owner(random: &mut Random) -> i64 {
    random.weighted(&[(8, 1), (6, 2), (2, 3), (1, -1), (1, i64::MAX)])
}

/// The key of someone in a line, or any other.
fn key(random: &mut Random) -> Bytes {
    if random.chance(20) {
        return keys::key(random);
    }
    let (name, owner) = (name(random), owner(random));
    [&name[..], format!("/{owner:x}").as_bytes()].concat().into()
}

/// The leader that was elected last, most of the time.
fn leader(random: &mut Random) -> Option<election::LeaderKey> {
    if random.chance(5) {
        return None;
    }
    let name = name(random);
    // Under no lease at all, etcd grants one that nobody uses, and that differs from then on.
    let lease = lease::id(random);
    if random.chance(70) {
        return Some(election::LeaderKey { name, lease, ..Default::default() });
    }
    let (key, rev) = (key(random), revision(random));
    Some(election::LeaderKey { name, key, rev, lease })
}
