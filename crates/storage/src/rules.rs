//! The rules of the log and of the files beside it as names, so that tests can break one at a
//! time.

use core::fmt;

/// Answers "is this rule broken here?" at the places where a rule is kept.
///
/// The server knows only [`Strict`], whose answer is a constant that compiles away. Tests, the
/// simulator and the lab use [`Mutant`] to prove that a check would notice.
pub trait Rules: Clone + fmt::Debug + Send + Sync + 'static {
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

/// A rule that storage keeps, named after what goes wrong without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A batch is acknowledged when it is written and not yet on the disk (etcd#14370).
    AcknowledgeBeforeSync,
    /// A failed sync is tried again, and the second one succeeds although the system has thrown
    /// the pages away (cockroach#37102).
    RetryFailedSync,
    /// A segment is used before the directory that names it is durable, so that a power cut takes
    /// it away with all it holds.
    DirectoryUnsynced,
    /// The log is cut at the first bad batch, even if sound ones follow, which were acknowledged
    /// (Alagappan et al., "Protocol-Aware Recovery", FAST 2018).
    CutAtFirstBad,
    /// A batch is taken for sound without a look at its checksum.
    TrustBadBatch,
    /// Recovery reads over truncations, so that entries come back that were replaced.
    SkipTruncation,
    /// A segment's head does not repeat the newest hard state, which is lost with the segments
    /// before it.
    StaleHard,
    /// Segments are dropped that hold entries which are not compacted.
    DropNeeded,
    /// What a start reports is not made durable first: the process before may have died between
    /// its write and its sync.
    ReportUnsettled,
    /// A start is not counted, so that names made from its number are made twice.
    ForgetStarts,
    /// The map's commits are reported before they are on the disk.
    CommitUnsynced,
    /// A record of the map is read without a look at its checksum.
    TrustBadRecord,
    /// A snapshot is installed whose file has its name only in memory.
    PublishUnsynced,
    /// A received snapshot is not compared with the checkpoint that came with it.
    TrustReceived,
}

impl Rule {
    /// Every rule, so that a test can break each in turn.
    pub const ALL: [Self; 14] = [
        Self::AcknowledgeBeforeSync,
        Self::RetryFailedSync,
        Self::DirectoryUnsynced,
        Self::CutAtFirstBad,
        Self::TrustBadBatch,
        Self::SkipTruncation,
        Self::StaleHard,
        Self::DropNeeded,
        Self::ReportUnsettled,
        Self::ForgetStarts,
        Self::CommitUnsynced,
        Self::TrustBadRecord,
        Self::PublishUnsynced,
        Self::TrustReceived,
    ];
}
