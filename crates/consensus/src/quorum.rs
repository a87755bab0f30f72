//! Counting: when enough members agree.

use crate::members::Members;

/// What a decision needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum;

impl Quorum {
    /// A majority of each set.
    pub fn majority(_members: &Members) -> Self {
        Self
    }
}
