//! The rules of the protocols as names, so that tests can break one at a time.

use core::fmt;

/// Answers "is this rule broken here?" at the places where a rule is kept.
///
/// The server knows only [`Strict`], whose answer is a constant that compiles away. Tests, the
/// simulator and the lab use [`Mutant`] to prove that a check would notice.
pub trait Rules: Clone + fmt::Debug + Send + 'static {
    /// Whether `rule` is broken.
    fn breaks(&self, rule: Rule) -> bool;
}

/// Keeps every rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strict;

impl Rules for Strict {
    #[inline]
    fn breaks(&self, _rule: Rule) -> bool {
        false
    }
}

/// Breaks one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant(pub Rule);

impl Rules for Mutant {
    fn breaks(&self, rule: Rule) -> bool {
        self.0 == rule
    }
}

/// A rule that an engine keeps, named after what goes wrong without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A vote is granted before it is durable (Raft paper, Figure 2, persistent state).
    VoteBeforeDurable,
    /// A follower acknowledges entries before they are durable.
    AcknowledgeBeforeDurable,
    /// The leader counts its own copy before it is durable.
    CountOwnUndurable,
    /// A leader commits an older term's entry by counting replicas (Raft paper, §5.4.2).
    CommitOlderTerm,
    /// A vote goes to a candidate whose log is behind (Raft paper, §5.4.1).
    VoteForShorterLog,
    /// A server votes twice in a term.
    VoteTwice,
    /// A late duplicate of an append truncates what came after it.
    TruncateOnDuplicate,
    /// A new leader adds no entry of its own.
    SkipNoop,
    /// A read is served without asking whether the node still leads.
    ReadWithoutConfirmation,
    /// A read is served before the leader has committed an entry of its own term.
    ReadBeforeOwnCommit,
    /// A follower commits what the leader's message does not vouch for.
    CommitBeyondMatch,
    /// A leader that reaches no quorum goes on leading.
    SkipCheckQuorum,
    /// A full window that lost everything is never probed.
    SkipProbe,
    /// The vote is not written down: a restarted server votes again in the same term
    /// (Raft paper, Figure 2; openraft, `io_ordering.md`).
    ForgetVote,
    /// A vote once given binds in every later term, so that elections find no majority.
    KeepVoteAcrossTerms,
    /// A new term is entered without writing it down: a restarted server is back in an old one.
    ForgetTerm,
    /// A server that only asks whether it could win raises its term (dissertation §9.6).
    RaiseTermByPreVote,
    /// A vote is granted although a leader is alive (dissertation §4.2.3).
    VoteDespiteLeader,
    /// Any request for a vote puts off the server's own campaign, so that a hopeless candidate
    /// holds up all others.
    AnyRequestResetsTimer,
    /// A candidate asks for votes before its own term and vote are durable.
    CampaignBeforeDurable,
    /// A candidate takes every answer for a vote.
    CountRefusedVotes,
    /// A candidate counts a vote that was given to it in an older term.
    CountLateVotes,
    /// All wait equally long before they campaign and nobody gives way, so that those who start
    /// together split the votes for ever (Raft paper, §5.2).
    NoSpread,
    /// A learner campaigns.
    LearnerCampaigns,
    /// A request of an older term is not told the newer one (redpanda#31547).
    StaleTermUnanswered,
    /// A leader that hears of a newer term goes on in its own.
    LeadOldTerm,
    /// Entries are taken without asking whether what is before them agrees (§5.3).
    SkipConsistencyCheck,
    /// An entry that conflicts with the leader's stays.
    KeepConflicting,
    /// A late report of the disk counts for entries that replaced those it wrote
    /// (etcd raft, `rawnode.go`, "ABA").
    OldWriteCounts,
    /// A follower acknowledges all it holds, not only what agrees with the leader.
    AcknowledgeUnverified,
    /// A leader takes a refused append for a match.
    CountRefusedAppend,
    /// A leader does not go back when a follower's log differs.
    NeverBackUp,
    /// A leader commits what one short of a majority holds.
    CommitShortOfQuorum,
    /// An entry is handed to the state machine before it is durable beside it.
    DeliverUndurable,
    /// A snapshot replaces a log that holds it and more (Raft paper, §7).
    SnapshotDropsTail,
    /// A peer that waits for a snapshot waits for ever once a report is lost (etcd#10225).
    WaitForLostSnapshot,
    /// A proposal is reported as committed because its index is (redpanda#3003).
    SettleByIndex,
    /// A deposed leader reports that its proposals cannot happen any more, though they may.
    DisplaceWhenDeposed,
    /// A deposed leader forgets the reads that wait (etcd#12762).
    DropReads,
    /// A confirmation round has no name of its own, so that a late answer confirms a later read
    /// (etcd#20418).
    ReuseConfirmation,
    /// A leader whose disk stalls goes on leading (hashicorp/raft#503).
    LeadWithStalledDisk,
    /// A transfer of leadership never times out (hashicorp/raft#696).
    EndlessTransfer,
    /// Proposals are taken without bound (cockroach#27983).
    TakeWithoutBound,
    /// A leader answers the answer to its newest heartbeat with another one at once.
    AnswerAnswers,
    /// Paxos: a vote leaves the promise where it was, so that a late accept of an older ballot may
    /// replace it ("Paxos Made Simple" leaves this open; Lamport's `Voting` module does not).
    AcceptWithoutPromise,
    /// Paxos: a restarted acceptor remembers neither its promise nor its vote.
    ForgetPromise,
    /// Paxos: a promise leaves before it is durable.
    PromiseBeforeDurable,
    /// Paxos: a vote is reported before it is durable.
    AcceptedBeforeDurable,
    /// Paxos: a proposer takes any reported vote, not that of the highest ballot (P2c).
    AdoptAnyVote,
    /// Paxos: a proposer insists on its own value although votes were reported (P2c).
    IgnoreVotes,
    /// Paxos: a restarted proposer uses a ballot a second time.
    ReuseBallot,
    /// Paxos: a learner counts votes of different ballots together.
    CountAcrossBallots,
    /// Multi-Paxos: an acknowledgement names the ballot promised when it leaves, not that of the
    /// vote (Summerset, `durability.rs`).
    AckNamesPromise,
    /// Multi-Paxos: what a new leader proposes again is not recorded as its vote (Summerset,
    /// `messages.rs`).
    ForgetReaccepted,
    /// Multi-Paxos: a new leader to whom no vote was told begins with a slot that was decided long
    /// ago ("Paxos Made Simple", §3; frankenpaxos, `Leader.scala`).
    SlotsFromTheStart,
    /// Multi-Paxos: a slot that an acceptor has compacted passes for one without a vote.
    CompactedIsEmpty,
    /// Multi-Paxos: the first part of a promise counts for the whole.
    CountPromiseParts,
    /// Multi-Paxos: "chosen up to here" is taken to speak of the receiver's votes, of whatever
    /// ballot.
    CommitByIndex,
    /// Multi-Paxos: a read is served before every slot recovered in phase 1 is chosen.
    ReadBeforeBarrier,
}

