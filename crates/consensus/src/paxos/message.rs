//! What Multi-Paxos nodes say to each other: every message, each field with one meaning.
//!
//! Every message is idempotent and none relies on the order in which it arrives. A ballot names its
//! leader, so what a leader says names the ballot it says it in, and what an acceptor answers names
//! the ballot it answers to; a value travels as an [`crate::Entry`] whose ballot is that of a vote
//! for it.
//!
//! | phase | asks | answers |
//! |---|---|---|
//! | who could lead | `Elect` | `ElectReply` |
//! | 1, for all slots at once | `Prepare` | `Promise`, `Nack` |
//! | 2, slot by slot in any order | `Accept` | `Accepted`, `Nack` |
//! | what is chosen | `Commit` | `CommitAck`, `Nack` |
//! | what was missed | `Learn` | `Learned`, `Snapshot` |
//! | handing over | `TakeOver` | a `Prepare` |

use crate::ballot::Ballot;
use crate::entries::Entries;
use crate::entry::Meta;
use crate::ids::Index;
pub use crate::ids::{Confirmation, Span};
use crate::input::StorageState;

/// The number of an election round, made by the node that asks and increasing while it runs: late
/// answers to an older round do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElectionRound(pub u64);

/// A message between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// "Could you follow me?" Promises nothing, deposes nobody.
    Elect {
        /// Copied into the answer.
        round: ElectionRound,
    },
    /// The answer to an `Elect`. Promises nothing.
    ElectReply {
        /// Copied from what is answered.
        round: ElectionRound,
        /// The highest ballot the sender knows of: whoever campaigns goes above it.
        highest: Ballot,
        /// The ballot of the leader that the sender leads in, or follows and hears; `None` if it
        /// would follow another. A quorum of such answers shows that nobody can lead now, since
        /// each quorum that chooses has one of those nodes in it.
        leader: Option<Ballot>,
    },
    /// Phase 1a, for every slot from `base` on: "promise to take part in nothing below `ballot`,
    /// and tell me your votes." Sent once the ballot is durable at its owner, so that it is never
    /// used twice.
    Prepare {
        /// The ballot; its node is the sender.
        ballot: Ballot,
        /// The first slot that the sender does not know to be chosen.
        base: Index,
    },
    /// Phase 1b: "I promise", durably. In parts of bounded size; it counts when the parts together
    /// cover every slot from `base` on, whichever of several sendings they belong to.
    Promise {
        /// The ballot promised to; its node is the receiver.
        ballot: Ballot,
        /// What this part tells.
        part: PromisePart,
    },
    /// "I have promised a higher ballot": the answer to a `Prepare`, `Accept` or `Commit` of a
    /// lower one. Silence would be as safe; this lets the loser pass the winner.
    Nack {
        /// The ballot refused.
        ballot: Ballot,
        /// The ballot promised; above the refused one.
        promised: Ballot,
    },
    /// Phase 2a: "vote for these values."
    Accept {
        /// The leader's ballot; its node is the sender, and each entry carries it.
        ballot: Ballot,
        /// The values, by ascending slot; there may be holes between. Shared, so that peers at the
        /// same point cost one copy.
        entries: Entries,
        /// Every slot up to here is chosen: with the value of the receiver's vote where that vote
        /// is of this ballot, else with one the receiver must learn.
        commit: Index,
        /// A confirmation that rides along, to be answered at once by a `CommitAck`, before the
        /// votes are durable.
        confirm: Option<Confirmation>,
    },
    /// Phase 2b: "I voted for these slots in this ballot", durably.
    Accepted {
        /// The ballot of the votes: that of the `Accept`, whatever was promised since.
        ballot: Ballot,
        /// The slots, ascending and disjoint. None: the sender can take no more for now.
        votes: Vec<Span>,
        /// The sender knows the value chosen in every slot up to here.
        chosen_upto: Index,
        /// Whether the sender's log has room.
        storage: StorageState,
    },
    /// "I lead this ballot": the heartbeat.
    Commit {
        /// The leader's ballot; its node is the sender.
        ballot: Ballot,
        /// As in `Accept`.
        commit: Index,
        /// What was chosen up to here was chosen before this ballot: the leader does not send it
        /// again, whoever lacks it must learn it.
        floor: Index,
        /// The number of this confirmation; zero asks for no answer.
        confirm: Confirmation,
    },
    /// "When I got this confirmation I had promised nothing above this ballot": the answer to
    /// a `Commit`, or to the confirmation in an `Accept`. Also the answer to a `Snapshot`, with
    /// confirmation zero and the highest ballot promised. Says nothing about votes.
    CommitAck {
        /// The ballot of what is answered.
        ballot: Ballot,
        /// Copied from what is answered.
        confirm: Confirmation,
        /// As in `Accepted`.
        chosen_upto: Index,
        /// Whether the sender's log has room.
        storage: StorageState,
    },
    /// "Tell me what was chosen in these slots." To any node that knows; usually the leader.
    Learn {
        /// The slots, ascending and disjoint.
        slots: Vec<Span>,
    },
    /// The answer to a `Learn`: what was chosen, as far as the sender knows and one message holds.
    Learned {
        /// By ascending slot. The ballot of each is that of some vote for the chosen value, not
        /// below the ballot it was chosen in.
        entries: Entries,
    },
    /// "Your host holds the bytes of this snapshot: take it." The answer to a `Learn` of slots that
    /// the sender has compacted.
    Snapshot {
        /// What it covers. Boxed, for it is rare and much larger than the rest.
        meta: Box<Meta>,
    },
    /// "You know all that I know: campaign now" (a leadership transfer).
    TakeOver {
        /// The ballot that the sender leads or led; its node is the sender.
        ballot: Ballot,
    },
}

/// A part of a promise: all votes of its sender in some of the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromisePart {
    /// The first slot this part speaks for.
    pub first: Index,
    /// The last slot this part speaks for; `None`: this one and every later slot.
    pub last: Option<Index>,
    /// The sender's votes in these slots, ascending, each with the ballot of the vote. A slot
    /// without an entry has no vote.
    pub votes: Entries,
    /// The sender knows the value chosen in every slot up to here.
    pub chosen_upto: Index,
    /// Up to here the sender tells no votes although there were some: these slots are chosen, and
    /// their values must be learned. Because they are compacted, or too many to repeat. Never above
    /// `chosen_upto`.
    pub withheld_upto: Index,
}

impl Message {
    /// The highest round a correct node can reach; a higher one in a message is impossible.
    pub const ROUND_MAX: u64 = 1 << 62;
}
