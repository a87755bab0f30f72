//! Requests about watches.

use quorate_etcdapi::etcdserverpb as pb;

use super::{keys, revision};
use crate::random::Random;
use crate::sequence::{STREAMS, Step};

pub(super) fn step(random: &mut Random) -> Step {
    let stream = usize::from(random.chance(15)).min(STREAMS - 1);
    match random.below(12) {
        0..=7 => Step::Watch(stream, create(random)),
        8..=10 => Step::Cancel(stream, pb::WatchCancelRequest { watch_id: id(random) }),
        _ => Step::Progress(stream, pb::WatchProgressRequest {}),
    }
}

/// The number of a watch that may exist.
fn id(random: &mut Random) -> i64 {
    random.weighted(&[(6, 0), (4, 1), (2, 2), (1, 7), (1, -1), (1, i64::MAX)])
}

fn create(random: &mut Random) -> pb::WatchCreateRequest {
    let (key, range_end) = keys::range(random);
    pb::WatchCreateRequest {
        key,
        range_end,
        start_revision: if random.chance(30) { 0 } else { start(random) },
        progress_notify: random.chance(10),
        filters: filters(random),
        prev_kv: random.chance(40),
        watch_id: random.weighted(&[(12, 0), (2, 1), (1, 2), (1, 7), (1, -1), (1, i64::MAX)]),
        fragment: random.chance(20),
    }
}

/// A start, which seldom is one that never comes.
fn start(random: &mut Random) -> i64 {
    let drawn = revision(random);
    if drawn == i64::MAX && random.chance(80) { 0 } else { drawn }
}

fn filters(random: &mut Random) -> Vec<i32> {
    let count = random.weighted(&[(14, 0), (3, 1), (1, 2), (1, 3)]);
    (0..count).map(|_| random.weighted(&[(6, 0), (6, 1), (1, 5)])).collect()
}
