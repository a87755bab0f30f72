//! Compaction: what it frees, what it keeps, and when that is gone.

use quorate_kv::{
    COMPACTED_NEVER, Command, CommandError, Config, Limits, RangeRequest, Records, Step, Store,
    Strict, TxnRequest, validate_txn,
};

use crate::support::{Node, always, at, node, op_delete, op_put, open, range};

/// a is put at 2 and 3, deleted at 4, put at 5; b is put at 6 and deleted at 7.
fn lives() -> Node {
    let mut node = node();
    node.put("a", "1");
    node.put("a", "2");
    node.delete("a", "");
    node.put("a", "3");
    node.put("b", "1");
    node.delete("b", "");
    node
}

fn history(node: &Node, from: i64) -> Result<Vec<i64>, CommandError> {
    let events = node.store.events(from, 99).expect("memory is sound")?;
    Ok(events.records.iter().map(|(at, _)| at.main).collect())
}

#[test]
fn the_revisions_that_can_be_compacted() {
    let mut node = lives();
    assert_eq!(node.store.compacted(), COMPACTED_NEVER);
    assert_eq!(node.compact(8), Err(CommandError::FutureRevision));
    assert_eq!(node.compact(-1), Err(CommandError::Compacted));
    assert_eq!(node.compact(0), Ok(7), "0 is accepted once");
    assert_eq!(node.compact(0), Err(CommandError::Compacted));
    assert_eq!(node.compact(4), Ok(7), "the header tells the current revision");
    assert_eq!(node.compact(4), Err(CommandError::Compacted));
    assert_eq!(node.compact(3), Err(CommandError::Compacted));
    assert_eq!(node.compact(7), Ok(7), "the current one can be compacted");
    assert_eq!((node.store.compacted(), node.store.revision()), (7, 7));
}

#[test]
fn each_key_keeps_its_newest_version_and_a_tombstone_its_own_revision() {
    // (compacted, revisions of the records that are kept)
    let cases: [(i64, &[i64]); 7] = [
        (1, &[2, 3, 4, 5, 6, 7]),
        (2, &[2, 3, 4, 5, 6, 7]),
        (3, &[3, 4, 5, 6, 7]),
        (4, &[4, 5, 6, 7]),
        (5, &[5, 6, 7]),
        (6, &[5, 6, 7]),
        (7, &[5, 7]),
    ];
    for (compacted, kept) in cases {
        let mut node = lives();
        node.commit();
        let before: Vec<_> = (compacted..=7).map(|revision| node.keys_at(revision)).collect();
        node.compact(compacted).expect("the revision has happened");
        let sizes = node.store.sizes();
        assert_eq!(sizes.records, kept.len() as u64, "compacted at {compacted}");
        let newer: Vec<i64> = kept.iter().copied().filter(|main| compacted <= *main).collect();
        assert_eq!(history(&node, compacted), Ok(newer.clone()));
        assert_eq!(history(&node, compacted - 1), Err(CommandError::Compacted));
        node.remove_freed();
        node.commit();
        assert_eq!(node.records_on_map(), kept.len(), "compacted at {compacted}");
        let after: Vec<_> = (compacted..=7).map(|revision| node.keys_at(revision)).collect();
        assert_eq!(before, after, "what is readable stays as it was");
        assert_eq!(history(&node, compacted), Ok(newer));
        assert_eq!(node.store.sizes(), sizes, "removal is not visible");
    }
}

/// A delete to the end of all keys may stand beside a put of one of them, as in etcd.
#[test]
fn what_follows_a_tombstone_in_its_revision_stays_with_it() {
    let turns = [op_delete("a", "\0"), op_put("a", "2"), op_delete("a", "\0")];
    for length in 1..=turns.len() {
        let mut node = node();
        node.put("a", "1");
        let request = TxnRequest { success: turns[..length].to_vec(), ..TxnRequest::default() };
        validate_txn(&request, &Limits::default(), &Strict).expect("it is let in");
        node.txn(&request).expect("there is room");
        node.put("b", "1");
        node.commit();
        node.compact(3).expect("the revision has happened");
        assert_eq!(history(&node, 3), Ok([vec![3; length], vec![4]].concat()));
        node.remove_freed();
        node.commit();
        assert_eq!(node.records_on_map(), length + 1, "the first put went");
        assert_eq!(history(&node, 3), Ok([vec![3; length], vec![4]].concat()));
        node.store = open(&node.map, Strict);
        node.compact(4).expect("the revision has happened");
        node.remove_freed();
        node.commit();
        let last = usize::from(length % 2 == 0);
        assert_eq!(node.records_on_map(), last + 1, "b, and the put that was the last");
        assert_eq!(node.store.sizes().records, last as u64 + 1);
    }
}

#[test]
fn a_boundary_tombstone_goes_with_the_next_compaction() {
    let mut node = lives();
    node.compact(7).expect("the present can be compacted");
    node.put("c", "1");
    node.compact(8).expect("the present can be compacted");
    assert_eq!(node.store.sizes().records, 2, "a and c");
    node.remove_freed();
    node.commit();
    assert_eq!(node.records_on_map(), 2);
    assert_eq!(history(&node, 8), Ok(vec![8]));
}

