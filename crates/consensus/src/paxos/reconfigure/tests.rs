//! Quorums are asked for by slot: old members decide what stands before their successors.

use crate::engine::Engine;
use crate::entry::{Entry, Payload};
use crate::ids::{Index, NodeId, Seed, Span};
use crate::input::{Input, StorageState};
use crate::members::Members;
use crate::paxos::{Message, Paxos, PromisePart};
use crate::quorum::Tally;
use crate::status::Role;
use crate::time::Instant;
use crate::write::{BallotRun, Recovered};
use crate::{Ballot, ClusterTime, Config, Entries, HardState, Meta, Strict, Timers};

use super::Configurations;

/// The slot in which five members follow three.
const CHANGE: Index = Index(2);

fn members(count: u64) -> Members {
    Members::of_voters((1..=count).map(NodeId))
}

fn config() -> Config {
    Config { timers: Timers::Off, ..Config::new(NodeId(1)) }
}

fn vote(index: u64) -> Entry {
    let payload = match Index(index) {
        CHANGE => Payload::Members(Box::new(members(5))),
        _ => Payload::Noop,
    };
    let ballot = Ballot { round: 1, node: NodeId(1) };
    Entry { index: Index(index), ballot, born: ballot, id: None, time: ClusterTime(0), payload }
}

/// Three undecided votes, the second of which changes the members.
fn recovered() -> Recovered {
    let entries: Vec<Entry> = (1..=3).map(vote).collect();
    Recovered {
        hard: HardState::default(),
        meta: Meta {
            index: Index::ZERO,
            ballot: Ballot::ZERO,
            time: ClusterTime(0),
            members: members(3),
        },
        ballots: vec![BallotRun { first: Index(1), last: Index(3), ballot: entries[0].ballot }],
        configurations: vec![(CHANGE, members(5))],
        tail: entries,
        applied: Index::ZERO,
        time: ClusterTime(0),
    }
}

#[test]
fn a_configuration_rules_the_slots_after_its_own() {
    let configurations = Configurations::new(&config(), &recovered());
    let voters = |slot| configurations.members_at(Index(slot)).voters.len();
    assert_eq!([1, 2, 3, 9].map(voters), [3, 3, 5, 5]);
    let upto = |slot| configurations.ruled_upto(Index(slot));
    assert_eq!([1, 2, 3].map(upto), [Some(CHANGE), Some(CHANGE), None]);
}

#[test]
fn a_question_about_all_slots_needs_every_configuration() {
    let configurations = Configurations::new(&config(), &recovered());
    let answers = |yes: &[u64], no: &[u64]| {
        let yes = yes.iter().map(|&node| (NodeId(node), true));
        yes.chain(no.iter().map(|&node| (NodeId(node), false))).collect()
    };
    let tally = |first, yes: &[u64], no: &[u64]| {
        configurations.phase1_tally(Index(first), &answers(yes, no))
    };
    assert_eq!(tally(1, &[1, 2], &[]), Tally::Pending, "two are no majority of five");
    assert_eq!(tally(1, &[1, 4, 5], &[]), Tally::Pending, "one is no majority of three");
    assert_eq!(tally(1, &[1, 2, 4], &[]), Tally::Won);
    assert_eq!(tally(1, &[1, 4, 5], &[2, 3]), Tally::Lost);
    assert_eq!(tally(3, &[1, 4, 5], &[2, 3]), Tally::Won, "only the five rule there");
}

/// A leader that has proposed its three votes again, and has them durable.
fn leader() -> Paxos {
    let mut paxos = Paxos::new(config(), Strict, Seed(1), recovered(), Instant::ORIGIN);
    paxos.handle(Instant::ORIGIN, Input::Campaign);
    persist(&mut paxos);
    for (from, role) in [(2, Role::Candidate), (4, Role::Leader)] {
        promise(&mut paxos, NodeId(from));
        assert_eq!(paxos.status().role, role, "after the promise of n{from}");
    }
    persist(&mut paxos);
    paxos
}

fn persist(paxos: &mut Paxos) {
    if let Some(batch) = paxos.effects().write {
        paxos.handle(Instant::ORIGIN, Input::Persisted { write: batch.id });
    }
    paxos.effects();
}

fn promise(paxos: &mut Paxos, from: NodeId) {
    let part = PromisePart {
        first: Index(1),
        last: None,
        votes: Entries::default(),
        chosen_upto: Index::ZERO,
        withheld_upto: Index::ZERO,
    };
    let ballot = Ballot { node: NodeId(1), ..paxos.status().ballot };
    let message = Message::Promise { ballot, part };
    paxos.handle(Instant::ORIGIN, Input::Message { from, message });
}

fn accept(paxos: &mut Paxos, from: NodeId, first: u64, last: u64) {
    let message = Message::Accepted {
        ballot: paxos.status().ballot,
        votes: vec![Span { first: Index(first), last: Index(last) }],
        chosen_upto: Index::ZERO,
        storage: StorageState::Writable,
    };
    paxos.handle(Instant::ORIGIN, Input::Message { from, message });
    paxos.effects();
}

#[test]
fn the_members_of_each_slot_decide_it() {
    let mut paxos = leader();
    accept(&mut paxos, NodeId(4), 1, 3);
    assert_eq!(paxos.status().committed, Index::ZERO, "n4 has no say before the change");
    accept(&mut paxos, NodeId(2), 1, 2);
    assert_eq!(paxos.status().committed, CHANGE, "two of three decide up to the change");
    accept(&mut paxos, NodeId(5), 3, 3);
    assert_eq!(paxos.status().committed, Index(3), "three of five decide what follows it");
}

#[test]
fn above_a_gap_the_members_of_each_slot_decide_it_too() {
    let mut paxos = leader();
    accept(&mut paxos, NodeId(2), 3, 3);
    accept(&mut paxos, NodeId(4), 3, 3);
    assert_eq!(paxos.status().committed, Index::ZERO, "the first slots are open");
    accept(&mut paxos, NodeId(3), 1, 2);
    assert_eq!(paxos.status().committed, Index(3), "the third was decided before them");
}
