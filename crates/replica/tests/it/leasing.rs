//! Leases on whole nodes: renewals that share entries, a clock that moves by itself, and leaders
//! that change without a lease noticing.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quorate_consensus::{Index, Instant, NodeId};
use quorate_kv::{
    Command, LeaseGrantRequest, LeaseId, LeaseKeys, LeaseRevokeRequest, LeaseTtl, PutRequest,
    Response,
};
use quorate_replica::{Answer, Ending, KeepAlive, KeptAlive, ReadRequest, ReadResponse, Ticket};

use crate::node::End;
use crate::snapshots::lagging;
use crate::watching::{told, watch_everything};
use crate::world::World;

fn ttl(seconds: i64) -> LeaseTtl {
    LeaseTtl::new(seconds).expect("in bounds")
}

fn grant(world: &mut World, id: u64, lease: i64, seconds: i64) {
    let request = LeaseGrantRequest { id: LeaseId(lease), ttl: ttl(seconds) };
    let ticket = world.command(id, &Command::LeaseGrant(request));
    world.settle();
    let end = &world.ends[&ticket];
    let is_granted = matches!(end, End::Answer(Answer::Command(Ok(Response::LeaseGrant(_)))));
    assert!(is_granted, "{end:?}");
}

fn attach(world: &mut World, id: u64, key: &'static str, lease: i64) {
    let key = Bytes::from_static(key.as_bytes());
    let put = PutRequest { key, lease: LeaseId(lease), ..PutRequest::default() };
    let ticket = world.command(id, &Command::Put(put));
    world.settle();
    world.assert_put(ticket);
}

fn has_key(world: &mut World, id: u64, key: &str) -> bool {
    let store = world.node(id).running().applying.store();
    store.key_at(key.as_bytes(), 0).expect("memory is sound").expect("it is readable").is_some()
}

fn leases(world: &mut World, id: u64) -> usize {
    world.node(id).running().applying.store().lease_list().ids.len()
}

fn applied(world: &mut World, id: u64) -> Index {
    world.node(id).running().applying.applied()
}

/// What a renewal came to; none if it was not answered.
fn kept(world: &World, ticket: Ticket) -> Option<KeptAlive> {
    match &world.ends[&ticket] {
        End::Answer(Answer::KeptAlive(kept)) => Some(*kept),
        _ => None,
    }
}

fn read(world: &mut World, id: u64, request: ReadRequest) -> ReadResponse {
    let ticket = world.read_of(id, request);
    world.run_millis(100);
    match &world.ends[&ticket] {
        End::Answer(Answer::Read(Ok(response))) => response.clone(),
        end => panic!("{end:?}"),
    }
}

#[test]
fn a_lease_is_over_at_its_time_though_nothing_else_happens() {
    let mut world = World::led();
    grant(&mut world, 2, 7, 3);
    attach(&mut world, 3, "key", 7);
    world.run_millis(2_900);
    assert!(has_key(&mut world, 1, "key"), "it has a tenth of a second left");
    world.run_millis(300);
    for id in 1..=3 {
        assert!(!has_key(&mut world, id, "key") && leases(&mut world, id) == 0, "at {id}");
    }
    let before = applied(&mut world, 1);
    world.run_millis(5_000);
    assert_eq!(applied(&mut world, 1), before, "without leases the clock may stand");
}

/// How late a lease may be over where a leader is at work, beside what it takes to commit an entry,
/// which is nothing here: moves of the clock for leases are a tenth of a second apart.
const LATE_MAX: Duration = Duration::from_millis(100);

/// Whether clients write meanwhile, so that entries come that the leases did not ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Idle,
    Busy,
}

