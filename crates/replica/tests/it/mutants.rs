//! Would the tests notice? Each broken rule must be caught by the test that is named for it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use quorate_replica::{Rule, Rules};

use crate::{half, leasing, reading, schedules, snapshots, writing};

thread_local! {
    /// The rule that nodes made by this thread break.
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// The rule that a node breaks, if any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken(Option<Rule>);

impl Broken {
    /// What the running test wants broken.
    pub(crate) fn here() -> Self {
        Self(BROKEN.get())
    }
}

impl Rules for Broken {
    fn breaks(&self, rule: Rule) -> bool {
        self.0 == Some(rule)
    }
}

/// The test that catches a broken rule.
fn catcher(rule: Rule) -> fn() {
    match rule {
        Rule::RetryAttempted => schedules::every_write_happens_as_often_as_its_client_was_told,
        Rule::RetryInstalled => {
            snapshots::a_write_that_a_snapshot_may_contain_ends_as_unknown_and_is_never_retried
        }
        Rule::TakeAnyBallot => writing::a_forward_to_another_ballot_is_refused_with_the_leader,
        Rule::TakeTwice => writing::a_duplicated_forward_is_taken_once_and_never_refused,
        Rule::UnknownIsRefused => writing::a_write_that_may_be_under_way_ends_as_unknown,
        Rule::IgnoreDisplaced => {
            writing::a_displaced_write_is_sent_anew_before_the_log_here_has_caught_up
        }
        Rule::ReuseNumbers => writing::an_entry_of_an_earlier_life_answers_no_new_request,
        Rule::ServeAnyBallot => reading::a_read_asked_of_another_ballot_is_refused_with_the_leader,
        Rule::ReuseRound => reading::a_late_answer_to_an_old_round_releases_no_newer_read,
        Rule::ReadBeforeApplied => half::small_reads_do_not_wait_behind_the_newest_position,
        Rule::CompactAboveDurable => snapshots::a_lagging_node_gets_a_snapshot_in_chunks,
        Rule::InstallUnheld => snapshots::a_receiver_that_restarts_midway_begins_anew,
        Rule::TakeUnaskedChunk => snapshots::a_chunk_that_was_not_asked_for_is_dropped,
        Rule::LetClockStand => {
            leasing::a_change_of_leaders_neither_lengthens_a_lease_nor_shortens_it
        }
        Rule::CountStampsOfAll => {
            half::a_stamp_that_an_earlier_leader_counted_in_vain_ends_no_lease
        }
        Rule::ClaimEarly => {
            snapshots::work_for_a_transfer_that_was_given_up_says_nothing_about_the_next
        }
    }
}

fn run_broken(rule: Rule, test: fn()) -> bool {
    BROKEN.set(Some(rule));
    let result = catch_unwind(AssertUnwindSafe(test));
    BROKEN.set(None);
    result.is_ok()
}

#[test]
fn every_broken_rule_is_caught_by_its_test() {
    let missed: Vec<Rule> =
        Rule::ALL.into_iter().filter(|rule| run_broken(*rule, catcher(*rule))).collect();
    assert!(missed.is_empty(), "{missed:?} went unnoticed");
}

#[test]
fn a_broken_rule_shows_only_where_it_matters() {
    for rule in Rule::ALL {
        let healthy = writing::a_write_at_a_follower_is_applied_once_and_answered_there;
        assert!(run_broken(rule, healthy), "{rule:?}");
    }
}
