//! A node that lags behind the log gets the state itself, whatever becomes of the messages.

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_codec::peer::{PeerMessage, SnapshotChunk, SnapshotMessage, TransferId};
use quorate_consensus::raft::{AppendResult, Body};
use quorate_consensus::{Index, NodeId};
use quorate_kv::Records;
use quorate_replica::{CommitPolicy, Ending};

use crate::node::{End, Setup};
use crate::random::Random;
use crate::world::{Flight, Peer, World, setup};

const CATCH_UP: u64 = 100;

fn compacting() -> Setup {
    let policy = CommitPolicy {
        bytes: 1 << 20,
        first_bytes: 1 << 20,
        interval: core::time::Duration::from_millis(100),
        snapshot_count: 300,
        catch_up_entries: CATCH_UP,
    };
    let mut setup = setup();
    setup.policy = policy;
    setup.config.tail_bytes_max = 16 << 10;
    setup
}

/// Enough writes to have the log cut, and a state of several chunks.
fn fill(world: &mut World, leader: u64) {
    for _ in 0..3 {
        for _ in 0..280 {
            world.write(leader);
        }
        for _ in 0..3 {
            world.write_of(leader, Bytes::from(vec![7; 400 << 10]));
        }
        world.run_millis(400);
    }
    let compacted = world.node(leader).running().ordering.status().compacted;
    assert!(Index::ZERO < compacted, "the log was not cut");
}

/// Node 1 leads, and node 3 needs a snapshot as soon as it is up.
pub(crate) fn lagging() -> World {
    let mut world = World::new(3, &compacting());
    world.lead(1);
    world.write(1);
    world.run_millis(100);
    world.crash(3);
    fill(&mut world, 1);
    world
}

fn applied(world: &mut World, id: u64) -> Index {
    world.node(id).running().applying.applied()
}

fn wait_for_3(world: &mut World) {
    world.run_until("node 3 catches up", |world| {
        let leader = world.leader().map(|leader| leader.node.0);
        leader.is_some_and(|leader| applied(world, leader) == applied(world, 3))
    });
    assert!(Index::ZERO < world.node(3).disk.log.meta.index, "it came without a snapshot");
}

fn snapshot(message: &Peer) -> Option<&SnapshotMessage> {
    match message {
        PeerMessage::Snapshot(message) => Some(message),
        _ => None,
    }
}

fn is_chunk(_: &Flight, message: &Peer) -> bool {
    matches!(snapshot(message), Some(SnapshotMessage::Chunk(_)))
}

fn is_held(_: &Flight, message: &Peer) -> bool {
    matches!(snapshot(message), Some(SnapshotMessage::Held { .. }))
}

fn is_offer(_: &Flight, message: &Peer) -> bool {
    matches!(snapshot(message), Some(SnapshotMessage::Offer { .. }))
}

fn is_install(_: &Flight, message: &Peer) -> bool {
    matches!(message, PeerMessage::Engine(message) if matches!(message.body, Body::Snapshot { .. }))
}

fn is_match_from_3(flight: &Flight, message: &Peer) -> bool {
    let PeerMessage::Engine(message) = message else { return false };
    let is_match =
        matches!(message.body, Body::AppendReply { result: AppendResult::Matched { .. }, .. });
    flight.from == NodeId(3) && is_match
}

fn is_append_to_3(flight: &Flight, message: &Peer) -> bool {
    let PeerMessage::Engine(message) = message else { return false };
    flight.to == NodeId(3)
        && matches!(&message.body, Body::Append { entries, .. } if !entries.is_empty())
}

/// The transfers that were offered to node 3.
fn offers(world: &World) -> BTreeSet<(NodeId, TransferId)> {
    world.offers.iter().filter(|(_, to, _)| *to == NodeId(3)).map(|it| (it.0, it.2)).collect()
}

#[test]
pub(crate) fn a_lagging_node_gets_a_snapshot_in_chunks() {
    let mut world = lagging();
    let (log, map) = (&world.nodes[&NodeId(1)].disk.log, &world.nodes[&NodeId(1)].disk.map);
    let durable = map.checkpoint().expect("memory does not fail").expect("it was committed");
    let kept = log.entries.len() as u64;
    assert!(log.meta.index.0 <= durable.position.index, "the log was cut above what is durable");
    assert!(CATCH_UP <= kept, "{kept} entries were kept");
    world.start(3);
    wait_for_3(&mut world);
    assert_eq!(offers(&world).len(), 1);
    assert!(3 <= world.chunks, "{} chunks", world.chunks);
    world.heal_and_check();
}

