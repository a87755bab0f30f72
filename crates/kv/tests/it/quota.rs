//! The quota: what counts, who decides, and how the alarm ends.

use std::sync::Arc;

use quorate_kv::{
    Command, CommandError, Config, MemoryMap, Mutant, PutRequest, QUOTA_BYTES_DEFAULT,
    RECORD_OVERHEAD_BYTES, Response, Rule, Rules, SetQuotaRequest, Store, Strict, TxnRequest,
};

use crate::support::{Node, always, at, node, node_with, op_delete, op_put, op_range, put};

/// What a put of a key and a value of one byte each counts.
const SMALL: u64 = RECORD_OVERHEAD_BYTES + 2;

fn set_quota<R: Rules>(node: &mut Node<R>, quota_bytes: u64) {
    let command = Command::SetQuota(SetQuotaRequest { quota_bytes });
    assert_eq!(node.apply(&command), Ok(Response::SetQuota));
}

/// A store with room for three small records.
fn tight() -> Node {
    let mut node = node();
    set_quota(&mut node, 3 * SMALL);
    node
}

fn bytes(node: &Node) -> u64 {
    node.store.sizes().logical_bytes
}

#[test]
fn retained_records_count() {
    let mut node = node();
    assert_eq!(bytes(&node), 0);
    node.put("a", "1");
    assert_eq!(bytes(&node), SMALL);
    node.put("a", "22");
    assert_eq!(bytes(&node), 2 * SMALL + 1);
    node.delete("a", "");
    assert_eq!(bytes(&node), 3 * SMALL, "the tombstone has a key");
    node.compact(3).expect("the past can be compacted");
    assert_eq!(bytes(&node), 2 * SMALL, "the first version is gone");
    node.compact(4).expect("the present can be compacted");
    assert_eq!(bytes(&node), RECORD_OVERHEAD_BYTES + 1, "the tombstone is left");
    assert_eq!(node.store.sizes().keys, 0);
}

#[test]
fn writes_are_refused_when_they_do_not_fit_and_the_alarm_ends_by_itself() {
    let mut node = tight();
    for _ in 0..3 {
        node.put("a", "1");
    }
    assert!(!node.store.sizes().is_out_of_space, "full to the last byte is not over");
    assert_eq!(node.put_with(&put("a", "")), Err(CommandError::NoSpace));
    assert!(node.store.sizes().is_out_of_space);
    assert_eq!(node.store.revision(), 4, "a refusal takes no revision");
    assert_eq!(node.delete("a", ""), 1, "deletes always work");
    assert!(node.store.sizes().is_out_of_space, "and free nothing");
    node.compact(5).expect("compaction always works");
    assert!(!node.store.sizes().is_out_of_space);
    node.put("a", "1");
}

#[test]
fn a_txn_counts_the_puts_on_its_path() {
    let mut node = tight();
    node.put("a", "1");
    let four = |key| vec![op_put(key, "1"), op_put("y", "1"), op_put("z", "1")];
    assert_eq!(node.txn(&always(four("x"))), Err(CommandError::NoSpace));
    assert_eq!(node.keys_at(0).unwrap(), ["a"], "all or nothing");
    let not_taken = TxnRequest { failure: four("x"), ..always(vec![op_range("a", "")]) };
    node.txn(&not_taken).expect("the branch not taken needs no space");
    node.txn(&always(vec![op_put("x", "1"), op_put("y", "1")])).expect("it fits exactly");
    assert_eq!(node.txn(&always(vec![op_put("q", "")])), Err(CommandError::NoSpace));
    node.txn(&always(vec![op_delete("a", "z"), op_range("a", "z")])).expect("nothing is put");
}

#[test]
fn a_kept_value_counts_again() {
    let mut node = tight();
    node.put("a", "12");
    let keep = PutRequest { ignore_value: true, ..put("a", "") };
    node.put_with(&keep).expect("there is room for two");
    assert_eq!(bytes(&node), 2 * (SMALL + 1));
    assert_eq!(node.put_with(&keep), Err(CommandError::NoSpace), "one byte too many");
}

#[test]
fn the_quota_is_replicated_and_the_configured_one_only_proposed() {
    let map = Arc::new(MemoryMap::new());
    let config = Config { quota_bytes: 1000, ..Config::default() };
    let mut store = Store::open(map.clone(), config, Strict).expect("the map is sound");
    assert_eq!(store.sizes().quota_bytes, QUOTA_BYTES_DEFAULT, "until the log says otherwise");
    let command = store.quota_command().expect("this node was started with another quota");
    store.apply(at(1), &command).expect("memory is sound").expect("it cannot be refused");
    assert_eq!((store.sizes().quota_bytes, store.quota_command()), (1000, None));
    let commit = store.begin_commit(u64::MAX).expect("an entry was applied");
    quorate_kv::Records::commit(&*map, &commit).expect("memory commits");
    let reopened = Store::open(map, Config::default(), Strict).expect("the map is sound");
    assert_eq!(reopened.sizes().quota_bytes, 1000);
    let command = Command::SetQuota(SetQuotaRequest { quota_bytes: QUOTA_BYTES_DEFAULT });
    assert_eq!(reopened.quota_command(), Some(command));
}

#[test]
fn a_new_quota_is_a_new_chance() {
    let mut node = tight();
    for _ in 0..3 {
        node.put("a", "1");
    }
    assert_eq!(node.put_with(&put("a", "1")), Err(CommandError::NoSpace));
    set_quota(&mut node, u64::MAX);
    assert!(!node.store.sizes().is_out_of_space);
    node.put("a", "1");
    set_quota(&mut node, 1);
    assert!(!node.store.sizes().is_out_of_space, "nothing was refused yet");
    assert_eq!(node.put_with(&put("a", "1")), Err(CommandError::NoSpace));
}

#[test]
fn the_alarm_survives_a_restart() {
    let mut node = tight();
    for _ in 0..3 {
        node.put("a", "1");
    }
    assert_eq!(node.put_with(&put("a", "1")), Err(CommandError::NoSpace));
    node.commit();
    assert!(crate::support::open(&node.map, Strict).sizes().is_out_of_space);
}

#[test]
fn the_quota_can_be_broken() {
    let mut node = node_with(Mutant(Rule::QuotaIgnored));
    set_quota(&mut node, 1);
    assert!(node.put_with(&put("a", "1")).is_ok());
}
