//! The acceptor's rule: what a promise allows. Single-decree Paxos and Multi-Paxos keep it here.
//!
//! The tutorials give an acceptor three variables, all durable: `MaxN`, the highest ballot it has
//! promised; `AcceptN` and `AcceptV`, the ballot and the value of its vote. `MaxN` is the
//! [`Acceptor`] of this file, one per node even where there are many slots. `AcceptN` and `AcceptV`
//! are the vote, one per slot: single-decree Paxos keeps it beside the promise, Multi-Paxos in its
//! log, whose entries carry the ballot of their vote.
//!
//! | ballot against `MaxN` | prepare | accept |
//! |---|---|---|
//! | lower  | refused | refused |
//! | equal  | promised again | vote |
//! | higher | `MaxN` rises, promised | **`MaxN` rises**, vote |
//!
//! Whether there is a vote already changes nothing in this table: a later ballot replaces the vote,
//! and that this loses no chosen value is the proposer's duty (P2c). Two cells deserve a word. An
//! equal prepare comes from the ballot's only owner, whose first answer was lost. And that an
//! accept raises the promise is not spelled out in "Paxos Made Simple" (§2.2, phase 2b): without it
//! a late accept of an older ballot could replace a newer vote that was counted (`VoteFor` in
//! Lamport's TLA+ module `Voting` raises it).

use crate::ballot::Ballot;
use crate::rules::{Rule, Rules};

/// What an acceptor has promised: `MaxN`.
///
/// The caller writes it down, with the vote if there is one, before the answer leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acceptor {
    promised: Ballot,
}

/// What an acceptor decides about a request of some ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// Yes, and the promise rose to this ballot: it must be durable before the answer leaves.
    Raised,
    /// Yes, and the promise was at this ballot already.
    Kept,
    /// No: a higher ballot has the promise. The answer names it, so that the loser can pass it.
    Refused {
        /// The promise.
        promised: Ballot,
    },
}

impl Decision {
    /// Whether the request is granted.
    pub const fn is_granted(self) -> bool {
        matches!(self, Self::Raised | Self::Kept)
    }
}

impl Acceptor {
    /// An acceptor that has promised this much; [`Ballot::ZERO`] for a new one.
    pub const fn new(promised: Ballot) -> Self {
        Self { promised }
    }

    /// The highest ballot promised: `MaxN`. It never falls, not even by a restart.
    pub const fn promised(self) -> Ballot {
        self.promised
    }

    /// Phase 1b: promises to take part in nothing below `ballot`, unless a higher ballot has that
    /// promise already.
    pub fn on_prepare(&mut self, ballot: Ballot) -> Decision {
        self.raise(ballot)
    }

    /// Phase 2b: whether to vote in `ballot`. A vote is a promise too (P1a): after it, nothing
    /// below is accepted.
    pub fn on_accept(&mut self, ballot: Ballot, rules: &impl Rules) -> Decision {
        if rules.breaks(Rule::AcceptWithoutPromise) && self.promised < ballot {
            return Decision::Kept;
        }
        self.raise(ballot)
    }

    fn raise(&mut self, ballot: Ballot) -> Decision {
        assert!(Ballot::ZERO < ballot, "no request is made before the first ballot");
        if ballot < self.promised {
            return Decision::Refused { promised: self.promised };
        }
        if ballot == self.promised {
            return Decision::Kept;
        }
        self.promised = ballot;
        Decision::Raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::rules::{Mutant, Strict};

    fn ballot(round: u64, node: u64) -> Ballot {
        Ballot { round, node: NodeId(node) }
    }

    /// Below, at and above a promise of (2, n2), by the round and by the node.
    const CASES: [(u64, u64, Option<Decision>); 5] = [
        (1, 3, None),
        (2, 1, None),
        (2, 2, Some(Decision::Kept)),
        (2, 3, Some(Decision::Raised)),
        (3, 1, Some(Decision::Raised)),
    ];

    #[test]
    fn both_requests_follow_the_table() {
        let promised = ballot(2, 2);
        for (round, node, granted) in CASES {
            let asked = ballot(round, node);
            let expected = granted.unwrap_or(Decision::Refused { promised });
            let mut preparing = Acceptor::new(promised);
            let mut accepting = Acceptor::new(promised);
            assert_eq!(preparing.on_prepare(asked), expected, "prepare {asked}");
            assert_eq!(accepting.on_accept(asked, &Strict), expected, "accept {asked}");
            for acceptor in [preparing, accepting] {
                assert_eq!(acceptor.promised(), promised.max(asked), "the promise never falls");
            }
        }
    }

    #[test]
    fn an_accept_that_leaves_the_promise_lets_an_older_one_follow() {
        let broken = Mutant(Rule::AcceptWithoutPromise);
        let mut acceptor = Acceptor::new(ballot(1, 1));
        assert!(acceptor.on_accept(ballot(2, 2), &broken).is_granted());
        assert!(acceptor.on_accept(ballot(1, 1), &broken).is_granted(), "the rule is broken");

        let mut acceptor = Acceptor::new(ballot(1, 1));
        assert!(acceptor.on_accept(ballot(2, 2), &Strict).is_granted());
        let refused = Decision::Refused { promised: ballot(2, 2) };
        assert_eq!(acceptor.on_accept(ballot(1, 1), &Strict), refused);
    }
}
