//! Which mutants there are, what must notice each, and where it was seen.

mod paxos;

use quorate_codec::EngineKind;
use quorate_consensus::Rule as Engine;
use quorate_kv::Rule as Store;
use quorate_replica::Rule as Node;
use quorate_storage::Rule as Log;

use super::scenarios as play;
use super::{Exhibit, Hunt, Scenario, Sight};
use crate::broken::Lesson;
use crate::profile::Named;
use crate::protocol::RaftProtocol;

/// Every mutant.
pub fn exhibits() -> Vec<Exhibit> {
    [ENGINE, paxos::RULES, STORE, WATCHES, LEASES, LOG, NODE].concat()
}

/// Noticed in any run of the family, such as this one.
const fn seen(
    lesson: Lesson,
    by: &'static [&'static str],
    family: Named,
    recorded: u64,
) -> Exhibit {
    exhibit(lesson, by, Sight::AtOnce, Hunt::Seeds { family, recorded })
}

/// Noticed in some runs of the family, this one among them.
const fn hunted(
    lesson: Lesson,
    by: &'static [&'static str],
    family: Named,
    recorded: u64,
) -> Exhibit {
    exhibit(lesson, by, Sight::UnderFaults, Hunt::Seeds { family, recorded })
}

/// Noticed in a scenario.
const fn played(
    lesson: Lesson,
    by: &'static [&'static str],
    name: &'static str,
    play: Scenario,
) -> Exhibit {
    exhibit(lesson, by, Sight::UnderFaults, Hunt::Scenario { name, play })
}

/// Noticed by a test of its part.
const fn tested(lesson: Lesson, test: &'static str) -> Exhibit {
    exhibit(lesson, &[], Sight::UnderFaults, Hunt::Test(test))
}

const fn exhibit(
    lesson: Lesson,
    invariants: &'static [&'static str],
    sight: Sight,
    hunt: Hunt,
) -> Exhibit {
    Exhibit { lesson, engine: EngineKind::Raft, invariants, sight, hunt }
}

