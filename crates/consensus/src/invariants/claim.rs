//! What a message vouches for: all that the checks need to know of an engine's messages.

use crate::engine::Engine;
use crate::ids::{Index, NodeId};

/// An engine whose runs can be checked.
pub trait Claims: Engine {
    /// How its logs are ordered.
    const ORDER: Order;

    /// What the sender of a message vouches for, if anything that concerns safety.
    fn claim(from: NodeId, to: NodeId, message: &Self::Message) -> Option<Claim>;
}

/// What a log's ballots mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Raft: a round is a term with one leader, logs have no holes, and equal index and term mean
    /// equal prefixes.
    Terms,
    /// Paxos: an entry is a vote for its slot, slots are independent, and ballots are compared
    /// whole.
    Ballots,
}

/// What a message promises about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Raft: the sender takes part in this round, and asks whether it could win the next.
    AsksFirst {
        /// The round.
        round: u64,
    },
    /// Raft: the sender's vote of this round belongs to the candidate, durably.
    Votes {
        /// The round.
        round: u64,
        /// For whom.
        candidate: NodeId,
    },
    /// Raft: the sender leads this round.
    Leads {
        /// The round.
        round: u64,
    },
    /// Raft: the sender's durable log agrees with that of the round's leader up to here.
    Holds {
        /// The round.
        round: u64,
        /// Its leader, the receiver.
        leader: NodeId,
        /// The last position.
        upto: Index,
    },
}
