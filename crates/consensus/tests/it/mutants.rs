//! Would the checks notice? Each broken rule must be caught by the script named for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quorate_consensus::raft::Raft;
use quorate_consensus::{Mutant, Rule};

use crate::fault::{Check, Fault};
use crate::script::Script;

/// Each broken rule, the script that catches it, and what that must say.
const CATCHERS: &[(Rule, &str, &str)] = &[
    (
        Rule::VoteBeforeDurable,
        "raft/a_vote_is_durable_before_the_reply",
        "n3 sends its vote for n1 in round 1 before it is durable",
    ),
    (
        Rule::AcknowledgeBeforeDurable,
        "raft/acknowledged_means_durable",
        "acknowledges 1 of round 1 before it is durable",
    ),
    (
        Rule::CountOwnUndurable,
        "raft/the_leaders_own_copy_counts_when_it_is_durable",
        "n1 commits 2 before it is durable on a quorum",
    ),
    (
        Rule::CommitOlderTerm,
        "raft/figure_3_7_an_older_entry_is_not_committed_by_counting",
        "n1 commits 2 of another round by counting",
    ),
    (
        Rule::VoteForShorterLog,
        "raft/a_shorter_log_gets_no_vote",
        "n1 leads round 2 without committed entry 1",
    ),
    (Rule::VoteTwice, "raft/one_vote_per_term", "n3 takes back its vote of round 1"),
    (Rule::TruncateOnDuplicate, "raft/late_duplicates_never_truncate", "the engine stopped"),
    (
        Rule::SkipNoop,
        "raft/a_new_leader_commits_by_its_own_entry",
        "n2 leader round=2 last=3 committed=1",
    ),
    (Rule::ReadWithoutConfirmation, "raft/late_confirmations_confirm_nothing", "stale read: r2"),
    (Rule::ReadBeforeOwnCommit, "shared/a_read_right_after_the_election_waits", "stale read: r1"),
    (
        Rule::CommitBeyondMatch,
        "raft/a_follower_commits_only_what_it_verified",
        "committed entry 2 changes at n3",
    ),
    (
        Rule::SkipCheckQuorum,
        "shared/a_one_way_link_stops_a_leader",
        "expected n1 follower\n  but: n1 leader",
    ),
    (
        Rule::SkipProbe,
        "raft/a_full_window_that_lost_everything_recovers",
        "expected machine n3 = a=1 b=1 c=1 d=1",
    ),
    (
        Rule::ForgetVote,
        "raft/a_vote_is_durable_before_the_reply",
        "n1 sends its vote for n1 in round 1 before it is durable",
    ),
    (Rule::KeepVoteAcrossTerms, "shared/a_killed_leader_is_replaced", "but: leaders: "),
    (Rule::ForgetTerm, "raft/a_term_is_entered_durably", "log-is-written: n1 is in round 2"),
    (
        Rule::RaiseTermByPreVote,
        "raft/pre_vote_changes_no_term",
        "pre-vote-leaves-term: n1 is in round 1",
    ),
    (
        Rule::VoteDespiteLeader,
        "raft/stickiness_protects_a_living_leader",
        "expected leaders = 0\n  but: 1",
    ),
    (
        Rule::AnyRequestResetsTimer,
        "shared/a_hopeless_candidate_holds_up_nobody",
        "expected n2 leader!=n1 leader!=none\n  but: n2 follower",
    ),
    (
        Rule::CampaignBeforeDurable,
        "raft/a_candidate_votes_for_itself_durably",
        "n1 sends its vote for n1 in round 1 before it is durable",
    ),
    (
        Rule::CountRefusedVotes,
        "raft/a_shorter_log_gets_no_vote",
        "n1 leads round 2 without committed entry 1",
    ),
    (
        Rule::CountLateVotes,
        "raft/a_late_vote_counts_for_nothing",
        "leader-has-quorum-log: n1 leads round 2",
    ),
    (Rule::NoSpread, "shared/a_healthy_cluster_agrees", "expected one leader\n  but: leaders: "),
    (
        Rule::LearnerCampaigns,
        "raft/a_learner_does_not_campaign",
        "expected n4 follower term=1\n  but: n4 ",
    ),
    (
        Rule::StaleTermUnanswered,
        "raft/pre_vote_and_check_quorum_do_not_deadlock",
        "expected one leader\n  but: leaders: ",
    ),
    (
        Rule::LeadOldTerm,
        "raft/stale_terms_are_refused",
        "expected n1 follower term=2\n  but: n1 leader round=1",
    ),
    (
        Rule::SkipConsistencyCheck,
        "raft/figure_3_6_six_divergent_followers_are_repaired",
        "log matching: n7 stores 11 of round 8 after another prefix",
    ),
    (
        Rule::KeepConflicting,
        "shared/displaced_proposals_are_reported",
        "n1 stores 4 of round 2 after another prefix",
    ),
    (
        Rule::OldWriteCounts,
        "raft/truncated_and_written_again_counts_when_durable",
        "the engine stopped",
    ),
    (
        Rule::AcknowledgeUnverified,
        "raft/figure_3_6_six_divergent_followers_are_repaired",
        "n6 acknowledges 7 of round 8 before it is durable",
    ),
    (
        Rule::CountRefusedAppend,
        "raft/acknowledged_means_durable",
        "n1 commits 2 before it is durable on a quorum",
    ),
    (Rule::NeverBackUp, "raft/a_missing_tail_takes_one_step", "the cluster never settles"),
    (
        Rule::CommitShortOfQuorum,
        "shared/three_of_five_down_nothing_is_acknowledged",
        "before it is durable on a quorum",
    ),
    (
        Rule::DeliverUndurable,
        "raft/what_is_applied_is_durable_beside_it",
        "expected machine n3 =\n  but: a=1",
    ),
    (
        Rule::SnapshotDropsTail,
        "raft/a_snapshot_never_replaces_a_log_that_holds_it",
        "the engine stopped",
    ),
    (
        Rule::WaitForLostSnapshot,
        "shared/a_failed_snapshot_is_sent_again",
        "expected machine n3 = a=1 b=1 c=1",
    ),
    (
        Rule::SettleByIndex,
        "shared/displaced_proposals_are_reported",
        "is committed at 2, where it is not",
    ),
    (
        Rule::DisplaceWhenDeposed,
        "shared/what_a_snapshot_covers_stays_unknown",
        "expected outcome p1,p2 = unknown\n  but: p1 displaced",
    ),
    (
        Rule::DropReads,
        "shared/a_deposed_leader_serves_no_reads",
        "expected outcome r1 = refused not-leader",
    ),
    (
        Rule::ReuseConfirmation,
        "raft/a_delayed_confirmation_does_not_serve_a_later_read",
        "stale read: r2",
    ),
    (
        Rule::LeadWithStalledDisk,
        "shared/a_leader_with_a_stalled_disk_steps_down",
        "expected n1 follower\n  but: n1 leader",
    ),
    (
        Rule::EndlessTransfer,
        "shared/a_transfer_to_nobody_times_out",
        "expected outcome t1 = failed timed-out",
    ),
    (
        Rule::TakeWithoutBound,
        "shared/requests_beyond_the_bound_are_refused",
        "expected outcome p4 = refused overloaded 3",
    ),
    (
        Rule::AnswerAnswers,
        "shared/an_idle_leader_speaks_once_per_interval",
        "expected messages n1->n2 <= 101",
    ),
];

