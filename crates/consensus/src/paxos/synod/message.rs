//! What councillors say to each other.

use crate::ballot::Ballot;

/// A value with the ballot it was voted for in: the tutorials' `(AcceptN, AcceptV)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote<V> {
    /// `AcceptN`.
    pub ballot: Ballot,
    /// `AcceptV`.
    pub value: V,
}

/// A message. Each may be lost, doubled, delayed and overtaken without harm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message<V> {
    /// 1a, proposer to acceptors: "promise to take part in nothing below this ballot".
    Prepare {
        /// The ballot. Its node is the sender.
        ballot: Ballot,
    },
    /// 1b, the answer: "promised, and this is my vote so far".
    Promise {
        /// The ballot promised.
        ballot: Ballot,
        /// The acceptor's vote in the highest ballot it voted in, if any.
        vote: Option<Vote<V>>,
    },
    /// 2a, proposer to acceptors: "vote for this". One value per ballot, for ever.
    Accept {
        /// The ballot. Its node is the sender.
        ballot: Ballot,
        /// The value.
        value: V,
    },
    /// 2b, the answer: "voted". A quorum of these with one ballot means the value is chosen.
    Accepted {
        /// The ballot of the vote.
        ballot: Ballot,
        /// Its value.
        value: V,
    },
    /// The refusal of a prepare or an accept. An optimisation (PMS §2.5): silence would be safe. It
    /// names the promise that stands in the way, so that the loser can pass it.
    Nack {
        /// The ballot refused.
        ballot: Ballot,
        /// What was refused.
        phase: Phase,
        /// The acceptor's promise: `MaxN`.
        promised: Ballot,
    },
    /// The decision, told to those who did not count the votes.
    Chosen {
        /// A ballot in which it was chosen.
        ballot: Ballot,
        /// The decision.
        value: V,
    },
}

/// The two halves of a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Prepare and promise.
    One,
    /// Accept and accepted.
    Two,
}
