//! What a message vouches for: all that the checks need to know of an engine's messages.

use crate::ballot::Ballot;
use crate::engine::Engine;
use crate::entry::{Entry, Meta};
use crate::ids::{Index, NodeId, Span};

/// An engine whose runs can be checked.
pub trait Claims: Engine {
    /// How its logs are ordered.
    const ORDER: Order;

    /// What the sender of a message vouches for, if anything that concerns safety.
    fn claim(from: NodeId, to: NodeId, message: &Self::Message) -> Option<Claim<'_>>;
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
pub enum Claim<'a> {
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
    /// Paxos: the sender owns this ballot, and its disk knows of it.
    Prepares {
        /// The ballot.
        ballot: Ballot,
    },
    /// Paxos: the sender has promised this ballot, durably, and these are all its votes in these
    /// slots.
    Promises {
        /// The ballot.
        ballot: Ballot,
        /// The first slot spoken for.
        first: Index,
        /// The last, if there is one.
        last: Option<Index>,
        /// Every slot up to here is chosen, and its vote may be left out.
        withheld_upto: Index,
        /// Every slot up to here is chosen, and the sender knows the values.
        chosen_upto: Index,
        /// The votes, ascending.
        votes: &'a [Entry],
    },
    /// Paxos: the sender leads this ballot, and proposes these values in it.
    Proposes {
        /// The ballot.
        ballot: Ballot,
        /// Every slot up to here is chosen.
        chosen_upto: Index,
        /// The values.
        entries: &'a [Entry],
    },
    /// Paxos: the sender voted for these slots in this ballot, durably.
    Accepts {
        /// The ballot.
        ballot: Ballot,
        /// The slots.
        slots: &'a [Span],
        /// Every slot up to here is chosen, and the sender knows the values.
        chosen_upto: Index,
    },
    /// Paxos: these values are chosen.
    Teaches {
        /// The values.
        entries: &'a [Entry],
    },
    /// Paxos: this snapshot covers only what is chosen.
    Covers {
        /// The snapshot.
        meta: &'a Meta,
    },
}
