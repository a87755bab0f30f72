//! When the state machine goes to its disk, and how far the log may then be cut.

use core::time::Duration;
use std::collections::VecDeque;

use quorate_consensus::{Instant, Meta};

/// When to commit and what to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPolicy {
    /// Commit once this many bytes wait.
    pub bytes: u64,
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
}

/// Durable positions are remembered at least this far apart, so that few are.
const SPACING_ENTRIES: u64 = 256;

impl Compaction {
    /// A log that begins after `compacted`.
    pub(crate) fn new(policy: CommitPolicy, compacted: u64) -> Self {
        Self { policy, durable: VecDeque::new(), compacted, dirty_since: None }
    }

    /// Something was applied, or freed, that the disk has not taken.
    pub(crate) fn on_dirty(&mut self, now: Instant) {
        self.dirty_since.get_or_insert(now);
    }

    /// Whether it is time to commit `waiting` bytes.
    pub(crate) fn is_due(&self, now: Instant, waiting: u64) -> bool {
        let Some(since) = self.dirty_since else { return false };
        waiting >= self.policy.bytes || since + self.policy.interval <= now
    }

    /// A commit has begun: whatever follows is dirty anew.
    pub(crate) fn on_commit_begun(&mut self) {
        self.dirty_since = None;
    }

    /// The state machine is durable at `meta`: where the log may be cut now, if it is worth it.
    pub(crate) fn on_durable(&mut self, meta: Meta) -> Option<Meta> {
        let reached = meta.index.0;
        let newest = self.durable.back().map_or(self.compacted, |meta| meta.index.0);
        if reached >= newest + SPACING_ENTRIES {
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
