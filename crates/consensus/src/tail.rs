//! The newest part of a log, in memory: runs of entries, shared with messages and writes.

use std::collections::VecDeque;

use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::Index;

#[cfg(test)]
mod tests;

/// Entries by index, ascending, with or without holes.
///
/// Those of one message or one drain are a run, which is never empty and has no holes. A leader's
/// newest entries are open: their run is still growing, and is shared when it is sealed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    runs: VecDeque<Entries>,
    /// What follows the runs.
    open: Vec<Entry>,
    open_bytes: u64,
    /// What all of it costs.
    bytes: u64,
}

impl Tail {
    /// What the entries here cost: see [`Entry::cost`].
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first entry.
    pub(crate) fn first(&self) -> Option<&Entry> {
        self.runs.front().map_or_else(|| self.open.first(), |run| run.first())
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<&Entry> {
        self.open.last().or_else(|| self.runs.back()?.last())
    }

    /// The entry at an index.
    pub(crate) fn at(&self, index: Index) -> Option<&Entry> {
        self.run_at(index).first()
    }

    /// The entry at an index with those that follow it in its run; nothing, if there is none.
    pub(crate) fn run_at(&self, index: Index) -> &[Entry] {
        let is_open = self.open.first().is_some_and(|first| first.index <= index);
        let run = if is_open { Some(&*self.open) } else { self.sealed_run_of(index) };
        match run {
            Some(run) if run[0].index <= index => &run[place_of(run, index)..],
            _ => &[],
        }
    }

    fn sealed_run_of(&self, index: Index) -> Option<&[Entry]> {
        self.runs.get(self.run_of(index)).map(|run| &**run)
    }

    /// The first run that does not end below an index.
    fn run_of(&self, index: Index) -> usize {
        // Mostly the newest is asked for.
        match self.runs.back() {
            Some(newest) if newest[0].index <= index => {
                self.runs.len() - usize::from(index <= newest[newest.len() - 1].index)
            }
            _ => self.runs.partition_point(|run| run[run.len() - 1].index < index),
        }
    }

    /// The entries from an index on, ascending.
    pub(crate) fn from(&self, index: Index) -> impl Iterator<Item = &Entry> {
        let runs = self.runs.range(self.run_of(index)..);
        let runs = runs.map(|run| &**run).chain(std::iter::once(&*self.open));
        runs.flat_map(move |run| &run[place_of(run, index)..])
    }

    /// The entries from `first` to `last`, or as far as they fit `bytes_max` but at least one, in
    /// parts that are shared. There must be no holes, and nothing open.
    pub(crate) fn parts(
        &self,
        first: Index,
        last: Index,
        bytes_max: u64,
    ) -> impl Iterator<Item = Entries> {
        assert!(self.open.is_empty(), "what is open is not shared");
        let (mut left, mut next) = (Some(bytes_max), first);
        let runs = self.runs.range(self.run_of(first)..);
        runs.map_while(move |run| {
            let room = left.take().filter(|_| next <= last)?;
            let begin = place_of(run, next);
            assert!(run[begin].index == next, "there is a hole in what is handed on");
            let end = place_of(run, last.next());
            let part = run.fitting(begin, end, room);
            if next != first && room < part.cost() {
                return None;
            }
            // Another part follows only if all of this one fitted.
            left = room.checked_sub(part.cost()).filter(|_| part.len() == end - begin);
            next = Index(next.0 + part.len() as u64);
            Some(part)
        })
    }

    /// The entries from an index on, as far as they fit `bytes_max` but at least one if there is
    /// any: shared where they are of one run, otherwise copied into one.
    pub(crate) fn gathered(&self, first: Index, bytes_max: u64) -> Entries {
        assert!(self.open.is_empty(), "what is open is not shared");
        let at = self.run_of(first);
        let Some(run) = self.runs.get(at) else { return Entries::default() };
        let begin = place_of(run, first);
        let part = run.fitting(begin, run.len(), bytes_max);
        if begin + part.len() < run.len() || at + 1 == self.runs.len() {
            return part;
        }
        // Counted first, so that the copy is allocated once.
        let (count, _) = Entry::fitting(self.from(first), bytes_max);
        let mut entries = Vec::with_capacity(count);
        entries.extend(self.from(first).take(count).cloned());
        Entries::from(entries)
    }

    /// Adds the entry behind the last one to the open run. Whether that is long enough to be
    /// sealed.
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        let cost = entry.cost();
        self.bytes += cost;
        self.open_bytes += cost;
        self.open.push(entry);
        Self::RUN_BYTES_MAX <= self.open_bytes
    }

