//! Writes: forwarded once, applied once, ended once, and refused only when that is true.

use bytes::Bytes;
use quorate_codec::peer::{ForwardedProposal, PeerMessage};
use quorate_codec::{COMMAND_BYTES_MAX, decode_command, encode_command};
use quorate_consensus::{Ballot, Incarnation, NodeId, Payload, ProposalId, Refusal, StorageState};
use quorate_kv::{Command, PutRequest, Response};
use quorate_replica::{Answer, Ending, OrderingInput, Ticket};

use crate::node::{End, Setup};
use crate::world::{Flight, Peer, World, setup};

fn is_forward(_: &Flight, message: &Peer) -> bool {
    matches!(message, PeerMessage::Forward { .. })
}

fn is_forward_refused(_: &Flight, message: &Peer) -> bool {
    matches!(message, PeerMessage::ForwardRefused { .. })
}

fn ended(world: &World, ticket: Ticket) -> Option<End> {
    world.ends.get(&ticket).cloned()
}

fn refused(refusal: Refusal) -> End {
    End::Ending(Ending::Refused(refusal))
}

#[test]
pub(crate) fn a_write_at_a_follower_is_applied_once_and_answered_there() {
    let mut world = World::led();
    let tickets = [world.write(2), world.write(3), world.write(1)];
    world.run_millis(200);
    for ticket in &tickets {
        world.assert_put(*ticket);
    }
    world.heal_and_check();
}

#[test]
pub(crate) fn a_duplicated_forward_is_taken_once_and_never_refused() {
    let mut world = World::led();
    world.keeps = Some(is_forward);
    let ticket = world.write(2);
    world.settle();
    let forward = world.kept[0].clone();
    world.kept.clear();
    world.keeps = Some(is_forward_refused);
    for _ in 0..3 {
        world.deliver(&forward);
        world.settle();
    }
    world.run_millis(200);
    world.deliver(&forward);
    world.settle();
    assert!(world.kept.is_empty(), "a duplicate was refused");
    world.assert_put(ticket);
    world.heal_and_check();
}

#[test]
fn a_forward_overtaken_by_a_later_one_is_dropped_in_silence() {
    let mut world = World::led();
    world.keeps = Some(is_forward);
    let early = world.write(2);
    world.settle();
    let late = world.write(2);
    world.settle();
    let kept = core::mem::take(&mut world.kept);
    world.keeps = Some(is_forward_refused);
    kept.iter().rev().for_each(|forward| world.deliver(forward));
    world.run_millis(300);
    world.assert_put(late);
    assert!(!world.has_ended(early));
    assert!(world.kept.is_empty(), "what came late was refused");
    world.run_millis(8_000);
    assert_eq!(ended(&world, early), Some(End::Ending(Ending::Unknown)));
    world.heal_and_check();
}

#[test]
pub(crate) fn a_forward_to_another_ballot_is_refused_with_the_leader() {
    let mut world = World::led();
    let ballot = world.leader().expect("node 1 leads");
    let id = |sequence| ProposalId { node: NodeId(2), incarnation: Incarnation(200), sequence };
    let payload = encode_command(&Command::Advance);
    world.keeps = Some(is_forward_refused);
    let others =
        [Ballot { node: NodeId(3), ..ballot }, Ballot { round: ballot.round + 7, ..ballot }];
    for (sequence, ballot) in (1 << 50..).zip(others) {
        let proposals = vec![ForwardedProposal { id: id(sequence), payload: payload.clone() }];
        world.forge(2, 1, &PeerMessage::Forward { ballot, proposals });
        let answer = world.kept.pop().expect("it is refused").message();
        let refusal = Refusal::NotLeader { leader: Some(NodeId(1)) };
        let refused = vec![(id(sequence), refusal)];
        assert_eq!(answer, PeerMessage::ForwardRefused { refused });
    }
}

#[test]
fn a_forward_to_an_earlier_life_of_the_leader_is_dropped_and_then_retried_elsewhere() {
    let mut world = World::led();
    world.keeps = Some(is_forward);
    let ticket = world.write(2);
    world.settle();
    let forward = world.kept.remove(0);
    world.crash(1);
    world.start(1);
    world.keeps = Some(is_forward_refused);
    world.deliver(&forward);
    assert!(world.kept.is_empty(), "the first copy might have been taken before the restart");
    world.keeps = None;
    world.run_until("the retry", |world| world.has_ended(ticket));
    world.assert_put(ticket);
    world.deliver(&forward);
    world.heal_and_check();
}

