//! Tests of the log in memory.

use bytes::Bytes;

use super::*;
use crate::entry::{Meta, Payload};
use crate::ids::NodeId;
use crate::members::Members;
use crate::write::HardState;

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
        payload: Payload::Command(Bytes::from_static(b"x")),
    }
}

fn empty() -> Log {
    log_of(&[])
}

/// A log with entries of these terms, all durable.
fn log_of(terms: &[u64]) -> Log {
    let entries: Vec<Entry> = (1..).zip(terms).map(|(index, &round)| entry(index, round)).collect();
    let runs = entries.iter().map(|entry| BallotRun {
        first: entry.index,
        last: entry.index,
        ballot: entry.ballot,
    });
    Log::new(&Recovered {
        hard: HardState::default(),
        meta: Meta {
            index: Index::ZERO,
            ballot: Ballot::ZERO,
            time: ClusterTime(0),
            members: Members::of_voters([NodeId(1)]),
        },
        ballots: runs.collect(),
        tail: entries,
        configurations: Vec::new(),
        applied: Index::ZERO,
        time: ClusterTime(terms.len() as u64),
    })
}

fn position(index: u64, round: u64) -> Position {
    Position { ballot: ballot(round), index: Index(index) }
}

/// etcd raft `rawnode.go` and raft-rs `raft_log.rs`: an acknowledgement for (index, term) that was
/// overwritten twice must not make the third entry there durable.
#[test]
fn lesson_14_an_old_write_never_makes_a_new_entry_durable() {
    let mut log = empty();
    log.append(&entry(1, 1).into());
    log.append(&entry(2, 1).into());
    log.on_issued(WriteId(1));
    log.truncate_from(Index(2));
    log.append(&entry(2, 2).into());
    log.on_issued(WriteId(2));
    log.truncate_from(Index(2));
    log.append(&entry(2, 3).into());
    log.append(&entry(3, 3).into());
    log.on_issued(WriteId(3));

    log.on_persisted(WriteId(1));
    assert_eq!(log.persisted(), Index(1), "entry 2 of term 1 is durable, that of term 3 is not");
    log.on_persisted(WriteId(2));
    assert_eq!(log.persisted(), Index(1));
    log.on_persisted(WriteId(3));
    assert_eq!(log.persisted(), Index(3));
    log.assert_invariants();
}

#[test]
fn one_acknowledgement_covers_all_batches_before_it() {
    let mut log = empty();
    for index in 1..=3 {
        log.append(&entry(index, 1).into());
        log.on_issued(WriteId(index));
    }
    log.on_persisted(WriteId(2));
    assert_eq!(log.persisted(), Index(2));
}

/// cockroach#63473: an entry cache that is not truncated like the log serves entries that were
/// replaced.
#[test]
fn lesson_38_the_tail_in_memory_is_truncated_with_the_log() {
    let mut log = log_of(&[1, 1, 2, 2]);
    log.truncate_from(Index(3));
    log.append(&entry(3, 4).into());
    let held: Vec<u64> =
        log.gathered(Index(1), u64::MAX).iter().map(|entry| entry.ballot.round).collect();
    assert_eq!(held, [1, 1, 4]);
    assert_eq!(log.ballot_at(Index(4)), None);
    log.assert_invariants();
}

/// Default seed 1367 of Raft: stamps of entries that lost had the clock leap, and a lease end.
#[test]
fn nothing_is_left_of_the_stamp_of_an_entry_that_lost() {
    let mut log = log_of(&[1, 1, 1]);
    log.evict(0);
    log.truncate_from(Index(3));
    log.append(&Entry { time: ClusterTime(2), ..entry(3, 2) }.into());
    assert_eq!(log.last_time(), ClusterTime(2));
    log.install(position(9, 4), ClusterTime(1));
    assert_eq!(log.last_time(), ClusterTime(1));
}

#[test]
fn only_durable_entries_leave_memory() {
    let mut log = log_of(&[1, 1]);
    log.append(&entry(3, 1).into());
    log.evict(0);
    assert_eq!(log.tail_first(), Index(3));
    log.on_issued(WriteId(1));
    log.on_persisted(WriteId(1));
    log.evict(0);
    assert_eq!(log.tail_first(), Index(4));
    assert_eq!(log.ballot_at(Index(1)), Some(ballot(1)), "its ballot is still known");
    log.assert_invariants();
}

#[test]
fn entries_are_read_up_to_a_number_of_bytes_but_at_least_one() {
    let log = log_of(&[1, 1, 1]);
    let cost = entry(1, 1).cost();
    let count = |bytes| log.parts(Index(1), Index(3), bytes).map(|part| part.len()).sum::<usize>();
    assert_eq!([count(0), count(cost), count(2 * cost), count(9 * cost)], [1, 1, 2, 3]);
    assert_eq!(log.parts(Index(2), Index(2), u64::MAX).map(|part| part.len()).sum::<usize>(), 1);
}

#[test]
fn the_hint_for_a_refused_position_skips_newer_terms() {
    let log = log_of(&[1, 1, 2, 5, 5]);
    assert_eq!(log.newest_not_above(Index(5), ballot(4)), position(3, 2));
    assert_eq!(log.newest_not_above(Index(2), ballot(4)), position(2, 1));
    assert_eq!(log.newest_not_above(Index(5), ballot(5)), position(5, 5));
    assert_eq!(log.newest_not_above(Index(5), ballot(0)), Position::ZERO);
}

#[test]
fn compaction_keeps_the_ballot_at_its_position() {
    let mut log = log_of(&[1, 1, 2, 2]);
    log.commit_to(Index(4));
    log.compact(position(3, 2));
    assert!(log.holds(position(3, 2)));
    assert_eq!(log.ballot_at(Index(2)), None);
    assert_eq!(log.last_position(), position(4, 2));
    log.compact(position(4, 2));
    assert_eq!(log.last_position(), position(4, 2));
    log.assert_invariants();
}

#[test]
fn a_snapshot_replaces_the_log_and_is_durable_with_its_own_batch() {
    let mut log = log_of(&[1, 1]);
    log.append(&entry(3, 1).into());
    log.on_issued(WriteId(1));
    log.install(position(9, 4), ClusterTime(99));
    log.on_issued(WriteId(2));
    log.append(&entry(10, 4).into());
    log.on_persisted(WriteId(1));
    assert!(log.persisted() < Index(9));
    log.on_persisted(WriteId(2));
    assert_eq!(log.persisted(), Index(9));
    assert_eq!((log.committed(), log.last_time()), (Index(9), ClusterTime(99)));
    log.assert_invariants();
}

#[test]
#[should_panic(expected = "a committed entry would be truncated")]
fn committed_entries_are_never_truncated() {
    let mut log = log_of(&[1, 1]);
    log.commit_to(Index(2));
    log.truncate_from(Index(2));
}

#[test]
#[should_panic(expected = "the durable log lost committed entries")]
fn lesson_19_a_disk_that_lost_committed_entries_is_not_started_from() {
    let mut recovered = Recovered {
        hard: HardState::default(),
        meta: Meta {
            index: Index::ZERO,
            ballot: Ballot::ZERO,
            time: ClusterTime(0),
            members: Members::of_voters([NodeId(1)]),
        },
        ballots: Vec::new(),
        tail: Vec::new(),
        configurations: Vec::new(),
        applied: Index::ZERO,
        time: ClusterTime(0),
    };
    recovered.hard.committed = Index(3);
    Log::new(&recovered);
}
