//! What can be violated, by name, and how often each was looked at.

use core::fmt;

use crate::ids::NodeId;

/// A promise of the protocols, named for reports.
///
/// R1 to R16 and P1 to P12 number the lists in the project's notes on testing; sections are those
/// of the Raft paper (extended version, 2014), of Ongaro's dissertation (D), and of Lamport's
/// "Paxos Made Simple" (PMS).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A round has at most one leader, ever (R1; Raft §5.2, Figure 3).
    ElectionSafety,
    /// A leader never removes or replaces entries of its own log (R2; Raft §5.3).
    LeaderAppendOnly,
    /// Equal index and term mean equal entries and equal prefixes (R3; Raft §5.3).
    LogMatching,
    /// What was committed in a term is in the log of every leader of later terms. By the term of
    /// the committing leader, not of the entry (R4; Raft §5.4).
    LeaderCompleteness,
    /// A position is committed with one entry, and every state machine applies that one
    /// (R5; Raft §5.4.3).
    StateMachineSafety,
    /// A server votes once in a term, across crashes (R6; Raft §5.2).
    OneVotePerTerm,
    /// A vote or promise is durable before anyone hears of it, and before it is counted
    /// (R6, P3; Raft Figure 2, PMS §2.5).
    VoteDurable,
    /// What a server has sworn never decreases, and a vote given stays given
    /// (R7, P3; Raft §5.1, PMS §2.2).
    PromiseMonotone,
    /// A server's round never decreases while it runs (R7; Raft §5.1).
    TermMonotone,
    /// The commit mark never decreases while a server runs (R7).
    CommitMonotone,
    /// The applied mark never decreases while a server runs (R7).
    AppliedMonotone,
    /// What an engine holds and takes part in is written: its log ends where its writes do, and
    /// its round is the written one (Raft Figure 2, persistent state).
    LogIsWritten,
    /// What is acknowledged is on the acknowledging server's disk (R8; Raft §5.3, D §10.2.1).
    AckedIsDurable,
    /// A restart finds all that was acknowledged to the engine as durable, in its order, and
    /// nothing else (R13).
    PersistedSurvives,
    /// What is committed is on the disks of a quorum (R8; Raft §5.3, D §10.2.1).
    CommittedIsDurableOnQuorum,
    /// A leader counts copies only of entries of its own term (R9; Raft §5.4.2, Figure 8).
    CommitOwnTermOnly,
    /// A new leader's log is at least as new as that of each in a quorum of its voters
    /// (R10; Raft §5.4.1).
    LeaderHasQuorumLog,
    /// A committed entry is never removed from a log (Raft §5.4.3).
    CommittedStays,
    /// The log is compacted only where its state machine has been (R12; Raft §7).
    SnapshotNotBeyondApplied,
    /// A snapshot stands for the committed prefix that it names (R12, P10; Raft §7).
    SnapshotIsPrefix,
    /// Compacted, applied, committed and last lie in this order (R16).
    CompactionOrder,
    /// Entries are executed in the order of the log without gaps, each once (P8; Raft §5.3,
    /// PMS §3).
    NoGapExecution,
    /// A read sees all that was committed when it was asked (R14; D §6.4).
    ReadNotStale,
    /// A leader serves no read before it has committed an entry of its own term (R14; D §6.4).
    ReadAfterOwnCommit,
    /// A read is released once, and only if it was asked (R14).
    ReadOncePerToken,
    /// Asking whether one could win changes no term: a term begins with a candidate
    /// (R15; D §9.6).
    PreVoteLeavesTerm,
    /// What a client is told about its proposal is true and stays true.
    OutcomeIsTrue,
    /// Only what was proposed is chosen (P6; PMS §2.1).
    OnlyProposedChosen,
    /// Quorums whose members must meet do meet (P7, R11; PMS §2.2, D §4.3).
    QuorumsIntersect,
    /// At most one value is chosen for a slot (P1, P2; PMS §2.1).
    ChosenOnce,
    /// Nothing is accepted below what was promised: P1a (P4; PMS §2.2).
    AcceptKeepsPromise,
    /// Nothing but a chosen value is accepted at a higher ballot: P2a (PMS §2.2).
    HigherAcceptsAgree,
    /// Nothing but a chosen value is proposed at a higher ballot: P2b (PMS §2.2).
    HigherProposalsAgree,
    /// A quorum has promised the ballot of a proposal, and shows that no other value can have been
    /// chosen below it: P2c (PMS §2.2).
    ProposalIsSafe,
    /// A slot has one value per ballot (P5; van Renesse and Altinbuken 2015, A4).
    OneValuePerBallot,
    /// A ballot belongs to one proposer, which never uses it again after a restart (P5; PMS §2.5).
    BallotOwnedOnce,
    /// A promise reports every vote its sender ever acknowledged (P12; PMS §2.2).
    PromiseReportsVotes,
    /// What a server takes for chosen is chosen (P1; PMS §2.3).
    LearnedIsChosen,
}

