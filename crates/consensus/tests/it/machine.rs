//! A state machine that is the list of what it has applied; a snapshot of it is a copy.

use quorate_consensus::{Clock, Entry, Index, Members, Meta, Payload};

use crate::disk::Log;
use crate::fault::{Check, ensure};

/// The state after applying everything up to `meta.index`.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) meta: Meta,
    /// The cluster's clock there.
    pub(crate) clock: Clock,
    entries: Vec<Entry>,
    initial: Members,
}

impl Machine {
    pub(crate) fn new(members: Members) -> Self {
        let (meta, clock) = (Log::new(members.clone()).meta, Clock::default());
        Self { meta, clock, entries: Vec::new(), initial: members }
    }

    /// Applies the next entry; any other is a fault of the engine.
    pub(crate) fn apply(&mut self, entry: Entry) -> Check {
        ensure!(
            entry.index == self.meta.index.next(),
            "applied {} after {}",
            entry.index,
            self.meta.index
        );
        self.meta.index = entry.index;
        self.meta.ballot = entry.ballot;
        self.clock.apply(&entry);
        self.meta.time = self.clock.time;
        if let Payload::Members(members) = &entry.payload {
            self.meta.members = Members::clone(members);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The state as it was at an earlier position.
    pub(crate) fn at(&self, index: Index) -> Check<Self> {
        ensure!(index <= self.meta.index, "{index} is not applied, only {}", self.meta.index);
        let mut earlier = Self::new(self.initial.clone());
        for entry in self.entries.iter().take_while(|entry| entry.index <= index) {
            earlier.apply(entry.clone())?;
        }
        Ok(earlier)
    }

    /// The commands applied, in order.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.entries
            .iter()
            .filter_map(|entry| match &entry.payload {
                Payload::Command(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                Payload::Noop | Payload::Members(_) => None,
            })
            .collect()
    }
}