/// Leases of two seconds, granted so long after each other; asserts that none is over too late.
fn assert_never_late(count: i64, apart_millis: u64, load: Load) {
    const SECONDS: i64 = 2;
    let mut world = World::led();
    let mut held: BTreeMap<LeaseId, Instant> = BTreeMap::new();
    for lease in 1..=count {
        grant(&mut world, 1, lease, SECONDS);
        held.insert(LeaseId(lease), world.now + Duration::from_secs(SECONDS as u64));
        world.run_millis(apart_millis);
    }
    while !held.is_empty() {
        if load == Load::Busy {
            for id in 1..=3 {
                world.write(id);
            }
        }
        world.run_millis(10);
        let lists = [1, 2, 3].map(|id| {
            let list = world.node(id).running().applying.store().lease_list().ids;
            BTreeSet::from_iter(list)
        });
        held.retain(|lease, _| lists.iter().any(|list| list.contains(lease)));
        for (lease, end) in &held {
            let late = world.now.since((*end).min(world.now));
            assert!(late <= LATE_MAX, "{lease:?} of {count} is {late:?} late, {load:?}");
        }
    }
}

#[test]
fn leases_are_over_in_time_on_an_idle_cluster_and_on_a_busy_one() {
    for load in [Load::Idle, Load::Busy] {
        assert_never_late(60, 17, load);
        // More than an entry can end.
        assert_never_late(510, 0, load);
    }
}

#[test]
fn watches_are_told_of_what_a_lease_takes_with_it() {
    let mut world = World::led();
    grant(&mut world, 1, 7, 2);
    attach(&mut world, 1, "a", 7);
    attach(&mut world, 1, "b", 7);
    watch_everything(&mut world, 3, 4);
    world.run_millis(2_500);
    assert_eq!(told(&mut world, 3), [4, 4], "two deletions in one revision");
}

#[test]
fn the_clock_is_moved_no_more_often_than_leases_need() {
    let mut world = World::led();
    for lease in 1..=1_200 {
        grant(&mut world, 1, lease, 60);
    }
    let before = applied(&mut world, 1).0;
    world.run_millis(10_000);
    let moves = applied(&mut world, 1).0 - before;
    assert!((15..=21).contains(&moves), "twice a second: {moves} in ten seconds");
    world.run_millis(51_000);
    assert_eq!(leases(&mut world, 1), 0, "more end together than one entry ends");
}

#[test]
fn renewals_that_wait_share_an_entry_and_each_is_told_its_own() {
    let mut world = World::led();
    grant(&mut world, 1, 1, 10);
    grant(&mut world, 1, 2, 20);
    let before = applied(&mut world, 2);
    let tickets = [1, 9, 2, 1].map(|lease| world.renew(2, lease));
    world.settle();
    let told = tickets.map(|ticket| kept(&world, ticket).expect("it is answered").ttl);
    assert_eq!(told, [Some(ttl(10)), None, Some(ttl(20)), Some(ttl(10))]);
    assert_eq!(applied(&mut world, 2), before.next(), "one entry for all");
}

#[test]
fn renewals_end_together_where_no_leader_takes_them() {
    let mut world = World::led();
    grant(&mut world, 1, 1, 60);
    world.isolated.insert(NodeId(2));
    world.run_millis(5_000);
    let tickets = [1, 1].map(|lease| world.renew(2, lease));
    world.run_millis(20_000);
    for ticket in tickets {
        assert_eq!(world.ends[&ticket], End::Ending(Ending::NoLeader));
    }
    world.heal_and_check();
}

#[test]
fn a_keep_alive_goes_through_the_log_only_if_it_gains_something() {
    let mut world = World::led();
    grant(&mut world, 1, 7, 100);
    let ask = ReadRequest::KeepAlive { id: LeaseId(7) };
    assert_eq!(read(&mut world, 2, ask.clone()), ReadResponse::KeepAlive(KeepAlive::Due));
    let ticket = world.renew(2, 7);
    world.settle();
    assert_eq!(kept(&world, ticket).expect("it is answered").ttl, Some(ttl(100)));
    world.run_millis(9_000);
    let fresh = read(&mut world, 2, ask.clone());
    let is_fresh = matches!(&fresh, ReadResponse::KeepAlive(KeepAlive::Fresh(kept))
        if kept.ttl == Some(ttl(100)));
    assert!(is_fresh, "{fresh:?}");
    let elsewhere = read(&mut world, 3, ask.clone());
    assert_eq!(elsewhere, ReadResponse::KeepAlive(KeepAlive::Due), "only who renewed it knows");
    world.run_millis(1_000);
    assert_eq!(read(&mut world, 2, ask), ReadResponse::KeepAlive(KeepAlive::Due));
    let unknown = ReadRequest::KeepAlive { id: LeaseId(8) };
    assert_eq!(read(&mut world, 3, unknown), ReadResponse::KeepAlive(KeepAlive::Due));
}

