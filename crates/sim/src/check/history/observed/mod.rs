//! Histories of real processes: what clients asked, when, and what they were told, judged
//! afterwards by what is read back from the cluster.

mod judge;
mod keys;

use std::collections::BTreeMap;

pub use judge::{Tally, Unmade, Wrong, check, lost};
pub use keys::{Action, events_of_key};

/// Nanoseconds since some moment.
pub type Nanos = u64;

/// A time that never comes: when an operation ended whose answer never came.
pub const NEVER: Nanos = Nanos::MAX;

/// A value that no two operations write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u64);

/// How far a read's answer may be from the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// The newest state there is.
    Linearizable,
    /// Any state that was the newest once.
    Serializable,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Put a key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Value,
    },
    /// In one transaction: put a key if it has the expected value, or else read it.
    Swap {
        /// The key.
        key: String,
        /// What it must have, or that it must not exist.
        expected: Option<Value>,
        /// Its new value.
        value: Value,
    },
    /// In one transaction: put two keys.
    PutBoth {
        /// The keys.
        keys: [String; 2],
        /// Their new value.
        value: Value,
    },
    /// Read all keys of a prefix.
    Read {
        /// The prefix; a whole key where only that is wanted.
        prefix: String,
        /// How new the answer must be.
        consistency: Consistency,
    },
}

impl Call {
    /// The keys and the value this writes, if it writes.
    pub fn writes(&self) -> Vec<(&str, Value)> {
        match self {
            Self::Put { key, value } | Self::Swap { key, value, .. } => vec![(key, *value)],
            Self::PutBoth { keys, value } => keys.iter().map(|key| (&**key, *value)).collect(),
            Self::Read { .. } => Vec::new(),
        }
    }
}

/// A key with its value, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// When it was created.
    pub create_revision: i64,
    /// When it was last written.
    pub mod_revision: i64,
    /// How often it was written since it was created.
    pub version: i64,
}

/// What the answer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The write was made.
    Wrote {
        /// At this revision.
        revision: i64,
    },
    /// The swap was not made, as the key had another value.
    Kept {
        /// The newest revision at that time.
        revision: i64,
        /// The key.
        seen: Option<Record>,
    },
    /// The keys were read.
    Read {
        /// The newest revision at that time.
        revision: i64,
        /// The keys, in order.
        seen: Vec<Record>,
    },
    /// Refused, for a reason that means that nothing was or will be done.
    Refused,
    /// There was no answer, or one that leaves open what happens.
    Unknown,
}

impl Outcome {
    /// The revision that the answer tells.
    pub fn revision(&self) -> Option<i64> {
        match self {
            Self::Wrote { revision }
            | Self::Kept { revision, .. }
            | Self::Read { revision, .. } => Some(*revision),
            Self::Refused | Self::Unknown => None,
        }
    }
}

/// One call with its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who called.
    pub client: usize,
    /// When it began.
    pub invoked: Nanos,
    /// When the answer was there; [`NEVER`] where it left open what happens.
    pub returned: Nanos,
    /// What was asked.
    pub call: Call,
    /// What the answer said.
    pub outcome: Outcome,
}

impl Operation {
    /// Whether a write was acknowledged.
    pub fn is_acknowledged_write(&self) -> bool {
        matches!(self.outcome, Outcome::Wrote { .. })
    }

    /// Whether it was answered by the newest state.
    pub fn is_linearizable(&self) -> bool {
        let serializable = Consistency::Serializable;
        !matches!(&self.call, Call::Read { consistency, .. } if *consistency == serializable)
    }
}

/// What really happened: each revision with the records it made.
pub type Truth = BTreeMap<i64, Vec<Record>>;
