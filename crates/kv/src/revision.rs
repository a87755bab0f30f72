//! The names of moments: store revisions, log positions, cluster time and the two hashes.

/// The name of one change: etcd's `(main, sub)` pair, ordered by `main`, then `sub`.
///
/// `main` counts the mutating requests since the store began (a fresh store stands at 1, so that
/// the first change is 2); `sub` counts the changes within one request, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The request's revision, which clients see as `mod_revision`.
    pub main: i64,
    /// The change within that request, from 0.
    pub sub: i64,
}

impl Revision {
    /// Below every revision that a record can have: where a scan from the beginning starts.
    pub const FIRST: Self = Self { main: 0, sub: 0 };

    /// The revision `(main, sub)`.
    pub const fn new(main: i64, sub: i64) -> Self {
        Self { main, sub }
    }

    /// The smallest revision above this one.
    pub const fn next(self) -> Self {
        Self { main: self.main, sub: self.sub + 1 }
    }
}

/// The revision of a store that nothing was ever written to (etcd: 1).
pub const REVISION_INITIAL: i64 = 1;

/// The compacted revision of a store that was never compacted.
///
/// It is -1 and not 0 because etcd accepts `Compact(0)` once, and refuses it the second time.
pub const COMPACTED_NEVER: i64 = -1;

/// Where in the consensus log an entry stands: its index, and the ballot it was committed at.
///
/// Opaque to this crate, which only stores it and requires that `index` grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The entry's log index; 0 is before the first entry.
    pub index: u64,
    /// The round of the entry's ballot (Raft's term).
    pub round: u64,
    /// The node of the entry's ballot.
    pub node: u64,
}

/// Cluster time in microseconds. It comes from the log alone, and never runs backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterTime(pub u64);

/// Whose entries move the clock, opaque to this crate, which only stores it beside the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reign {
    /// The round of the highest ballot that a value was born in.
    pub round: u64,
    /// The node of that ballot.
    pub node: u64,
    /// Whether a value that was born in a lower one has come since.
    pub is_broken: bool,
}

/// What the log says about the entry that is being applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The entry's position; its index is above that of every entry applied before.
    pub position: LogPosition,
    /// The entry's time stamp, if it moves the cluster's clock, or what that shows; the store's
    /// clock is the maximum of all applied.
    pub time: ClusterTime,
}

/// H(i): a hash over the effects of every entry up to index i. Equal at equal indices on all
/// replicas, or one of them computed something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub u128);

/// The wrapping sum of the hashes of all retained records: independent of their order, and of
/// how far physical compaction has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub u64);

/// A lease's id, any number but 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// No lease.
    pub const NONE: Self = Self(0);

    /// Not above any id: where a walk over all leases starts.
    pub const FIRST: Self = Self(i64::MIN);

    /// The smallest id above this one, if there is one.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}