#[test]
fn lost_doubled_and_late_chunks_do_no_harm() {
    for seed in 0..8 {
        let mut world = lagging();
        let mut random = Random::new(seed);
        world.start(3);
        for _ in 0..400 {
            world.pump_all();
            for flight in core::mem::take(&mut world.network) {
                let is_bulk = snapshot(&flight.message()).is_some();
                match random.below(6) {
                    0 if is_bulk => {}
                    1 if is_bulk => world.kept.push(flight),
                    2 if is_bulk => {
                        world.deliver(&flight);
                        world.deliver(&flight);
                    }
                    _ => world.deliver(&flight),
                }
            }
            if random.below(4) == 0 {
                let late = core::mem::take(&mut world.kept);
                for flight in late.iter().rev() {
                    world.deliver(flight);
                }
            }
            let upto = world.now + core::time::Duration::from_millis(50);
            world.advance(upto);
        }
        wait_for_3(&mut world);
        world.heal_and_check();
    }
}

#[test]
fn a_lost_offer_is_repeated_soon() {
    let mut world = lagging();
    world.keeps = Some(is_offer);
    world.start(3);
    world.run_until("the offer", |world| !world.kept.is_empty());
    world.keeps = None;
    world.kept.clear();
    world.run_millis(3_000);
    assert_eq!(applied(&mut world, 1), applied(&mut world, 3));
    assert_eq!(offers(&world).len(), 1, "it was the same snapshot");
}

#[test]
fn a_sender_that_restarts_midway_is_replaced() {
    let mut world = lagging();
    world.keeps = Some(is_chunk);
    world.start(3);
    world.run_until("the first chunk", |world| !world.kept.is_empty());
    let late = core::mem::take(&mut world.kept);
    world.keeps = None;
    for chunk in &late {
        world.deliver(chunk);
    }
    world.pump_all();
    world.crash(1);
    world.start(1);
    wait_for_3(&mut world);
    for chunk in &late {
        world.deliver(chunk);
    }
    world.heal_and_check();
}

#[test]
pub(crate) fn a_receiver_that_restarts_midway_begins_anew() {
    for what in [is_chunk, is_held, is_install] {
        let mut world = lagging();
        world.keeps = Some(what);
        world.start(3);
        world.run_until("it is under way", |world| !world.kept.is_empty());
        world.crash(3);
        world.start(3);
        world.release();
        wait_for_3(&mut world);
        world.heal_and_check();
    }
}

#[test]
fn two_leaders_may_offer_in_turn() {
    let mut world = lagging();
    world.keeps = Some(is_chunk);
    world.start(3);
    world.run_until("the first chunk", |world| !world.kept.is_empty());
    world.lead(2);
    world.run_millis(3_000);
    let senders: BTreeSet<NodeId> = offers(&world).iter().map(|(from, _)| *from).collect();
    assert_eq!(senders.len(), 2, "both offered");
    world.lead(1);
    world.release();
    wait_for_3(&mut world);
    world.heal_and_check();
}

#[test]
fn a_held_snapshot_is_confirmed_when_it_is_offered_again() {
    let mut world = lagging();
    world.keeps = Some(is_held);
    world.start(3);
    world.run_until("it is held", |world| !world.kept.is_empty());
    world.run_millis(5_000);
    assert!(2 <= world.kept.len(), "it was confirmed once only");
    assert_eq!(offers(&world).len(), 1, "it was the same snapshot");
    let chunks = world.chunks;
    world.kept.drain(1..);
    world.release();
    wait_for_3(&mut world);
    assert_eq!(world.chunks, chunks, "its bytes were sent twice");
    world.heal_and_check();
}

#[test]
fn an_installed_snapshot_is_acknowledged_again_when_the_answer_was_lost() {
    let mut world = lagging();
    world.keeps = Some(is_match_from_3);
    world.start(3);
    world.run_until("it is installed", |world| Index::ZERO < world.node(3).disk.log.meta.index);
    world.run_millis(500);
    world.keeps = None;
    world.kept.clear();
    world.write(1);
    world.run_millis(3_000);
    assert_eq!(applied(&mut world, 1), applied(&mut world, 3), "the leader still waits");
    assert_eq!(offers(&world).len(), 1, "a second snapshot was sent");
    world.heal_and_check();
}

#[test]
fn an_install_waits_for_the_commit_under_way() {
    let mut setup = compacting();
    setup.policy.interval = core::time::Duration::from_secs(4);
    let mut world =
        World::of([(NodeId(1), compacting()), (NodeId(2), compacting()), (NodeId(3), setup)]);
    world.lead(1);
    world.write(1);
    world.run_millis(100);
    world.crash(3);
    fill(&mut world, 1);
    world.keeps = Some(is_install);
    world.start(3);
    world.run_until("it is held", |world| !world.kept.is_empty());
    world.node(3).holds.store = true;
    world.run_millis(5_000);
    assert!(world.node(3).running().applying.is_committing());
    let before = applied(&mut world, 3);
    world.release();
    world.run_millis(100);
    assert_eq!(applied(&mut world, 3), before, "installed while a commit was under way");
    world.node(3).holds.store = false;
    wait_for_3(&mut world);
    world.heal_and_check();
}

