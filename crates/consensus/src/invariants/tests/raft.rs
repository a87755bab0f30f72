//! Stories of Raft, and of what both engines promise.

use super::story::{Story, ballot, command, name, node, noop, state, swear};
use crate::invariants::{Claim, Invariant, Order, Verdict};
use crate::*;

pub(super) fn two_leaders() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.store(3, &[swear(1, 3)]);
    story.is(3, state(Role::Leader, 1, [0, 0, 0]))
}

pub(super) fn a_leader_truncates() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.writes(1, &[Write::TruncateFrom(Index(1))])
}

pub(super) fn two_entries_of_a_term() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.writes(2, &[Write::Put(command(1, ballot(1, 1), 1).into())])
}

pub(super) fn a_leader_lacks_what_is_committed() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    story.vote(2, 2, 3);
    story.store(3, &[swear(2, 3), Write::Put(noop(1, ballot(2, 3)).into())]);
    story.is(3, state(Role::Leader, 2, [1, 0, 0]))
}

pub(super) fn another_entry_is_applied() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    story.checks.on_committed(node(2), &command(1, ballot(1, 1), 9))
}

pub(super) fn a_second_vote_after_a_restart() -> Verdict {
    let mut story = Story::raft(3);
    story.vote(2, 1, 1);
    story.checks.on_crash(node(2), None)?;
    story.starts_with(2, Promise { round: 1, to: Some(node(1)) }, &[])?;
    story.writes(2, &[swear(1, 3)])
}

pub(super) fn an_early_vote() -> Verdict {
    let mut story = Story::raft(3);
    story.write(2, &[swear(1, 1)]);
    story.claims(2, &Claim::Votes { round: 1, candidate: node(1) })
}

pub(super) fn a_term_is_unwritten() -> Verdict {
    let mut story = Story::raft(3);
    story.write(1, &[swear(5, 0)]);
    story.writes(1, &[swear(4, 0)])
}

pub(super) fn a_term_goes_back() -> Verdict {
    let mut story = Story::raft(3);
    story.write(1, &[swear(1, 1)]);
    story.become_(1, state(Role::Candidate, 1, [0, 0, 0]));
    story.is(1, state(Role::Follower, 0, [0, 0, 0]))
}

pub(super) fn a_commit_goes_back() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    story.is(1, state(Role::Leader, 1, [1, 0, 0]))
}

pub(super) fn an_apply_goes_back() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    story.become_(1, state(Role::Leader, 1, [1, 1, 1]));
    story.is(1, state(Role::Leader, 1, [1, 1, 0]))
}

pub(super) fn an_entry_is_not_written() -> Verdict {
    let mut story = Story::raft(3);
    story.is(1, state(Role::Follower, 0, [1, 0, 0]))
}

pub(super) fn an_early_acknowledgement() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.write(2, &[Write::Put(noop(1, ballot(1, 1)).into())]);
    story.claims(2, &Claim::Holds { round: 1, leader: node(1), upto: Index(1) })
}

pub(super) fn a_restart_without_a_durable_entry() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.store(3, &[Write::Put(noop(1, ballot(1, 1)).into())]);
    story.checks.on_crash(node(3), None)?;
    story.starts(3, 0, &[])
}

pub(super) fn a_commit_on_one_disk() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.sync(1);
    story.write(2, &[Write::Put(noop(1, ballot(1, 1)).into())]);
    story.is(1, state(Role::Leader, 1, [1, 1, 0]))
}

/// n1 and n2 hold entry 1 of term 1, n1 leads term 2, and has its own entry 2.
fn an_old_entry() -> Story {
    let mut story = Story::of(Order::Terms, 3);
    story.start(1, 1, &[noop(1, ballot(1, 3))]);
    story.start(2, 1, &[noop(1, ballot(1, 3))]);
    story.start(3, 1, &[]);
    story.store(1, &[swear(2, 1)]);
    story.vote(2, 2, 1);
    story.write(1, &[Write::Put(noop(2, ballot(2, 1)).into())]);
    story.become_(1, state(Role::Leader, 2, [2, 0, 0]));
    story
}

pub(super) fn an_older_entry_is_counted() -> Verdict {
    an_old_entry().is(1, state(Role::Leader, 2, [2, 1, 0]))
}

