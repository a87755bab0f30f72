//! Linearizable reads.

use super::world::{N1, N2, N3, World, millis};
use crate::raft::{Body, Confirmation, Message};
use crate::*;

fn led_by_n1<R: Rules>(rules: R) -> World<R> {
    let mut world = World::new(3, rules, 1);
    world.start_all();
    world.elect(N1);
    world
}

fn confirmation(messages: &[Message]) -> Option<Confirmation> {
    messages.iter().find_map(|message| match message.body {
        Body::Heartbeat { confirm, .. } => Some(confirm),
        Body::Append { confirm, .. } => confirm,
        _ => None,
    })
}

/// etcd#7331, etcd#12762: before its first own commit a leader may lag behind what is committed;
/// reads wait for it, neither stale nor dropped.
#[test]
fn lesson_2_a_read_before_the_first_own_commit_waits() {
    let mut world = led_by_n1(Strict);
    world.propose(N1);
    world.settle();
    world.crash(N1);
    world.handle(N3, Input::Disconnected { peer: N1 });
    world.handle(N2, Input::Campaign);
    // N2 wins, and its own entry is not durable anywhere yet.
    for _ in 0..10 {
        world.drain_all();
        for (from, to, message) in core::mem::take(&mut world.network) {
            world.deliver_message(from, to, message);
        }
        if world.leader() == Some(N2) {
            break;
        }
        world.sync_one(N2);
        world.sync_one(N3);
    }
    assert_eq!(world.leader(), Some(N2));
    let read = world.read(N2);
    world.drain_all();
    for (from, to, message) in core::mem::take(&mut world.network) {
        world.deliver_message(from, to, message);
    }
    world.drain_all();
    assert!(!world.status(N2).can_serve_reads);
    assert!(!world.reads.contains_key(&read), "it waits");
    world.settle();
    assert_eq!(world.reads[&read], Ok(Index(3)), "two entries of N1, and N2's own");
}

/// raft#105: a single voter that restarts has an old commit mark; its own entry comes first.
#[test]
fn lesson_4_a_single_voter_reads_after_its_own_entry() {
    let mut world = World::new(1, Strict, 1);
    world.start_all();
    world.elect(N1);
    world.propose(N1);
    world.settle();
    let committed = world.status(N1).committed;
    world.crash(N1);
    world.disks.get_mut(&N1).expect("a node has a disk").hard.committed = Index::ZERO;
    world.start(N1);
    world.pass(millis(250));
    let read = world.read(N1);
    world.drain(N1);
    assert_eq!(world.reads[&read], Ok(committed.next()), "at once, and nothing is missed");
}

/// etcd#20418, raft#397: an answer to an earlier confirmation says nothing about a later read.
#[test]
fn lesson_3_a_delayed_answer_confirms_no_later_read() {
    let mut world = led_by_n1(Strict);
    world.read(N1);
    world.drain(N1);
    world.network.clear();
    let read = world.read(N1);
    world.drain(N1);
    let sent = [world.take_messages(N1, N2), world.take_messages(N1, N3)].concat();
    let newest = confirmation(&sent).expect("a confirmation was sent");
    let reply = |confirm| Message {
        term: world.nodes[&N1].engine.term,
        body: Body::HeartbeatReply { confirm, storage: StorageState::Writable },
    };
    let (old, new) = (reply(Confirmation(newest.0 - 1)), reply(newest));
    world.handle(N1, Input::Message { from: N2, message: old });
    world.drain(N1);
    assert!(!world.reads.contains_key(&read), "the answer is to the earlier confirmation");
    world.handle(N1, Input::Message { from: N2, message: new });
    world.drain(N1);
    assert!(world.reads[&read].is_ok());
}

/// A leader that was replaced without noticing must not answer from its old state.
#[test]
fn a_deposed_leader_releases_no_read() {
    fn read_at_the_old_leader(rules: impl Rules) -> bool {
        let mut world = led_by_n1(rules);
        world.partition(&[N1], &[N2, N3]);
        world.handle(N3, Input::Disconnected { peer: N1 });
        world.elect(N2);
        world.propose(N2);
        world.settle();
        assert_eq!(world.status(N1).role, Role::Leader, "it does not know yet");
        let read = world.read(N1);
        world.pass(millis(300));
        world.reads[&read].is_ok()
    }
    assert!(!read_at_the_old_leader(Strict));
    let stale =
        std::panic::catch_unwind(|| read_at_the_old_leader(Mutant(Rule::ReadWithoutConfirmation)));
    assert!(stale.is_err(), "the world notices a stale read");
}

#[test]
fn one_round_serves_all_waiting_reads_and_rides_on_an_append() {
    let mut world = led_by_n1(Strict);
    world.pass(millis(12));
    let reads: Vec<RequestId> = (0..50).map(|_| world.read(N1)).collect();
    world.propose(N1);
    world.drain(N1);
    let sent = world.take_messages(N1, N2);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(matches!(sent[0].body, Body::Append { confirm: Some(_), .. }));
    world.deliver_message(N1, N2, sent[0].clone());
    world.drain(N2);
    // The follower's disk has not answered; the confirmation does not wait for it.
    for answer in world.take_messages(N2, N1) {
        world.deliver_message(N2, N1, answer);
    }
    world.drain(N1);
    assert!(reads.iter().all(|read| world.reads[read].is_ok()));
}

#[test]
fn reads_are_bounded_and_refused_by_followers() {
    let mut world = World::new(3, Strict, 1);
    world.config.reads_max = 2;
    world.start_all();
    world.elect(N1);
    let reads: Vec<RequestId> = (0..3).map(|_| world.read(N1)).collect();
    let elsewhere = world.read(N2);
    world.settle();
    assert_eq!(world.reads[&reads[1]], Ok(Index(1)));
    assert_eq!(world.reads[&reads[2]], Err(Refusal::Overloaded { in_flight_max: 2 }));
    assert_eq!(world.reads[&elsewhere], Err(Refusal::NotLeader { leader: Some(N1) }));
    let again = world.read(N1);
    world.settle();
    assert!(world.reads[&again].is_ok(), "released reads make room");
}
