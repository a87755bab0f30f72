//! What an engine asks its host to make durable.

use crate::ballot::{Ballot, Promise};
use crate::entries::Entries;
use crate::entry::{Entry, Meta};
use crate::ids::{Index, WriteId};

/// What a server must remember across crashes beside its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The vote or promise.
    pub promise: Promise,
    /// A position known to be committed. A hint that shortens recovery: it may lag behind.
    pub committed: Index,
}

/// One change to the durable log. The order within and between batches is the order of effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Replaces the hard state.
    Hard(HardState),
    /// Stores each entry at its index. Replaces what was there; never truncates. Never empty.
    Put(Entries),
    /// Removes every entry at this index and above (Raft only).
    TruncateFrom(Index),
    /// Entries up to `meta.index` are no longer needed: the state machine is durable there.
    CompactTo(Meta),
    /// The state machine was replaced by the snapshot at `meta.index`. Entries up to it go.
    Install(Meta),
}

impl Write {
    /// The entries it stores.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Self::Put(entries) => entries,
            Self::Hard(_) | Self::TruncateFrom(_) | Self::CompactTo(_) | Self::Install(_) => &[],
        }
    }
}

/// Writes that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteBatch {
    /// The name under which [`crate::Input::Persisted`] acknowledges it.
    pub id: WriteId,
    /// The changes, in order; never empty.
    pub writes: Vec<Write>,
}

impl WriteBatch {
    /// What its entries cost against byte limits.
    pub fn cost(&self) -> u64 {
        self.writes.iter().flat_map(Write::entries).map(Entry::cost).sum()
    }
}

/// Entries `first..=last` that share one ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BallotRun {
    /// The first of them.
    pub first: Index,
    /// The last of them.
    pub last: Index,
    /// Their ballot.
    pub ballot: Ballot,
}

/// What a node finds on its disk when it starts.
///
/// A new node has an empty log, a zero [`HardState`], and a `meta` at index zero that carries
/// the initial configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The newest durable hard state.
    pub hard: HardState,
    /// Where the log begins: everything up to `meta.index` is compacted or installed.
    pub meta: Meta,
    /// The ballots of all entries above `meta.index`, ascending, without overlap.
    pub ballots: Vec<BallotRun>,
    /// The newest entries, ascending: as many as fit the engine's memory, or all of them. Older
    /// ones stay on disk and come through [`crate::Fetch`].
    pub tail: Vec<Entry>,
    /// The newest configuration in the log above `meta.index`, and those before it there.
    pub configurations: Vec<(Index, crate::members::Members)>,
    /// The position up to which the state machine's own durable state reaches.
    pub applied: Index,
    /// The stamp of the last entry, or of `meta` where there is none.
    pub time: crate::time::ClusterTime,
}