fn catcher(rule: Rule) -> (&'static str, &'static str) {
    let row = CATCHERS.iter().find(|(caught, ..)| *caught == rule);
    let (_, script, complaint) = row.expect("every rule of Raft has a row");
    (script, complaint)
}

/// Runs a script under a broken rule; a panic of the engine is a check that noticed.
fn run_broken(name: &str, rule: Rule) -> Check<String> {
    let path = Path::new(crate::SCRIPTS).join(format!("{name}.txt"));
    let script = Script::read(&path)?;
    let run = || script.run::<Raft<Mutant>>(Mutant(rule));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Fault("the engine stopped".into())))
}

#[test]
fn every_broken_rule_is_caught_by_its_script() {
    let mut missed = Vec::new();
    for rule in Rule::RAFT {
        let (script, complaint) = catcher(rule);
        match run_broken(script, rule) {
            Err(fault) if fault.0.contains(complaint) => {}
            Err(fault) => missed.push(format!("{rule:?} fails otherwise: {fault}")),
            Ok(_) => missed.push(format!("{rule:?} is not noticed by {script}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_broken_rule_shows_only_where_it_matters() {
    // These are noticed at the first promise, commit or term that comes too early, in any script.
    let visible_at_once = [
        Rule::VoteBeforeDurable,
        Rule::AcknowledgeBeforeDurable,
        Rule::ForgetVote,
        Rule::CampaignBeforeDurable,
        Rule::CommitShortOfQuorum,
        Rule::RaiseTermByPreVote,
        // Where messages always take equally long, all campaign together for ever.
        Rule::NoSpread,
    ];
    for rule in Rule::RAFT.into_iter().filter(|rule| !visible_at_once.contains(rule)) {
        let result = run_broken("shared/a_healthy_cluster_agrees", rule);
        assert!(result.is_ok(), "{rule:?}: {result:?}");
    }
}