pub(super) fn a_shorter_log_wins() -> Verdict {
    let mut story = Story::of(Order::Terms, 3);
    story.start(1, 1, &[]);
    story.start(2, 1, &[noop(1, ballot(1, 3))]);
    story.vote(2, 2, 1);
    story.store(1, &[swear(2, 1), Write::Put(noop(1, ballot(2, 1)).into())]);
    story.is(1, state(Role::Leader, 2, [1, 0, 0]))
}

pub(super) fn a_committed_entry_is_removed() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    story.become_(2, state(Role::Follower, 1, [1, 1, 0]));
    story.writes(2, &[Write::TruncateFrom(Index(1))])
}

pub(super) fn a_log_is_cut_too_far() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    let meta = story.meta(1, ballot(1, 1));
    story.writes(1, &[Write::CompactTo(meta)])
}

pub(super) fn a_snapshot_of_something_else() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    let meta = story.meta(1, ballot(9, 1));
    story.writes(3, &[Write::Install(meta)])
}

pub(super) fn applied_before_committed() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(2);
    story.is(2, state(Role::Follower, 1, [2, 1, 2]))
}

pub(super) fn a_gap_is_applied() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(2);
    story.checks.on_apply(node(1), &command(2, ballot(1, 1), 2))
}

pub(super) fn a_stale_read() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(2);
    story.checks.on_read_asked(node(1), RequestId(1))?;
    story.checks.on_read_released(node(1), RequestId(1), Index(1))
}

pub(super) fn a_read_before_the_own_commit() -> Verdict {
    let mut story = an_old_entry();
    story.checks.on_read_asked(node(1), RequestId(1))?;
    let result = Ok(Index(1));
    story.checks.on_outcome(node(1), &Outcome::Read { id: RequestId(1), result })
}

pub(super) fn a_read_is_released_twice() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(1);
    story.checks.on_read_asked(node(1), RequestId(1))?;
    story.checks.on_read_released(node(1), RequestId(1), Index(1))?;
    story.checks.on_read_released(node(1), RequestId(1), Index(1))
}

pub(super) fn a_pre_vote_raises_the_term() -> Verdict {
    let mut story = Story::raft(3);
    story.become_(1, state(Role::Follower, 0, [0, 0, 0]));
    story.write(1, &[swear(1, 0)]);
    story.is(1, state(Role::PreCandidate, 1, [0, 0, 0]))
}

pub(super) fn a_false_outcome() -> Verdict {
    let mut story = Story::raft(3);
    story.commit(2);
    let result = Proposed::Committed { index: Index(1) };
    story.checks.on_outcome(node(1), &Outcome::Proposal { id: name(2), result })
}

pub(super) fn nobody_proposed_it() -> Verdict {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.checks.on_proposed(name(1));
    let entries =
        [noop(1, ballot(1, 1)), command(2, ballot(1, 1), 7)].map(|entry| Write::Put(entry.into()));
    story.store(1, &entries[1..]);
    story.store(2, &entries);
    story.is(1, state(Role::Leader, 1, [2, 2, 0]))
}

pub(super) fn a_new_configuration_meets_nobody() -> Verdict {
    let mut story = Story::raft(3);
    let others = Members::of_voters((4..=6).map(NodeId));
    let payload = Payload::Members(Box::new(others));
    story.writes(1, &[Write::Put(Entry { payload, ..noop(1, ballot(1, 1)) }.into())])
}

#[test]
fn what_was_said_never_to_happen_never_happens() {
    for result in [Proposed::Displaced, Proposed::Refused(Refusal::StorageFull)] {
        let mut story = Story::raft(3);
        story.elect(1, 1);
        let write = [Write::Put(command(2, ballot(1, 1), 2).into())];
        story.write(1, &write);
        story.sync(1);
        story.store(2, &[Write::Put(noop(1, ballot(1, 1)).into())]);
        story.store(2, &write);
        let outcome = Outcome::Proposal { id: name(2), result };
        assert_eq!(story.checks.on_outcome(node(1), &outcome), Ok(()), "nothing is committed yet");
        let verdict = story.is(1, state(Role::Leader, 1, [2, 2, 0]));
        let violation = verdict.expect_err("it happened");
        assert_eq!(violation.invariant, Invariant::OutcomeIsTrue);
    }
    let mut story = Story::raft(3);
    story.commit(2);
    let outcome = Outcome::Proposal { id: name(2), result: Proposed::Displaced };
    assert!(story.checks.on_outcome(node(1), &outcome).is_err(), "it has happened");
}

