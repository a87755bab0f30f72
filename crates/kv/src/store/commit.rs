//! Commits: moving what was applied to the map, one commit at a time.

use std::collections::{BTreeSet, VecDeque};

use super::Store;
use crate::{
    Checkpoint, Commit, CommitId, Lease, LeaseId, LogPosition, RECORD_OVERHEAD_BYTES, Revision,
    Rule, Rules,
};

/// Logical bytes of new records between two positions at which a commit may end.
const MARK_BYTES: u64 = 128 << 10;

/// What commits are made of, beside the recent table.
#[derive(Debug)]
pub(super) struct Commits {
    /// Positions at which a commit may end, short of the current one.
    marks: VecDeque<Mark>,
    /// Freed records that the index has forgotten, with the compaction that freed each.
    removes: VecDeque<(i64, Revision)>,
    in_flight: Option<InFlight>,
    next_id: u64,
    /// The position and main revision that the map stands at.
    position: LogPosition,
    revision: i64,
}

#[derive(Debug)]
struct Mark {
    checkpoint: Checkpoint,
    /// See [`Store::bytes_pushed`].
    bytes_pushed: u64,
}

#[derive(Debug)]
struct InFlight {
    id: CommitId,
    position: LogPosition,
    revision: i64,
    /// The first compaction that freed a record which this commit removes.
    removes_from: Option<i64>,
}

impl Commits {
    /// Nothing is under way, and the map stands at `checkpoint`.
    pub(super) fn at(checkpoint: &Checkpoint) -> Self {
        Self {
            marks: VecDeque::new(),
            removes: VecDeque::new(),
            in_flight: None,
            next_id: 1,
            position: checkpoint.position,
            revision: checkpoint.revision,
        }
    }

    /// Has the next commit remove a record.
    pub(super) fn push_remove(&mut self, free_at: i64, revision: Revision) {
        self.removes.push_back((free_at, revision));
    }

    /// Whether a record that the compaction of `revision` freed is still to be removed.
    pub(super) fn is_removing(&self, revision: i64) -> bool {
        let waiting = self.removes.front().map(|(free_at, _)| *free_at);
        let in_flight = self.in_flight.as_ref().and_then(|commit| commit.removes_from);
        waiting.into_iter().chain(in_flight).any(|free_at| free_at <= revision)
    }

    /// The main revision up to which, it included, records are on the map.
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }
}

impl<R: Rules> Store<R> {
    /// What the map should store next: the oldest whole entries with not more than about
    /// `bytes_max` of new records, and the checkpoint that goes with them. None while a commit
    /// is under way, or if the map has everything.
    ///
    /// The caller gives it to [`crate::Records::commit`] when the log is durable up to the
    /// checkpoint's position, and then calls [`Store::finish_commit`].
    pub fn begin_commit(&mut self, bytes_max: u64) -> Option<Commit> {
        if self.commits.in_flight.is_some() || !self.has_something_to_commit() {
            return None;
        }
        let mut checkpoint = self.take_checkpoint(bytes_max);
        if self.rules.breaks(Rule::CheckpointAhead) {
            checkpoint.position = self.state.position;
        }
        let (removes, removes_from) = self.take_removes(&checkpoint, bytes_max);
        let leases = self.take_leases(&checkpoint);
        // A record that is freed before it ever reached the map need not go there.
        let (unwritten, removes): (BTreeSet<_>, Vec<_>) =
            split(removes, |revision| self.commits.revision < revision.main);
        let upto = self.recent.upto(checkpoint.revision);
        // Of the right size at once: growing by doubling, it would touch fresh pages each time.
        let mut puts = Vec::with_capacity(upto.len());
        puts.extend(upto.filter(|(revision, _)| !unwritten.contains(revision)).cloned());
        let id = CommitId(self.commits.next_id);
        self.commits.next_id += 1;
        self.commits.in_flight = Some(InFlight {
            id,
            position: checkpoint.position,
            revision: checkpoint.revision,
            removes_from,
        });
        Some(Commit { id, puts, removes, leases, checkpoint })
    }

