//! Marks of coverage: rare paths, tied to what a run shows of itself.
//!
//! A campaign that never came by a mark has not tested what it stands for.

use std::collections::BTreeMap;

use quorate_codec::EngineKind;
use quorate_consensus::{Outcome, Proposed, Reason, Role, What};

use crate::world::trace::Fact;

/// A rare path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// An election was won.
    ElectionWon,
    /// An election was lost.
    ElectionLost,
    /// A vote or promise was refused: the candidate's log is behind.
    VoteLogBehind,
    /// A vote was refused: another has it.
    VoteTaken,
    /// A candidacy was refused, or put off, because a leader is alive.
    LeaderAlive,
    /// A leader stepped down: it reaches no quorum.
    QuorumLost,
    /// A leader stepped down: its disk has stalled.
    DiskStalled,
    /// A leader handed over: its disk is full.
    HandedOverWhenFull,
    /// A leader handed over when asked to.
    HandedOver,
    /// A node campaigned because the leader handed over.
    TransferTaken,
    /// A connection to the leader broke, and its follower campaigned sooner.
    DisconnectedSooner,
    /// A conflicting suffix was removed.
    ConflictTruncated,
    /// A peer's log was probed further back.
    Backtracked,
    /// A peer needed a snapshot.
    SnapshotNeeded,
    /// A snapshot was installed.
    SnapshotInstalled,
    /// A message of an older term or ballot was ignored.
    StaleIgnored,
    /// A late or repeated message was ignored.
    DuplicateIgnored,
    /// Old entries were read back from the log.
    EntriesFetched,
    /// A torn tail was cut at a start.
    TailCut,
    /// A start ended in the midst.
    StartInterrupted,
    /// A start was refused, because the disk failed.
    StartFailed,
    /// A start was refused, because the directory has rotted.
    DamageRefused,
    /// A process ended, because its log could not be written.
    LogPoisoned,
    /// A process ended, because its map could not be written or read.
    MapFailed,
    /// A process ended, because its log could not be read back.
    ReadFailed,
    /// The log's disk had no room.
    StorageFull,
    /// The log's disk had room again.
    StorageFreed,
    /// A bad frame was caught by its checksum.
    ChecksumCaught,
    /// A connection broke.
    Disconnected,
    /// A wiped node was refused by its peers.
    WipedRefused,
    /// A proposal was displaced, and tried again.
    Displaced,
    /// A proposal ended unknown.
    ProposalUnknown,
    /// A read was refused, and asked again elsewhere.
    ReadRetried,
    /// A client was told that nobody knows.
    ToldUnknown,
    /// A client was told that there is no leader.
    ToldNoLeader,
    /// A client was told that its request was refused.
    ToldRefused,
    /// A client was lost with its node.
    ToldLost,
    /// A read waited too long for the state machine.
    ToldBehind,
    /// A proposal was forwarded, and refused there.
    ForwardRefused,
    /// A snapshot transfer broke off.
    TransferAborted,
    /// The state machine's file was written.
    MapCommitted,
    /// A watch told of changes.
    WatchTold,
    /// Changes came in fragments.
    WatchFragmented,
    /// Progress of watches was told.
    WatchProgress,
    /// A watch ended, because what it waits for is compacted.
    WatchCompacted,
    /// A watch was refused.
    WatchRefused,
    /// A stream of watches was lost with its node.
    WatchLost,
    /// A client went on with a watch at another node.
    WatchResumed,
    /// A client that watches fell behind, and caught up.
    WatcherCaughtUp,
    /// A snapshot was installed under watches.
    WatchInstalled,
    /// Paxos: a new leader filled a slot that nobody had voted for with a no-op.
    NoopFilled,
    /// Paxos: a new leader proposed again what an acceptor had voted for.
    VoteAdopted,
    /// Paxos: a node voted for a slot above one that it lacks.
    VotedAboveGap,
    /// Paxos: a slot was chosen before one below it.
    ChosenOutOfOrder,
    /// Paxos: a node asked for chosen slots that it lacks.
    MissedAsked,
    /// Paxos: a node stored a chosen value that it had asked for.
    MissedLearned,
    /// Paxos: a promise came in parts.
    PromiseInParts,
    /// Paxos: a ballot was refused for a higher one.
    Nacked,
    /// Paxos: a candidate or leader gave up for a higher ballot, or a follower left its leader.
    Outbid,
}

