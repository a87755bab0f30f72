//! Which broken rules a small world brings to light, and how large it has to be.

use quorate_consensus::Rule;
use quorate_consensus::invariants::Invariant;

use super::bounds::{Bounds, Delivery, Persistence, Scope, Symmetry};
use super::finding::Cause;

/// A rule, a world in which breaking it does harm, and the harm.
#[derive(Clone, Debug)]
pub struct Lore {
    /// The rule.
    pub rule: Rule,
    /// The world.
    pub bounds: Bounds,
    /// What the search ends with.
    pub harm: Cause,
}

/// Two terms of one command, logs of two entries.
fn two_terms() -> Bounds {
    Bounds { rounds: 2, log_max: 2, messages: 3, checks: Scope::Outcomes, ..Bounds::tiny() }
}

/// The rules of Raft whose breaking a small world shows, each with the cheapest world known.
pub fn lore() -> Vec<Lore> {
    let broken = |rule, bounds, invariant| Lore { rule, bounds, harm: Cause::Broken(invariant) };
    let crash = Bounds { crashes: 1, ..two_terms() };
    let reads = Bounds { reads: 1, ..two_terms() };
    let apart = |unsynced_max| Persistence::Apart { unsynced_max };
    vec![
        broken(Rule::VoteTwice, Bounds { rounds: 1, ..two_terms() }, Invariant::ElectionSafety),
        broken(Rule::VoteForShorterLog, two_terms(), Invariant::LeaderCompleteness),
        broken(
            Rule::VoteBeforeDurable,
            Bounds { rounds: 1, persistence: apart(1), ..crash.clone() },
            Invariant::ElectionSafety,
        ),
        broken(Rule::ForgetVote, Bounds { rounds: 1, ..crash.clone() }, Invariant::ElectionSafety),
        broken(
            Rule::AcknowledgeBeforeDurable,
            Bounds { persistence: apart(2), ..crash.clone() },
            Invariant::LeaderCompleteness,
        ),
        broken(
            Rule::CountOwnUndurable,
            Bounds { persistence: apart(2), ..crash.clone() },
            Invariant::LeaderCompleteness,
        ),
        broken(
            Rule::CountLateVotes,
            Bounds { persistence: apart(2), ..crash.clone() },
            Invariant::ElectionSafety,
        ),
        broken(Rule::CountRefusedVotes, crash.clone(), Invariant::ElectionSafety),
        Lore { rule: Rule::ForgetTerm, bounds: crash.clone(), harm: Cause::Assertion },
        broken(Rule::CommitBeyondMatch, crash.clone(), Invariant::StateMachineSafety),
        broken(Rule::ReadWithoutConfirmation, reads.clone(), Invariant::ReadNotStale),
        broken(Rule::ReadBeforeOwnCommit, reads, Invariant::ReadNotStale),
        Lore { rule: Rule::TruncateOnDuplicate, bounds: crash, harm: Cause::Misbehaved },
        // Figure 8 of the Raft paper needs four terms: complete searches of three find nothing.
        broken(
            Rule::CommitOlderTerm,
            Bounds { rounds: 4, commands: 0, ..two_terms() },
            Invariant::LeaderCompleteness,
        ),
    ]
}

impl Bounds {
    /// What every commit is searched with: two terms, two commands beside the leaders' own entries,
    /// a crash, four messages in flight.
    pub fn commit() -> Self {
        Self { rounds: 2, commands: 2, crashes: 1, messages: 4, bytes_max: 8 << 30, ..Self::tiny() }
    }

    /// What is searched now and then: four terms, without which nothing like Figure 8 of the Raft
    /// paper can happen, logs of two entries, and the disk a step of its own.
    pub fn campaign() -> Self {
        Self {
            rounds: 4,
            commands: 2,
            log_max: 2,
            messages: 3,
            persistence: Persistence::Apart { unsynced_max: 2 },
            bytes_max: 20 << 30,
            ..Self::tiny()
        }
    }

    /// Three acceptors, two slots, and three ballots in each of so many rounds, one of each node.
    pub fn acceptors(rounds: u64) -> Self {
        Self {
            rounds,
            commands: 2,
            log_max: 2,
            messages: 3,
            delivery: Delivery::Repeated,
            symmetry: Symmetry::Unused,
            ..Self::tiny()
        }
    }
}
