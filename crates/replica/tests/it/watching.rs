//! Watches beside the rest of the applying half: told of each batch, also across compactions and
//! installs.

use quorate_kv::{StreamId, WatchRequest, WatchResponse};

use crate::node::End;
use crate::world::World;

const STREAM: StreamId = StreamId(1);

/// The revisions of the changes that a node's watches were told.
pub(crate) fn told(world: &mut World, id: u64) -> Vec<i64> {
    let mut revisions = Vec::new();
    loop {
        let taken = world.node(id).running().applying.watches().take(STREAM, usize::MAX);
        if taken.is_empty() {
            return revisions;
        }
        for response in taken {
            if let WatchResponse::Changes { changes, .. } = response {
                revisions.extend(changes.iter().map(|change| change.revision.main));
            }
        }
    }
}

pub(crate) fn watch_everything(world: &mut World, id: u64, start_revision: i64) {
    let now = world.now;
    let applying = &mut world.node(id).running().applying;
    applying.watches().open(STREAM);
    let request =
        WatchRequest { range_end: "\0".into(), start_revision, ..WatchRequest::default() };
    applying.watch(now, STREAM, &request).expect("memory is sound");
}

#[test]
fn every_member_tells_its_watches_of_every_write() {
    let mut world = World::led();
    let before = world.write(1);
    world.run_millis(200);
    world.assert_put(before);
    for id in 1..=3 {
        watch_everything(&mut world, id, 2);
    }
    for _ in 0..5 {
        world.write(2);
    }
    world.run_millis(500);
    assert!(world.ends.values().all(|end| matches!(end, End::Answer(_))), "{:?}", world.ends);
    for id in 1..=3 {
        assert_eq!(told(&mut world, id), [2, 3, 4, 5, 6, 7], "at {id}");
    }
}
