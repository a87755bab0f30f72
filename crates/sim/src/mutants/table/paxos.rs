//! The mutants of Multi-Paxos.

use quorate_codec::EngineKind;
use quorate_consensus::Rule as Engine;

use super::super::Exhibit;
use super::super::scenarios as play;
use super::{hunted, played, seen, tested};
use crate::broken::Lesson;
use crate::profile::Named;
use crate::protocol::PaxosProtocol;

impl Exhibit {
    /// The same, under Multi-Paxos.
    const fn of_paxos(self) -> Self {
        Self { engine: EngineKind::Paxos, ..self }
    }
}

/// The rules of Multi-Paxos, those of a single decision first.
pub(super) const RULES: &[Exhibit] = &[
    hunted(
        Lesson::Engine(Engine::AcceptWithoutPromise),
        &["promise-monotone", "accept-keeps-promise"],
        Named::Default,
        2,
    )
    .of_paxos(),
    hunted(
        Lesson::Engine(Engine::ForgetPromise),
        &["promise-monotone", "ballot-owned-once"],
        Named::Default,
        2,
    )
    .of_paxos(),
    seen(Lesson::Engine(Engine::PromiseBeforeDurable), &["vote-durable"], Named::Default, 1)
        .of_paxos(),
    seen(Lesson::Engine(Engine::AcceptedBeforeDurable), &["acked-is-durable"], Named::Default, 1)
        .of_paxos(),
    hunted(
        Lesson::Engine(Engine::AdoptAnyVote),
        &["higher-proposals-agree", "proposal-is-safe"],
        Named::Network,
        146,
    )
    .of_paxos(),
    hunted(
        Lesson::Engine(Engine::IgnoreVotes),
        &["higher-proposals-agree", "proposal-is-safe"],
        Named::Default,
        1,
    )
    .of_paxos(),
    seen(Lesson::Engine(Engine::ReuseBallot), &["vote-durable"], Named::Default, 1).of_paxos(),
    tested(
        Lesson::Engine(Engine::CountAcrossBallots),
        "consensus/scripts/paxos/votes_of_different_ballots_do_not_add_up.txt",
    )
    .of_paxos(),
    hunted(Lesson::Engine(Engine::AckNamesPromise), &["acked-is-durable"], Named::Default, 4)
        .of_paxos(),
    hunted(
        Lesson::Engine(Engine::ForgetReaccepted),
        &["learned-is-chosen", "state-machine-safety"],
        Named::Default,
        1,
    )
    .of_paxos(),
    hunted(
        Lesson::Engine(Engine::SlotsFromTheStart),
        &["higher-proposals-agree"],
        Named::Default,
        2,
    )
    .of_paxos(),
    hunted(
        Lesson::Engine(Engine::CompactedIsEmpty),
        &["higher-proposals-agree"],
        Named::Default,
        9,
    )
    .of_paxos(),
    hunted(
        Lesson::Engine(Engine::CountPromiseParts),
        &["proposal-is-safe", "higher-proposals-agree"],
        Named::Network,
        1,
    )
    .of_paxos(),
    hunted(Lesson::Engine(Engine::CommitByIndex), &["state-machine-safety"], Named::Default, 12)
        .of_paxos(),
    hunted(Lesson::Engine(Engine::ReadBeforeBarrier), &["read-not-stale"], Named::Default, 8)
        .of_paxos(),
    seen(Lesson::Engine(Engine::CountOwnUndurable), &["learned-is-chosen"], Named::Calm, 1)
        .of_paxos(),
    played(
        Lesson::Engine(Engine::ReadWithoutConfirmation),
        &[play::READS_ARE_CONFIRMED],
        "late-confirmation",
        play::late_confirmation::<PaxosProtocol>,
    )
    .of_paxos(),
    played(
        Lesson::Engine(Engine::SkipCheckQuorum),
        &[play::UNHEARD_LEADERS_YIELD],
        "unheard-leader",
        play::unheard_leader::<PaxosProtocol>,
    )
    .of_paxos(),
    hunted(Lesson::Engine(Engine::SkipProbe), &["converges"], Named::Network, 1).of_paxos(),
    hunted(Lesson::Engine(Engine::DeliverUndurable), &["assertion"], Named::Default, 4).of_paxos(),
    hunted(Lesson::Engine(Engine::SettleByIndex), &["outcome-is-true"], Named::Default, 12)
        .of_paxos(),
    hunted(Lesson::Engine(Engine::DisplaceWhenDeposed), &["outcome-is-true"], Named::Default, 1)
        .of_paxos(),
    played(
        Lesson::Engine(Engine::ReuseConfirmation),
        &[play::READS_ARE_CONFIRMED],
        "late-confirmation",
        play::late_confirmation::<PaxosProtocol>,
    )
    .of_paxos(),
    played(
        Lesson::Engine(Engine::LeadWithStalledDisk),
        &[play::STALLED_DISK_YIELDS],
        "stalled-disk",
        play::stalled_disk::<PaxosProtocol>,
    )
    .of_paxos(),
    played(
        Lesson::Engine(Engine::EndlessTransfer),
        &[play::TRANSFERS_END],
        "transfer-to-the-deaf",
        play::transfer_to_the_deaf::<PaxosProtocol>,
    )
    .of_paxos(),
    played(
        Lesson::Engine(Engine::TakeWithoutBound),
        &[play::BOUNDS_HOLD],
        "flood",
        play::flood::<PaxosProtocol>,
    )
    .of_paxos(),
    seen(Lesson::Engine(Engine::AnswerAnswers), &["no-busy-loop"], Named::Calm, 1).of_paxos(),
];
