//! Compaction: what it frees is known at once, and removed later in bounded steps.

use super::{Step, Store};
use crate::{CommandError, Damage, Rule, Rules};

impl<R: Rules> Store<R> {
    /// Frees every version that is not visible at `revision` or later, and the sums with it.
    pub(super) fn compact(&mut self, revision: i64) -> Result<(), CommandError> {
        if revision <= self.state.compacted {
            return Err(CommandError::Compacted);
        }
        if self.state.revision < revision {
            return Err(CommandError::FutureRevision);
        }
        self.state.compacted = revision;
        let freed = self.garbage.free(self.freed_upto());
        self.state.records -= freed.records;
        self.state.logical_bytes -= freed.bytes;
        self.state.content_hash = self.state.content_hash.minus(freed.hash);
        self.end_alarm();
        Ok(())
    }

    /// The alarm ends when there is less than when it began.
    pub(super) fn end_alarm(&mut self) {
        let bytes = self.state.logical_bytes;
        self.state.space_alarm = self.state.space_alarm.filter(|at| *at <= bytes);
    }

    fn freed_upto(&self) -> i64 {
        let one_more = self.rules.breaks(Rule::CompactionFreesVisible);
        self.state.compacted + i64::from(one_more)
    }

    /// Removes at most `records_max` freed records from the index, and hands them to the next
    /// commit. Pins that are too old are dropped; others hold back what they need.
    ///
    /// Nothing that a client or another replica can see changes.
    pub fn compact_step(&mut self, records_max: usize) -> Result<Step<()>, Damage> {
        self.pins.expire(self.state.time, self.state.compacted);
        let upto = self.removable_upto();
        for _ in 0..records_max {
            let Some((revision, free_at)) = self.garbage.next().filter(|(_, at)| *at <= upto)
            else {
                return Ok(Step::Done(()));
            };
            let record = self.load(revision)?;
            if self.index.free_at(&record.key, revision).is_none() {
                return Err(Damage::Mixed(revision));
            }
            self.index.forget(&record.key, revision);
            self.commits.push_remove(free_at, revision);
            self.garbage.pop();
        }
        Ok(Step::More)
    }

    fn removable_upto(&self) -> i64 {
        let freed = self.freed_upto();
        match self.pins.lowest() {
            Some(pinned) if !self.rules.breaks(Rule::CompactionIgnoresPins) => freed.min(pinned),
            _ => freed,
        }
    }

    /// Whether everything that the compaction of `revision` freed is gone from the map, durably:
    /// what a client waits for that asked for `physical`.
    pub fn is_compacted_physically(&self, revision: i64) -> bool {
        let is_queued = self.garbage.next().is_some_and(|(_, free_at)| free_at <= revision);
        revision <= self.state.compacted && !is_queued && !self.commits.is_removing(revision)
    }
}