#[test]
fn a_restart_may_find_any_of_the_unsynced_batches() {
    for kept in 0..=2 {
        let mut story = Story::raft(3);
        story.elect(1, 1);
        let entries = [noop(1, ballot(1, 1)), command(2, ballot(1, 1), 2)];
        for entry in &entries {
            story.write(3, &[Write::Put(entry.clone().into())]);
        }
        story.checks.on_crash(node(3), None).expect("a crash breaks nothing");
        story.start(3, 0, &entries[..kept]);
        // And what it found is durable from now on.
        story.checks.on_crash(node(3), None).expect("a crash breaks nothing");
        if 0 < kept {
            let verdict = story.starts(3, 0, &entries[..kept - 1]);
            assert!(verdict.is_err(), "a durable entry is gone, and nobody notices");
        }
    }
}

#[test]
fn a_restart_finds_nothing_that_was_never_written() {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.store(3, &[Write::Put(noop(1, ballot(1, 1)).into())]);
    story.checks.on_crash(node(3), Some(WriteId(99))).expect("a crash breaks nothing");
    let changed = [command(1, ballot(1, 1), 5)];
    assert!(story.starts(3, 0, &changed).is_err(), "an entry changed on the disk");
}

#[test]
fn a_late_commit_of_an_old_leader_counts_for_later_leaders() {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    story.sync(1);
    story.store(2, &[Write::Put(noop(1, ballot(1, 1)).into())]);
    // n3 is elected by n2 although its log is shorter, before n1 hears that n2 has the entry.
    story.store(2, &[swear(2, 3)]);
    story.store(3, &[swear(2, 3), Write::Put(noop(1, ballot(2, 3)).into())]);
    let verdict = story.is(3, state(Role::Leader, 2, [1, 0, 0]));
    let violation = verdict.expect_err("no vote of n2 was told");
    assert_eq!(violation.invariant, Invariant::LeaderHasQuorumLog);
    let verdict = story.is(1, state(Role::Leader, 1, [1, 1, 0]));
    let violation = verdict.expect_err("n3 leads without a committed entry");
    assert_eq!(violation.invariant, Invariant::LeaderCompleteness);
}

#[test]
fn what_everybody_compacted_is_forgotten() {
    const ENTRIES: u64 = 10_000;
    let mut story = Story::raft(3);
    story.elect(1, 1);
    let entries = |index| {
        if index == 1 { noop(1, ballot(1, 1)) } else { command(index, ballot(1, 1), index) }
    };
    for index in 1..=ENTRIES {
        for at in 1..=3 {
            if (at, index) != (1, 1) {
                story.write(at, &[Write::Put(entries(index).into())]);
            }
            story.sync(at);
        }
        for at in 1..=3 {
            let role = if at == 1 { Role::Leader } else { Role::Follower };
            story.become_(at, state(role, u64::from(at != 3), [index, index, index - 1]));
            story.checks.on_apply(node(at), &entries(index)).expect("it is the next");
            if index.is_multiple_of(100) {
                let meta = story.meta(index, ballot(1, 1));
                story.store(at, &[Write::CompactTo(meta)]);
            }
        }
        assert!(story.checks.slots.last().0 - story.checks.slots.base().0 <= 100);
    }
    assert_eq!(story.checks.last_committed(), Index(ENTRIES));
}

#[test]
fn the_fingerprint_follows_renaming_and_tells_votes_apart() {
    let run = |voter: u64, leader: u64| {
        let mut story = Story::raft(3);
        story.vote(voter, 1, leader);
        story.checks
    };
    let swap = |node: NodeId| NodeId([0, 1, 3, 2][node.0 as usize]);
    let same = |node: NodeId| node;
    assert_eq!(run(2, 1).fingerprint(swap), run(3, 1).fingerprint(same));
    assert_ne!(run(2, 1).fingerprint(same), run(3, 1).fingerprint(same));
}
