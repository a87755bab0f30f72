//! Linearizable reads at any node: nothing acknowledged before they began is missing.
//!
//! That no read is answered with too low a revision is checked by the world, for each of them.

use quorate_codec::peer::PeerMessage;
use quorate_consensus::raft::Body;
use quorate_consensus::{Ballot, NodeId, Refusal, RequestId};
use quorate_replica::{Answer, Ending};

use crate::node::End;
use crate::world::{Flight, Peer, World};

fn is_released(_: &Flight, message: &Peer) -> bool {
    matches!(message, PeerMessage::ReadReleased { .. })
}

fn is_read(_: &Flight, message: &Peer) -> bool {
    matches!(message, PeerMessage::Read { .. })
}

fn is_append_to_2(flight: &Flight, message: &Peer) -> bool {
    let PeerMessage::Engine(message) = message else { return false };
    flight.to == NodeId(2)
        && matches!(&message.body, Body::Append { entries, .. } if !entries.is_empty())
}

#[test]
fn a_read_at_a_follower_sees_what_was_acknowledged_before() {
    let mut world = World::led();
    for _ in 0..5 {
        let write = world.write(1);
        world.settle();
        world.assert_put(write);
        let reads = [world.read(2), world.read(3), world.read(1)];
        world.run_millis(200);
        for read in &reads {
            world.assert_read(*read);
        }
    }
}

#[test]
pub(crate) fn a_late_answer_to_an_old_round_releases_no_newer_read() {
    let mut world = World::led();
    world.keeps = Some(is_released);
    let old = world.read(2);
    world.settle();
    let late = world.kept.remove(0);
    // The round is given up, and asked anew.
    world.run_millis(600);
    let write = world.write(1);
    world.run_millis(100);
    world.assert_put(write);
    let new = world.read(2);
    world.settle();
    world.deliver(&late);
    world.deliver(&late);
    world.settle();
    assert!(!world.has_ended(new), "released by an answer made before it began");
    assert!(!world.has_ended(old), "released by the answer to a round that was given up");
    world.release();
    world.run_millis(1_000);
    world.assert_read(old);
    world.assert_read(new);
}

#[test]
fn only_the_node_that_was_asked_releases_a_round() {
    let mut world = World::led();
    world.keeps = Some(is_read);
    let read = world.read(2);
    world.settle();
    let PeerMessage::Read { id, .. } = world.kept[0].message() else {
        unreachable!("only reads are kept")
    };
    let index = quorate_consensus::Index(1);
    world.forge(3, 2, &PeerMessage::ReadReleased { id, index });
    assert!(!world.has_ended(read));
    world.release();
    world.run_millis(100);
    world.assert_read(read);
}

#[test]
pub(crate) fn a_read_asked_of_another_ballot_is_refused_with_the_leader() {
    let mut world = World::led();
    let ballot = world.leader().expect("node 1 leads");
    world.keeps = Some(|_, message| matches!(message, PeerMessage::ReadRefused { .. }));
    let others =
        [Ballot { node: NodeId(3), ..ballot }, Ballot { round: ballot.round - 1, ..ballot }];
    for (number, ballot) in (1 << 50..).zip(others) {
        let id = RequestId(number);
        world.forge(2, 1, &PeerMessage::Read { ballot, id });
        world.settle();
        let answer = world.kept.pop().expect("it is refused").message();
        let refusal = Refusal::NotLeader { leader: Some(NodeId(1)) };
        assert_eq!(answer, PeerMessage::ReadRefused { id, refusal });
    }
}

#[test]
fn a_read_is_retried_when_its_leader_vanishes() {
    let mut world = World::led();
    world.keeps = Some(is_read);
    let read = world.read(2);
    world.settle();
    world.kept.clear();
    world.keeps = None;
    world.crash(1);
    world.run_millis(4_000);
    world.assert_read(read);
}

#[test]
fn a_lost_confirmation_is_asked_for_again() {
    let mut world = World::led();
    world.keeps = Some(is_read);
    let read = world.read(2);
    world.settle();
    world.keeps = None;
    world.run_millis(700);
    world.assert_read(read);
}

#[test]
fn a_read_without_a_leader_ends_at_its_deadline() {
    let mut world = World::led();
    world.crash(1);
    world.crash(3);
    let read = world.read(2);
    world.run_millis(7_100);
    assert_eq!(world.ends[&read], End::Ending(Ending::NoLeader));
}

#[test]
fn a_read_at_a_node_that_stays_behind_says_so() {
    let mut world = World::led();
    world.keeps = Some(is_append_to_2);
    let write = world.write(1);
    world.run_millis(200);
    world.assert_put(write);
    let read = world.read(2);
    world.run_millis(6_000);
    assert!(!world.has_ended(read));
    world.run_millis(2_000);
    assert_eq!(world.ends[&read], End::Answer(Answer::Behind));
    world.keeps = None;
    world.heal_and_check();
}
