//! Handing committed entries to the state machine: in order, each once, within a byte budget.

use std::collections::VecDeque;

use crate::config::Config;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::Index;

/// How far the state machine is.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The last entry handed to the host.
    delivered: Index,
    /// The last entry the host has applied.
    applied: Index,
    /// Handed over and not applied: the last index and the bytes of each drain.
    outstanding: VecDeque<(Index, u64)>,
    outstanding_bytes: u64,
    is_fetching: bool,
}

impl Delivery {
    /// A host that has applied everything up to `applied`.
    pub(crate) fn new(applied: Index) -> Self {
        Self {
            delivered: applied,
            applied,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            is_fetching: false,
        }
    }

    /// The last entry handed to the host.
    pub(crate) fn delivered(&self) -> Index {
        self.delivered
    }

    /// The last entry the host has applied.
    pub(crate) fn applied(&self) -> Index {
        self.applied
    }

    /// Whether entries were asked for that are not in memory.
    pub(crate) fn is_fetching(&self) -> bool {
        self.is_fetching
    }

    /// Entries were asked for.
    pub(crate) fn begin_fetch(&mut self) {
        self.is_fetching = true;
    }

    /// They came, or there are none.
    pub(crate) fn end_fetch(&mut self) {
        self.is_fetching = false;
    }

    /// How many more bytes may be handed over; none until the host catches up.
    pub(crate) fn room(&self, config: &Config) -> Option<u64> {
        let room = config.apply_bytes_max.saturating_sub(self.outstanding_bytes);
        if self.outstanding.is_empty() {
            return Some(room.max(1));
        }
        (0 < room).then_some(room)
    }

    /// Whether an entry may be handed over within the room there is. One alone always fits; one
    /// more does not.
    pub(crate) fn fits(&self, entry: &Entry, room: u64) -> bool {
        self.outstanding.is_empty() || entry.cost() <= room
    }

    /// Hands entries over, the next ones in order.
    pub(crate) fn hand_over(
        &mut self,
        parts: impl Iterator<Item = Entries>,
        committed: &mut Vec<Entries>,
    ) {
        let (mut last, mut bytes) = (self.delivered, 0);
        for part in parts {
            last = part.last().map_or(last, |entry| entry.index);
            bytes += part.cost();
            committed.push(part);
        }
        if self.delivered < last {
            self.delivered = last;
            self.outstanding.push_back((last, bytes));
            self.outstanding_bytes += bytes;
        }
    }

    /// The state machine was replaced by a snapshot at `index`.
    pub(crate) fn restart(&mut self, index: Index) {
        *self = Self { is_fetching: self.is_fetching, ..Self::new(index) };
    }

    /// The host has applied entries.
    pub(crate) fn on_applied(&mut self, upto: Index) {
        assert!(upto <= self.delivered, "the host applied what it was never given");
        self.applied = self.applied.max(upto);
        while self.outstanding.front().is_some_and(|&(last, _)| last <= upto) {
            if let Some((_, bytes)) = self.outstanding.pop_front() {
                self.outstanding_bytes -= bytes;
            }
        }
    }
}