impl Mark {
    /// Every mark.
    pub const ALL: [Self; 59] = [
        Self::ElectionWon,
        Self::ElectionLost,
        Self::VoteLogBehind,
        Self::VoteTaken,
        Self::LeaderAlive,
        Self::QuorumLost,
        Self::DiskStalled,
        Self::HandedOverWhenFull,
        Self::HandedOver,
        Self::TransferTaken,
        Self::DisconnectedSooner,
        Self::ConflictTruncated,
        Self::Backtracked,
        Self::SnapshotNeeded,
        Self::SnapshotInstalled,
        Self::StaleIgnored,
        Self::DuplicateIgnored,
        Self::EntriesFetched,
        Self::TailCut,
        Self::StartInterrupted,
        Self::StartFailed,
        Self::DamageRefused,
        Self::LogPoisoned,
        Self::MapFailed,
        Self::ReadFailed,
        Self::StorageFull,
        Self::StorageFreed,
        Self::ChecksumCaught,
        Self::Disconnected,
        Self::WipedRefused,
        Self::Displaced,
        Self::ProposalUnknown,
        Self::ReadRetried,
        Self::ToldUnknown,
        Self::ToldNoLeader,
        Self::ToldRefused,
        Self::ToldLost,
        Self::ToldBehind,
        Self::ForwardRefused,
        Self::TransferAborted,
        Self::MapCommitted,
        Self::WatchTold,
        Self::WatchFragmented,
        Self::WatchProgress,
        Self::WatchCompacted,
        Self::WatchRefused,
        Self::WatchLost,
        Self::WatchResumed,
        Self::WatcherCaughtUp,
        Self::WatchInstalled,
        Self::NoopFilled,
        Self::VoteAdopted,
        Self::VotedAboveGap,
        Self::ChosenOutOfOrder,
        Self::MissedAsked,
        Self::MissedLearned,
        Self::PromiseInParts,
        Self::Nacked,
        Self::Outbid,
    ];

    /// Its name in tables: the variant's.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether runs of this engine can come by it: Paxos votes for no log and removes nothing, Raft
    /// has no slots that are decided one by one.
    pub const fn is_met_by(self, engine: EngineKind) -> bool {
        match self {
            Self::VoteLogBehind | Self::VoteTaken | Self::ConflictTruncated | Self::Backtracked => {
                matches!(engine, EngineKind::Raft)
            }
            Self::NoopFilled
            | Self::VoteAdopted
            | Self::VotedAboveGap
            | Self::ChosenOutOfOrder
            | Self::MissedAsked
            | Self::MissedLearned
            | Self::PromiseInParts
            | Self::Nacked
            | Self::Outbid => matches!(engine, EngineKind::Paxos),
            _ => true,
        }
    }