#[test]
fn a_refusal_by_a_node_that_was_not_asked_means_nothing() {
    let mut world = World::led();
    world.keeps = Some(is_forward);
    let ticket = world.write(2);
    world.settle();
    let PeerMessage::Forward { proposals, .. } = world.kept[0].message() else {
        unreachable!("only forwards are kept")
    };
    for refusal in [Refusal::NotLeader { leader: None }, Refusal::StorageFull] {
        let refused = vec![(proposals[0].id, refusal)];
        world.forge(3, 2, &PeerMessage::ForwardRefused { refused });
        world.run_millis(200);
    }
    assert_eq!(world.kept.len(), 1, "it was sent twice");
    assert!(!world.has_ended(ticket));
    world.release();
    world.run_millis(200);
    world.assert_put(ticket);
    world.heal_and_check();
}

#[test]
fn a_forward_that_never_left_is_attempted_anew() {
    let mut world = World::led();
    world.keeps = Some(is_forward);
    let ticket = world.write(2);
    world.settle();
    let PeerMessage::Forward { proposals, .. } = world.kept.remove(0).message() else {
        unreachable!("only forwards are kept")
    };
    let ids: Vec<ProposalId> = proposals.iter().map(|forwarded| forwarded.id).collect();
    world.node(2).input(OrderingInput::Unsent { to: NodeId(3), proposals: ids.clone() });
    world.run_millis(200);
    assert!(world.kept.is_empty(), "it went to node 1, not to 3");
    world.keeps = None;
    world.node(2).input(OrderingInput::Unsent { to: NodeId(1), proposals: ids });
    world.run_millis(200);
    world.assert_put(ticket);
    world.heal_and_check();
}

#[test]
fn what_no_client_may_propose_is_blamed_and_never_proposed() {
    let mut world = World::led();
    let ballot = world.leader().expect("node 1 leads");
    let last = world.node(1).running().ordering.status().last;
    let put = |key: &'static [u8], bytes: usize| {
        let (key, value) = (Bytes::from_static(key), Bytes::from(vec![7; bytes]));
        encode_command(&Command::Put(PutRequest { key, value, ..PutRequest::default() }))
    };
    let cases = [
        (2, Bytes::from_static(b"no command"), "forwarded bytes that are no command"),
        (2, put(b"", 1), "forwarded bytes that are no command"),
        (2, put(b"k", COMMAND_BYTES_MAX), "forwarded bytes that are no command"),
        (3, put(b"k", 1), "forwarded a proposal that is not its own"),
    ];
    for (sequence, (node, payload, reason)) in (1 << 50..).zip(cases) {
        let id = ProposalId { node: NodeId(node), incarnation: Incarnation(1), sequence };
        let proposals = vec![ForwardedProposal { id, payload }];
        world.forge(2, 1, &PeerMessage::Forward { ballot, proposals });
        assert_eq!(world.blamed.pop(), Some((NodeId(1), NodeId(2), reason)));
    }
    world.settle();
    assert_eq!(world.node(1).running().ordering.status().last, last);
}

#[test]
fn a_write_that_no_leader_was_offered_ends_as_not_happened() {
    let mut world = World::led();
    world.crash(1);
    world.crash(3);
    world.run_millis(3_000);
    let ticket = world.write(2);
    world.run_millis(6_900);
    assert!(!world.has_ended(ticket));
    world.run_millis(200);
    assert_eq!(ended(&world, ticket), Some(End::Ending(Ending::NoLeader)));
    world.heal_and_check();
}

#[test]
pub(crate) fn a_write_that_may_be_under_way_ends_as_unknown() {
    let mut world = World::led();
    world.isolated.extend([NodeId(1)]);
    let (at_leader, at_follower) = (world.write(1), world.write(2));
    world.crash(3);
    world.run_millis(7_100);
    assert_eq!(ended(&world, at_leader), Some(End::Ending(Ending::Unknown)));
    assert_eq!(ended(&world, at_follower), Some(End::Ending(Ending::Unknown)));
    world.heal_and_check();
}

#[test]
fn too_many_writes_are_refused_before_they_are_taken() {
    let mut setup = setup();
    setup.limits.pending_max = 2;
    let mut world = World::new(3, &setup);
    world.lead(1);
    for id in [1, 2] {
        let tickets: Vec<Ticket> = (0..4).map(|_| world.write(id)).collect();
        world.run_millis(200);
        for ticket in &tickets[..2] {
            world.assert_put(*ticket);
        }
        for ticket in &tickets[2..] {
            let refusal = Refusal::Overloaded { in_flight_max: 2 };
            assert_eq!(ended(&world, *ticket), Some(refused(refusal)));
        }
    }
    world.heal_and_check();
}

#[test]
fn a_disk_that_falls_behind_refuses_writes_until_it_has_caught_up() {
    let mut setup = setup();
    setup.limits.backlog_bytes_max = 5 << 20;
    let mut world = World::new(3, &setup);
    world.lead(1);
    world.node(1).holds.store = true;
    for _ in 0..8 {
        let ticket = world.write_of(1, Bytes::from(vec![7; 1 << 20]));
        world.run_millis(50);
        world.assert_put(ticket);
    }
    let refusals = [world.write(1), world.write(2)];
    world.run_millis(200);
    for ticket in refusals {
        let end = ended(&world, ticket);
        assert!(
            matches!(end, Some(End::Ending(Ending::Refused(Refusal::Overloaded { .. })))),
            "{end:?}"
        );
    }
    world.node(1).holds.store = false;
    world.run_millis(5_000);
    let ticket = world.write(2);
    world.run_millis(200);
    world.assert_put(ticket);
    world.heal_and_check();
}

