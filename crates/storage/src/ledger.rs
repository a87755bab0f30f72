//! What the log's records add up to, and which may follow which.

use std::sync::atomic::{AtomicU64, Ordering};

use quorate_codec::EngineKind;
use quorate_consensus::{HardState, Index, Meta, Write};

use crate::segment::StoreId;

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Entries up to here are gone.
    pub(crate) base: Index,
    /// The last position; the base if there are no entries.
    pub(crate) last: Index,
}

impl Bounds {
    /// Moves the bounds as the record does, or says why it cannot stand here.
    pub(crate) fn follow(&mut self, engine: EngineKind, write: &Write) -> Result<(), &'static str> {
        match write {
            Write::Hard(_) => Ok(()),
            Write::Put(entries) => {
                entries.iter().try_for_each(|entry| self.follow_put(engine, entry.index))
            }
            Write::TruncateFrom(index) if *index <= self.base => {
                Err("a truncation reaches below the log's base")
            }
            Write::TruncateFrom(index) => {
                self.last = self.last.min(index.previous());
                Ok(())
            }
            Write::CompactTo(meta) | Write::Install(meta) if meta.index < self.base => {
                Err("the log's base moves backwards")
            }
            Write::CompactTo(meta) | Write::Install(meta) => {
                self.base = meta.index;
                self.last = self.last.max(meta.index);
                Ok(())
            }
        }
    }

    fn follow_put(&mut self, engine: EngineKind, index: Index) -> Result<(), &'static str> {
        if index == Index::ZERO {
            return Err("an entry stands before the first position");
        }
        if engine == EngineKind::Raft && self.last.next() < index {
            return Err("an entry leaves a hole before it");
        }
        self.last = self.last.max(index);
        Ok(())
    }
}

/// The state that a log's records add up to, without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) engine: EngineKind,
    pub(crate) bounds: Bounds,
    pub(crate) hard: HardState,
    pub(crate) meta: Meta,
    pub(crate) store: StoreId,
    /// The highest index ever put into a segment.
    pub(crate) highest: Index,
}

impl Ledger {
    /// Takes the record in, or says why it cannot stand here.
    pub(crate) fn apply(&mut self, write: &Write) -> Result<(), &'static str> {
        self.bounds.follow(self.engine, write)?;
        match write {
            Write::Hard(hard) => self.hard = *hard,
            Write::Put(entries) => {
                let highest = entries.last().map_or(self.highest, |entry| entry.index);
                self.highest = self.highest.max(highest);
            }
            Write::TruncateFrom(_) => {}
            Write::CompactTo(meta) => self.meta = meta.clone(),
            Write::Install(meta) => {
                self.meta = meta.clone();
                self.store = StoreId::of(meta);
            }
        }
        Ok(())
    }
}

/// How far the log and the state machine's file are durable. Each is checked against the other:
/// the file never runs ahead of the log, and the log is never cut past the file.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    log: AtomicU64,
    map: AtomicU64,
}

impl Horizon {
    /// The log is durable up to here, at least.
    pub(crate) fn log_reaches(&self, index: Index) {
        self.log.fetch_max(index.0, Ordering::AcqRel);
    }

    /// The state machine's file is durable up to here, at least, or a staged one that takes its
    /// place at the next start.
    pub(crate) fn map_reaches(&self, index: Index) {
        self.map.fetch_max(index.0, Ordering::AcqRel);
    }

    pub(crate) fn log(&self) -> Index {
        Index(self.log.load(Ordering::Acquire))
    }

    pub(crate) fn map(&self) -> Index {
        Index(self.map.load(Ordering::Acquire))
    }
}
