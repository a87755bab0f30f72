//! The world as a whole: it serves, it repeats itself, and it survives what may happen.

use core::time::Duration;
use std::collections::BTreeSet;

use quorate_consensus::{NodeId, Seed};
use quorate_kv::{Command, PutRequest, RangeRequest};
use quorate_replica::{Answer, ReadRequest, Ticket};
use quorate_storage::{MapKind, Survival};

use super::faults::{FaultKind, Often};
use super::{Crash, Options, Report, Standing, World, run};
use crate::broken::Broken;
use crate::clients::{Ask, End};
use crate::draws::Draws;
use crate::profile::{Named, Profile, Span};
use crate::protocol::RaftProtocol;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);

fn quiet() -> World<RaftProtocol> {
    World::new(Seed(1), Profile { clients: None, ..Profile::calm() }, Broken::NOTHING)
}

fn put(world: &mut World<RaftProtocol>, node: NodeId, value: &'static str) -> Ticket {
    let put = PutRequest { key: "key".into(), value: value.into(), ..PutRequest::default() };
    let ticket = world.fresh_ticket();
    world.ask(node, ticket, Ask::Command(Command::Put(put)));
    ticket
}

fn end(world: &mut World<RaftProtocol>, ticket: Ticket) -> End {
    for _ in 0..1_000 {
        world.run_for(Duration::from_millis(10));
        if let Some((_, end)) = world.take_ended().into_iter().find(|(it, _)| *it == ticket) {
            return end;
        }
    }
    panic!("{ticket:?} never ends: {:?}", world.violation());
}

fn draw(named: Named, seed: u64) -> Report {
    let profile = Profile { duration: Duration::from_secs(4), ..profile(named, seed) };
    run::<RaftProtocol>(Seed(seed), profile, Broken::NOTHING, Options::default())
}

fn profile(named: Named, seed: u64) -> Profile {
    Profile::draw(named, Draws::new(Seed(seed)))
}

fn assert_well(report: &Report) {
    let lines: Vec<String> = report.lines.iter().map(ToString::to_string).collect();
    assert!(report.found.is_none(), "{:?}\n{}", report.found, lines.join("\n"));
}

#[test]
fn a_calm_cluster_serves_its_clients_and_no_fault_strikes() {
    let options = Options::default();
    let report = run::<RaftProtocol>(Seed(1), Profile::calm(), Broken::NOTHING, options);
    assert_well(&report);
    assert!(500 < report.tally.compared(), "{:?}", report.tally);
    assert_eq!((report.elections, report.faults.len(), report.excuse), (1, 0, None));
}

#[test]
fn a_seed_gives_the_same_run_again_and_another_seed_another() {
    let first = draw(Named::Default, 7);
    assert_eq!(first, draw(Named::Default, 7));
    assert_ne!(first.trace_hash, draw(Named::Default, 8).trace_hash);
}

#[test]
fn every_family_of_runs_holds() {
    for named in Named::ALL {
        for seed in 1..4 {
            assert_well(&draw(named, seed));
        }
    }
}

#[test]
fn the_tree_does_what_the_journal_does() {
    for seed in 20..23 {
        let profile = Profile {
            duration: Duration::from_secs(2),
            map: MapKind::Tree,
            ..profile(Named::Crashes, seed)
        };
        let options = Options::default();
        assert_well(&run::<RaftProtocol>(Seed(seed), profile, Broken::NOTHING, options));
    }
}

#[test]
fn what_is_left_out_of_a_schedule_leaves_the_rest_as_it_was() {
    let often = Often { every: Duration::from_secs(1), lasts: Span::micros(1, 1_000) };
    let faults = [(FaultKind::Kill, often), (FaultKind::Pause, often)].into();
    let profile = Profile { faults, ..Profile::calm() };
    let world = || World::<RaftProtocol>::new(Seed(3), profile.clone(), Broken::NOTHING);
    let all: Vec<_> = world().schedule().copied().collect();
    let out: BTreeSet<_> = all.iter().step_by(2).map(|fault| fault.id).collect();
    let left: Vec<_> = world().without(&out).schedule().copied().collect();
    let expected: Vec<_> = all.into_iter().filter(|fault| !out.contains(&fault.id)).collect();
    assert!(!left.is_empty());
    assert_eq!(left, expected);
}

#[test]
fn a_run_ends_where_it_is_told_to() {
    let options = Options { until: Some(500), ..Options::default() };
    let report = run::<RaftProtocol>(Seed(7), profile(Named::Default, 7), Broken::NOTHING, options);
    assert_eq!(report.events, 500);
}

#[test]
fn acknowledged_writes_survive_power_cuts_of_all_nodes() {
    let mut world = quiet();
    world.run_for(Duration::from_secs(3));
    let ticket = put(&mut world, N2, "kept");
    assert!(matches!(end(&mut world, ticket), End::Answer(Answer::Command(Ok(_)))));
    for id in 1..=3 {
        world.crash(NodeId(id), Crash::Power(Survival::Lost));
        assert_eq!(world.standing(NodeId(id)), Standing::Down);
    }
    for id in 1..=3 {
        world.restart(NodeId(id));
    }
    world.run_for(Duration::from_secs(3));
    let ticket = world.fresh_ticket();
    let range = RangeRequest { key: "key".into(), ..RangeRequest::default() };
    world.ask(N1, ticket, Ask::Linearizable(ReadRequest::Range(range)));
    let told = end(&mut world, ticket);
    assert!(format!("{told:?}").contains("kept"), "{told:?}");
    assert_eq!(world.violation(), None);
}

#[test]
fn a_wiped_node_is_refused_by_its_peers_and_the_others_go_on() {
    let mut world = quiet();
    world.run_for(Duration::from_secs(3));
    world.wipe(N1);
    world.restart(N1);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.standing(N1), Standing::Dead);
    let ticket = put(&mut world, N2, "without");
    assert!(matches!(end(&mut world, ticket), End::Answer(Answer::Command(Ok(_)))));
    assert_eq!(world.violation(), None);
}

#[test]
fn a_node_whose_sync_fails_stops_and_is_started_again() {
    let mut world = quiet();
    world.run_for(Duration::from_secs(3));
    world.node(N1).disk.fail_sync();
    let ticket = put(&mut world, N2, "written");
    assert!(matches!(end(&mut world, ticket), End::Answer(Answer::Command(Ok(_)))));
    let stops = |world: &World<RaftProtocol>| world.node(N1).life;
    world.run_for(Duration::from_secs(3));
    assert_eq!((world.standing(N1), stops(&world)), (Standing::Up, 2));
    assert_eq!(world.violation(), None);
}

#[test]
fn a_log_that_is_poisoned_while_its_disk_is_full_and_idle_stops_the_node() {
    let mut world = quiet();
    world.run_for(Duration::from_secs(3));
    let disk = world.node(N1).disk.clone();
    disk.limit(Some(disk.used_bytes()));
    let is_full = |world: &World<RaftProtocol>| {
        let running = world.node(N1).running.as_ref().expect("it runs");
        running.wal.storage_state() == quorate_consensus::StorageState::Full
    };
    while !is_full(&world) {
        put(&mut world, N2, "another of many values that fill a segment of the log");
        world.run_for(Duration::from_millis(5));
    }
    disk.fail_sync();
    disk.limit(None);
    world.run_for(Duration::from_secs(4));
    assert_eq!((world.standing(N1), world.node(N1).life), (Standing::Up, 2));
    assert_eq!(world.violation(), None);
}