/// The rules of Raft.
const ENGINE: &[Exhibit] = &[
    seen(Lesson::Engine(Engine::VoteBeforeDurable), &["vote-durable"], Named::Default, 1),
    seen(
        Lesson::Engine(Engine::AcknowledgeBeforeDurable),
        &["acked-is-durable"],
        Named::Default,
        1,
    ),
    seen(
        Lesson::Engine(Engine::CountOwnUndurable),
        &["committed-is-durable-on-quorum"],
        Named::Default,
        2,
    ),
    hunted(Lesson::Engine(Engine::CommitOlderTerm), &["commit-own-term-only"], Named::Default, 1),
    tested(
        Lesson::Engine(Engine::VoteForShorterLog),
        "consensus/scripts/raft/a_shorter_log_gets_no_vote.txt",
    ),
    hunted(Lesson::Engine(Engine::VoteTwice), &["one-vote-per-term"], Named::Default, 9),
    hunted(
        Lesson::Engine(Engine::TruncateOnDuplicate),
        &["assertion", "nobody-is-blamed", "committed-is-durable-on-quorum"],
        Named::Default,
        4,
    ),
    tested(
        Lesson::Engine(Engine::SkipNoop),
        "consensus/scripts/raft/a_new_leader_commits_by_its_own_entry.txt",
    ),
    played(
        Lesson::Engine(Engine::ReadWithoutConfirmation),
        &[play::READS_ARE_CONFIRMED],
        "late-confirmation",
        play::late_confirmation::<RaftProtocol>,
    ),
    seen(
        Lesson::Engine(Engine::ReadBeforeOwnCommit),
        &["read-after-own-commit"],
        Named::Default,
        1,
    ),
    hunted(Lesson::Engine(Engine::CommitBeyondMatch), &["state-machine-safety"], Named::Partial, 2),
    played(
        Lesson::Engine(Engine::SkipCheckQuorum),
        &[play::UNHEARD_LEADERS_YIELD],
        "unheard-leader",
        play::unheard_leader::<RaftProtocol>,
    ),
    played(
        Lesson::Engine(Engine::SkipProbe),
        &[play::LAGGARDS_CATCH_UP],
        "lost-window",
        play::lost_window,
    ),
    seen(Lesson::Engine(Engine::ForgetVote), &["vote-durable"], Named::Default, 1),
    hunted(Lesson::Engine(Engine::KeepVoteAcrossTerms), &["converges"], Named::Crashes, 1),
    hunted(Lesson::Engine(Engine::ForgetTerm), &["log-is-written"], Named::Default, 1),
    seen(Lesson::Engine(Engine::RaiseTermByPreVote), &["pre-vote-leaves-term"], Named::Default, 1),
    played(
        Lesson::Engine(Engine::VoteDespiteLeader),
        &[play::LIVING_LEADER_STAYS],
        "deaf-follower",
        play::deaf_follower,
    ),
    hunted(Lesson::Engine(Engine::AnyRequestResetsTimer), &["converges"], Named::Crashes, 1),
    seen(Lesson::Engine(Engine::CampaignBeforeDurable), &["vote-durable"], Named::Default, 1),
    tested(
        Lesson::Engine(Engine::CountRefusedVotes),
        "consensus/scripts/raft/a_shorter_log_gets_no_vote.txt",
    ),
    tested(
        Lesson::Engine(Engine::CountLateVotes),
        "consensus/scripts/raft/a_late_vote_counts_for_nothing.txt",
    ),
    played(Lesson::Engine(Engine::NoSpread), &[play::STARTS_ELECT], "lockstep", play::lockstep),
    played(
        Lesson::Engine(Engine::LearnerCampaigns),
        &[play::LEARNERS_LISTEN],
        "ambitious-learner",
        play::ambitious_learner,
    ),
    tested(
        Lesson::Engine(Engine::StaleTermUnanswered),
        "consensus/scripts/raft/pre_vote_and_check_quorum_do_not_deadlock.txt",
    ),
    played(
        Lesson::Engine(Engine::LeadOldTerm),
        &[play::DEPOSED_LEADERS_FOLLOW],
        "deposed",
        play::deposed,
    ),
    hunted(Lesson::Engine(Engine::SkipConsistencyCheck), &["log-matching"], Named::Default, 66),
    hunted(Lesson::Engine(Engine::KeepConflicting), &["log-matching"], Named::Partial, 43),
    tested(
        Lesson::Engine(Engine::OldWriteCounts),
        "consensus/scripts/raft/truncated_and_written_again_counts_when_durable.txt",
    ),
    hunted(Lesson::Engine(Engine::AcknowledgeUnverified), &["acked-is-durable"], Named::Partial, 8),
    seen(
        Lesson::Engine(Engine::CountRefusedAppend),
        &["committed-is-durable-on-quorum"],
        Named::Calm,
        1,
    ),
    played(
        Lesson::Engine(Engine::NeverBackUp),
        &[play::LAGGARDS_CATCH_UP],
        "short-log",
        play::short_log,
    ),
    seen(
        Lesson::Engine(Engine::CommitShortOfQuorum),
        &["committed-is-durable-on-quorum"],
        Named::Calm,
        1,
    ),
    hunted(Lesson::Engine(Engine::DeliverUndurable), &["assertion"], Named::Default, 4),
    tested(
        Lesson::Engine(Engine::SnapshotDropsTail),
        "consensus/scripts/raft/a_snapshot_never_replaces_a_log_that_holds_it.txt",
    ),
    played(
        Lesson::Engine(Engine::WaitForLostSnapshot),
        &[play::LAGGARDS_CATCH_UP],
        "lost-snapshot",
        play::lost_snapshot,
    ),
    hunted(Lesson::Engine(Engine::SettleByIndex), &["outcome-is-true"], Named::Partial, 6),
    hunted(Lesson::Engine(Engine::DisplaceWhenDeposed), &["outcome-is-true"], Named::Network, 1),
    tested(
        Lesson::Engine(Engine::DropReads),
        "consensus/scripts/shared/a_deposed_leader_serves_no_reads.txt",
    ),
    played(
        Lesson::Engine(Engine::ReuseConfirmation),
        &[play::READS_ARE_CONFIRMED],
        "late-confirmation",
        play::late_confirmation::<RaftProtocol>,
    ),
    played(
        Lesson::Engine(Engine::LeadWithStalledDisk),
        &[play::STALLED_DISK_YIELDS],
        "stalled-disk",
        play::stalled_disk::<RaftProtocol>,
    ),
    played(
        Lesson::Engine(Engine::EndlessTransfer),
        &[play::TRANSFERS_END],
        "transfer-to-the-deaf",
        play::transfer_to_the_deaf::<RaftProtocol>,
    ),
    played(
        Lesson::Engine(Engine::TakeWithoutBound),
        &[play::BOUNDS_HOLD],
        "flood",
        play::flood::<RaftProtocol>,
    ),
    seen(Lesson::Engine(Engine::AnswerAnswers), &["no-busy-loop"], Named::Calm, 1),
];

