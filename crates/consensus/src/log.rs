//! Positions in a log, and the log as an engine holds it in memory.

use crate::ballot::Ballot;
use crate::ids::Index;

/// A place in a log together with the ballot of the entry there: the tutorials' pair
/// `(prevLogIndex, prevLogTerm)`. Two logs that hold the same position hold the same prefix
/// (Raft paper §5.3, the Log Matching Property).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The ballot of the entry; compared first when asking whose log is newer (§5.4.1).
    pub ballot: Ballot,
    /// Its index.
    pub index: Index,
}

impl Position {
    /// The position before the first entry.
    pub const ZERO: Self = Self { ballot: Ballot::ZERO, index: Index::ZERO };
}
