//! Alarms raised by hand: what they refuse, what ends them, and that they outlive a restart.

use quorate_kv::{
    ALARMS_MAX, Alarm, AlarmAction, AlarmKind, AlarmRequest, AlarmResponse, Command, CommandError,
    CompactRequest, DeleteRangeRequest, LeaseGrantRequest, LeaseId, LeaseRevokeRequest, LeaseTtl,
    RequestOp, Response, Strict, TxnRequest,
};

use crate::support::{Node, node, open, put};

fn alarm(action: AlarmAction, member: u64, kind: AlarmKind) -> Command {
    Command::Alarm(AlarmRequest { action, alarm: Alarm { member, kind } })
}

fn do_alarm(node: &mut Node, action: AlarmAction, member: u64, kind: AlarmKind) -> AlarmResponse {
    match node.apply(&alarm(action, member, kind)) {
        Ok(Response::Alarm(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn grant(id: i64) -> Command {
    let ttl = LeaseTtl::new(10).expect("in bounds");
    Command::LeaseGrant(LeaseGrantRequest { id: LeaseId(id), ttl })
}

fn txn_of(op: RequestOp) -> Command {
    let nested = TxnRequest { failure: vec![op], ..TxnRequest::default() };
    Command::Txn(TxnRequest { success: vec![RequestOp::Txn(nested)], ..TxnRequest::default() })
}

fn delete(key: &'static str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), ..DeleteRangeRequest::default() }
}

#[test]
fn without_space_what_takes_some_is_refused_and_all_else_goes_on() {
    let mut node = node();
    node.apply(&Command::Put(put("a", "1"))).expect("all is well");
    let raised = do_alarm(&mut node, AlarmAction::Raise, 7, AlarmKind::NoSpace);
    assert_eq!(raised.alarm, Some(Alarm { member: 7, kind: AlarmKind::NoSpace }));
    for refused in [Command::Put(put("b", "")), grant(1), txn_of(RequestOp::Put(put("b", "")))] {
        assert_eq!(node.apply(&refused), Err(CommandError::NoSpace), "{refused:?}");
    }
    node.apply(&txn_of(RequestOp::DeleteRange(delete("b")))).expect("it takes no space");
    node.apply(&Command::DeleteRange(delete("a"))).expect("it takes no space");
    let compact = CompactRequest { revision: 3, physical: false };
    node.apply(&Command::Compact(compact)).expect("it frees space");
    assert_eq!(node.apply(&grant(1)), Err(CommandError::NoSpace), "freed space does not end it");
    do_alarm(&mut node, AlarmAction::End, 7, AlarmKind::NoSpace);
    node.apply(&grant(1)).expect("the alarm was ended");
}

#[test]
fn a_corrupt_cluster_takes_no_writes_until_the_last_alarm_is_ended() {
    let mut node = node();
    node.apply(&grant(1)).expect("all is well");
    for member in [1, 2] {
        do_alarm(&mut node, AlarmAction::Raise, member, AlarmKind::Corrupt);
    }
    do_alarm(&mut node, AlarmAction::Raise, 1, AlarmKind::NoSpace);
    let writes = [
        Command::Put(put("a", "")),
        Command::DeleteRange(delete("a")),
        txn_of(RequestOp::Put(put("a", ""))),
        Command::Compact(CompactRequest { revision: 1, physical: false }),
        grant(2),
        Command::LeaseRevoke(LeaseRevokeRequest { id: LeaseId(1) }),
    ];
    for write in &writes {
        assert_eq!(node.apply(write), Err(CommandError::Corrupt), "{write:?}");
    }
    do_alarm(&mut node, AlarmAction::End, 1, AlarmKind::Corrupt);
    assert_eq!(node.apply(&writes[1]), Err(CommandError::Corrupt), "one is left");
    do_alarm(&mut node, AlarmAction::End, 2, AlarmKind::Corrupt);
    node.apply(&writes[1]).expect("it takes no space");
    assert_eq!(node.apply(&writes[0]), Err(CommandError::NoSpace), "another alarm is left");
}

#[test]
fn an_alarm_outlives_a_restart_and_is_part_of_the_history() {
    let (mut node, mut other) = (node(), node());
    do_alarm(&mut node, AlarmAction::Raise, 3, AlarmKind::Corrupt);
    do_alarm(&mut other, AlarmAction::Raise, 3, AlarmKind::NoSpace);
    assert_ne!(node.store.state_hash(), other.store.state_hash());
    node.commit();
    let store = open(&node.map, Strict);
    assert_eq!(store.alarms(), node.store.alarms());
    assert_eq!(store.alarms().len(), 1);
}

#[test]
fn what_is_not_raised_cannot_be_ended_and_their_number_is_bounded() {
    let mut node = node();
    assert_eq!(do_alarm(&mut node, AlarmAction::End, 1, AlarmKind::NoSpace).alarm, None);
    for member in 0..ALARMS_MAX as u64 {
        do_alarm(&mut node, AlarmAction::Raise, member, AlarmKind::NoSpace);
    }
    let beyond = do_alarm(&mut node, AlarmAction::Raise, u64::MAX, AlarmKind::NoSpace);
    assert_eq!(beyond.alarm, None);
    let again = do_alarm(&mut node, AlarmAction::Raise, 0, AlarmKind::NoSpace);
    assert!(again.alarm.is_some(), "it is raised already");
    do_alarm(&mut node, AlarmAction::Raise, 0, AlarmKind::Corrupt);
    assert_eq!(node.store.alarms().len(), ALARMS_MAX + 1);
}