impl Invariant {
    /// Every invariant, in the order of declaration.
    pub const ALL: [Self; 38] = [
        Self::ElectionSafety,
        Self::LeaderAppendOnly,
        Self::LogMatching,
        Self::LeaderCompleteness,
        Self::StateMachineSafety,
        Self::OneVotePerTerm,
        Self::VoteDurable,
        Self::PromiseMonotone,
        Self::TermMonotone,
        Self::CommitMonotone,
        Self::AppliedMonotone,
        Self::LogIsWritten,
        Self::AckedIsDurable,
        Self::PersistedSurvives,
        Self::CommittedIsDurableOnQuorum,
        Self::CommitOwnTermOnly,
        Self::LeaderHasQuorumLog,
        Self::CommittedStays,
        Self::SnapshotNotBeyondApplied,
        Self::SnapshotIsPrefix,
        Self::CompactionOrder,
        Self::NoGapExecution,
        Self::ReadNotStale,
        Self::ReadAfterOwnCommit,
        Self::ReadOncePerToken,
        Self::PreVoteLeavesTerm,
        Self::OutcomeIsTrue,
        Self::OnlyProposedChosen,
        Self::QuorumsIntersect,
        Self::ChosenOnce,
        Self::AcceptKeepsPromise,
        Self::HigherAcceptsAgree,
        Self::HigherProposalsAgree,
        Self::ProposalIsSafe,
        Self::OneValuePerBallot,
        Self::BallotOwnedOnce,
        Self::PromiseReportsVotes,
        Self::LearnedIsChosen,
    ];

    /// Its name in reports, tables and replay commands: stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ElectionSafety => "election-safety",
            Self::LeaderAppendOnly => "leader-append-only",
            Self::LogMatching => "log-matching",
            Self::LeaderCompleteness => "leader-completeness",
            Self::StateMachineSafety => "state-machine-safety",
            Self::OneVotePerTerm => "one-vote-per-term",
            Self::VoteDurable => "vote-durable",
            Self::PromiseMonotone => "promise-monotone",
            Self::TermMonotone => "term-monotone",
            Self::CommitMonotone => "commit-monotone",
            Self::AppliedMonotone => "applied-monotone",
            Self::LogIsWritten => "log-is-written",
            Self::AckedIsDurable => "acked-is-durable",
            Self::PersistedSurvives => "persisted-survives",
            Self::CommittedIsDurableOnQuorum => "committed-is-durable-on-quorum",
            Self::CommitOwnTermOnly => "commit-own-term-only",
            Self::LeaderHasQuorumLog => "leader-has-quorum-log",
            Self::CommittedStays => "committed-stays",
            Self::SnapshotNotBeyondApplied => "snapshot-not-beyond-applied",
            Self::SnapshotIsPrefix => "snapshot-is-prefix",
            Self::CompactionOrder => "compaction-order",
            Self::NoGapExecution => "no-gap-execution",
            Self::ReadNotStale => "read-not-stale",
            Self::ReadAfterOwnCommit => "read-after-own-commit",
            Self::ReadOncePerToken => "read-once-per-token",
            Self::PreVoteLeavesTerm => "pre-vote-leaves-term",
            Self::OutcomeIsTrue => "outcome-is-true",
            Self::OnlyProposedChosen => "only-proposed-chosen",
            Self::QuorumsIntersect => "quorums-intersect",
            Self::ChosenOnce => "chosen-once",
            Self::AcceptKeepsPromise => "accept-keeps-promise",
            Self::HigherAcceptsAgree => "higher-accepts-agree",
            Self::HigherProposalsAgree => "higher-proposals-agree",
            Self::ProposalIsSafe => "proposal-is-safe",
            Self::OneValuePerBallot => "one-value-per-ballot",
            Self::BallotOwnedOnce => "ballot-owned-once",
            Self::PromiseReportsVotes => "promise-reports-votes",
            Self::LearnedIsChosen => "learned-is-chosen",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The node whose step broke it.
    pub node: NodeId,
    /// What happened, for people.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.invariant, self.message)
    }
}

impl core::error::Error for Violation {}

/// Whether everything held.
pub type Verdict = Result<(), Violation>;

/// How often each invariant was looked at: one that never was proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks([u64; Invariant::ALL.len()]);

impl Checks {
    /// How often this one was.
    pub fn of(&self, invariant: Invariant) -> u64 {
        self.0[invariant as usize]
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Invariant, u64)> {
        Invariant::ALL.into_iter().zip(self.0)
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Counts a look at `invariant`, which holds or else is told by `message`.
    #[inline]
    pub(super) fn ensure(
        &mut self,
        invariant: Invariant,
        node: NodeId,
        holds: bool,
        message: impl FnOnce() -> String,
    ) -> Verdict {
        self.0[invariant as usize] += 1;
        if holds { Ok(()) } else { Err(Violation { invariant, node, message: message() }) }
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self([0; Invariant::ALL.len()])
    }
}