#[test]
pub(crate) fn a_write_that_a_snapshot_may_contain_ends_as_unknown_and_is_never_retried() {
    let mut world = World::new(3, &compacting());
    world.lead(1);
    world.keeps = Some(is_append_to_3);
    let ticket = world.write(3);
    world.run_millis(100);
    assert_eq!(world.version(1, ticket), 1, "it was forwarded and applied");
    assert!(!world.has_ended(ticket));
    fill(&mut world, 1);
    world.keeps = None;
    world.kept.clear();
    wait_for_3(&mut world);
    assert_eq!(world.ends.get(&ticket), Some(&End::Ending(Ending::Unknown)));
    world.lead(2);
    world.heal_and_check();
    assert_eq!(world.version(3, ticket), 1);
}

#[test]
pub(crate) fn work_for_a_transfer_that_was_given_up_says_nothing_about_the_next() {
    let mut world = lagging();
    world.keeps = Some(is_chunk);
    world.start(3);
    world.run_until("the first chunk", |world| !world.kept.is_empty());
    world.node(3).holds.store = true;
    let chunk = world.kept.remove(0);
    let Some(SnapshotMessage::Chunk(body)) = snapshot(&chunk.message()).cloned() else {
        unreachable!("only chunks are kept")
    };
    world.deliver(&chunk);
    // The sender gives up and offers another while the chunk is being written.
    let abort = SnapshotMessage::Aborted { transfer: body.transfer };
    world.forge(1, 3, &PeerMessage::Snapshot(abort.clone()));
    world.forge(3, 1, &PeerMessage::Snapshot(abort));
    world.run_until("another offer", |world| 2 <= offers(world).len());
    world.keeps = Some(is_held);
    // One piece at a time: no claim before all of it is done.
    for _ in 0..200 {
        let now = world.now;
        world.node(3).store_one(now);
        world.run_millis(20);
        if !world.kept.is_empty() {
            break;
        }
    }
    assert!(!world.kept.is_empty(), "it never came to an end");
    assert!(world.node(3).disk.holds_a_whole_snapshot(), "claimed before it was whole");
    world.node(3).holds.store = false;
    world.release();
    wait_for_3(&mut world);
    world.heal_and_check();
}

#[test]
fn a_late_offer_of_an_older_transfer_does_not_end_the_newer() {
    let mut world = lagging();
    world.keeps = Some(is_chunk);
    world.start(3);
    world.run_until("the first chunk", |world| !world.kept.is_empty());
    world.kept.clear();
    let (_, _, transfer) = *world.offers.iter().next().expect("it was offered");
    let meta = world.node(1).disk.log.meta.clone();
    let meta = quorate_consensus::Meta { index: Index(meta.index.0 + 500), ..meta };
    let older = TransferId(transfer.0 - 1);
    let offer = SnapshotMessage::Offer { transfer: older, meta, records: 1 };
    world.forge(1, 3, &PeerMessage::Snapshot(offer));
    world.release();
    // Less than a sender waits before it offers again.
    world.run_millis(1_500);
    assert_eq!(applied(&mut world, 1), applied(&mut world, 3), "the transfer was given up");
    assert_eq!(offers(&world).len(), 1);
}

#[test]
fn a_snapshot_that_ends_otherwise_than_offered_is_given_up() {
    let mut world = lagging();
    world.keeps = Some(is_chunk);
    world.start(3);
    for _ in 0..20 {
        world.run_until("a chunk", |world| !world.kept.is_empty());
        let flight = world.kept.remove(0);
        world.kept.clear();
        let Some(SnapshotMessage::Chunk(mut chunk)) = snapshot(&flight.message()).cloned() else {
            unreachable!("only chunks are kept")
        };
        let Some(checkpoint) = &mut chunk.checkpoint else {
            world.deliver(&flight);
            continue;
        };
        checkpoint.members = Bytes::from_static(b"no members");
        world.forge(1, 3, &PeerMessage::Snapshot(SnapshotMessage::Chunk(chunk)));
        break;
    }
    assert!(!world.node(3).disk.holds_a_whole_snapshot());
    world.release();
    wait_for_3(&mut world);
    world.heal_and_check();
}

#[test]
pub(crate) fn a_chunk_that_was_not_asked_for_is_dropped() {
    let mut world = lagging();
    world.keeps = Some(is_chunk);
    world.start(3);
    world.run_until("the first chunk", |world| !world.kept.is_empty());
    let flight = world.kept.remove(0);
    let Some(SnapshotMessage::Chunk(chunk)) = snapshot(&flight.message()).cloned() else {
        unreachable!("only chunks are kept")
    };
    let later = chunk.next.expect("it takes several chunks");
    let unasked = SnapshotChunk { from: later, records: Vec::new(), ..chunk };
    world.forge(1, 3, &PeerMessage::Snapshot(SnapshotMessage::Chunk(unasked)));
    world.deliver(&flight);
    world.release();
    // Less than a sender waits before it offers again.
    world.run_millis(1_500);
    assert_eq!(applied(&mut world, 1), applied(&mut world, 3), "it never ends");
    assert_eq!(offers(&world).len(), 1, "the transfer was given up");
    world.heal_and_check();
}
