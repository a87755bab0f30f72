//! Snapshots carry the state at their moment, whatever happens meanwhile.

use std::sync::Arc;

use quorate_kv::{
    Commit, CommitId, MemoryMap, Records, Rules, SnapshotPlace, SnapshotSource, Store, Strict,
};

use crate::support::{Node, node, open};

/// Receives a snapshot in small pieces; `between` happens after each.
pub(crate) fn transfer<R: Rules>(
    node: &mut Node<R>,
    source: &SnapshotSource,
    mut between: impl FnMut(&mut Node<R>),
) -> Arc<MemoryMap> {
    let map = Arc::new(MemoryMap::new());
    let mut puts = Vec::new();
    let mut leases = Vec::new();
    let mut next = Some(SnapshotPlace::FIRST);
    while let Some(from) = next {
        let chunk = node.store.snapshot_chunk(source, from, 1).expect("memory is sound");
        puts.extend(chunk.records);
        leases.extend(chunk.leases.into_iter().map(|lease| (lease.id, Some(lease))));
        next = chunk.next;
        between(node);
    }
    let checkpoint = source.checkpoint().clone();
    let commit = Commit { id: CommitId(1), puts, removes: Vec::new(), leases, checkpoint };
    map.commit(&commit).expect("memory commits");
    map
}

fn state(store: &Store) -> impl PartialEq + std::fmt::Debug + use<> {
    let now = (store.position(), store.revision(), store.compacted(), store.members().clone());
    (now, store.state_hash(), store.content_hash(), store.sizes(), store.events(4, 999))
}

#[test]
fn a_receiver_has_the_state_of_the_moment_the_snapshot_began() {
    let mut node = node();
    node.store.set_members("members".into());
    for key in ["a", "b", "a", "c", "b"] {
        node.put(key, "v");
    }
    node.delete("a", "");
    node.commit();
    node.compact(4).expect("the past can be compacted");
    node.put("d", "v");
    // One freed record is still on the map, others are removed while the snapshot is sent.
    let expected = state(&node.store);
    let source = node.store.snapshot();
    let map = transfer(&mut node, &source, |node| {
        node.put("a", "later");
        let revision = node.store.revision();
        node.compact(revision).expect("the present can be compacted");
        node.remove_freed();
        node.commit();
    });
    assert_eq!(state(&open(&map, Strict)), expected);
    node.store.end_snapshot(source);
    node.remove_freed();
    node.commit();
    let compacted = node.store.compacted();
    assert!(node.store.is_compacted_physically(compacted), "nothing is held any more");
}

#[test]
fn a_transfer_goes_on_where_it_broke_off() {
    let mut node = node();
    for key in ["a", "b", "c", "d"] {
        node.put(key, "v");
    }
    node.commit();
    node.put("e", "v");
    let source = node.store.snapshot();
    let whole = node.store.snapshot_chunk(&source, SnapshotPlace::FIRST, usize::MAX);
    let whole = whole.expect("memory is sound");
    let first =
        node.store.snapshot_chunk(&source, SnapshotPlace::FIRST, 3).expect("memory is sound");
    assert_eq!(first.records, whole.records[..2]);
    let from = first.next.expect("there is more");
    let again = node.store.snapshot_chunk(&source, from, 3).expect("memory is sound");
    assert_eq!(again, node.store.snapshot_chunk(&source, from, 3).expect("memory is sound"));
    assert_eq!(again.records, whole.records[2..4]);
    node.store.end_snapshot(source);
}

#[test]
fn an_empty_store_has_a_snapshot() {
    let mut node = node();
    let source = node.store.snapshot();
    let map = transfer(&mut node, &source, |_| {});
    assert_eq!(open(&map, Strict).revision(), 1);
}
