//! Stories of Paxos.

use super::story::{Story, ballot, command, node, noop, state};
use crate::invariants::{Claim, Invariant, Order, Verdict};
use crate::*;

/// n1 has promises of n1 and n2 for ballot 1.n1, and its value for slot 1 is chosen by both.
fn chosen() -> Story {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1, 2]);
    story.accept(&command(1, ballot(1, 1), 1), &[1, 2]);
    story
}

pub(super) fn two_values_are_chosen() -> Verdict {
    let (low, high) = (command(1, ballot(1, 1), 1), command(1, ballot(2, 2), 2));
    let mut story = Story::of(Order::Ballots, 5);
    story.start(3, 1, core::slice::from_ref(&low));
    story.start(4, 1, core::slice::from_ref(&low));
    story.start(1, 2, core::slice::from_ref(&high));
    story.start(2, 2, core::slice::from_ref(&high));
    // The third vote for the high value replaces one for the low value.
    story.accept(&high, &[3]);
    story.starts(5, 1, &[low])
}

pub(super) fn a_promise_is_broken() -> Verdict {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1, 2]);
    story.accept(&command(1, ballot(1, 1), 1), &[1]);
    story.promise(2, 3, &[2]);
    story.writes(2, &[Write::Put(command(1, ballot(1, 1), 1).into())])
}

pub(super) fn a_higher_vote_disagrees() -> Verdict {
    let low = command(1, ballot(1, 1), 1);
    let mut story = Story::of(Order::Ballots, 3);
    story.start(1, 1, core::slice::from_ref(&low));
    story.start(2, 1, &[low]);
    story.starts(3, 2, &[command(1, ballot(2, 3), 2)])
}

pub(super) fn a_higher_proposal_disagrees() -> Verdict {
    let mut story = chosen();
    story.promise(2, 3, &[2, 3]);
    story.writes(3, &[Write::Put(command(1, ballot(2, 3), 2).into())])
}

pub(super) fn nobody_promised() -> Verdict {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1]);
    story.writes(1, &[Write::Put(command(1, ballot(1, 1), 1).into())])
}

pub(super) fn two_values_of_a_ballot() -> Verdict {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1, 2]);
    story.accept(&command(1, ballot(1, 1), 1), &[1]);
    story.writes(2, &[Write::Put(command(1, ballot(1, 1), 2).into())])
}

pub(super) fn a_ballot_is_used_again() -> Verdict {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1]);
    story.claim(1, &Claim::Prepares { ballot: ballot(1, 1) });
    story.checks.on_crash(node(1), None)?;
    story.starts_with(1, Promise { round: 1, to: Some(node(1)) }, &[])?;
    story.claims(1, &Claim::Prepares { ballot: ballot(1, 1) })
}

fn promises(votes: &[Entry]) -> Claim<'_> {
    Claim::Promises {
        ballot: ballot(2, 3),
        first: Index(1),
        last: None,
        withheld_upto: Index::ZERO,
        chosen_upto: Index::ZERO,
        votes,
    }
}

pub(super) fn a_vote_is_not_told() -> Verdict {
    let mut story = chosen();
    story.promise(2, 3, &[2]);
    story.claims(2, &promises(&[]))
}

pub(super) fn a_vote_is_taken_for_a_choice() -> Verdict {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1, 2]);
    story.accept(&command(1, ballot(1, 1), 1), &[1]);
    story.is(1, state(Role::Leader, 1, [1, 1, 0]))
}

fn broken(verdict: Verdict) -> Invariant {
    verdict.expect_err("a promise is broken").invariant
}

#[test]
fn a_promise_tells_whole_votes() {
    let mut story = chosen();
    story.promise(2, 3, &[2]);
    let vote = command(1, ballot(1, 1), 1);
    assert_eq!(story.claims(2, &promises(core::slice::from_ref(&vote))), Ok(()));
    let changed = [command(1, ballot(1, 1), 2)];
    assert_eq!(broken(story.claims(2, &promises(&changed))), Invariant::PromiseReportsVotes);
    let mut early = chosen();
    early.write(2, &[super::story::swear(2, 3)]);
    assert_eq!(broken(early.claims(2, &promises(&[vote]))), Invariant::VoteDurable);
}

