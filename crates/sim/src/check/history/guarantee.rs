//! What clients are promised, and how a broken promise is told.

use core::fmt;

use quorate_replica::Ticket;

/// A promise to clients. Its name is what a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// Each request ends exactly once.
    OneOutcome,
    /// A command is committed only if a client asked for it, and once.
    CommittedAsAsked,
    /// What was refused never takes effect.
    RefusedMeansNever,
    /// What was acknowledged is committed.
    AcknowledgedIsCommitted,
    /// Each answer is what the model gives where the answer says it was made.
    AnswersAreTrue,
    /// A linearizable read sees all that was acknowledged before it was asked.
    ReadsAreFresh,
    /// No answer is of a state that was not committed yet.
    NothingIsForetold,
    /// What one life of a node answers never goes back.
    NodesGoForward,
    /// The operations on each key could have happened one after another.
    Linearizable,
    /// What a stream is told is in the order of its revisions.
    WatchOrdered,
    /// No watch is told of a change twice.
    WatchUnique,
    /// A watch is told of every change that happens while it goes on.
    WatchReliable,
    /// A watch that begins in the past is told of every change since.
    WatchResumable,
    /// All changes of one revision come in one response, or one run of fragments.
    WatchAtomic,
    /// Where a watch is said to have come to, nothing before is left to be told.
    WatchBookmarkable,
    /// A watch tells of its range, of its kinds, from its beginning on, and in the form asked for.
    WatchAsAsked,
    /// What a watch tells is committed, and as it happened; and what was there before.
    WatchTellsTruth,
    /// No watch is refused or ended but for a reason that holds.
    WatchEndsForReason,
    /// A lease lives its whole time from the last request that was acknowledged for it, not
    /// counting time without a leader.
    LeaseNotEarly,
    /// What is over or revoked is not said to live, and not kept alive.
    LeaseStaysOver,
    /// A lease that lives is said to live, and with the time it was granted.
    LeaseAsGranted,
}

impl Guarantee {
    /// Every promise.
    pub const ALL: [Self; 21] = [
        Self::OneOutcome,
        Self::CommittedAsAsked,
        Self::RefusedMeansNever,
        Self::AcknowledgedIsCommitted,
        Self::AnswersAreTrue,
        Self::ReadsAreFresh,
        Self::NothingIsForetold,
        Self::NodesGoForward,
        Self::Linearizable,
        Self::WatchOrdered,
        Self::WatchUnique,
        Self::WatchReliable,
        Self::WatchResumable,
        Self::WatchAtomic,
        Self::WatchBookmarkable,
        Self::WatchAsAsked,
        Self::WatchTellsTruth,
        Self::WatchEndsForReason,
        Self::LeaseNotEarly,
        Self::LeaseStaysOver,
        Self::LeaseAsGranted,
    ];

    /// What every response with changes is looked at for.
    pub(super) const OF_CHANGES: [Self; 8] = [
        Self::WatchOrdered,
        Self::WatchUnique,
        Self::WatchReliable,
        Self::WatchResumable,
        Self::WatchAtomic,
        Self::WatchBookmarkable,
        Self::WatchAsAsked,
        Self::WatchTellsTruth,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneOutcome => "one-outcome",
            Self::CommittedAsAsked => "committed-as-asked",
            Self::RefusedMeansNever => "refused-means-never",
            Self::AcknowledgedIsCommitted => "acknowledged-is-committed",
            Self::AnswersAreTrue => "answers-are-true",
            Self::ReadsAreFresh => "reads-are-fresh",
            Self::NothingIsForetold => "nothing-is-foretold",
            Self::NodesGoForward => "nodes-go-forward",
            Self::Linearizable => "linearizable",
            Self::WatchOrdered => "watch-ordered",
            Self::WatchUnique => "watch-unique",
            Self::WatchReliable => "watch-reliable",
            Self::WatchResumable => "watch-resumable",
            Self::WatchAtomic => "watch-atomic",
            Self::WatchBookmarkable => "watch-bookmarkable",
            Self::WatchAsAsked => "watch-as-asked",
            Self::WatchTellsTruth => "watch-tells-truth",
            Self::WatchEndsForReason => "watch-ends-for-reason",
            Self::LeaseNotEarly => "lease-not-early",
            Self::LeaseStaysOver => "lease-stays-over",
            Self::LeaseAsGranted => "lease-as-granted",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub guarantee: Guarantee,
    /// Whose request shows it, if one does.
    pub ticket: Option<Ticket>,
    /// The evidence, for people.
    pub evidence: String,
}

impl Violation {
    pub(super) fn of(guarantee: Guarantee, ticket: Ticket, evidence: String) -> Self {
        Self { guarantee, ticket: Some(ticket), evidence }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.guarantee, self.evidence)
    }
}