impl Rule {
    /// The rules of single-decree Paxos, so that a test can break each in turn.
    pub const SYNOD: [Self; 8] = [
        Self::AcceptWithoutPromise,
        Self::ForgetPromise,
        Self::PromiseBeforeDurable,
        Self::AcceptedBeforeDurable,
        Self::AdoptAnyVote,
        Self::IgnoreVotes,
        Self::ReuseBallot,
        Self::CountAcrossBallots,
    ];

    /// The rules of Multi-Paxos, so that a test can break each in turn. The first ones are those of
    /// one decision, the last ones Raft's too.
    pub const PAXOS: [Self; 27] = [
        Self::AcceptWithoutPromise,
        Self::ForgetPromise,
        Self::PromiseBeforeDurable,
        Self::AcceptedBeforeDurable,
        Self::AdoptAnyVote,
        Self::IgnoreVotes,
        Self::ReuseBallot,
        Self::CountAcrossBallots,
        Self::AckNamesPromise,
        Self::ForgetReaccepted,
        Self::SlotsFromTheStart,
        Self::CompactedIsEmpty,
        Self::CountPromiseParts,
        Self::CommitByIndex,
        Self::ReadBeforeBarrier,
        Self::CountOwnUndurable,
        Self::ReadWithoutConfirmation,
        Self::SkipCheckQuorum,
        Self::SkipProbe,
        Self::DeliverUndurable,
        Self::SettleByIndex,
        Self::DisplaceWhenDeposed,
        Self::ReuseConfirmation,
        Self::LeadWithStalledDisk,
        Self::EndlessTransfer,
        Self::TakeWithoutBound,
        Self::AnswerAnswers,
    ];

    /// The rules of Raft, so that a test can break each in turn.
    pub const RAFT: [Self; 44] = [
        Self::VoteBeforeDurable,
        Self::AcknowledgeBeforeDurable,
        Self::CountOwnUndurable,
        Self::CommitOlderTerm,
        Self::VoteForShorterLog,
        Self::VoteTwice,
        Self::TruncateOnDuplicate,
        Self::SkipNoop,
        Self::ReadWithoutConfirmation,
        Self::ReadBeforeOwnCommit,
        Self::CommitBeyondMatch,
        Self::SkipCheckQuorum,
        Self::SkipProbe,
        Self::ForgetVote,
        Self::KeepVoteAcrossTerms,
        Self::ForgetTerm,
        Self::RaiseTermByPreVote,
        Self::VoteDespiteLeader,
        Self::AnyRequestResetsTimer,
        Self::CampaignBeforeDurable,
        Self::CountRefusedVotes,
        Self::CountLateVotes,
        Self::NoSpread,
        Self::LearnerCampaigns,
        Self::StaleTermUnanswered,
        Self::LeadOldTerm,
        Self::SkipConsistencyCheck,
        Self::KeepConflicting,
        Self::OldWriteCounts,
        Self::AcknowledgeUnverified,
        Self::CountRefusedAppend,
        Self::NeverBackUp,
        Self::CommitShortOfQuorum,
        Self::DeliverUndurable,
        Self::SnapshotDropsTail,
        Self::WaitForLostSnapshot,
        Self::SettleByIndex,
        Self::DisplaceWhenDeposed,
        Self::DropReads,
        Self::ReuseConfirmation,
        Self::LeadWithStalledDisk,
        Self::EndlessTransfer,
        Self::TakeWithoutBound,
        Self::AnswerAnswers,
    ];
}
