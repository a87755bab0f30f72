//! A log whose entries arrive in any order, as Paxos holds it in memory: one vote per slot.
//!
//! Slots up to the chosen mark are decided and have no holes; above it lie votes with holes
//! between. Memory is bounded: of the decided entries that are durable only the newest are kept,
//! the rest comes back from the disk through [`crate::Fetch`]. What is not decided stays, for a new
//! leader may ask for it at any time.

use std::collections::VecDeque;

use crate::ballot::Ballot;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, Span, WriteId};
use crate::tail::Tail;
use crate::write::Recovered;

#[cfg(test)]
mod tests;

/// The slots above a compacted prefix.
///
/// `compacted <= chosen <= last`; every slot from `tail_first` to `chosen` is in memory, and
/// `tail_first` is at most one above `chosen`.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    compacted: Index,
    /// The votes from `tail_first` to `last`.
    tail: Tail,
    tail_first: Index,
    /// The highest slot with a vote, or the compacted one.
    last: Index,
    chosen: Index,
    /// The lowest slot voted in since the last batch was issued.
    unissued: Option<Index>,
    marks: VecDeque<Mark>,
    /// Bytes of all votes ever cast here, and of those whose batch is durable.
    bytes_put: u64,
    bytes_persisted: u64,
}

/// What becomes durable with a batch.
#[derive(Clone, Copy, Debug)]
struct Mark {
    write: WriteId,
    /// The lowest slot with a vote in it.
    lowest: Option<Index>,
    bytes_put: u64,
}

impl Slots {
    /// What was found on the disk, all of it durable, and the slots with votes above the chosen
    /// mark that must be read from there before anything else, because they are not in the tail.
    pub(crate) fn new(recovered: &Recovered) -> (Self, VecDeque<Span>) {
        let compacted = recovered.meta.index;
        let chosen = recovered.hard.committed.max(compacted).max(recovered.applied);
        assert_decided_is_whole(recovered, chosen);
        let last = recovered.ballots.last().map_or(compacted, |run| run.last);
        let next = chosen.next();
        let tail_first = recovered.tail.first().map_or(next, |entry| entry.index.min(next));
        let mut slots = Self {
            compacted,
            tail: Tail::default(),
            tail_first,
            last,
            chosen,
            unissued: None,
            marks: VecDeque::new(),
            bytes_put: 0,
            bytes_persisted: 0,
        };
        slots.load(recovered.tail.clone());
        (slots, missing(recovered, next))
    }

    /// The last slot compacted away.
    pub(crate) fn compacted(&self) -> Index {
        self.compacted
    }

    /// The highest slot with a vote.
    pub(crate) fn last(&self) -> Index {
        self.last
    }

    /// The last slot up to which every value is known to be chosen.
    pub(crate) fn chosen(&self) -> Index {
        self.chosen
    }

    /// The first slot in memory. What lies below is chosen.
    pub(crate) fn tail_first(&self) -> Index {
        self.tail_first
    }

    /// Bytes of votes that await the disk.
    pub(crate) fn unpersisted_bytes(&self) -> u64 {
        self.bytes_put - self.bytes_persisted
    }

