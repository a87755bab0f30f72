//! Positions in a log, and the log as an engine holds it in memory.
//!
//! Memory is bounded: of entries that are durable only the newest are kept, the rest is known by
//! its ballots alone and comes back from the disk through [`crate::Fetch`].

use std::collections::VecDeque;

use crate::ballot::Ballot;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, WriteId};
use crate::tail::Tail;
use crate::time::ClusterTime;
use crate::write::{BallotRun, Recovered};

#[cfg(test)]
mod tests;

/// A place in a log together with the ballot of the entry there: the tutorials' pair
/// `(prevLogIndex, prevLogTerm)`. Two logs that hold the same position hold the same prefix
/// (Raft paper §5.3, the Log Matching Property).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The ballot of the entry; compared first when asking whose log is newer (§5.4.1).
    pub ballot: Ballot,
    /// Its index.
    pub index: Index,
}

impl Position {
    /// The position before the first entry.
    pub const ZERO: Self = Self { ballot: Ballot::ZERO, index: Index::ZERO };
}

/// A log above its compacted prefix.
///
/// `compacted <= last`, `committed <= last`, `persisted <= last`, and the tail in memory, if any,
/// ends at `last`.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    compacted: Position,
    /// The ballots of all entries above `compacted`, ascending and without gaps.
    runs: VecDeque<BallotRun>,
    tail: Tail,
    last: Index,
    /// The stamp of the last entry, of which nothing is left once that is truncated: a stamp of an
    /// entry that lost would have the cluster's clock leap, and end leases early. Where the entry
    /// before it is not in memory the stamp is zero, until what takes its place is appended.
    last_time: ClusterTime,
    committed: Index,
    persisted: Index,
    marks: VecDeque<Mark>,
    /// Bytes of all entries ever appended here, and of those whose batch is durable.
    bytes_appended: u64,
    bytes_persisted: u64,
}

/// What will be durable when a write batch is: the log as it stood when the batch was issued, cut
/// at every truncation since. Comparing indices and terms alone would take an old acknowledgement
/// for the same position after two overwrites (etcd raft, `rawnode.go`, "ABA").
#[derive(Clone, Copy, Debug)]
struct Mark {
    write: WriteId,
    last: Index,
    bytes_appended: u64,
}

impl Log {
    /// The log found on the disk. All of it is durable.
    pub(crate) fn new(recovered: &Recovered) -> Self {
        let compacted = Position { ballot: recovered.meta.ballot, index: recovered.meta.index };
        let mut last = compacted.index;
        for run in &recovered.ballots {
            assert!(run.first == last.next(), "recovered ballots leave a gap or overlap");
            assert!(run.first <= run.last, "a recovered run of ballots is empty");
            last = run.last;
        }
        let mut tail = Tail::default();
        tail.load(recovered.tail.clone());
        let log = Self {
            compacted,
            runs: recovered.ballots.iter().copied().collect(),
            tail,
            last,
            last_time: recovered.time,
            committed: recovered.hard.committed.max(compacted.index).max(recovered.applied),
            persisted: last,
            marks: VecDeque::new(),
            bytes_appended: 0,
            bytes_persisted: 0,
        };
        assert!(log.committed <= last, "the durable log lost committed entries");
        assert!(
            log.tail.last().is_none_or(|entry| entry.index == last),
            "the recovered tail does not end where the log ends"
        );
        log
    }

    /// The last position compacted away.
    pub(crate) fn compacted(&self) -> Position {
        self.compacted
    }

    /// The last index.
    pub(crate) fn last(&self) -> Index {
        self.last
    }

    /// The last index with its ballot.
    pub(crate) fn last_position(&self) -> Position {
        let ballot = self.runs.back().map_or(self.compacted.ballot, |run| run.ballot);
        Position { ballot, index: self.last }
    }

    /// The stamp of the last entry.
    pub(crate) fn last_time(&self) -> ClusterTime {
        self.last_time
    }

    /// The last index known to be committed.
    pub(crate) fn committed(&self) -> Index {
        self.committed
    }

