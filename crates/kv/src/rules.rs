//! The rules that can be broken on purpose, to prove that the checks would notice.

/// One rule of the store, named by what happens when it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A delete that finds nothing still takes a revision.
    EmptyDeleteTakesRevision,
    /// A transaction may write one key twice.
    DuplicatesAllowed,
    /// The clock follows each stamp, also backwards.
    TimeRunsBackwards,
    /// Compaction frees what is still visible at its revision.
    CompactionFreesVisible,
    /// Writes are accepted over the quota.
    QuotaIgnored,
    /// Physical compaction removes what a pinned reader still needs.
    CompactionIgnoresPins,
    /// The compares of a nested transaction see the writes before it.
    NestedComparesSeeWrites,
    /// A finished commit drops records that came after it began.
    CommitDropsLater,
    /// The state hash leaves the effects of entries out.
    HashIgnoresEffects,
    /// A put answers with what it wrote instead of what was there before.
    PrevKvIsNew,
    /// Each put of a key makes it look newly created.
    CreateRevisionMoves,
    /// A read below the compacted revision is answered with what is left there.
    CompactedIsAnswered,
    /// A read at an older revision sees what came later.
    OldReadsSeeLater,
    /// A limited range counts no key beyond its limit.
    CountStopsAtLimit,
    /// A range in a transaction does not see what the transaction wrote before it.
    TxnReadsBehind,
    /// A transaction takes the success branch, whatever its compares say.
    ComparesIgnored,
    /// A range of keys is deleted but for its last.
    DeleteLeavesLast,
    /// A commit names a later position than that of the records it holds, so that a restart skips
    /// entries (etcd, postmortem of the v3.5 data inconsistency).
    CheckpointAhead,
    /// The progress of a stream is told before the changes that it covers.
    WatchProgressAhead,
    /// Changes that a slow client has no room for are left out.
    WatchDropsWhenSlow,
    /// After a state was replaced, watches are told once more what they know.
    WatchRepeatsAfterInstall,
    /// After a state was replaced, watches go on with what comes next.
    WatchSkipsInstalled,
    /// A watch that has caught up misses the next revision.
    WatchSkipsAtHandOver,
    /// What a slow client is told over its bound is told again when it goes on.
    WatchRepeatsWhenSlow,
    /// A watch whose history is compacted goes on with what is left, and says nothing.
    WatchSkipsCompacted,
    /// A watch that stands where history begins is ended with those before it.
    WatchEndsAtEdge,
    /// A watch is told of what comes before its beginning.
    WatchTellsEarly,
    /// A watch is told of all kinds of changes.
    WatchIgnoresFilter,
    /// What was there before a change is what is there after it.
    WatchPreviousIsNew,
    /// A long response is cut, and does not say so.
    WatchSplitsRevision,
    /// A lease is over when half of its time has passed.
    LeaseExpiresEarly,
    /// A lease that is over stays.
    LeaseNeverExpires,
    /// All leases begin their time anew under a new leader (etcd).
    LeaseExtendedByFailover,
    /// A renewal brings a lease back that is over.
    RenewRevives,
    /// A lease that ends leaves its last key.
    RevokeLeavesKey,
    /// Each key of a lease that ends is deleted in a revision of its own.
    LeaseKeysManyRevisions,
    /// A key that is put anew stays attached to the lease it had.
    DetachForgotten,
    /// A key may be attached to a lease that does not exist.
    LostLeaseAccepted,
    /// Renewals do not reach the map, so that a restart takes them back.
    RenewalNotCommitted,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 39] = [
        Self::EmptyDeleteTakesRevision,
        Self::DuplicatesAllowed,
        Self::TimeRunsBackwards,
        Self::CompactionFreesVisible,
        Self::QuotaIgnored,
        Self::CompactionIgnoresPins,
        Self::NestedComparesSeeWrites,
        Self::CommitDropsLater,
        Self::HashIgnoresEffects,
        Self::PrevKvIsNew,
        Self::CreateRevisionMoves,
        Self::CompactedIsAnswered,
        Self::OldReadsSeeLater,
        Self::CountStopsAtLimit,
        Self::TxnReadsBehind,
        Self::ComparesIgnored,
        Self::DeleteLeavesLast,
        Self::CheckpointAhead,
        Self::WatchProgressAhead,
        Self::WatchDropsWhenSlow,
        Self::WatchRepeatsAfterInstall,
        Self::WatchSkipsInstalled,
        Self::WatchSkipsAtHandOver,
        Self::WatchRepeatsWhenSlow,
        Self::WatchSkipsCompacted,
        Self::WatchEndsAtEdge,
        Self::WatchTellsEarly,
        Self::WatchIgnoresFilter,
        Self::WatchPreviousIsNew,
        Self::WatchSplitsRevision,
        Self::LeaseExpiresEarly,
        Self::LeaseNeverExpires,
        Self::LeaseExtendedByFailover,
        Self::RenewRevives,
        Self::RevokeLeavesKey,
        Self::LeaseKeysManyRevisions,
        Self::DetachForgotten,
        Self::LostLeaseAccepted,
        Self::RenewalNotCommitted,
    ];
}

/// Answers "is this rule broken here?".
pub trait Rules: Clone {
    /// Whether `rule` is broken.
    fn breaks(&self, rule: Rule) -> bool;
}

/// No rule is broken. The answer is known to the compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strict;

impl Rules for Strict {
    #[inline]
    fn breaks(&self, _rule: Rule) -> bool {
        false
    }
}

/// One rule is broken. For simulators and lessons; a server never uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant(pub Rule);

impl Rules for Mutant {
    fn breaks(&self, rule: Rule) -> bool {
        self.0 == rule
    }
}