/// The rules of the state machine.
const STORE: &[Exhibit] = &[
    seen(Lesson::Store(Store::EmptyDeleteTakesRevision), &["answers-are-true"], Named::Calm, 1),
    tested(Lesson::Store(Store::DuplicatesAllowed), "kv history::every_mutant_is_caught"),
    tested(Lesson::Store(Store::TimeRunsBackwards), "kv history::every_mutant_is_caught"),
    seen(
        Lesson::Store(Store::CompactionFreesVisible),
        &["starts-again", "answers-are-true"],
        Named::Default,
        5,
    ),
    tested(Lesson::Store(Store::QuotaIgnored), "kv history::every_mutant_is_caught"),
    tested(Lesson::Store(Store::CompactionIgnoresPins), "kv history::every_mutant_is_caught"),
    seen(Lesson::Store(Store::NestedComparesSeeWrites), &["answers-are-true"], Named::Calm, 2),
    seen(Lesson::Store(Store::CommitDropsLater), &["starts-again"], Named::Calm, 1),
    tested(Lesson::Store(Store::HashIgnoresEffects), "kv hash::any_effect_changes_the_state_hash"),
    seen(Lesson::Store(Store::PrevKvIsNew), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::CreateRevisionMoves), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::CompactedIsAnswered), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::OldReadsSeeLater), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::CountStopsAtLimit), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::TxnReadsBehind), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::ComparesIgnored), &["answers-are-true"], Named::Calm, 1),
    seen(Lesson::Store(Store::DeleteLeavesLast), &["answers-are-true"], Named::Calm, 1),
    tested(
        Lesson::Store(Store::CheckpointAhead),
        "kv commit::a_checkpoint_ahead_of_its_records_shows_at_a_restart",
    ),
];

/// The rules of watches.
const WATCHES: &[Exhibit] = &[
    seen(Lesson::Store(Store::WatchProgressAhead), &["watch-bookmarkable"], Named::Default, 1),
    hunted(
        Lesson::Store(Store::WatchDropsWhenSlow),
        &["watch-reliable", "watch-resumable", "watch-bookmarkable", "converges"],
        Named::Default,
        1,
    ),
    hunted(Lesson::Store(Store::WatchRepeatsAfterInstall), &["watch-unique"], Named::Default, 94),
    hunted(
        Lesson::Store(Store::WatchSkipsInstalled),
        &["watch-reliable", "watch-bookmarkable", "converges"],
        Named::Default,
        3,
    ),
    seen(
        Lesson::Store(Store::WatchSkipsAtHandOver),
        &["watch-reliable", "watch-bookmarkable", "watch-resumable"],
        Named::Calm,
        1,
    ),
    hunted(Lesson::Store(Store::WatchRepeatsWhenSlow), &["watch-unique"], Named::Default, 1),
    seen(
        Lesson::Store(Store::WatchSkipsCompacted),
        &["watch-resumable", "watch-reliable", "watch-bookmarkable"],
        Named::Default,
        2,
    ),
    seen(Lesson::Store(Store::WatchEndsAtEdge), &["watch-ends-for-reason"], Named::Default, 54),
    seen(Lesson::Store(Store::WatchTellsEarly), &["watch-as-asked"], Named::Calm, 1),
    seen(Lesson::Store(Store::WatchIgnoresFilter), &["watch-as-asked"], Named::Calm, 1),
    seen(Lesson::Store(Store::WatchPreviousIsNew), &["watch-tells-truth"], Named::Calm, 2),
    hunted(
        Lesson::Store(Store::WatchSplitsRevision),
        &["watch-atomic", "watch-bookmarkable"],
        Named::Default,
        1,
    ),
];

/// The rules of leases.
const LEASES: &[Exhibit] = &[
    seen(
        Lesson::Store(Store::LeaseExpiresEarly),
        &["lease-as-granted", "watch-tells-truth", "answers-are-true", "converges"],
        Named::Calm,
        1,
    ),
    seen(
        Lesson::Store(Store::LeaseNeverExpires),
        &["answers-are-true", "lease-stays-over", "converges"],
        Named::Calm,
        1,
    ),
    hunted(
        Lesson::Store(Store::LeaseExtendedByFailover),
        &["lease-stays-over", "answers-are-true", "watch-tells-truth"],
        Named::Default,
        2,
    ),
    tested(Lesson::Store(Store::RenewRevives), "kv history::every_mutant_is_caught"),
    seen(
        Lesson::Store(Store::RevokeLeavesKey),
        &["watch-atomic", "answers-are-true"],
        Named::Calm,
        1,
    ),
    seen(Lesson::Store(Store::LeaseKeysManyRevisions), &["answers-are-true"], Named::Calm, 1),
    seen(
        Lesson::Store(Store::DetachForgotten),
        &["watch-tells-truth", "answers-are-true"],
        Named::Calm,
        1,
    ),
    seen(Lesson::Store(Store::LostLeaseAccepted), &["answers-are-true"], Named::Calm, 1),
    hunted(Lesson::Store(Store::RenewalNotCommitted), &["starts-again"], Named::Default, 2),
];

