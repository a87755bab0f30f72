//! Commits and restarts.

use quorate_kv::{Commit, LogPosition, Mutant, Records, Rule, Rules, Strict};

use crate::support::{Node, at, node, node_with, open};

fn persist(node: &mut Node, commit: &Commit) {
    node.map.commit(commit).expect("memory commits");
    node.store.finish_commit(commit.id);
}

#[test]
fn a_commit_holds_everything_and_the_position_it_is_at() {
    let mut node = node();
    assert_eq!(node.store.begin_commit(u64::MAX), None, "nothing was applied");
    node.store.set_members("abc".into());
    node.put("a", "1");
    node.put("b", "1");
    assert_eq!(node.store.committed(), LogPosition::default());
    assert_eq!(node.store.uncommitted_bytes(), node.store.sizes().logical_bytes);
    let commit = node.store.begin_commit(u64::MAX).expect("two entries were applied");
    assert_eq!(commit.puts.len(), 2);
    assert_eq!(commit.checkpoint.position, node.store.position());
    assert_eq!(commit.checkpoint.state_hash, node.store.state_hash());
    assert_eq!(node.store.begin_commit(u64::MAX), None, "one is under way");
    node.put("c", "1");
    persist(&mut node, &commit);
    assert_eq!(node.store.committed(), commit.checkpoint.position);
    assert_eq!(node.keys_at(0).unwrap(), ["a", "b", "c"], "from the map and the recent table");
    let reopened = open(&node.map, Strict);
    assert_eq!(reopened.position(), commit.checkpoint.position);
    assert_eq!(reopened.members(), &"abc");
    assert_eq!((reopened.revision(), reopened.now()), (3, commit.checkpoint.time));
}

#[test]
fn entries_that_change_nothing_move_the_position_too() {
    let mut node = node();
    node.store.apply_nothing(at(1));
    let commit = node.store.begin_commit(u64::MAX).expect("an entry was applied");
    assert_eq!((commit.puts.len(), commit.checkpoint.position.index), (0, 1));
    persist(&mut node, &commit);
    assert_eq!(node.store.begin_commit(u64::MAX), None);
}

#[test]
fn a_big_backlog_goes_in_pieces_each_with_its_own_position() {
    let mut node = node();
    let value: &'static str = Box::leak("v".repeat(10_000).into_boxed_str());
    let mut hashes = vec![node.store.state_hash()];
    for _ in 0..200 {
        node.put("a", value);
        hashes.push(node.store.state_hash());
    }
    let (mut commits, mut revision) = (0, 1);
    while let Some(commit) = node.store.begin_commit(500_000) {
        let bytes: u64 = commit.puts.iter().map(|(_, record)| record.logical_bytes()).sum();
        assert!(bytes <= 500_000, "{bytes}");
        assert_eq!(commit.puts.first().map(|(at, _)| at.main), Some(revision + 1));
        revision = commit.checkpoint.revision;
        assert_eq!(commit.puts.last().map(|(at, _)| at.main), Some(revision));
        persist(&mut node, &commit);
        let reopened = open(&node.map, Strict);
        let index = reopened.position().index;
        assert_eq!(reopened.state_hash(), hashes[usize::try_from(index).unwrap()]);
        commits += 1;
    }
    assert_eq!((node.store.uncommitted_bytes(), revision), (0, 201));
    assert!((4..=6).contains(&commits), "2 MB in pieces of at most half a MB: {commits}");
}

/// Whether a restart after the first piece of a big backlog is in another state than the log says.
fn shows_at_a_restart<R: Rules + Copy>(rules: R) -> bool {
    let mut node = node_with(rules);
    let value: &'static str = Box::leak("v".repeat(10_000).into_boxed_str());
    let mut hashes = vec![node.store.state_hash()];
    for _ in 0..100 {
        node.put("a", value);
        hashes.push(node.store.state_hash());
    }
    let commit = node.store.begin_commit(500_000).expect("entries were applied");
    node.map.commit(&commit).expect("memory commits");
    let reopened = open(&node.map, rules);
    let index = usize::try_from(reopened.position().index).expect("a short log");
    reopened.state_hash() != hashes[index]
}

#[test]
fn a_checkpoint_ahead_of_its_records_shows_at_a_restart() {
    assert!(!shows_at_a_restart(Strict));
    assert!(shows_at_a_restart(Mutant(Rule::CheckpointAhead)), "the check can fail");
}

#[test]
fn one_big_entry_is_not_split() {
    let mut node = node();
    let value: &'static str = Box::leak("v".repeat(500_000).into_boxed_str());
    node.put("a", value);
    node.put("b", value);
    let commit = node.store.begin_commit(1).expect("two entries were applied");
    assert_eq!((commit.puts.len(), commit.checkpoint.position.index), (1, 1));
}

#[test]
#[should_panic(expected = "the commit under way is the one that finishes")]
fn a_commit_that_was_never_begun_cannot_finish() {
    let mut node = node();
    node.put("a", "1");
    let commit = node.store.begin_commit(u64::MAX).expect("an entry was applied");
    node.store.finish_commit(quorate_kv::CommitId(commit.id.0 + 1));
}

/// The revision never goes back, even if the newest change was a tombstone that compaction
/// took away (etcd issue 17780).
#[test]
fn the_revision_survives_the_compaction_of_everything() {
    let mut node = node();
    node.put("a", "1");
    node.delete("a", "");
    node.put("b", "1");
    node.delete("b", "");
    node.compact(5).expect("the present can be compacted");
    node.remove_freed();
    node.commit();
    assert_eq!(node.records_on_map(), 1, "the boundary tombstone");
    let reopened = open(&node.map, Strict);
    assert_eq!((reopened.revision(), reopened.compacted()), (5, 5));
    assert_eq!(reopened.state_hash(), node.store.state_hash());
}
