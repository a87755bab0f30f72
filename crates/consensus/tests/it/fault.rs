//! How a check fails: with one sentence, to which the script runner adds the line.

use core::fmt;

use quorate_consensus::invariants::Violation;

/// Why a script failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) String);

/// The result of a step or a check.
pub(crate) type Check<T = ()> = Result<T, Fault>;

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Self(violation.to_string())
    }
}

/// Leaves the function with a fault, formatted like `format!`.
macro_rules! fail {
    ($($argument:tt)*) => { return Err($crate::fault::Fault(format!($($argument)*))) };
}

/// Leaves the function with a fault unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($argument:tt)*) => {
        if !$condition {
            $crate::fault::fail!($($argument)*);
        }
    };
}

pub(crate) use {ensure, fail};