    /// Whether there is anything to seal.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Shares what is open, if anything is.
    pub(crate) fn seal(&mut self) -> Option<Entries> {
        if self.open.is_empty() {
            return None;
        }
        // The next one is probably about as long.
        let next = Vec::with_capacity(self.open.len());
        let run = Entries::from(std::mem::replace(&mut self.open, next));
        self.open_bytes = 0;
        self.runs.push_back(run.clone());
        Some(run)
    }

    /// What a run costs at most, that is not longer than one entry: a run leaves memory when all
    /// of it does.
    const RUN_BYTES_MAX: u64 = 1 << 20;

    /// Takes entries that lie on the disk already, ascending, in runs of a moderate length.
    pub(crate) fn load(&mut self, entries: Vec<Entry>) {
        let mut run = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.cost();
            if Self::RUN_BYTES_MAX < bytes {
                self.put(&Entries::from(std::mem::take(&mut run)));
                bytes = entry.cost();
            }
            run.push(entry);
        }
        self.put(&Entries::from(run));
    }

    /// Puts entries where they belong, in place of those that are there.
    pub(crate) fn put(&mut self, entries: &Entries) {
        assert!(self.open.is_empty(), "entries are put below what is open");
        entries.runs().for_each(|run| self.put_run(run));
    }

    fn put_run(&mut self, run: Entries) {
        let (first, last) = (run[0].index, run[run.len() - 1].index);
        self.bytes += run.cost();
        if self.runs.back().is_none_or(|newest| newest[newest.len() - 1].index < first) {
            return self.runs.push_back(run);
        }
        let at = self.make_hole(first, last);
        self.runs.insert(at, run);
    }

    /// Removes the entries from `first` to `last`. Where among the runs the hole is.
    fn make_hole(&mut self, first: Index, last: Index) -> usize {
        let mut at = self.run_of(first);
        while let Some(run) = self.runs.get(at).filter(|run| run[0].index <= last) {
            let (begin, end) = (place_of(run, first), place_of(run, last.next()));
            let (below, above) = (run.part(0, begin), run.part(end, run.len()));
            self.bytes -= run.part(begin, end).cost();
            self.runs.remove(at);
            for (piece, is_below) in [(above, false), (below, true)] {
                if !piece.is_empty() {
                    self.runs.insert(at, piece);
                    at += usize::from(is_below);
                }
            }
        }
        at
    }

    /// Removes every entry at `first` and above.
    pub(crate) fn cut_from(&mut self, first: Index) {
        assert!(self.open.is_empty(), "what is open is cut");
        while let Some(run) = self.runs.back_mut() {
            let end = place_of(run, first);
            self.bytes -= run.part(end, run.len()).cost();
            run.truncate(end);
            if 0 < end {
                return;
            }
            self.runs.pop_back();
        }
    }

    /// Removes the entries up to an index.
    pub(crate) fn forget_upto(&mut self, upto: Index) {
        self.evict(upto, 0);
    }

    /// Removes the first entries, as long as all of them cost more than `bytes_max`, and none above
    /// an index. How many. What is open stays.
    pub(crate) fn evict(&mut self, upto: Index, bytes_max: u64) -> u64 {
        let mut count = 0;
        while bytes_max < self.bytes
            && let Some(run) = self.runs.front_mut()
            && run[0].index <= upto
        {
            let is_whole_run =
                bytes_max <= self.bytes - run.cost() && run[run.len() - 1].index <= upto;
            let removed = if is_whole_run { run.clone() } else { run.part(0, 1) };
            if is_whole_run || run.len() == 1 {
                self.runs.pop_front();
            } else {
                run.drop_first();
            }
            self.bytes -= removed.cost();
            count += removed.len() as u64;
        }
        count
    }
}

/// The place in a run of the first entry that is not below an index.
fn place_of(run: &[Entry], index: Index) -> usize {
    let Some(first) = run.first() else { return 0 };
    (index.0.saturating_sub(first.index.0) as usize).min(run.len())
}