    /// The mark that a line of the trace stands for, if any.
    pub(crate) fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::Engine(event) => Self::of_engine(event.what, event.reason),
            Fact::TailCut => Some(Self::TailCut),
            Fact::StartRefused { why } => match *why {
                "it lost power" => Some(Self::StartInterrupted),
                "the disk failed" => Some(Self::StartFailed),
                _ => Some(Self::DamageRefused),
            },
            Fact::Stopped { why } => match *why {
                "the log's disk failed" => Some(Self::LogPoisoned),
                "the store's disk failed" | "the state machine's file is damaged" => {
                    Some(Self::MapFailed)
                }
                "the log cannot be read" => Some(Self::ReadFailed),
                "a peer knows it with another directory" => Some(Self::WipedRefused),
                _ => None,
            },
            Fact::Storage { state: "full" } => Some(Self::StorageFull),
            Fact::Storage { .. } => Some(Self::StorageFreed),
            Fact::Missed { why: "its checksum is wrong", .. } => Some(Self::ChecksumCaught),
            Fact::Disconnected { .. } => Some(Self::Disconnected),
            Fact::Received { kind: "forward-refused", .. } => Some(Self::ForwardRefused),
            Fact::Received { kind: "promise-part", .. } => Some(Self::PromiseInParts),
            Fact::Received { kind: "nack", .. } => Some(Self::Nacked),
            Fact::Received { kind: "aborted", .. } => Some(Self::TransferAborted),
            Fact::ReadBack { .. } => Some(Self::EntriesFetched),
            Fact::Ended { how, .. } => match *how {
                "unknown" => Some(Self::ToldUnknown),
                "no leader" => Some(Self::ToldNoLeader),
                "refused" => Some(Self::ToldRefused),
                "lost" => Some(Self::ToldLost),
                "behind" => Some(Self::ToldBehind),
                _ => None,
            },
            Fact::MapCommitted { .. } => Some(Self::MapCommitted),
            Fact::Asked { what: "a watch to go on", .. } => Some(Self::WatchResumed),
            Fact::Watched { what, .. } => Self::of_watch(what),
            _ => None,
        }
    }

    fn of_watch(what: &str) -> Option<Self> {
        match what {
            "changes" => Some(Self::WatchTold),
            "a fragment" => Some(Self::WatchFragmented),
            "progress" => Some(Self::WatchProgress),
            "compacted" => Some(Self::WatchCompacted),
            "refused" => Some(Self::WatchRefused),
            "lost" => Some(Self::WatchLost),
            _ => None,
        }
    }

    fn of_engine(what: What, reason: Reason) -> Option<Self> {
        match (what, reason) {
            (What::Became { role: Role::Leader, .. }, _) => Some(Self::ElectionWon),
            (What::Became { .. }, Reason::LostElection) => Some(Self::ElectionLost),
            (What::Became { .. }, Reason::QuorumLost) => Some(Self::QuorumLost),
            (What::Became { .. }, Reason::DiskStalled) => Some(Self::DiskStalled),
            (What::Became { .. }, Reason::Transfer) => Some(Self::TransferTaken),
            (What::Became { .. }, Reason::LeaderDisconnected) => Some(Self::DisconnectedSooner),
            (What::Refused { .. }, Reason::LogBehind) => Some(Self::VoteLogBehind),
            (What::Refused { .. }, Reason::AlreadyVoted) => Some(Self::VoteTaken),
            (What::Refused { .. }, Reason::LeaderAlive) => Some(Self::LeaderAlive),
            (What::HandingOver { .. }, Reason::StorageFull) => Some(Self::HandedOverWhenFull),
            (What::HandingOver { .. }, Reason::Requested) => Some(Self::HandedOver),
            (What::Truncated { .. }, _) => Some(Self::ConflictTruncated),
            (What::Backtracked { .. }, _) => Some(Self::Backtracked),
            (What::SnapshotNeeded { .. }, _) => Some(Self::SnapshotNeeded),
            (What::SnapshotInstalled { .. }, _) => Some(Self::SnapshotInstalled),
            (What::Ignored { .. }, Reason::StaleTerm | Reason::StaleBallot) => {
                Some(Self::StaleIgnored)
            }
            (What::Ignored { .. }, Reason::Duplicate) => Some(Self::DuplicateIgnored),
            _ => Self::of_slots(what, reason),
        }
    }

    /// The mark of Multi-Paxos's own events.
    fn of_slots(what: What, reason: Reason) -> Option<Self> {
        match (what, reason) {
            (What::Voted { .. }, Reason::NoVotes) => Some(Self::NoopFilled),
            (What::Voted { .. }, Reason::Adopted) => Some(Self::VoteAdopted),
            (What::Voted { .. }, Reason::Gap) => Some(Self::VotedAboveGap),
            (What::Voted { .. }, Reason::Learned) => Some(Self::MissedLearned),
            (What::Chosen { .. }, _) => Some(Self::ChosenOutOfOrder),
            (What::Asked { .. }, _) => Some(Self::MissedAsked),
            (What::Became { .. }, Reason::HigherBallot) => Some(Self::Outbid),
            _ => None,
        }
    }

    /// The mark that the end of a request in the engine stands for, if any.
    pub(crate) fn of_outcome(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Proposal { result: Proposed::Displaced, .. } => Some(Self::Displaced),
            Outcome::Proposal { result: Proposed::Unknown, .. } => Some(Self::ProposalUnknown),
            Outcome::Read { result: Err(_), .. } => Some(Self::ReadRetried),
            _ => None,
        }
    }
}

/// How often a run came by each mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks([u64; Mark::ALL.len()]);

impl Default for Marks {
    fn default() -> Self {
        Self([0; Mark::ALL.len()])
    }
}

impl Marks {
    /// A run came by a mark.
    pub(crate) fn hit(&mut self, mark: Mark) {
        self.0[mark as usize] += 1;
    }

    /// A run came by a mark, if it did.
    pub(crate) fn hit_if(&mut self, mark: Mark, has_come: bool) {
        self.0[mark as usize] += u64::from(has_come);
    }

    /// How often.
    pub fn of(&self, mark: Mark) -> u64 {
        self.0[mark as usize]
    }

    /// Those of another run as well.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own += other;
        }
    }

    /// All marks with their counts.
    pub fn counts(&self) -> BTreeMap<Mark, u64> {
        Mark::ALL.into_iter().map(|mark| (mark, self.of(mark))).collect()
    }
}
