//! What a search finds wrong, and how it came about.

use core::fmt;

use quorate_consensus::NodeId;
use quorate_consensus::invariants::Invariant;

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub cause: Cause,
    /// The node whose step showed it.
    pub node: NodeId,
    /// What happened, for people.
    pub message: String,
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A promise of the protocol is broken.
    Broken(Invariant),
    /// A node takes a correct peer for a broken one.
    Misbehaved,
    /// An assertion of the engine about its own state failed.
    Assertion,
}

impl Finding {
    pub(super) fn new(cause: Cause, node: NodeId, message: String) -> Self {
        Self { cause, node, message }
    }

    pub(super) fn broken(invariant: Invariant, node: NodeId, message: String) -> Self {
        Self::new(Cause::Broken(invariant), node, message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.cause, self.node, self.message)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(invariant) => invariant.fmt(formatter),
            Self::Misbehaved => formatter.write_str("misbehaved"),
            Self::Assertion => formatter.write_str("assertion"),
        }
    }
}
