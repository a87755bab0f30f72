//! Draws sequences: few keys, few revisions, boundary values, so that requests meet.

mod holding;
mod keys;
mod large;
mod lease;
mod txn;
mod watch;

use clap::ValueEnum;
use quorate_etcdapi::etcdserverpb as pb;

use crate::random::Random;
use crate::relative::{BASE, COMPACTED, CURRENT};
use crate::sequence::Step;

/// The shortest and the longest sequence.
const STEPS: (i64, i64) = (4, 20);

/// What sequences are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Topic {
    /// Reading, putting and deleting keys.
    Kv,
    /// Transactions.
    Txn,
    /// Compaction and what it leaves.
    Compact,
    /// Leases and their keys.
    Lease,
    /// Watches.
    Watch,
    /// Locks and elections.
    Lock,
    /// Large values, and watches that are told of them in fragments.
    Large,
}

/// Every topic.
pub(crate) const TOPICS: [Topic; 7] =
    [Topic::Kv, Topic::Txn, Topic::Compact, Topic::Lease, Topic::Watch, Topic::Lock, Topic::Large];

/// Kinds of request.
#[derive(Clone, Copy)]
enum Kind {
    Range,
    Put,
    DeleteRange,
    Txn,
    Compact,
    HashKv,
    Lease,
    Watch,
    Holding,
}

/// The sequence with this number. Its requests are of these topics, one of which prevails.
pub(crate) fn sequence(seed: u64, number: u64, topics: &[Topic]) -> Vec<Step> {
    let mut random = Random::of_sequence(seed, number);
    let main = random.pick(topics);
    let weights = weights(main, topics);
    let steps = random.between(STEPS.0, STEPS.1);
    let drawn = (0..steps).map(|_| step(&mut random, &weights, topics)).collect::<Vec<_>>();
    if main == Topic::Large {
        return drawn.into_iter().map(|step| large::enlarged(&mut random, step)).collect();
    }
    drawn
}

fn weights(main: Topic, topics: &[Topic]) -> [(u64, Kind); 9] {
    let of = |topic: Topic, aside: u64, prevailing: u64| {
        if topic == main {
            prevailing
        } else if topics.contains(&topic) {
            aside
        } else {
            0
        }
    };
    [
        (if main == Topic::Kv { 30 } else { 12 }, Kind::Range),
        (24, Kind::Put),
        (8, Kind::DeleteRange),
        (of(Topic::Txn, 8, 40), Kind::Txn),
        (of(Topic::Compact, 2, 14), Kind::Compact),
        (of(Topic::Compact, 0, 3), Kind::HashKv),
        (of(Topic::Lease, 4, 50).max(of(Topic::Lock, 0, 25)), Kind::Lease),
        (of(Topic::Watch, 2, 30).max(of(Topic::Large, 0, 30)), Kind::Watch),
        (of(Topic::Lock, 1, 50), Kind::Holding),
    ]
}

fn step(random: &mut Random, weights: &[(u64, Kind)], topics: &[Topic]) -> Step {
    let with_leases = topics.contains(&Topic::Lease);
    match random.weighted(weights) {
        Kind::Range => Step::Range(range(random)),
        Kind::Put => Step::Put(put(random, with_leases)),
        Kind::DeleteRange => Step::DeleteRange(delete_range(random)),
        Kind::Txn => Step::Txn(txn::txn(random, with_leases)),
        Kind::Compact => Step::Compact(compact(random)),
        Kind::HashKv => Step::HashKv(pb::HashKvRequest { revision: revision(random) }),
        Kind::Lease => lease::step(random),
        Kind::Watch => watch::step(random),
        Kind::Holding => holding::step(random),
    }
}

/// A revision that may exist, or just not.
fn revision(random: &mut Random) -> i64 {
    let near = random.between(-2, 1);
    random.weighted(&[
        (8, 0),
        (12, CURRENT + near),
        (8, BASE + near + 2),
        (8, COMPACTED + near),
        (1, -1),
        (1, i64::MIN),
        (1, i64::MAX),
        (1, 1),
    ])
}

/// A bound on revisions, which mostly is none.
fn bound(random: &mut Random) -> i64 {
    if random.chance(85) { 0 } else { revision(random) }
}

fn range(random: &mut Random) -> pb::RangeRequest {
    let (key, range_end) = keys::range(random);
    pb::RangeRequest {
        key,
        range_end,
        limit: random.weighted(&[(12, 0), (3, 1), (2, 2), (2, 3), (1, 100), (1, -1)]),
        revision: if random.chance(60) { 0 } else { revision(random) },
        sort_order: random.weighted(&[(60, 0), (20, 1), (20, 2), (1, 7), (1, -1)]),
        // An unknown target ends a process of etcd 3.4.
        sort_target: random.weighted(&[(6, 0), (1, 1), (1, 2), (1, 3), (1, 4)]),
        serializable: random.chance(20),
        keys_only: random.chance(10),
        count_only: random.chance(10),
        min_mod_revision: bound(random),
        max_mod_revision: bound(random),
        min_create_revision: bound(random),
        max_create_revision: bound(random),
    }
}

fn put(random: &mut Random, with_leases: bool) -> pb::PutRequest {
    let mut put = pb::PutRequest {
        key: keys::key(random),
        value: keys::value(random),
        lease: if with_leases && random.chance(25) { lease::id(random) } else { 0 },
        prev_kv: random.chance(30),
        ignore_value: random.chance(8),
        ignore_lease: with_leases && random.chance(8),
    };
    // Else most of them would be refused.
    if put.ignore_value && random.chance(80) {
        put.value.clear();
    }
    if put.ignore_lease && random.chance(80) {
        put.lease = 0;
    }
    put
}

fn delete_range(random: &mut Random) -> pb::DeleteRangeRequest {
    let (key, range_end) = keys::range(random);
    pb::DeleteRangeRequest { key, range_end, prev_kv: random.chance(50) }
}

fn compact(random: &mut Random) -> pb::CompactionRequest {
    pb::CompactionRequest { revision: revision(random), physical: random.chance(40) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_seed_and_number_draw_one_sequence() {
        assert_eq!(sequence(1, 2, &TOPICS), sequence(1, 2, &TOPICS));
        assert_ne!(sequence(1, 2, &TOPICS), sequence(1, 3, &TOPICS));
    }

    #[test]
    fn every_kind_of_request_is_drawn() {
        let steps = (0..500).flat_map(|number| sequence(1, number, &TOPICS));
        let kinds: BTreeSet<&str> = steps.map(|step| step.kind()).collect();
        assert_eq!(kinds.len(), 20, "{kinds:?}");
    }

    #[test]
    fn topics_that_are_left_out_are_not_drawn() {
        let steps = (0..500).flat_map(|number| sequence(1, number, &[Topic::Kv]));
        let kinds: BTreeSet<&str> = steps.map(|step| step.kind()).collect();
        assert_eq!(kinds, BTreeSet::from(["DeleteRange", "Put", "Range"]));
    }
}
