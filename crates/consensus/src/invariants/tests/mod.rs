//! Each invariant can be violated: a small bad story, and the name it must be told by. And good
//! stories violate nothing, and are forgotten when they are compacted.

mod paxos;
mod raft;
mod story;

use super::*;
use story::Story;

/// The story that breaks an invariant, told up to the step that does.
fn bad_story(invariant: Invariant) -> Verdict {
    match invariant {
        Invariant::ElectionSafety => raft::two_leaders(),
        Invariant::LeaderAppendOnly => raft::a_leader_truncates(),
        Invariant::LogMatching => raft::two_entries_of_a_term(),
        Invariant::LeaderCompleteness => raft::a_leader_lacks_what_is_committed(),
        Invariant::StateMachineSafety => raft::another_entry_is_applied(),
        Invariant::OneVotePerTerm => raft::a_second_vote_after_a_restart(),
        Invariant::VoteDurable => raft::an_early_vote(),
        Invariant::PromiseMonotone => raft::a_term_is_unwritten(),
        Invariant::TermMonotone => raft::a_term_goes_back(),
        Invariant::CommitMonotone => raft::a_commit_goes_back(),
        Invariant::AppliedMonotone => raft::an_apply_goes_back(),
        Invariant::LogIsWritten => raft::an_entry_is_not_written(),
        Invariant::AckedIsDurable => raft::an_early_acknowledgement(),
        Invariant::PersistedSurvives => raft::a_restart_without_a_durable_entry(),
        Invariant::CommittedIsDurableOnQuorum => raft::a_commit_on_one_disk(),
        Invariant::CommitOwnTermOnly => raft::an_older_entry_is_counted(),
        Invariant::LeaderHasQuorumLog => raft::a_shorter_log_wins(),
        Invariant::CommittedStays => raft::a_committed_entry_is_removed(),
        Invariant::SnapshotNotBeyondApplied => raft::a_log_is_cut_too_far(),
        Invariant::SnapshotIsPrefix => raft::a_snapshot_of_something_else(),
        Invariant::CompactionOrder => raft::applied_before_committed(),
        Invariant::NoGapExecution => raft::a_gap_is_applied(),
        Invariant::ReadNotStale => raft::a_stale_read(),
        Invariant::ReadAfterOwnCommit => raft::a_read_before_the_own_commit(),
        Invariant::ReadOncePerToken => raft::a_read_is_released_twice(),
        Invariant::PreVoteLeavesTerm => raft::a_pre_vote_raises_the_term(),
        Invariant::OutcomeIsTrue => raft::a_false_outcome(),
        Invariant::OnlyProposedChosen => raft::nobody_proposed_it(),
        Invariant::QuorumsIntersect => raft::a_new_configuration_meets_nobody(),
        Invariant::ChosenOnce => paxos::two_values_are_chosen(),
        Invariant::AcceptKeepsPromise => paxos::a_promise_is_broken(),
        Invariant::HigherAcceptsAgree => paxos::a_higher_vote_disagrees(),
        Invariant::HigherProposalsAgree => paxos::a_higher_proposal_disagrees(),
        Invariant::ProposalIsSafe => paxos::nobody_promised(),
        Invariant::OneValuePerBallot => paxos::two_values_of_a_ballot(),
        Invariant::BallotOwnedOnce => paxos::a_ballot_is_used_again(),
        Invariant::PromiseReportsVotes => paxos::a_vote_is_not_told(),
        Invariant::LearnedIsChosen => paxos::a_vote_is_taken_for_a_choice(),
    }
}

#[test]
fn every_invariant_is_violated_by_its_story() {
    for invariant in Invariant::ALL {
        match bad_story(invariant) {
            Err(violation) => {
                assert_eq!(violation.invariant, invariant, "{}", violation.message);
                let words = violation.to_string();
                assert!(words.starts_with(&format!("{}: ", invariant.name())), "{words}");
            }
            Ok(()) => panic!("{invariant} does not notice its story"),
        }
    }
}

#[test]
fn names_are_distinct_and_in_order() {
    let mut names: Vec<&str> = Invariant::ALL.iter().map(|invariant| invariant.name()).collect();
    for (at, invariant) in Invariant::ALL.into_iter().enumerate() {
        assert_eq!(invariant as usize, at, "{invariant} is counted under another's name");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Invariant::ALL.len());
}

#[test]
fn counts_add_up() {
    let mut story = Story::raft(3);
    story.elect(1, 1);
    let once = story.checks.checks().clone();
    assert!(0 < once.of(Invariant::ElectionSafety));
    let mut twice = once.clone();
    twice.add(&once);
    assert_eq!(twice.total(), 2 * once.total());
    assert_eq!(once.iter().map(|(_, count)| count).sum::<u64>(), once.total());
}
