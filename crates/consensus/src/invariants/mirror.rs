//! What a node has written, as the checks remember it: its log as issued and as durable, each entry
//! by its ballot and a digest.

use std::collections::VecDeque;

use crate::ballot::{Ballot, Promise};
use crate::entry::{Entry, Meta, Payload};
use crate::ids::{Index, WriteId};
use crate::log::Position;
use crate::members::Members;
use crate::write::{Recovered, Write, WriteBatch};

/// The value of an entry in 64 bits: all of it but its position and ballot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(u64);

impl Digest {
    /// Of an entry known by its ballot alone: equal to any other.
    pub(super) const UNKNOWN: Self = Self(0);

    pub(super) fn of(entry: &Entry) -> Self {
        let mut hash = mix(entry.time.0);
        hash = mix(hash ^ entry.born.round);
        hash = mix(hash ^ entry.born.node.0);
        if let Some(id) = entry.id {
            hash = mix(hash ^ id.node.0);
            hash = mix(hash ^ id.incarnation.0);
            hash = mix(hash ^ id.sequence);
        }
        hash = match &entry.payload {
            Payload::Noop => mix(hash ^ 1),
            Payload::Command(bytes) => of_bytes(mix(hash ^ 2), bytes),
            Payload::Members(members) => of_members(mix(hash ^ 3), members),
        };
        // Zero is taken.
        Self(hash | 1)
    }

    /// Whether both may stand for one value.
    pub(super) fn is_same(self, other: Self) -> bool {
        self == other || self == Self::UNKNOWN || other == Self::UNKNOWN
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

/// A step of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Four lanes, one multiplication a word: it need not resist an attacker, only chance.
fn of_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut lanes = [seed, seed ^ 1, seed ^ 2, seed ^ bytes.len() as u64];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = step(*lane, u64::from_le_bytes(*word));
        }
    }
    let (words, rest) = rest.as_chunks::<8>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = step(*lane, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    lanes.into_iter().fold(mix(u64::from_le_bytes(last)), |hash, lane| mix(hash ^ lane))
}

fn step(lane: u64, word: u64) -> u64 {
    (lane.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn of_members(seed: u64, members: &Members) -> u64 {
    let mut hash = seed;
    for set in [&members.voters, &members.outgoing, &members.learners] {
        hash = set.iter().fold(mix(hash), |hash, node| mix(hash ^ node.0));
    }
    for (node, details) in &members.details {
        hash = of_bytes(mix(hash ^ node.0), details);
    }
    hash
}

/// An entry as a log holds it. The zero ballot marks a hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) ballot: Ballot,
    pub(super) digest: Digest,
}

/// A log above its compacted prefix, with the hard state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) promise: Promise,
    /// Paxos: the highest ballot promised or voted in. A vote for what is chosen already may be
    /// something learned, and counts for nothing here.
    pub(super) sworn: Ballot,
    /// The last position compacted or installed.
    pub(super) base: Position,
    held: VecDeque<Held>,
}

impl Log {
    /// What a start found.
    pub(super) fn recovered(recovered: &Recovered) -> Self {
        let base = Position { ballot: recovered.meta.ballot, index: recovered.meta.index };
        let promise = recovered.hard.promise;
        let mut log = Self { promise, sworn: sworn_by(promise), base, held: VecDeque::new() };
        for run in &recovered.ballots {
            for index in run.first.0..=run.last.0 {
                log.put(Index(index), Held { ballot: run.ballot, digest: Digest::UNKNOWN });
            }
        }
        for entry in &recovered.tail {
            log.put(entry.index, Held { ballot: entry.ballot, digest: Digest::of(entry) });
        }
        log
    }

    /// The last index.
    pub(super) fn last(&self) -> Index {
        Index(self.base.index.0 + self.held.len() as u64)
    }

    /// The last index with its ballot.
    pub(super) fn last_position(&self) -> Position {
        match self.held.back() {
            Some(held) => Position { ballot: held.ballot, index: self.last() },
            None => self.base,
        }
    }

    /// The entry at `index`; none in a hole, below the base and beyond the end.
    pub(super) fn held(&self, index: Index) -> Option<Held> {
        let at = index.0.checked_sub(self.base.index.0 + 1)?;
        let held = self.held.get(usize::try_from(at).ok()?)?;
        (held.ballot != Ballot::ZERO).then_some(*held)
    }

    /// The ballot at `index`, if it is known.
    pub(super) fn ballot_at(&self, index: Index) -> Option<Ballot> {
        if index == self.base.index {
            return Some(self.base.ballot);
        }
        self.held(index).map(|held| held.ballot)
    }

