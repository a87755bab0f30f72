//! Would the checks notice? Each broken rule of Multi-Paxos must be caught by the script named for
//! it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use quorate_consensus::paxos::Paxos;
use quorate_consensus::{Mutant, Rule};

use crate::fault::{Check, Fault};
use crate::script::Script;

/// The script that catches each broken rule, and what it must say.
const CATCHERS: [(Rule, &str, &str); 27] = [
    (
        Rule::AcceptWithoutPromise,
        "paxos/a_vote_raises_the_promise",
        "promise-monotone: n4 writes a promise",
    ),
    (
        Rule::ForgetPromise,
        "paxos/a_promise_survives_a_restart",
        "promise-monotone: n3 forgets round 2",
    ),
    (
        Rule::PromiseBeforeDurable,
        "paxos/a_promise_is_durable_before_it_is_told",
        "vote-durable: n3 promises 1.n1",
    ),
    (
        Rule::AcceptedBeforeDurable,
        "paxos/a_vote_is_durable_before_it_is_told",
        "acked-is-durable: n2 acknowledges 1 of 1.n1",
    ),
    (
        Rule::AdoptAnyVote,
        "paxos/the_vote_of_the_highest_ballot_is_adopted",
        "proposal-is-safe: n4 proposes a value for 1",
    ),
    (
        Rule::IgnoreVotes,
        "paxos/a_new_leader_repairs_a_log_with_holes",
        "higher-proposals-agree: n3 proposes another value for 4",
    ),
    (
        Rule::ReuseBallot,
        "paxos/a_ballot_is_durable_before_it_is_used",
        "vote-durable: n1 asks for promises to 1.n1",
    ),
    (
        Rule::CountAcrossBallots,
        "paxos/votes_of_different_ballots_do_not_add_up",
        "learned-is-chosen: n1 takes 1 for chosen",
    ),
    (
        Rule::AckNamesPromise,
        "paxos/an_acknowledgement_names_the_ballot_of_its_vote",
        "acked-is-durable: n3 acknowledges 1 of 2.n2",
    ),
    (
        Rule::ForgetReaccepted,
        "paxos/what_a_leader_proposes_again_is_its_vote",
        "learned-is-chosen: n2 takes 1 for chosen",
    ),
    (
        Rule::SlotsFromTheStart,
        "paxos/new_values_go_behind_what_is_chosen",
        "higher-proposals-agree: n2 proposes another value for 1",
    ),
    (
        Rule::CompactedIsEmpty,
        "paxos/compacted_is_not_empty",
        "higher-proposals-agree: n3 proposes another value for 1",
    ),
    (
        Rule::CountPromiseParts,
        "paxos/a_promise_counts_when_it_is_whole",
        "higher-proposals-agree: n3 proposes another value for 2",
    ),
    (
        Rule::CommitByIndex,
        "paxos/chosen_up_to_here_is_not_about_my_votes",
        "state-machine-safety: n1 takes another value for chosen at 1",
    ),
    (Rule::ReadBeforeBarrier, "paxos/a_read_waits_for_the_barrier", "stale read: r1"),
    (
        Rule::CountOwnUndurable,
        "paxos/the_leaders_own_vote_counts_when_it_is_durable",
        "learned-is-chosen: n1 takes 1 for chosen",
    ),
    (Rule::ReadWithoutConfirmation, "paxos/a_late_confirmation_confirms_nothing", "stale read: r2"),
    (
        Rule::SkipCheckQuorum,
        "paxos/the_topology_quorum_loss_is_left_by_the_hub",
        "expected n2 leader",
    ),
    (Rule::SkipProbe, "paxos/a_lost_accept_is_sent_again", "expected outcome p1 = committed 1"),
    (Rule::DeliverUndurable, "paxos/what_is_applied_is_durable_beside_it", "expected machine n3 ="),
    (
        Rule::SettleByIndex,
        "paxos/a_new_leader_repairs_a_log_with_holes",
        "outcome-is-true: n1 says",
    ),
    (
        Rule::DisplaceWhenDeposed,
        "paxos/a_deposed_leader_does_not_know_how_its_proposal_ends",
        "outcome-is-true: n1 says",
    ),
    (Rule::ReuseConfirmation, "paxos/a_late_confirmation_confirms_nothing", "stale read: r2"),
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

/// Runs a script under a broken rule; a panic of the engine is a check that noticed.
fn run_broken(name: &str, rule: Rule) -> Check<String> {
    let path = Path::new(crate::SCRIPTS).join(format!("{name}.txt"));
    let script = Script::read(&path)?;
    let run = || script.run::<Paxos<Mutant>>(Mutant(rule));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Fault("the engine stopped".into())))
}

#[test]
fn every_rule_of_paxos_has_a_script_that_catches_it() {
    assert_eq!(CATCHERS.map(|(rule, ..)| rule), Rule::PAXOS);
}

#[test]
fn every_broken_rule_of_paxos_is_caught_by_its_script() {
    let mut missed = Vec::new();
    for (rule, script, complaint) in CATCHERS {
        match run_broken(script, rule) {
            Err(fault) if fault.0.contains(complaint) => {}
            Err(fault) => missed.push(format!("{rule:?} fails otherwise: {fault}")),
            Ok(_) => missed.push(format!("{rule:?} is not noticed by {script}")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_broken_rule_of_paxos_shows_only_where_it_matters() {
    // These are noticed at the first promise, vote or ballot that comes too early, in any script.
    let visible_at_once =
        [Rule::PromiseBeforeDurable, Rule::AcceptedBeforeDurable, Rule::ReuseBallot];
    for rule in Rule::PAXOS.into_iter().filter(|rule| !visible_at_once.contains(rule)) {
        let result = run_broken("shared/a_healthy_cluster_agrees", rule);
        assert!(result.is_ok(), "{rule:?}: {result:?}");
    }
}