    /// The last index that is durable here. May lie below `compacted` while a snapshot that
    /// replaced the log is not durable yet.
    pub(crate) fn persisted(&self) -> Index {
        self.persisted
    }

    /// Bytes of entries that await the disk.
    pub(crate) fn unpersisted_bytes(&self) -> u64 {
        self.bytes_appended - self.bytes_persisted
    }

    /// The first index in memory; one after the last if none is.
    pub(crate) fn tail_first(&self) -> Index {
        self.tail.first().map_or_else(|| self.last.next(), |entry| entry.index)
    }

    /// The runs of ballots above the compacted position.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &BallotRun> {
        self.runs.iter()
    }

    /// The ballot at `index`; `None` beyond the end and below the compacted position.
    pub(crate) fn ballot_at(&self, index: Index) -> Option<Ballot> {
        if index == self.compacted.index {
            return Some(self.compacted.ballot);
        }
        if index < self.compacted.index || self.last < index {
            return None;
        }
        let newest = self.runs.back().expect("an index above the compacted one lies in a run");
        if newest.first <= index {
            return Some(newest.ballot);
        }
        let run = self.runs.partition_point(|run| run.last < index);
        Some(self.runs[run].ballot)
    }

    /// The position at `index`, if its ballot is known.
    pub(crate) fn position_at(&self, index: Index) -> Option<Position> {
        self.ballot_at(index).map(|ballot| Position { ballot, index })
    }

    /// Whether the log holds exactly this position.
    pub(crate) fn holds(&self, position: Position) -> bool {
        self.ballot_at(position.index) == Some(position.ballot)
    }

    /// The last position at or below `limit` whose ballot is at most `ballot`; the compacted
    /// position if there is none above it.
    pub(crate) fn newest_not_above(&self, limit: Index, ballot: Ballot) -> Position {
        self.runs.iter().rev().find(|run| run.first <= limit && run.ballot <= ballot).map_or(
            self.compacted,
            |run| Position { ballot: run.ballot, index: run.last.min(limit) },
        )
    }

    /// Adds an entry at the end, to be sealed with those that come next. Whether that is due.
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        self.count(&entry);
        self.bytes_appended += entry.cost();
        self.tail.push(entry)
    }

    /// Whether anything was pushed that is not sealed.
    pub(crate) fn is_open(&self) -> bool {
        self.tail.is_open()
    }

    /// Shares what was pushed since the last time.
    pub(crate) fn seal(&mut self) -> Option<Entries> {
        self.tail.seal()
    }

    /// Adds consecutive entries at the end.
    pub(crate) fn append(&mut self, entries: &Entries) {
        entries.iter().for_each(|entry| self.count(entry));
        self.bytes_appended += entries.cost();
        self.tail.put(entries);
    }

    fn count(&mut self, entry: &Entry) {
        assert!(entry.index == self.last.next(), "an appended entry leaves a gap");
        self.extend_runs(entry.index, entry.ballot);
        self.last = entry.index;
        self.last_time = self.last_time.max(entry.time);
    }

    fn extend_runs(&mut self, index: Index, ballot: Ballot) {
        match self.runs.back_mut() {
            Some(run) if run.ballot == ballot => run.last = index,
            _ => {
                let newest = self.last_position().ballot;
                assert!(newest <= ballot, "ballots decrease along the log");
                self.runs.push_back(BallotRun { first: index, last: index, ballot });
            }
        }
    }

    /// Removes every entry at `first` and above. Another one is appended in its place at once.
    pub(crate) fn truncate_from(&mut self, first: Index) {
        assert!(self.committed < first, "a committed entry would be truncated");
        assert!(first <= self.last, "there is nothing to truncate");
        self.remove_from(first);
        self.last_time = self.tail.last().map_or(ClusterTime(0), |entry| entry.time);
    }

    /// Truncates, and leaves the marks as they were: a broken rule.
    pub(crate) fn truncate_below_marks(&mut self, first: Index) {
        let marks = self.marks.clone();
        self.truncate_from(first);
        self.marks = marks;
    }

    fn remove_from(&mut self, first: Index) {
        self.tail.cut_from(first);
        while self.runs.back().is_some_and(|run| first <= run.first) {
            self.runs.pop_back();
        }
        self.last = first.previous();
        if let Some(run) = self.runs.back_mut() {
            run.last = run.last.min(self.last);
        }
        self.persisted = self.persisted.min(self.last);
        for mark in self.marks.iter_mut().rev() {
            mark.last = mark.last.min(self.last);
        }
    }

    /// Moves the commit mark forward.
    pub(crate) fn commit_to(&mut self, index: Index) {
        assert!(self.committed <= index, "the commit mark moves back");
        assert!(index <= self.last, "an entry is committed that is not in the log");
        self.committed = index;
    }

    /// Remembers that the batch `write` makes the log durable as it stands now.
    pub(crate) fn on_issued(&mut self, write: WriteId) {
        let bytes_appended = self.bytes_appended;
        self.marks.push_back(Mark { write, last: self.last, bytes_appended });
    }

    /// Takes note that the batch `write` and all before it are durable.
    pub(crate) fn on_persisted(&mut self, write: WriteId) {
        while self.marks.front().is_some_and(|mark| mark.write <= write) {
            let mark = self.marks.pop_front().expect("its presence was just checked");
            assert!(self.persisted <= mark.last, "durability moves back");
            self.persisted = mark.last;
            self.bytes_persisted = mark.bytes_appended;
        }
    }

    /// Forgets the ballots and entries up to `position`, which the state machine has made durable.
    pub(crate) fn compact(&mut self, position: Position) {
        assert!(position.index <= self.committed, "an uncommitted entry would be compacted");
        assert!(self.holds(position), "compacted at a position that is not in the log");
        self.tail.forget_upto(position.index);
        while self.runs.front().is_some_and(|run| run.last <= position.index) {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut() {
            run.first = run.first.max(position.index.next());
        }
        self.compacted = position;
    }

    /// Replaces the whole log by a snapshot that ends at `position`. It is durable when the batch
    /// that installs it is.
    pub(crate) fn install(&mut self, position: Position, time: ClusterTime) {
        assert!(self.committed < position.index, "a snapshot brings no news");
        self.remove_from(self.compacted.index.next());
        self.compacted = position;
        self.last = position.index;
        self.committed = position.index;
        self.last_time = time;
    }

    /// Drops durable entries from memory, oldest first, until the tail fits `bytes_max`.
    pub(crate) fn evict(&mut self, bytes_max: u64) {
        self.tail.evict(self.persisted, bytes_max);
    }

    /// The entry at an index, if it is in memory.
    pub(crate) fn entry_at(&self, index: Index) -> Option<&Entry> {
        self.tail.at(index)
    }

    /// Entries from `first` to `last`, as far as they fit `bytes_max` but at least one, out of
    /// memory.
    pub(crate) fn parts(
        &self,
        first: Index,
        last: Index,
        bytes_max: u64,
    ) -> impl Iterator<Item = Entries> {
        assert!(self.tail_first() <= first, "entries are read that are not in memory");
        assert!(first <= last && last <= self.last, "entries are read that do not exist");
        self.tail.parts(first, last, bytes_max)
    }

    /// Entries from `first` on for one message: as many as fit `bytes_max`, but at least one.
    pub(crate) fn gathered(&self, first: Index, bytes_max: u64) -> Entries {
        assert!(self.tail_first() <= first, "entries are read that are not in memory");
        self.tail.gathered(first, bytes_max)
    }

    /// Checks what always holds between the parts.
    pub(crate) fn assert_invariants(&self) {
        assert!(self.compacted.index <= self.committed, "compacted beyond the commit mark");
        assert!(self.committed <= self.last, "committed beyond the end");
        assert!(self.persisted <= self.last, "durable beyond the end");
        let newest = self.runs.back().map_or(self.compacted.index, |run| run.last);
        assert!(newest == self.last, "the ballots do not reach the end");
        assert!(
            self.tail.last().is_none_or(|entry| entry.index == self.last),
            "the tail does not reach the end"
        );
        assert!(
            self.persisted.next() >= self.tail_first() || self.persisted < self.compacted.index,
            "an entry is neither durable nor in memory"
        );
    }
}
