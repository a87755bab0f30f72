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

    /// The rules of Raft, so that a test can break each in turn.
    pub const RAFT: [Self; 13] = [
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
    ];
}