/// The rules of the log and the files beside it.
const LOG: &[Exhibit] = &[
    hunted(Lesson::Log(Log::AcknowledgeBeforeSync), &["starts-again"], Named::Default, 2),
    hunted(Lesson::Log(Log::RetryFailedSync), &["starts-again"], Named::Default, 6),
    hunted(Lesson::Log(Log::DirectoryUnsynced), &["starts-again"], Named::Crashes, 2),
    tested(Lesson::Log(Log::CutAtFirstBad), "storage mutants::damage_in_the_middle_is_refused"),
    hunted(Lesson::Log(Log::TrustBadBatch), &["starts-again"], Named::Default, 2),
    tested(Lesson::Log(Log::SkipTruncation), "storage crash::cut_the_power_at_every_change"),
    tested(Lesson::Log(Log::StaleHard), "storage mutants::a_vote_outlives_its_segment"),
    hunted(Lesson::Log(Log::DropNeeded), &["assertion"], Named::Crashes, 1),
    hunted(Lesson::Log(Log::ReportUnsettled), &["starts-again"], Named::Disks, 1),
    hunted(Lesson::Log(Log::ForgetStarts), &["outcome-is-true"], Named::Crashes, 5),
    hunted(Lesson::Log(Log::CommitUnsynced), &["starts-again"], Named::Default, 3),
    tested(Lesson::Log(Log::TrustBadRecord), "storage mutants::rot_in_a_record_is_noticed"),
    hunted(Lesson::Log(Log::PublishUnsynced), &["starts-again"], Named::Default, 3),
    tested(Lesson::Log(Log::TrustReceived), "storage mutants::an_incomplete_snapshot_is_refused"),
];

/// The rules of a node's two halves.
const NODE: &[Exhibit] = &[
    hunted(Lesson::Node(Node::RetryAttempted), &["committed-as-asked"], Named::Crashes, 1),
    hunted(Lesson::Node(Node::RetryInstalled), &["committed-as-asked"], Named::Default, 3),
    tested(
        Lesson::Node(Node::TakeAnyBallot),
        "replica writing::a_forward_to_another_ballot_is_refused_with_the_leader",
    ),
    hunted(Lesson::Node(Node::TakeTwice), &["committed-as-asked"], Named::Network, 1),
    hunted(Lesson::Node(Node::UnknownIsRefused), &["committed-as-asked"], Named::Default, 1),
    tested(
        Lesson::Node(Node::IgnoreDisplaced),
        "replica writing::a_displaced_write_is_sent_anew_before_the_log_here_has_caught_up",
    ),
    hunted(Lesson::Node(Node::ReuseNumbers), &["outcome-is-true"], Named::Crashes, 5),
    tested(
        Lesson::Node(Node::ServeAnyBallot),
        "replica reading::a_read_asked_of_another_ballot_is_refused_with_the_leader",
    ),
    hunted(Lesson::Node(Node::ReuseRound), &["read-once-per-token"], Named::Disks, 9),
    hunted(Lesson::Node(Node::ReadBeforeApplied), &["reads-are-fresh"], Named::Default, 1),
    seen(Lesson::Node(Node::CompactAboveDurable), &["assertion"], Named::Calm, 1),
    tested(
        Lesson::Node(Node::InstallUnheld),
        "replica snapshots::a_receiver_that_restarts_midway_begins_anew",
    ),
    hunted(Lesson::Node(Node::TakeUnaskedChunk), &["converges"], Named::Crashes, 2),
    tested(
        Lesson::Node(Node::ClaimEarly),
        "replica snapshots::work_for_a_transfer_that_was_given_up_says_nothing_about_the_next",
    ),
    tested(
        Lesson::Node(Node::LetClockStand),
        "replica leasing::a_change_of_leaders_neither_lengthens_a_lease_nor_shortens_it",
    ),
    tested(
        Lesson::Node(Node::CountStampsOfAll),
        "replica half::a_stamp_that_an_earlier_leader_counted_in_vain_ends_no_lease",
    ),
];
