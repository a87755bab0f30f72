//! Votes in any order, what is durable, what leaves memory, and what a start finds.

use super::*;
use crate::ballot::Promise;
use crate::entry::{Meta, Payload};
use crate::ids::NodeId;
use crate::members::Members;
use crate::time::ClusterTime;
use crate::write::{BallotRun, HardState};

fn ballot(round: u64) -> Ballot {
    Ballot { round, node: NodeId(1) }
}

fn entry(index: u64, round: u64) -> Entry {
    Entry {
        index: Index(index),
        ballot: ballot(round),
        born: ballot(round),
        id: None,
        time: ClusterTime(index),
        payload: Payload::Noop,
    }
}

fn recovered(committed: u64, runs: &[(u64, u64, u64)], tail: Vec<Entry>) -> Recovered {
    let run = |&(first, last, round): &(u64, u64, u64)| BallotRun {
        first: Index(first),
        last: Index(last),
        ballot: ballot(round),
    };
    Recovered {
        hard: HardState { promise: Promise::default(), committed: Index(committed) },
        meta: Meta {
            index: Index::ZERO,
            ballot: Ballot::ZERO,
            time: ClusterTime::default(),
            members: Members::of_voters([NodeId(1)]),
        },
        ballots: runs.iter().map(run).collect(),
        tail,
        configurations: Vec::new(),
        applied: Index::ZERO,
        time: ClusterTime::default(),
    }
}

fn empty() -> Slots {
    Slots::new(&recovered(0, &[], Vec::new())).0
}

fn held(slots: &Slots) -> Vec<u64> {
    slots.votes_from(Index(1)).map(|entry| entry.index.0).collect()
}

#[test]
fn votes_come_in_any_order_and_replace_each_other() {
    let mut slots = empty();
    for index in [3, 1, 5] {
        slots.put(&entry(index, 1).into());
    }
    assert_eq!((held(&slots), slots.last()), (vec![1, 3, 5], Index(5)));
    assert!(slots.vote(Index(2)).is_none());
    slots.put(&entry(3, 2).into());
    assert_eq!(slots.vote(Index(3)).map(|entry| entry.ballot), Some(ballot(2)));
    assert_eq!(slots.tail_bytes(), 3 * Entry::OVERHEAD_BYTES);
    slots.assert_invariants();
}

#[test]
fn what_is_durable_ends_below_the_lowest_vote_that_waits() {
    let mut slots = empty();
    slots.put(&entry(1, 1).into());
    slots.put(&entry(2, 1).into());
    assert_eq!(slots.persisted(), Index::ZERO);
    slots.on_issued(WriteId(1));
    slots.put(&entry(3, 1).into());
    slots.choose(Index(3));
    slots.on_persisted(WriteId(1));
    assert_eq!((slots.persisted(), slots.durable_chosen()), (Index(2), Index(2)));
    slots.on_issued(WriteId(2));
    slots.put(&entry(2, 4).into());
    slots.on_issued(WriteId(3));
    slots.on_persisted(WriteId(2));
    assert_eq!(slots.persisted(), Index(1), "slot 2 is being replaced");
    assert_eq!(slots.unpersisted_bytes(), Entry::OVERHEAD_BYTES);
    slots.on_persisted(WriteId(3));
    assert_eq!(slots.persisted(), Index(3));
}

#[test]
fn only_what_is_chosen_and_durable_leaves_memory() {
    let mut slots = empty();
    for index in 1..=4 {
        slots.put(&entry(index, 1).into());
    }
    slots.on_issued(WriteId(1));
    slots.choose(Index(2));
    slots.evict(0);
    assert_eq!(held(&slots), [1, 2, 3, 4], "nothing is durable");
    slots.on_persisted(WriteId(1));
    slots.evict(3 * Entry::OVERHEAD_BYTES);
    assert_eq!(held(&slots), [2, 3, 4]);
    slots.evict(0);
    assert_eq!((held(&slots), slots.tail_first()), (vec![3, 4], Index(3)), "the rest is undecided");
    slots.assert_invariants();
}

#[test]
fn a_snapshot_keeps_the_votes_above_it() {
    let mut slots = empty();
    for index in [1, 3, 6] {
        slots.put(&entry(index, 1).into());
    }
    slots.install(Index(4));
    assert_eq!((held(&slots), slots.chosen(), slots.last()), (vec![6], Index(4), Index(6)));
    slots.assert_invariants();
    slots.install(Index(9));
    assert_eq!((held(&slots), slots.chosen(), slots.last()), (vec![], Index(9), Index(9)));
    slots.assert_invariants();
}

#[test]
fn a_start_finds_votes_above_holes_and_names_those_to_be_read() {
    let runs = [(1, 4, 1), (6, 7, 2), (9, 9, 1)];
    let (slots, missing) = Slots::new(&recovered(2, &runs, vec![entry(7, 2), entry(9, 1)]));
    slots.assert_invariants();
    assert_eq!((slots.chosen(), slots.last(), slots.tail_first()), (Index(2), Index(9), Index(3)));
    let span = |first, last| Span { first: Index(first), last: Index(last) };
    assert_eq!(missing, [span(3, 4), span(6, 6)]);

    let (slots, missing) = Slots::new(&recovered(9, &[(1, 9, 1)], vec![entry(8, 1), entry(9, 1)]));
    slots.assert_invariants();
    assert_eq!((slots.tail_first(), missing.len()), (Index(8), 0));

    let (slots, missing) = Slots::new(&recovered(1, &[(1, 3, 1)], Vec::new()));
    slots.assert_invariants();
    assert_eq!((slots.last(), missing.as_slices().0), (Index(3), &[span(2, 3)][..]));
}

#[test]
#[should_panic(expected = "lost chosen values")]
fn a_hole_below_the_chosen_mark_is_a_lost_value() {
    Slots::new(&recovered(3, &[(1, 1, 1), (3, 3, 1)], vec![entry(3, 1)]));
}

#[test]
fn chosen_entries_fit_the_budget_but_for_the_first() {
    let mut slots = empty();
    for index in 1..=4 {
        slots.put(&entry(index, 1).into());
    }
    slots.choose(Index(3));
    let count =
        |bytes| slots.chosen_parts(Index(1), Index(3), bytes).map(|part| part.len()).sum::<usize>();
    assert_eq!((count(1), count(2 * Entry::OVERHEAD_BYTES), count(u64::MAX)), (1, 2, 3));
}
