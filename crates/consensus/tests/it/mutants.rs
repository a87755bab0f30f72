//! Would the checks notice? Each broken rule must be caught by the script named for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quorate_consensus::raft::Raft;
use quorate_consensus::{Mutant, Rule};

use crate::fault::{Check, Fault};
use crate::script::Script;

/// The script that catches a broken rule.
fn catcher(rule: Rule) -> &'static str {
    match rule {
        Rule::VoteBeforeDurable => "raft/a_vote_is_durable_before_the_reply",
        Rule::AcknowledgeBeforeDurable => "raft/acknowledged_means_durable",
        Rule::CountOwnUndurable => "raft/the_leaders_own_copy_counts_when_it_is_durable",
        Rule::CommitOlderTerm => "raft/figure_3_7_an_older_entry_is_not_committed_by_counting",
        Rule::VoteForShorterLog => "raft/a_shorter_log_gets_no_vote",
        Rule::VoteTwice => "raft/one_vote_per_term",
        Rule::TruncateOnDuplicate => "raft/late_duplicates_never_truncate",
        Rule::SkipNoop => "raft/a_new_leader_commits_by_its_own_entry",
        Rule::ReadWithoutConfirmation => "shared/a_deposed_leader_serves_no_reads",
        Rule::ReadBeforeOwnCommit => "shared/a_read_right_after_the_election_waits",
        Rule::CommitBeyondMatch => "raft/a_follower_commits_only_what_it_verified",
        Rule::SkipCheckQuorum => "shared/a_one_way_link_stops_a_leader",
        Rule::SkipProbe => "raft/a_full_window_that_lost_everything_recovers",
    }
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
    let missed: Vec<Rule> =
        Rule::ALL.into_iter().filter(|&rule| run_broken(catcher(rule), rule).is_ok()).collect();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}

#[test]
fn a_broken_rule_shows_only_where_it_matters() {
    // These two are noticed at the first message that leaves too early, in any script.
    let visible_at_once = [Rule::VoteBeforeDurable, Rule::AcknowledgeBeforeDurable];
    for rule in Rule::ALL.into_iter().filter(|rule| !visible_at_once.contains(rule)) {
        let result = run_broken("shared/a_healthy_cluster_agrees", rule);
        assert!(result.is_ok(), "{rule:?}: {result:?}");
    }
}