    /// Bytes of votes in memory.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.tail.bytes()
    }

    /// The vote in a slot, if there is one and it is in memory.
    pub(crate) fn vote(&self, index: Index) -> Option<&Entry> {
        self.tail.at(index)
    }

    /// Votes in memory from `first` on, without holes; none if there is none in that slot. More may
    /// follow.
    pub(crate) fn run_at(&self, first: Index) -> &[Entry] {
        self.tail.run_at(first)
    }

    /// The votes in memory from `first` on, ascending.
    pub(crate) fn votes_from(&self, first: Index) -> impl Iterator<Item = &Entry> {
        self.tail.from(first)
    }

    /// The last slot up to which everything is both chosen and durable here.
    pub(crate) fn durable_chosen(&self) -> Index {
        self.chosen.min(self.persisted())
    }

    /// The last slot up to which every vote there is is durable. Goes back when a vote is replaced.
    pub(crate) fn persisted(&self) -> Index {
        let waiting = self.marks.iter().filter_map(|mark| mark.lowest).chain(self.unissued).min();
        waiting.map_or(self.last, Index::previous)
    }

    /// Adds a vote above all others, to be sealed with those that come next. Whether that is due.
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        assert!(entry.index == self.last.next(), "a pushed vote leaves a gap");
        self.count(entry.index, entry.index, entry.cost());
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

    /// Stores votes that are being written; they replace those before.
    pub(crate) fn put(&mut self, entries: &Entries) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        assert!(self.tail_first <= first.index, "a vote for a slot decided long ago");
        self.count(first.index, last.index, entries.cost());
        self.tail.put(entries);
    }

    fn count(&mut self, first: Index, last: Index, cost: u64) {
        self.bytes_put += cost;
        self.unissued = Some(self.unissued.map_or(first, |lowest| lowest.min(first)));
        self.last = self.last.max(last);
    }

    /// Takes votes into memory that are on the disk already.
    pub(crate) fn load(&mut self, entries: Vec<Entry>) {
        self.last = entries.last().map_or(self.last, |entry| self.last.max(entry.index));
        self.tail.load(entries);
    }

    /// Moves the chosen mark forward.
    pub(crate) fn choose(&mut self, upto: Index) {
        assert!(self.chosen <= upto, "the chosen mark moves back");
        assert!(upto <= self.last, "a slot is chosen that has no vote here");
        self.chosen = upto;
    }

    /// Remembers that the batch `write` makes durable what was put since the last one.
    pub(crate) fn on_issued(&mut self, write: WriteId) {
        let (lowest, bytes_put) = (self.unissued.take(), self.bytes_put);
        self.marks.push_back(Mark { write, lowest, bytes_put });
    }

    /// Takes note that the batch `write` and all before it are durable.
    pub(crate) fn on_persisted(&mut self, write: WriteId) {
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.write <= write) {
            self.bytes_persisted = mark.bytes_put;
        }
    }

    /// Forgets the slots up to `index`, which the state machine has made durable.
    pub(crate) fn compact(&mut self, index: Index) {
        assert!(index <= self.chosen, "an undecided slot would be compacted");
        self.forget_upto(index);
        self.compacted = index;
    }

    /// Takes a snapshot for everything up to `index`. Votes above it stay.
    pub(crate) fn install(&mut self, index: Index) {
        assert!(self.chosen < index, "a snapshot brings no news");
        self.forget_upto(index);
        self.compacted = index;
        self.chosen = index;
        self.last = self.last.max(index);
    }

    fn forget_upto(&mut self, index: Index) {
        self.tail.forget_upto(index);
        self.tail_first = self.tail_first.max(index.next());
    }

    /// Drops decided and durable entries from memory, oldest first, until the rest fits
    /// `bytes_max`.
    pub(crate) fn evict(&mut self, bytes_max: u64) {
        if self.tail.bytes() <= bytes_max {
            return;
        }
        // What is decided has no holes.
        self.tail_first.0 += self.tail.evict(self.durable_chosen(), bytes_max);
    }

    /// Chosen entries from `first` to `last`, as far as they fit `bytes_max` but at least one, from
    /// memory.
    pub(crate) fn chosen_parts(
        &self,
        first: Index,
        last: Index,
        bytes_max: u64,
    ) -> impl Iterator<Item = Entries> {
        assert!(self.tail_first <= first, "entries are read that are not in memory");
        assert!(first <= last && last <= self.chosen, "entries are read that are not chosen");
        self.tail.parts(first, last, bytes_max)
    }

    /// Votes from `first` on for one message: as many as fit `bytes_max`, but at least one if there
    /// is any.
    pub(crate) fn gathered(&self, first: Index, bytes_max: u64) -> Entries {
        self.tail.gathered(first, bytes_max)
    }

    /// The ballots of the votes in memory.
    pub(crate) fn ballots(&self) -> impl Iterator<Item = (Index, Ballot)> {
        self.votes_from(self.tail_first).map(|entry| (entry.index, entry.ballot))
    }

    /// Checks what always holds between the parts.
    pub(crate) fn assert_invariants(&self) {
        assert!(self.compacted <= self.chosen, "compacted beyond the chosen mark");
        assert!(self.chosen <= self.last, "chosen beyond the last vote");
        assert!(self.compacted < self.tail_first, "a compacted slot is in memory");
        assert!(self.tail_first <= self.chosen.next(), "an undecided slot is not in memory");
        let is_below = |entry: &Entry| entry.index < self.tail_first;
        assert!(!self.tail.first().is_some_and(is_below), "a forgotten slot is in memory");
        let is_above = |entry: &Entry| self.last < entry.index;
        assert!(!self.tail.last().is_some_and(is_above), "the tail ends above the last slot");
        // The newest decided slot stands for all, which would be too many to look at.
        let is_known = self.chosen < self.tail_first || self.vote(self.chosen).is_some();
        assert!(is_known, "a chosen value is not known");
    }
}

/// Up to the chosen mark there are no holes.
fn assert_decided_is_whole(recovered: &Recovered, chosen: Index) {
    let mut reached = recovered.meta.index;
    for run in &recovered.ballots {
        assert!(reached < run.first && run.first <= run.last, "recovered ballots overlap");
        assert!(
            run.first == reached.next() || chosen <= reached,
            "the durable log lost chosen values"
        );
        reached = run.last;
    }
    assert!(chosen <= reached, "the durable log lost chosen values");
}

/// The slots from `next` on with votes that are not in the recovered tail.
fn missing(recovered: &Recovered, next: Index) -> VecDeque<Span> {
    let loaded = recovered.tail.first().map(|entry| entry.index);
    let spans = recovered.ballots.iter().map(|run| {
        let last = loaded.map_or(run.last, |first| run.last.min(first.previous()));
        Span { first: run.first.max(next), last }
    });
    spans.filter(|span| span.first <= span.last).collect()
}