    /// Every entry, ascending, holes left out.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (Index, Held)> {
        let first = self.base.index.0 + 1;
        let positions = self.held.iter().enumerate();
        positions
            .filter(|(_, held)| held.ballot != Ballot::ZERO)
            .map(move |(at, held)| (Index(first + at as u64), *held))
    }

    fn put(&mut self, index: Index, held: Held) {
        let Some(at) = index.0.checked_sub(self.base.index.0 + 1) else { return };
        let at = usize::try_from(at).expect("a log in memory has no more entries than memory");
        if at == self.held.len() {
            return self.held.push_back(held);
        }
        if self.held.len() < at {
            self.held.resize(at + 1, Held::default());
        }
        self.held[at] = held;
    }

    fn truncate_from(&mut self, index: Index) {
        let kept = index.0.saturating_sub(self.base.index.0 + 1);
        self.held.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    fn cut(&mut self, base: Position) {
        if base.index <= self.base.index {
            return;
        }
        let gone = base.index.distance_from(self.base.index);
        let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.held.len());
        self.held.drain(..gone);
        self.base = base;
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Promise(promise) => {
                self.promise = promise;
                self.sworn = self.sworn.max(sworn_by(promise));
            }
            Change::Put(index, held) => self.put(index, held),
            Change::TruncateFrom(index) => self.truncate_from(index),
            Change::Cut(base) => self.cut(base),
        }
    }

    /// What `other`, found by a restart, has that this log has not; none if they are equal.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self.promise != other.promise {
            return Some(format!("{:?} instead of {:?}", other.promise, self.promise));
        }
        if self.base != other.base {
            return Some(format!("a log from {} instead of {}", other.base.index, self.base.index));
        }
        if self.last() != other.last() {
            return Some(format!("a log to {} instead of {}", other.last(), self.last()));
        }
        let is_same = |one: &Held, other: &Held| {
            one.ballot == other.ballot && one.digest.is_same(other.digest)
        };
        let at = self.held.iter().zip(&other.held).position(|(one, other)| !is_same(one, other))?;
        Some(format!("another entry at {}", self.base.index.0 + 1 + at as u64))
    }
}

/// The ballot that a promise names.
pub(super) fn sworn_by(promise: Promise) -> Ballot {
    Ballot { round: promise.round, node: promise.to.unwrap_or_default() }
}

/// One change to a log, small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Promise(Promise),
    Put(Index, Held),
    TruncateFrom(Index),
    Cut(Position),
}

impl Held {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { ballot: entry.ballot, digest: Digest::of(entry) }
    }
}

impl Change {
    /// A log begins anew behind this.
    pub(super) fn cut(meta: &Meta) -> Self {
        Self::Cut(Position { ballot: meta.ballot, index: meta.index })
    }
}

/// How many changes these writes are.
fn changes_in(writes: &[Write]) -> usize {
    let changes = |write: &Write| match write {
        Write::Put(entries) => entries.len(),
        Write::Hard(_) | Write::TruncateFrom(_) | Write::CompactTo(_) | Write::Install(_) => 1,
    };
    writes.iter().map(changes).sum()
}

/// A log with the batches on their way to its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mirror {
    /// The log if every batch were durable: the engine's own view.
    pub(super) issued: Log,
    /// The log that a crash leaves.
    pub(super) durable: Log,
    /// The newest batch issued.
    newest: WriteId,
    /// The batches that are not durable, with their changes.
    batches: VecDeque<(WriteId, usize)>,
    changes: VecDeque<Change>,
}

impl Mirror {
    /// A log that is all durable.
    pub(super) fn new(log: Log) -> Self {
        Self { issued: log.clone(), durable: log, ..Self::default() }
    }

    /// A batch is begun.
    pub(super) fn begin(&mut self, batch: &WriteBatch) {
        assert!(self.newest < batch.id, "the host reports a batch twice or out of order");
        self.newest = batch.id;
        self.batches.push_back((batch.id, changes_in(&batch.writes)));
    }

    /// One change of the newest batch is issued.
    pub(super) fn issue(&mut self, change: Change) {
        self.issued.apply(change);
        self.changes.push_back(change);
    }

    /// The next change that becomes durable when batches up to `write` do, done.
    pub(super) fn persist_one(&mut self, write: WriteId) -> Option<Change> {
        loop {
            let (batch, left) = self.batches.front_mut()?;
            if write < *batch {
                return None;
            }
            if *left == 0 {
                self.batches.pop_front();
                continue;
            }
            *left -= 1;
            let change = self.changes.pop_front().expect("a batch has its changes");
            self.durable.apply(change);
            return Some(change);
        }
    }

    /// The oldest batch that is not durable.
    pub(super) fn oldest_pending(&self) -> Option<WriteId> {
        self.batches.front().map(|(batch, _)| *batch)
    }

    /// A new life: what was not durable is gone, and batches are numbered anew.
    pub(super) fn restart(&mut self) {
        self.batches.clear();
        self.changes.clear();
        self.newest = WriteId(0);
        self.issued = self.durable.clone();
    }
}
