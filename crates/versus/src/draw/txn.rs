//! Transactions: comparisons, operations, transactions within them, up to their limits and beyond.

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::compare::TargetUnion;
use quorate_etcdapi::etcdserverpb::request_op::Request;

use super::{delete_range, keys, lease, put, range, revision};
use crate::random::Random;

/// Operations or comparisons that one transaction may have; what is within it shares them.
const OPERATIONS_MAX: i64 = 128;

/// Transactions within transactions.
const DEPTH_MAX: u64 = 3;

pub(super) fn txn(random: &mut Random, with_leases: bool) -> pb::TxnRequest {
    if random.chance(3) { near_the_limit(random) } else { nested(random, with_leases, 0) }
}

fn nested(random: &mut Random, with_leases: bool, depth: u64) -> pb::TxnRequest {
    let compare = random.weighted(&[(4, 0), (6, 1), (2, 2), (1, 3)]);
    let success = random.between(0, 4);
    let failure = random.between(0, 3);
    pb::TxnRequest {
        compare: (0..compare).map(|_| comparison(random)).collect(),
        success: (0..success).map(|_| operation(random, with_leases, depth)).collect(),
        failure: (0..failure).map(|_| operation(random, with_leases, depth)).collect(),
    }
}

fn operation(random: &mut Random, with_leases: bool, depth: u64) -> pb::RequestOp {
    let nests = if depth < DEPTH_MAX { 14 } else { 0 };
    let request = match random.weighted(&[(30, 0), (36, 1), (14, 2), (nests, 3), (1, 4)]) {
        0 => Some(Request::RequestRange(range(random))),
        1 => Some(Request::RequestPut(put(random, with_leases))),
        2 => Some(Request::RequestDeleteRange(delete_range(random))),
        3 => Some(Request::RequestTxn(nested(random, with_leases, depth + 1))),
        _ => None,
    };
    pb::RequestOp { request }
}

fn comparison(random: &mut Random) -> pb::Compare {
    let key = keys::key(random);
    let range_end = if random.chance(75) { bytes::Bytes::new() } else { keys::end(random, &key) };
    let target = random.weighted(&[(6, 0), (6, 1), (6, 2), (6, 3), (4, 4), (1, 9), (1, -1)]);
    // Seldom an operand that does not suit the target, or none.
    let operand = if random.chance(93) { target } else { random.pick(&[0, 1, 2, 3, 4, 5]) };
    pb::Compare {
        result: random.weighted(&[(10, 0), (6, 1), (6, 2), (6, 3), (1, 8)]),
        target,
        key,
        range_end,
        target_union: self::operand(random, operand),
    }
}

fn operand(random: &mut Random, target: i32) -> Option<TargetUnion> {
    Some(match target {
        0 => TargetUnion::Version(random.pick(&[0, 1, 2, 3, -1])),
        1 => TargetUnion::CreateRevision(revision(random)),
        2 => TargetUnion::ModRevision(revision(random)),
        3 => TargetUnion::Value(keys::value(random)),
        4 => TargetUnion::Lease(if random.chance(50) { 0 } else { lease::id(random) }),
        _ => return None,
    })
}

/// Lists about as long as they may be, at one of two levels.
fn near_the_limit(random: &mut Random) -> pb::TxnRequest {
    let outer = random.pick(&[1, 2, 100, OPERATIONS_MAX - 1, OPERATIONS_MAX]);
    let left = OPERATIONS_MAX - outer;
    let inner = random.between((left - 1).max(0), left + 1);
    let within =
        pb::TxnRequest { success: (0..inner).map(|_| count()).collect(), ..Default::default() };
    let mut success: Vec<pb::RequestOp> = (1..outer).map(|_| count()).collect();
    success.push(pb::RequestOp { request: Some(Request::RequestTxn(within)) });
    let compare = random.weighted(&[(6, 0), (1, OPERATIONS_MAX), (1, OPERATIONS_MAX + 1)]);
    let compare = (0..compare).map(|_| comparison_of_anything()).collect();
    pb::TxnRequest { compare, success, ..Default::default() }
}

fn count() -> pb::RequestOp {
    let range =
        pb::RangeRequest { key: "a".into(), count_only: true, ..pb::RangeRequest::default() };
    pb::RequestOp { request: Some(Request::RequestRange(range)) }
}

fn comparison_of_anything() -> pb::Compare {
    pb::Compare { key: "a".into(), ..Default::default() }
}