#[test]
fn a_full_disk_refuses_what_is_proposed_here_or_forwarded() {
    let mut world = World::led();
    for id in [1, 2, 3] {
        world.node(id).input(OrderingInput::Storage(StorageState::Full));
    }
    world.run_millis(3_000);
    let tickets = [world.write(1), world.write(2), world.write(3)];
    world.run_millis(200);
    for ticket in tickets {
        assert_eq!(ended(&world, ticket), Some(refused(Refusal::StorageFull)));
    }
    world.heal_and_check();
}

fn quota(bytes: u64) -> Setup {
    let mut setup = setup();
    setup.store.quota_bytes = bytes;
    setup
}

/// The quotas that were put into the log.
fn quotas(world: &mut World, id: u64) -> Vec<u64> {
    let log = &world.node(id).disk.log;
    let commands = log.entries.values().filter_map(|entry| match &entry.payload {
        Payload::Command(bytes) => decode_command(bytes.clone()).ok(),
        Payload::Noop | Payload::Members(_) => None,
    });
    commands
        .filter_map(|command| match command {
            Command::SetQuota(request) => Some(request.quota_bytes),
            _ => None,
        })
        .collect()
}

#[test]
fn each_leader_puts_its_quota_into_the_log_once() {
    let setups = [(NodeId(1), quota(1_000_001)), (NodeId(2), quota(1_000_002))];
    let mut world = World::of(setups);
    world.lead(1);
    world.run_millis(2_000);
    assert_eq!(quotas(&mut world, 1).last(), Some(&1_000_001));
    let before = quotas(&mut world, 1).len();
    world.lead(2);
    world.run_millis(2_000);
    let now = quotas(&mut world, 1);
    assert_eq!((now.len(), now.last()), (before + 1, Some(&1_000_002)));
    assert_eq!(world.node(1).running().applying.store().sizes().quota_bytes, 1_000_002);
    world.heal_and_check();
}

#[test]
fn a_quota_that_was_refused_is_offered_again() {
    let mut world = World::of([(NodeId(1), quota(1_000_001))]);
    world.node(1).input(OrderingInput::Storage(StorageState::Full));
    world.run_until("a leader", |world| world.leader().is_some());
    world.run_millis(1_000);
    assert_eq!(quotas(&mut world, 1), []);
    world.node(1).input(OrderingInput::Storage(StorageState::Writable));
    world.run_millis(200);
    assert_eq!(quotas(&mut world, 1), [1_000_001]);
}

#[test]
fn a_write_in_flight_when_its_leader_dies_is_retried_once_it_is_excluded() {
    let mut world = World::led();
    world.keeps = Some(is_forward);
    let tickets: Vec<Ticket> = (0..20).map(|_| world.write(2)).collect();
    world.settle();
    world.keeps = None;
    world.crash(1);
    world.run_millis(4_000);
    for ticket in &tickets {
        world.assert_put(*ticket);
    }
    world.heal_and_check();
}

#[test]
pub(crate) fn a_displaced_write_is_sent_anew_before_the_log_here_has_caught_up() {
    let mut world = World::led();
    world.isolated.extend([NodeId(1)]);
    let ticket = world.write(1);
    world.settle();
    world.run_millis(4_000);
    let leader = world.leader().expect("the others elect").node.0;
    world.write(leader);
    world.run_millis(200);
    // What displaces it is known here as soon as it arrives, and durable much later.
    world.node(1).holds.sync = true;
    world.isolated.clear();
    world.run_millis(1_000);
    assert_eq!(world.version(leader, ticket), 1, "it waits for the disk");
    world.node(1).holds.sync = false;
    world.run_millis(500);
    world.assert_put(ticket);
    world.heal_and_check();
}

#[test]
pub(crate) fn an_entry_of_an_earlier_life_answers_no_new_request() {
    let mut world = World::new(1, &setup());
    world.run_until("a leader", |world| world.leader().is_some());
    world.node(1).holds.store = true;
    let old: Vec<Ticket> = (0..5).map(|_| world.write(1)).collect();
    world.run_millis(100);
    for ticket in old {
        world.assert_put(ticket);
    }
    world.crash(1);
    let now = world.now;
    world.node(1).start(now);
    let new = world.write(1);
    world.run_millis(2_000);
    let revision = world.node(1).running().applying.store().revision();
    let Some(End::Answer(Answer::Command(Ok(Response::Put(put))))) = ended(&world, new) else {
        panic!("it is written")
    };
    assert_eq!(put.revision, revision, "answered by another entry than its own");
    world.heal_and_check();
}
