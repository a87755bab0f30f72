//! What happened and why, as data.

use crate::ballot::Ballot;
use crate::ids::{Index, NodeId};
use crate::status::Role;

/// One event of a node's life, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceEvent {
    /// What happened.
    pub what: What,
    /// Why.
    pub reason: Reason,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// The node changed its role, or its ballot in that role.
    Became {
        /// The new role.
        role: Role,
        /// The ballot it is for.
        ballot: Ballot,
    },
    /// It granted a vote or a promise.
    Granted {
        /// To whom.
        to: NodeId,
        /// For which round.
        round: u64,
    },
    /// It refused something a peer asked for.
    Refused {
        /// Who asked.
        to: NodeId,
        /// In which round.
        round: u64,
    },
    /// It appended entries to its own log.
    Appended {
        /// The last of them.
        last: Index,
    },
    /// It removed entries that conflict with the leader's.
    Truncated {
        /// The first removed.
        from: Index,
    },
    /// It voted for values in slots of its own log.
    Voted {
        /// The first of them.
        first: Index,
        /// The last of them.
        last: Index,
    },
    /// A slot above a gap was decided: it waits for those below it.
    Chosen {
        /// Which.
        index: Index,
    },
    /// It asked a peer for chosen values that it lacks.
    Asked {
        /// The peer.
        peer: NodeId,
        /// The first slot it asked for.
        first: Index,
        /// The last slot it asked for.
        last: Index,
    },
    /// It learned that entries are committed.
    Committed {
        /// The last of them.
        upto: Index,
    },
    /// It moved back to find where a peer's log agrees.
    Backtracked {
        /// The peer.
        peer: NodeId,
        /// Where it will try next.
        next: Index,
    },
    /// It released reads.
    ReadsReleased {
        /// At this position.
        index: Index,
    },
    /// It asked the host to send a snapshot.
    SnapshotNeeded {
        /// By this peer.
        peer: NodeId,
    },
    /// It took over a snapshot.
    SnapshotInstalled {
        /// That reaches this far.
        index: Index,
    },
    /// It began to hand leadership over.
    HandingOver {
        /// To this peer.
        to: NodeId,
    },
    /// It ignored a message.
    Ignored {
        /// The sender.
        from: NodeId,
    },
}

/// Why something happened. Stable names: scripts, the lab and logs show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No leader was heard of within the election timeout.
    ElectionTimeout,
    /// The connection to the leader broke.
    LeaderDisconnected,
    /// The host asked for it.
    Requested,
    /// A majority granted its vote.
    WonElection,
    /// A majority refused, or nobody answered in time.
    LostElection,
    /// A higher term was seen.
    HigherTerm,
    /// A leader of the same term exists.
    LeaderExists,
    /// No quorum answered within the election timeout.
    QuorumLost,
    /// The node's own disk does not keep up.
    DiskStalled,
    /// The node's own disk is full.
    StorageFull,
    /// The leader handed over.
    Transfer,
    /// The term is behind.
    StaleTerm,
    /// The vote was given to another.
    AlreadyVoted,
    /// The candidate's log is behind.
    LogBehind,
    /// A leader is alive: stickiness.
    LeaderAlive,
    /// The node asks for the same, with a log as new and a higher name.
    Outranked,
    /// The asker's log qualifies.
    LogUpToDate,
    /// The entry before the appended ones is missing.
    Gap,
    /// The entry before the appended ones has another term.
    Conflict,
    /// A quorum holds it.
    QuorumReached,
    /// The leader says so.
    LeaderCommit,
    /// A client's request.
    Proposal,
    /// The leader's replication.
    Replication,
    /// The new leader's first entry.
    NewLeader,
    /// A quorum confirmed the leadership.
    Confirmed,
    /// What the peer needs is compacted.
    Compacted,
    /// The sender is not a member.
    NotMember,
    /// Nothing in it is news.
    Duplicate,
    /// A quorum hears no leader.
    NoLeader,
    /// A quorum promised, and told all its votes.
    PromiseQuorum,
    /// A higher ballot was seen.
    HigherBallot,
    /// The ballot is behind.
    StaleBallot,
    /// It is the value of the highest vote that a quorum told of.
    Adopted,
    /// A quorum has no vote there: the slot is filled with nothing.
    NoVotes,
    /// A peer that knows what is chosen told it.
    Learned,
}
