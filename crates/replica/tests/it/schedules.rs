//! Random schedules: crashes, restarts, slow disks, lost, doubled, late and reordered messages.
//!
//! In every step the world checks that no request ends twice, that no read is answered with
//! less than was acknowledged before it began, and that replicas do not diverge; at the end, that
//! what was acknowledged happened once, what was refused never, and everything else at most once.

use core::time::Duration;

use quorate_consensus::{NodeId, StorageState};
use quorate_replica::{CommitPolicy, OrderingInput, Ticket};

use crate::node::Setup;
use crate::random::Random;
use crate::world::{World, setup};

fn stormy(random: &mut Random) -> Setup {
    let mut setup = setup();
    setup.policy = CommitPolicy {
        bytes: 1 << 20,
        first_bytes: 1 << 20,
        interval: Duration::from_millis(50 + random.next() % 500),
        snapshot_count: 260,
        catch_up_entries: 1,
    };
    setup.config.tail_bytes_max = 1 << 10;
    setup.tail_max = random.below(5);
    setup
}

/// One thing that happens.
fn step(world: &mut World, random: &mut Random, burst: usize) {
    let id = NodeId(1 + random.below(world.nodes.len()) as u64);
    match random.below(100) {
        0..14 => {
            if world.is_up(id) {
                for _ in 0..=random.below(burst) {
                    world.write(id.0);
                }
                world.pump(id);
            }
        }
        14..24 => {
            if world.is_up(id) {
                world.read(id.0);
                world.pump(id);
            }
        }
        24..74 => move_message(world, random),
        74..88 => {
            let upto = world.now + Duration::from_millis(1 + random.next() % 80);
            world.advance(upto);
        }
        88 => {
            if world.is_up(id) && 1 < world.ups().len() {
                world.crash(id.0);
            }
        }
        89..92 => {
            if !world.is_up(id) {
                world.start(id.0);
            }
        }
        92..95 => {
            let held = random.below(8);
            let holds = &mut world.node(id.0).holds;
            (holds.sync, holds.apply, holds.store) = (held == 0, held == 1, held < 4);
        }
        95 => {
            let isolated = NodeId(random.below(6) as u64);
            world.isolated = [isolated].into();
        }
        96 => {
            if world.is_up(id) {
                world.node(id.0).input(OrderingInput::Disconnected(NodeId(1)));
            }
        }
        97 => {
            let to = 1 + random.below(world.nodes.len()) as u64;
            if let Some(leader) = world.leader() {
                world.transfer(leader.node.0, to);
            }
        }
        98 => {
            let full = random.below(3) == 0;
            let state = if full { StorageState::Full } else { StorageState::Writable };
            if world.is_up(id) {
                world.node(id.0).input(OrderingInput::Storage(state));
            }
        }
        _ => world.settle_some(20),
    }
}

/// Something happens to a message: mostly it arrives.
fn move_message(world: &mut World, random: &mut Random) {
    if world.network.is_empty() {
        return;
    }
    // The oldest more often than any other, or nobody would ever lead.
    let spread = if random.below(3) == 0 { world.network.len() } else { 1 };
    let at = random.below(spread);
    match random.below(20) {
        0 => drop(world.network.remove(at)),
        1 => {
            let flight = world.network[at].clone();
            world.deliver(&flight);
        }
        2 => {
            let flight = world.network.remove(at);
            world.kept.push(flight);
        }
        3 if !world.kept.is_empty() => {
            let late = random.below(world.kept.len());
            let flight = world.kept.remove(late);
            world.deliver(&flight);
        }
        _ => {
            let flight = world.network.remove(at);
            world.deliver(&flight);
        }
    }
}

fn run(seed: u64, nodes: u64, steps: usize, burst: usize) -> World {
    let mut random = Random::new(seed);
    let setup = stormy(&mut random);
    let mut world = World::new(nodes, &setup);
    world.run_until("a leader", |world| world.leader().is_some());
    for _ in 0..steps {
        step(&mut world, &mut random, burst);
    }
    world.heal_and_check();
    world
}

fn acknowledged(world: &World) -> usize {
    let tickets: Vec<Ticket> = world.writes.keys().copied().collect();
    tickets.into_iter().filter(|ticket| world.is_put(*ticket)).count()
}

#[test]
pub(crate) fn every_write_happens_as_often_as_its_client_was_told() {
    let mut writes = (0, 0);
    for seed in 0..200 {
        let world = run(seed, 3, 500, 4);
        writes.0 += acknowledged(&world);
        writes.1 += world.writes.len();
    }
    assert!(writes.1 / 4 < writes.0, "{writes:?}: most of it was lost, so little was shown");
    assert!(writes.0 < writes.1, "{writes:?}: nothing ever went wrong");
}

#[test]
fn five_nodes_agree_too() {
    for seed in 1_000..1_030 {
        run(seed, 5, 700, 4);
    }
}

#[test]
fn snapshots_under_way_do_not_disturb() {
    let mut offers = 0;
    for seed in 2_000..2_030 {
        offers += run(seed, 3, 700, 60).offers.len();
    }
    assert!(0 < offers, "no snapshot was ever needed");
}