#[test]
fn the_newest_vote_of_a_quorum_decides_what_is_safe() {
    // n1 voted for one value in ballot 1, n2 for another in ballot 2; n3 asks n1 and n2.
    let run = |proposed: u64| {
        let mut story = Story::paxos(3);
        story.promise(1, 1, &[1, 3]);
        story.accept(&command(1, ballot(1, 1), 1), &[1]);
        story.promise(2, 2, &[2, 3]);
        story.accept(&command(1, ballot(2, 2), 2), &[2]);
        story.promise(3, 3, &[1, 2]);
        story.promise(3, 3, &[3]);
        story.writes(3, &[Write::Put(command(1, ballot(3, 3), proposed).into())])
    };
    // A quorum of n1 and n3 shows the first value to be safe, one with n2 the second: both are.
    assert_eq!(run(1), Ok(()));
    assert_eq!(run(2), Ok(()));
    // A third value is safe only if a quorum has no vote at all.
    assert_eq!(broken(run(3)), Invariant::ProposalIsSafe);
}

#[test]
fn slots_are_chosen_out_of_order_and_learned_in_order() {
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1, 2]);
    let (first, second) = (command(1, ballot(1, 1), 1), command(2, ballot(1, 1), 2));
    story.accept(&second, &[1, 2]);
    assert_eq!(story.checks.is_committed(&second), Some(true));
    assert_eq!(story.checks.is_committed(&first), None);
    assert_eq!(story.checks.last_committed(), Index::ZERO, "nobody knows");
    story.accept(&first, &[1, 2]);
    story.become_(1, state(Role::Leader, 1, [2, 2, 0]));
    assert_eq!(story.checks.on_committed(node(1), &first), Ok(()));
    assert_eq!(story.checks.on_committed(node(1), &second), Ok(()));
}

#[test]
fn a_value_may_be_learned_below_the_promise() {
    let mut story = chosen();
    story.promise(2, 3, &[3]);
    story.accept(&command(1, ballot(1, 1), 1), &[3]);
    let taught = [command(1, ballot(1, 1), 1)];
    story.claim(3, &Claim::Teaches { entries: &taught });
    let false_value = [noop(1, ballot(1, 1))];
    let verdict = story.claims(3, &Claim::Teaches { entries: &false_value });
    assert_eq!(broken(verdict), Invariant::LearnedIsChosen);
}

#[test]
fn an_acknowledgement_names_what_is_durable() {
    let mut story = chosen();
    let accepts = |round, owner, slots| Claim::Accepts {
        ballot: ballot(round, owner),
        slots,
        chosen_upto: Index::ZERO,
    };
    let slots = [Span::one(Index(1))];
    story.promise(2, 3, &[2]);
    story.claim(2, &accepts(1, 1, &slots));
    assert_eq!(broken(story.claims(2, &accepts(2, 3, &slots))), Invariant::AckedIsDurable);
    assert_eq!(broken(story.claims(3, &accepts(1, 1, &slots))), Invariant::AckedIsDurable);
}

#[test]
fn a_late_vote_for_a_lower_ballot_disagrees_with_a_proposal_made_since() {
    // n2 promised ballot 2 only in words: its late vote chooses what n3 knows nothing of.
    let mut story = Story::paxos(3);
    story.promise(1, 1, &[1, 2]);
    let vote = command(1, ballot(1, 1), 1);
    story.write(2, &[super::story::swear(1, 1)]);
    story.accept(&vote, &[1]);
    story.write(2, &[Write::Put(vote.into())]);
    story.promise(2, 3, &[3]);
    let verdict = story.writes(3, &[Write::Put(command(1, ballot(2, 3), 2).into())]);
    assert_eq!(broken(verdict), Invariant::ProposalIsSafe);
    assert_eq!(broken(story.syncs(2)), Invariant::HigherProposalsAgree);
}

#[test]
fn flexible_quorums_choose_with_fewer_votes() {
    let mut story = Story::of(Order::Ballots, 5);
    let sizes = FlexibleSizes { phase1: 4, phase2: 2 };
    story.checks = story.checks.with_sizes(sizes);
    (1..=5).for_each(|at| story.start(at, 0, &[]));
    story.promise(1, 1, &[1, 2, 3]);
    let entry = command(1, ballot(1, 1), 1);
    assert_eq!(
        broken(story.writes(1, &[Write::Put(entry.clone().into())])),
        Invariant::ProposalIsSafe,
        "three promises are one too few"
    );
    story.promise(2, 1, &[1, 2, 3, 4]);
    let entry = Entry { ballot: ballot(2, 1), ..entry };
    story.accept(&entry, &[1, 2]);
    assert_eq!(story.checks.is_committed(&entry), Some(true));
}