    /// The commit is durable: reads find its records on the map from now on.
    pub fn finish_commit(&mut self, id: CommitId) {
        let commit = self.commits.in_flight.take().expect("a commit is under way");
        assert!(commit.id == id, "the commit under way is the one that finishes");
        self.commits.position = commit.position;
        self.commits.revision = commit.revision;
        let is_hasty = self.rules.breaks(Rule::CommitDropsLater);
        self.recent.drop_upto(if is_hasty { i64::MAX } else { commit.revision });
        self.lease_log.drop_upto(commit.position.index);
    }

    /// The log position that the map stands at: entries up to it need not be applied again.
    pub fn committed(&self) -> LogPosition {
        self.commits.position
    }

    /// Logical bytes of the records and changes of leases that are not known to be on the map.
    pub fn uncommitted_bytes(&self) -> u64 {
        self.recent.bytes() + self.lease_log.bytes()
    }

    /// The bytes of all ever applied: a mark on what is not on the map.
    fn bytes_pushed(&self) -> u64 {
        self.recent.bytes_pushed() + self.lease_log.bytes_pushed()
    }

    fn take_leases(&self, checkpoint: &Checkpoint) -> Vec<(LeaseId, Option<Lease>)> {
        let mut leases = self.lease_log.upto(checkpoint.position.index);
        if self.rules.breaks(Rule::RenewalNotCommitted) {
            let is_known = |id| {
                self.records
                    .leases(id, 1)
                    .is_ok_and(|found| found.first().is_some_and(|lease| lease.id == id))
            };
            leases.retain(|(id, lease)| lease.is_none() || !is_known(*id));
        }
        leases
    }

    /// Whether freed records wait for a commit that removes them from the map.
    pub fn has_removes(&self) -> bool {
        !self.commits.removes.is_empty()
    }

    fn has_something_to_commit(&self) -> bool {
        self.commits.position != self.state.position || !self.commits.removes.is_empty()
    }

    /// Remembers the position after an entry, if enough was written since the last one.
    pub(super) fn mark_commit(&mut self) {
        let bytes_pushed = self.bytes_pushed();
        let last = self.commits.marks.back().map(|mark| mark.bytes_pushed);
        let last = last.unwrap_or(bytes_pushed - self.uncommitted_bytes());
        if last + MARK_BYTES <= bytes_pushed {
            let checkpoint = self.state.clone();
            self.commits.marks.push_back(Mark { checkpoint, bytes_pushed });
        }
    }

    /// The last position that is not too far ahead; the next one if all are.
    fn take_checkpoint(&mut self, bytes_max: u64) -> Checkpoint {
        if self.uncommitted_bytes() <= bytes_max {
            self.commits.marks.clear();
            return self.state.clone();
        }
        let dropped = self.bytes_pushed() - self.uncommitted_bytes();
        let fits = |mark: &Mark| mark.bytes_pushed.saturating_sub(dropped) <= bytes_max;
        let fitting = self.commits.marks.partition_point(fits);
        let taken = self.commits.marks.drain(..fitting.max(1).min(self.commits.marks.len()));
        taken.last().map_or_else(|| self.state.clone(), |mark| mark.checkpoint)
    }

    /// The next records to remove, and the compaction that freed the first of them. Only such as
    /// the checkpoint no longer counts.
    fn take_removes(
        &mut self,
        checkpoint: &Checkpoint,
        bytes_max: u64,
    ) -> (Vec<Revision>, Option<i64>) {
        let upto = if self.rules.breaks(Rule::CompactionFreesVisible) {
            i64::MAX
        } else {
            checkpoint.compacted
        };
        let removes = &mut self.commits.removes;
        let freed = removes.partition_point(|(free_at, _)| *free_at <= upto);
        let count_max = (bytes_max / RECORD_OVERHEAD_BYTES).max(1);
        let count = freed.min(usize::try_from(count_max).unwrap_or(usize::MAX));
        let from = removes.front().map(|(free_at, _)| *free_at).filter(|_| 0 < count);
        (removes.drain(..count).map(|(_, revision)| revision).collect(), from)
    }
}

fn split(
    revisions: Vec<Revision>,
    is_first: impl Fn(&Revision) -> bool,
) -> (BTreeSet<Revision>, Vec<Revision>) {
    let (first, second): (Vec<_>, Vec<_>) = revisions.into_iter().partition(is_first);
    (first.into_iter().collect(), second)
}
