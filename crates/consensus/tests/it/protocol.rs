//! What the harness asks of an engine beyond the contract: how to read its messages.

use quorate_consensus::{Engine, Index, NodeId};

/// An engine that scripts can run.
pub(crate) trait Protocol: Engine {
    /// The name of the folder with its own scripts.
    const NAME: &'static str;
    /// Whether a round has at most one leader, only a leader makes entries, and so entries of equal
    /// index and round are equal, with equal prefixes (Raft). Otherwise only values of equal ballot
    /// are compared (Paxos).
    const ONE_LEADER_PER_ROUND: bool;

    /// The kind of a message, as scripts name it.
    fn kind(message: &Self::Message) -> &'static str;

    /// A message in one short line.
    fn render(message: &Self::Message) -> String;

    /// What its sender vouches for, and must therefore have on disk.
    fn claim(from: NodeId, to: NodeId, message: &Self::Message) -> Option<Claim>;
}

/// What a message promises about its sender's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The sender's vote of this round belongs to the candidate.
    Votes {
        /// The round.
        round: u64,
        /// For whom.
        candidate: NodeId,
    },
    /// The sender's log agrees with that of the round's leader, the receiver, up to here.
    Holds {
        /// The round.
        round: u64,
        /// The last position.
        upto: Index,
    },
}
