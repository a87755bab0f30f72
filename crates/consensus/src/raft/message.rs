//! What Raft nodes say to each other: every message, each field with one meaning.
//!
//! The term is part of the envelope, so that no reply can lack it, not even a refusal: a node that
//! learns a newer term from a refusal catches up, one that does not may be stuck for ever
//! (redpanda#31547). Pre-votes carry the sender's own term, not the one it would like to reach, so
//! that a term in an envelope always is one its sender has really taken part in.

use crate::ballot::Ballot;
use crate::entries::Entries;
use crate::entry::Meta;
pub use crate::ids::Confirmation;
use crate::ids::{Index, NodeId};
use crate::input::StorageState;
use crate::log::Position;
use core::fmt;

/// A period with at most one leader: the round of a ballot. Zero is before any election.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

impl Term {
    /// The highest term a correct node can reach; a higher one in a message is impossible.
    pub const MAX: Self = Self(1 << 62);

    /// The term after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// This term with its leader, or with who seeks to lead it.
    pub const fn ballot(self, node: NodeId) -> Ballot {
        Ballot { round: self.0, node }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A message between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender's current term when the message was made.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// "Would you vote for me in the term after mine?" Changes no term and no vote
    /// (dissertation §9.6).
    PreVote {
        /// The end of the sender's log.
        last: Position,
    },
    /// The answer to a `PreVote`.
    PreVoteReply {
        /// The term the sender of the `PreVote` would campaign in.
        asked: Term,
        /// The answer.
        verdict: Verdict,
    },
    /// "Vote for me in this term."
    Vote {
        /// The end of the sender's log.
        last: Position,
        /// Why it campaigns.
        cause: Cause,
    },
    /// The answer to a `Vote`.
    VoteReply {
        /// The term of the `Vote`. The envelope's term is the answering node's own, which stays
        /// lower where a living leader made it refuse.
        asked: Term,
        /// The answer.
        verdict: Verdict,
    },
    /// "These entries follow that position." Without entries it asks whether the position is there.
    Append {
        /// The position before the first entry.
        previous: Position,
        /// Consecutive entries. Shared, so that peers at the same point cost one copy.
        entries: Entries,
        /// The leader's commit mark, at most the last position in this message.
        commit: Index,
        /// A confirmation that rides along, to be answered at once by a `HeartbeatReply`, before
        /// the entries are durable.
        confirm: Option<Confirmation>,
    },
    /// The answer to an `Append` or a `Snapshot`.
    AppendReply {
        /// The answer.
        result: AppendResult,
        /// Whether the sender's log has room.
        storage: StorageState,
    },
    /// "I lead this term."
    Heartbeat {
        /// A committed position that the leader knows to be durable in the receiver's log. With
        /// its ballot, so that the receiver commits only what it has verified, even when it has
        /// just restarted.
        commit: Position,
        /// The number of this confirmation; zero asks for no answer.
        confirm: Confirmation,
    },
    /// The answer to a `Heartbeat`, or to the confirmation in an `Append`. Promises nothing about
    /// the log.
    HeartbeatReply {
        /// Copied from what is answered.
        confirm: Confirmation,
        /// Whether the sender's log has room.
        storage: StorageState,
    },
    /// "Your host holds the bytes of this snapshot: take it." Answered by an `AppendReply` once
    /// it is installed, or at once if it brings no news.
    Snapshot {
        /// What it covers. Boxed, for it is rare and much larger than the rest.
        meta: Box<Meta>,
    },
    /// "Your log is complete: campaign now" (leadership transfer, dissertation §3.10).
    TimeoutNow,
    /// The answer to any request of an older term: the envelope's term is the news.
    StaleTerm,
}

/// The answer to a request for a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Yes.
    Granted,
    /// No, for any reason.
    Refused,
}

/// Why a candidate campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It hears from no leader. Voters that do hear from one refuse.
    LeaderLost,
    /// The leader asked it to. Voters do not protect that leader.
    Transfer,
}

/// The answer to an `Append`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendResult {
    /// The log agrees with the leader's up to here, durably.
    Matched {
        /// The last position that is durable and verified against this leader's log.
        index: Index,
    },
    /// The previous position is missing or has another ballot.
    Rejected {
        /// The index of the previous position that was refused; tells late answers from news.
        refused: Index,
        /// The last position below the refused one whose ballot does not exceed that of the
        /// refused one: nothing above it can agree, so each of the receiver's terms is probed at
        /// most once.
        hint: Position,
    },
    /// Too much awaits the disk: nothing was taken, ask again later.
    Busy,
}