/// What was stamped long ago and arrives late is not taken for news.
#[test]
fn a_renewal_that_took_long_to_commit_is_as_old_as_its_proposal() {
    let mut world = World::led();
    grant(&mut world, 1, 7, 30);
    world.keeps = Some(|flight, _| flight.to == NodeId(2));
    let ticket = world.renew(2, 7);
    world.settle();
    world.run_millis(3_100);
    world.release();
    world.run_until("it is answered", |world| world.has_ended(ticket));
    assert_eq!(kept(&world, ticket).expect("the lease is there").ttl, Some(ttl(30)));
    let ask = ReadRequest::KeepAlive { id: LeaseId(7) };
    assert_eq!(read(&mut world, 2, ask), ReadResponse::KeepAlive(KeepAlive::Due));
}

#[test]
fn every_member_knows_how_long_a_lease_has_left() {
    let mut world = World::led();
    grant(&mut world, 1, 7, 60);
    attach(&mut world, 1, "b", 7);
    attach(&mut world, 1, "a", 7);
    world.run_millis(29_700);
    for id in 1..=3 {
        let ask = ReadRequest::Lease { id: LeaseId(7), keys: LeaseKeys::Listed };
        let ReadResponse::Lease(told) = read(&mut world, id, ask) else { panic!("no lease") };
        let time = told.time.expect("it is there");
        assert_eq!((time.granted, time.seconds_left), (ttl(60), 30), "at {id}");
        assert_eq!(told.keys, ["a", "b"]);
    }
    assert!(matches!(
        read(&mut world, 3, ReadRequest::Leases),
        ReadResponse::Leases(list) if list.ids == [LeaseId(7)]
    ));
    let unknown = ReadRequest::Lease { id: LeaseId(8), keys: LeaseKeys::Omitted };
    let ReadResponse::Lease(told) = read(&mut world, 2, unknown) else { panic!("no lease") };
    assert_eq!(told.time, None);
}

/// Lets leaders fall until a lease of `seconds` is over. How long that took.
fn lifetime(seconds: i64, falls_after_millis: &[u64]) -> Duration {
    let mut world = World::led();
    grant(&mut world, 1, 7, seconds);
    let begun = world.now;
    for millis in falls_after_millis {
        world.run_millis(*millis);
        let leader = world.leader().expect("there is one").node;
        world.crash(leader.0);
        world.run_until("another leads", |world| world.leader().is_some());
        world.start(leader.0);
    }
    world.run_until("it is over", |world| {
        let leader = world.leader().expect("it stays").node;
        leases(world, leader.0) == 0
    });
    world.now.since(begun)
}

#[test]
pub(crate) fn a_change_of_leaders_neither_lengthens_a_lease_nor_shortens_it() {
    let calm = lifetime(20, &[]);
    assert!(calm.as_millis().abs_diff(20_000) <= 200, "{calm:?}");
    // Without a leader the clock stands: an election takes at most a few timeouts.
    let stormy = lifetime(20, &[7_000, 4_000]);
    assert!(Duration::from_secs(20) <= stormy, "{stormy:?}");
    assert!(stormy <= Duration::from_secs(20) + Duration::from_secs(7), "{stormy:?}");
}

#[test]
fn a_snapshot_brings_the_leases() {
    let mut world = lagging();
    for lease in 1..=3 {
        grant(&mut world, 1, lease, 600);
    }
    attach(&mut world, 1, "key", 2);
    world.start(3);
    world.run_until("it has caught up", |world| applied(world, 3) == applied(world, 1));
    assert!(0 < world.chunks, "it came by a snapshot");
    assert_eq!(leases(&mut world, 3), 3);
    let revoke = Command::LeaseRevoke(LeaseRevokeRequest { id: LeaseId(2) });
    world.command(3, &revoke);
    world.run_millis(500);
    assert!(!has_key(&mut world, 3, "key") && leases(&mut world, 3) == 2);
    world.heal_and_check();
}
