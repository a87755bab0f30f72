//! How the command ends: its exit codes, and what it says when it fails.

use std::fmt;
use std::process::ExitCode;

/// The exit codes other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did not work.
    Error = 1,
    /// The flags cannot be meant so.
    Usage = 2,
    /// Nobody answered, and nothing was done. (`EX_UNAVAILABLE` of sysexits.)
    Unavailable = 69,
    /// What was asked may or may not have happened. (`EX_TEMPFAIL` of sysexits.)
    Unknown = 75,
}

/// Why the command failed: what happened, why probably, and what to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A failure for this reason.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Anything that went wrong for a reason of its own.
    pub(crate) fn error(reason: impl fmt::Display) -> Self {
        Self::new(Exit::Error, reason.to_string())
    }

    /// Flags that cannot be meant so.
    pub(crate) fn usage(reason: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, reason.to_string())
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.message)
    }
}