#[test]
fn a_key_deleted_and_put_in_one_revision_keeps_both_at_the_boundary() {
    let mut node = node();
    node.put("a", "1");
    node.txn(&always(vec![op_delete("a", "\0"), op_put("a", "2")])).expect("etcd accepts it");
    node.compact(3).expect("the present can be compacted");
    assert_eq!(history(&node, 3), Ok(vec![3, 3]));
    node.put("b", "");
    node.compact(4).expect("the present can be compacted");
    assert_eq!(node.store.sizes().records, 2, "a and b");
    assert_eq!(node.find("a").expect("a is there").version, 1);
}

#[test]
fn removal_takes_bounded_steps_and_is_done_when_it_is_durable() {
    let mut node = node();
    for _ in 0..10 {
        node.put("a", "v");
    }
    node.commit();
    assert!(!node.store.is_compacted_physically(11), "it is not compacted");
    node.compact(11).expect("the present can be compacted");
    assert!(!node.store.is_compacted_physically(11), "it is not removed");
    assert_eq!(node.store.compact_step(4), Ok(Step::More));
    assert_eq!(node.store.compact_step(4), Ok(Step::More));
    assert_eq!(node.store.compact_step(4), Ok(Step::Done(())), "there were nine");
    assert!(!node.store.is_compacted_physically(11), "it is not committed");
    let commit = node.store.begin_commit(u64::MAX).expect("there is something to remove");
    assert_eq!(commit.removes.len(), 9);
    assert!(!node.store.is_compacted_physically(11), "it is being committed");
    node.map.commit(&commit).expect("memory commits");
    node.store.finish_commit(commit.id);
    assert!(node.store.is_compacted_physically(11));
    assert!(node.store.is_compacted_physically(5), "a lower one too");
    assert_eq!(node.store.begin_commit(u64::MAX), None, "nothing is left to do");
    assert_eq!(node.records_on_map(), 1);
}

#[test]
fn what_is_freed_before_it_is_committed_never_reaches_the_map() {
    let mut node = node();
    for _ in 0..10 {
        node.put("a", "v");
    }
    node.compact(11).expect("the present can be compacted");
    node.remove_freed();
    let commit = node.store.begin_commit(u64::MAX).expect("there is something to store");
    assert_eq!((commit.puts.len(), commit.removes.len()), (1, 0));
    node.map.commit(&commit).expect("memory commits");
    node.store.finish_commit(commit.id);
    assert!(node.store.is_compacted_physically(11));
    assert_eq!(node.store.uncommitted_bytes(), 0);
    assert_eq!(node.find("a").expect("a is there").version, 10);
}

#[test]
fn a_commit_removes_a_bounded_number() {
    let mut node = node();
    for _ in 0..10 {
        node.put("a", "v");
    }
    node.commit();
    node.compact(11).expect("the present can be compacted");
    node.remove_freed();
    let mut removed = Vec::new();
    while let Some(commit) = node.store.begin_commit(4 * 128) {
        removed.push(commit.removes.len());
        node.map.commit(&commit).expect("memory commits");
        node.store.finish_commit(commit.id);
    }
    assert_eq!(removed, [4, 4, 1]);
}

#[test]
fn pins_hold_removal_back_and_grow_old() {
    let mut node = node();
    node.put("a", "1");
    let pin = node.store.pin();
    assert_eq!(pin.revision(), 2);
    node.put("a", "2");
    node.put("a", "3");
    node.compact(4).expect("the present can be compacted");
    node.remove_freed();
    node.commit();
    assert_eq!(node.records_on_map(), 3, "the pinned version, and those after it");
    node.store.unpin(pin);
    node.remove_freed();
    node.commit();
    assert_eq!(node.records_on_map(), 1);

    let config = Config { pin_age_max_micros: 2_000_000, ..Config::default() };
    let mut store = Store::open(node.map.clone(), config, Strict).expect("the map is sound");
    let all = RangeRequest { limit: 9, ..range("\0", "\0") };
    let mut task = store.begin_range(all).expect("the present is readable");
    let mut index = store.position().index;
    let mut advance = |store: &mut Store, command: &Command| {
        index += 1;
        store.apply(at(index), command).expect("memory is sound").expect("it is sound");
        store.compact_step(9).expect("memory is sound")
    };
    for _ in 0..4 {
        advance(&mut store, &Command::Advance);
    }
    assert_eq!(store.step_range(&mut task, 1), Ok(Ok(Step::More)), "old, but in nobody's way");
    advance(&mut store, &Command::Put(crate::support::put("a", "4")));
    let compact = quorate_kv::CompactRequest { revision: 5, physical: false };
    advance(&mut store, &Command::Compact(compact));
    assert_eq!(store.step_range(&mut task, 1), Ok(Err(CommandError::Compacted)));
    store.end_range(task);
}

#[test]
fn a_removed_record_that_is_gone_early_is_damage() {
    let mut node = lives();
    node.commit();
    node.compact(7).expect("the present can be compacted");
    let freed = quorate_kv::Revision::new(2, 0);
    let checkpoint = node.map.checkpoint().expect("memory reads").expect("it was committed");
    let id = quorate_kv::CommitId(99);
    let (puts, removes, leases) = (vec![], vec![freed], vec![]);
    let commit = quorate_kv::Commit { id, puts, removes, leases, checkpoint };
    node.map.commit(&commit).expect("memory commits");
    assert_eq!(node.store.compact_step(1), Err(quorate_kv::Damage::Missing(freed)));
}
