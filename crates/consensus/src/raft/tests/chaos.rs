//! Random schedules with loss, duplication, reordering, partitions, crashes that lose unsynced
//! writes, slow and full disks, compaction and snapshots; the checks of [`super::world`] hold after
//! every step, and when the faults end the cluster works again. Each broken rule is noticed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{World, millis};
use crate::*;

fn small_limits<R: Rules>(world: &mut World<R>) {
    world.config.append_bytes_max = 250;
    world.config.window_messages_max = 3;
    world.config.window_bytes_max = 600;
    world.config.in_flight_max = 12;
    world.config.in_flight_bytes_max = 2_000;
    world.config.reads_max = 8;
    world.config.apply_bytes_max = 300;
    world.config.tail_bytes_max = 400;
}

fn run<R: Rules>(rules: R, seed: u64, steps: u64) -> World<R> {
    let mut world = World::new(if seed.is_multiple_of(3) { 5 } else { 3 }, rules, seed);
    if !seed.is_multiple_of(4) {
        small_limits(&mut world);
    }
    world.start_all();
    let loss = world.below(10);
    let compacts = world.below(3);
    for _ in 0..steps {
        step(&mut world, loss, compacts);
    }
    recover(&mut world);
    world
}

fn any_node<R: Rules>(world: &mut World<R>) -> NodeId {
    let size = world.members.voters.len() as u64;
    NodeId(world.below(size) + 1)
}

fn likely_leader<R: Rules>(world: &mut World<R>) -> NodeId {
    match world.leader() {
        Some(leader) if world.chance(80) => leader,
        _ => any_node(world),
    }
}

fn step<R: Rules>(world: &mut World<R>, loss: u64, compacts: u64) {
    let node = any_node(world);
    match world.below(1_000) {
        0..480 if !world.network.is_empty() => transmit(world, loss),
        0..640 => world.sync_one(node),
        640..700 => world.apply_one(node),
        700..780 => pass_time(world),
        780..860 => {
            let leader = likely_leader(world);
            world.propose(leader);
        }
        860..900 => {
            let leader = likely_leader(world);
            world.read(leader);
        }
        900..940 if !world.errands.is_empty() => {
            let which = world.below(world.errands.len() as u64) as usize;
            world.run_errand(which);
        }
        940..943 => partition(world),
        943..947 => world.cut.clear(),
        947..950 => {
            world.crash(node);
            world.mark("crashed");
        }
        950..965 if !world.nodes.contains_key(&node) => world.start(node),
        965..968 => {
            let peer = any_node(world);
            world.handle(node, Input::Disconnected { peer });
        }
        968..970 => {
            let (leader, id) = (likely_leader(world), RequestId(1 << 40));
            world.handle(leader, Input::Transfer { id, to: node });
        }
        970..972 => {
            let full = if world.chance(30) { StorageState::Full } else { StorageState::Writable };
            world.handle(node, Input::Storage(full));
        }
        972..975 => world.handle(node, Input::Campaign),
        975..980 if 0 < compacts => world.checkpoint(node),
        _ => {}
    }
    if world.chance(70) {
        world.drain(node);
    } else {
        world.drain_all();
    }
}

fn transmit<R: Rules>(world: &mut World<R>, loss: u64) {
    // Mostly in order, as a connection does.
    let span = if world.chance(70) { 1 } else { world.network.len() as u64 };
    let which = world.below(span) as usize;
    if world.chance(loss) {
        world.network.remove(which);
        return;
    }
    let (from, to, message) = world.network[which].clone();
    if !world.chance(loss) {
        world.network.remove(which);
    }
    world.deliver_message(from, to, message);
    world.drain(to);
}

fn pass_time<R: Rules>(world: &mut World<R>) {
    let micros = world.below(4_000);
    world.now = world.now + core::time::Duration::from_micros(micros);
    if world.chance(1) {
        world.now = world.now + millis(120);
    }
    for node in world.members.nodes() {
        if !world.chance(5) {
            world.wake_due(node);
            world.drain(node);
        }
    }
}

fn partition<R: Rules>(world: &mut World<R>) {
    let nodes = world.members.nodes();
    for &from in &nodes {
        for &to in &nodes {
            if from != to && world.chance(35) {
                world.cut.insert((from, to));
                if world.chance(60) {
                    world.cut.insert((to, from));
                }
            }
        }
    }
    world.mark("partitioned");
}

/// The faults end: within twenty election timeouts there is one leader, every request has ended,
/// a write and a read succeed, and all logs are equal.
fn recover<R: Rules>(world: &mut World<R>) {
    world.cut.clear();
    for node in world.members.nodes() {
        if !world.nodes.contains_key(&node) {
            world.start(node);
        }
        world.handle(node, Input::Storage(StorageState::Writable));
    }
    world.pass(millis(2_000));
    let leader = world.leader().expect("a healed cluster has a leader");
    let (write, read) = (world.propose(leader), world.read(leader));
    world.pass(millis(30));
    assert!(matches!(world.outcomes[&write], Proposed::Committed { .. }), "a healthy write fails");
    assert!(world.reads[&read].is_ok(), "a healthy read fails");
    assert_eq!(world.open_requests(), [] as [String; 0], "a request never ended");
    let expected = world.nodes[&leader].applied;
    for node in world.members.nodes() {
        assert_eq!(world.nodes[&node].applied, expected, "{node} did not catch up");
    }
    assert_eq!(world.misbehaved, [], "correct nodes accuse each other");
}

#[test]
fn random_schedules_keep_every_promise() {
    let seeds =
        std::option_env!("QUORATE_RAFT_SEEDS").map_or(1_000, |seeds| seeds.parse().unwrap());
    let mut marks = std::collections::BTreeMap::<&str, u64>::new();
    for seed in 0..seeds {
        println!("seed {seed}"); // The last one printed is the one that failed.
        let world = run(Strict, seed, 3_000);
        for (mark, count) in &world.marks {
            *marks.entry(mark).or_default() += count;
        }
    }
    for mark in [
        "proposal committed",
        "read released",
        "displaced",
        "snapshot installed",
        "fetched",
        "compacted",
        "crashed",
        "partitioned",
    ] {
        assert!(marks.contains_key(mark), "no schedule {mark}: {marks:?}");
    }
    println!("{marks:?}");
}

/// The first of `seeds` whose run notices the broken rule.
fn noticed(rule: Rule, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let result = catch_unwind(AssertUnwindSafe(|| run(Mutant(rule), seed, 3_000)));
        let panic = result.err()?;
        let text = panic.downcast_ref::<String>().cloned();
        Some((seed, text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()))?))
    })
}

/// The other rules need a schedule that chance rarely finds; `super::rules` has one for each.
#[test]
fn random_schedules_notice_broken_rules() {
    for rule in [
        Rule::VoteBeforeDurable,
        Rule::AcknowledgeBeforeDurable,
        Rule::CountOwnUndurable,
        Rule::VoteTwice,
        Rule::TruncateOnDuplicate,
        Rule::SkipNoop,
        Rule::ReadBeforeOwnCommit,
        Rule::CommitBeyondMatch,
        Rule::SkipProbe,
    ] {
        let found = noticed(rule, 120);
        println!("{rule:?}: {found:?}");
        assert!(found.is_some(), "120 schedules do not notice {rule:?}");
    }
}
