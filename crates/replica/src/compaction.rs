//! When the state machine goes to its disk, and how far the log may then be cut.

use core::time::Duration;
use std::collections::VecDeque;

use quorate_consensus::{Instant, Meta};

/// When to commit and what to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPolicy {
    /// Commit once this many bytes wait.
    pub bytes: u64,
    /// The same for the first commit, and for one that follows another which age was the reason
    /// for. Members apply the same bytes at nearly the same time. If this differs between them,
    /// they do not all go to their disks at once, and most of the time a quorum does not.
    pub first_bytes: u64,
    /// Commit what waits at the latest after this long.
    pub interval: Duration,
    /// Cut the log once it reaches this many entries below the durable position.
    pub snapshot_count: u64,
    /// Keep this many entries for followers that lag a little.
    pub catch_up_entries: u64,
}

impl Default for CommitPolicy {
    fn default() -> Self {
        Self {
            bytes: 4 << 20,
            first_bytes: 4 << 20,
            interval: Duration::from_secs(2),
            snapshot_count: 10_000,
            catch_up_entries: 5_000,
        }
    }
}

/// The positions that are durable in the state machine, as points where the log may be cut.
#[derive(Debug)]
pub(crate) struct Compaction {
    policy: CommitPolicy,
    /// Durable positions above the last cut, ascending.
    durable: VecDeque<Meta>,
    compacted: u64,
    dirty_since: Option<Instant>,
    /// Bytes that are worth the next commit.
    due_bytes: u64,
}

/// Durable positions are remembered at least this far apart, so that few are; or a quarter of
/// the entries between two cuts, if that is less.
const SPACING_ENTRIES: u64 = 256;

impl Compaction {
    /// A log that begins after `compacted`.
    pub(crate) fn new(policy: CommitPolicy, compacted: u64) -> Self {
        let due_bytes = policy.first_bytes;
        Self { policy, durable: VecDeque::new(), compacted, dirty_since: None, due_bytes }
    }

    /// Something was applied, or freed, that the disk has not taken.
    pub(crate) fn on_dirty(&mut self, now: Instant) {
        self.dirty_since.get_or_insert(now);
    }

    /// Whether it is time to commit `waiting` bytes.
    pub(crate) fn is_due(&self, now: Instant, waiting: u64) -> bool {
        let Some(since) = self.dirty_since else { return false };
        waiting >= self.due_bytes || since + self.policy.interval <= now
    }

    /// A commit of `waiting` bytes has begun: whatever follows is dirty anew.
    pub(crate) fn on_commit_begun(&mut self, waiting: u64) {
        self.dirty_since = None;
        let is_by_size = self.due_bytes <= waiting;
        self.due_bytes = if is_by_size { self.policy.bytes } else { self.policy.first_bytes };
    }

    /// The state machine is durable at `meta`: where the log may be cut now, if it is worth it.
    pub(crate) fn on_durable(&mut self, meta: Meta) -> Option<Meta> {
        let reached = meta.index.0;
        let newest = self.durable.back().map_or(self.compacted, |meta| meta.index.0);
        let spacing = SPACING_ENTRIES.min(self.policy.snapshot_count / 4);
        if reached >= newest + spacing {
            self.durable.push_back(meta);
        }
        if reached < self.compacted + self.policy.snapshot_count {
            return None;
        }
        let keep_from = reached.saturating_sub(self.policy.catch_up_entries);
        let mut cut = None;
        while let Some(meta) = self.durable.pop_front_if(|meta| meta.index.0 <= keep_from) {
            cut = Some(meta);
        }
        if let Some(meta) = &cut {
            self.compacted = meta.index.0;
        }
        cut
    }

    /// The state machine was replaced at this position.
    pub(crate) fn on_installed(&mut self, index: u64) {
        self.durable.clear();
        self.compacted = index;
        self.dirty_since = None;
    }

    /// When the next commit is due at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.dirty_since.map(|since| since + self.policy.interval)
    }
}

#[cfg(test)]
mod tests {
    use quorate_consensus::{Ballot, ClusterTime, Index, Members};

    use super::*;

    fn meta(index: u64) -> Meta {
        let (ballot, time) = (Ballot::ZERO, ClusterTime(index));
        Meta { index: Index(index), ballot, time, members: Members::default() }
    }

    fn compaction() -> Compaction {
        let policy = CommitPolicy {
            bytes: 100,
            first_bytes: 60,
            interval: Duration::from_micros(50),
            snapshot_count: 2_000,
            catch_up_entries: 1_000,
        };
        Compaction::new(policy, 0)
    }

    fn cut(compaction: &mut Compaction, index: u64) -> Option<u64> {
        compaction.on_durable(meta(index)).map(|meta| meta.index.0)
    }

    #[test]
    fn a_commit_is_due_by_size_or_by_age() {
        let mut compaction = compaction();
        let at = Instant::from_micros;
        assert!(!compaction.is_due(at(1), 1_000), "nothing is dirty");
        compaction.on_dirty(at(10));
        compaction.on_dirty(at(30));
        assert!(!compaction.is_due(at(59), 59));
        assert!(compaction.is_due(at(59), 60) && compaction.is_due(at(60), 0));
        assert_eq!(compaction.deadline(), Some(at(60)));
        compaction.on_commit_begun(60);
        assert_eq!((compaction.is_due(at(99), 1_000), compaction.deadline()), (false, None));
    }

    #[test]
    fn only_the_first_commit_of_many_by_size_is_smaller() {
        let mut compaction = compaction();
        let at = Instant::from_micros;
        let mut due_at = |waiting| {
            compaction.on_dirty(at(10));
            let due = (1..=200).find(|waiting| compaction.is_due(at(11), *waiting));
            compaction.on_commit_begun(waiting);
            due
        };
        assert_eq!([due_at(60), due_at(100), due_at(130)], [Some(60), Some(100), Some(100)]);
        assert_eq!([due_at(7), due_at(7), due_at(60)], [Some(100), Some(60), Some(60)]);
        assert_eq!(due_at(100), Some(100));
    }

    #[test]
    fn the_log_is_cut_at_a_durable_position_that_leaves_enough() {
        let mut compaction = compaction();
        assert_eq!(cut(&mut compaction, 500), None);
        assert_eq!(cut(&mut compaction, 900), None);
        assert_eq!(cut(&mut compaction, 1_950), None, "the log is short");
        assert_eq!(cut(&mut compaction, 2_100), Some(900));
        assert_eq!(cut(&mut compaction, 2_899), None, "few entries lie above the last cut");
        assert_eq!(cut(&mut compaction, 2_950), Some(1_950));
    }

    #[test]
    fn a_large_step_is_cut_with_the_next() {
        let mut compaction = compaction();
        assert_eq!(cut(&mut compaction, 9_000), None);
        assert_eq!(cut(&mut compaction, 9_900), None);
        assert_eq!(cut(&mut compaction, 10_000), Some(9_000));
    }

    #[test]
    fn an_install_begins_anew() {
        let mut compaction = compaction();
        cut(&mut compaction, 500);
        compaction.on_dirty(Instant::from_micros(1));
        compaction.on_installed(5_000);
        assert_eq!(compaction.deadline(), None);
        assert_eq!(cut(&mut compaction, 6_500), None);
        assert_eq!(cut(&mut compaction, 7_500), Some(6_500));
    }
}
