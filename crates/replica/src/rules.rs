//! The rules of a node's two halves as names, so that tests can break one at a time.

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

/// A rule that a node keeps, named after what goes wrong without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A proposal is sent again when the leader changes, although the first copy may have arrived.
    RetryAttempted,
    /// A proposal that a snapshot may contain is sent again.
    RetryInstalled,
    /// A leader takes proposals that were sent to another ballot, whose origin may have given them
    /// up and sent anew.
    TakeAnyBallot,
    /// A leader takes a forwarded proposal as often as it arrives.
    TakeTwice,
    /// A write that may have happened is reported as one that did not.
    UnknownIsRefused,
    /// A proposal that can never happen is not sent again: its client waits for nothing.
    IgnoreDisplaced,
    /// Numbers are used again after a restart, so that an old entry answers a new request.
    ReuseNumbers,
    /// A leader confirms reads that were asked of another ballot.
    ServeAnyBallot,
    /// A round of reads has the name of an earlier one, so that a late answer releases it
    /// (etcd#20418).
    ReuseRound,
    /// A read is served before the position is applied that it was released at.
    ReadBeforeApplied,
    /// The log is cut at a position that the state machine's file does not hold durably yet.
    CompactAboveDurable,
    /// A leader's word to install a snapshot is followed though its bytes are not held.
    InstallUnheld,
    /// A part of a snapshot is written although another was asked for.
    TakeUnaskedChunk,
    /// A snapshot is said to be whole when any piece of work on it has ended.
    ClaimEarly,
    /// The clock stands while nothing happens, so that leases gain what has passed when another
    /// leader takes over.
    LetClockStand,
    /// The stamp of every entry moves the clock, also one that an earlier leader counted in vain.
    CountStampsOfAll,
}

impl Rule {
    /// Every rule, so that a test can break each in turn.
    pub const ALL: [Self; 16] = [
        Self::RetryAttempted,
        Self::RetryInstalled,
        Self::TakeAnyBallot,
        Self::TakeTwice,
        Self::UnknownIsRefused,
        Self::IgnoreDisplaced,
        Self::ReuseNumbers,
        Self::ServeAnyBallot,
        Self::ReuseRound,
        Self::ReadBeforeApplied,
        Self::CompactAboveDurable,
        Self::InstallUnheld,
        Self::TakeUnaskedChunk,
        Self::ClaimEarly,
        Self::LetClockStand,
        Self::CountStampsOfAll,
    ];
}
