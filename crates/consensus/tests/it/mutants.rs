//! Would the checks notice? Each broken rule must be caught by the script named for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quorate_consensus::raft::Raft;
use quorate_consensus::{Mutant, Rule};

use crate::fault::{Check, Fault};
use crate::script::Script;

/// The script that catches a broken rule, and what it must say.
fn catcher(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::VoteBeforeDurable => (
            "raft/a_vote_is_durable_before_the_reply",
            "n3 sends its vote for n1 in round 1 before it is durable",
        ),
        Rule::AcknowledgeBeforeDurable => {
            ("raft/acknowledged_means_durable", "acknowledges 1 of round 1 before it is durable")
        }
        Rule::CountOwnUndurable => (
            "raft/the_leaders_own_copy_counts_when_it_is_durable",
            "n1 commits 2 before it is durable on a quorum",
        ),
        Rule::CommitOlderTerm => (
            "raft/figure_3_7_an_older_entry_is_not_committed_by_counting",
            "n1 commits 2 of another round by counting",
        ),
        Rule::VoteForShorterLog => {
            ("raft/a_shorter_log_gets_no_vote", "n1 leads round 2 without committed entry 2")
        }
        Rule::VoteTwice => ("raft/one_vote_per_term", "n3 takes back its vote of round 1"),
        Rule::TruncateOnDuplicate => ("raft/late_duplicates_never_truncate", "the engine stopped"),
        Rule::SkipNoop => {
            ("raft/a_new_leader_commits_by_its_own_entry", "n2 leader round=2 last=3 committed=1")
        }
        Rule::ReadWithoutConfirmation => {
            ("raft/late_confirmations_confirm_nothing", "stale read: r2")
        }
        Rule::ReadBeforeOwnCommit => {
            ("shared/a_read_right_after_the_election_waits", "stale read: r1")
        }
        Rule::CommitBeyondMatch => {
            ("raft/a_follower_commits_only_what_it_verified", "committed entry 2 changes at n3")
        }
        Rule::SkipCheckQuorum => {
            ("shared/a_one_way_link_stops_a_leader", "expected n1 follower\n  but: n1 leader")
        }
        Rule::SkipProbe => (
            "raft/a_full_window_that_lost_everything_recovers",
            "expected machine n3 = a=1 b=1 c=1 d=1",
        ),
        _ => panic!("{rule:?} is no rule of Raft"),
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
    // These two are noticed at the first message that leaves too early, in any script.
    let visible_at_once = [Rule::VoteBeforeDurable, Rule::AcknowledgeBeforeDurable];
    for rule in Rule::RAFT.into_iter().filter(|rule| !visible_at_once.contains(rule)) {
        let result = run_broken("shared/a_healthy_cluster_agrees", rule);
        assert!(result.is_ok(), "{rule:?}: {result:?}");
    }
}
