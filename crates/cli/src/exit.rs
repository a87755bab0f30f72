//! How the command ends: its exit codes, and what it says when it fails.

use std::fmt;

/// Under which name the program was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Personality {
    /// As itself.
    Quorate,
    /// As `etcdctl`, through a link of that name: with etcdctl's texts and exit codes.
    Etcdctl,
}

/// Why the command ended other than with success, so far as it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did not work.
    Error,
    /// The flags cannot be meant so.
    Usage,
    /// Nobody answered, and nothing was done. (`EX_UNAVAILABLE` of sysexits.)
    Unavailable,
    /// What was asked may or may not have happened. (`EX_TEMPFAIL` of sysexits.)
    Unknown,
    /// A flag asks for something that there is not, such as an unknown form of output.
    BadFeature,
    /// The cluster answered, and what was asked about is not there.
    BadConnection,
    /// What was read from standard input makes no sense.
    InvalidInput,
    /// It was ended from outside before it was done.
    Interrupted,
    /// Nobody reads the output any more, which is no failure.
    ReaderGone,
    /// A command that was run for this one ended with this code.
    Child(u8),
}

impl Exit {
    /// The code for the system. Those of etcdctl are in etcd's `pkg/cobrautl/error.go`.
    pub(crate) fn code(self, personality: Personality) -> u8 {
        let (quorate, etcdctl) = match self {
            Self::ReaderGone => (0, 0),
            Self::Child(code) => (code, code),
            Self::Error => (1, 1),
            Self::Usage => (2, 128),
            Self::Unavailable => (69, 1),
            Self::Unknown => (75, 1),
            Self::BadFeature => (2, 4),
            Self::BadConnection => (1, 2),
            Self::InvalidInput => (1, 3),
            Self::Interrupted => (1, 5),
        };
        match personality {
            Personality::Quorate => quorate,
            Personality::Etcdctl => etcdctl,
        }
    }
}

/// Why the command failed: what happened, why probably, and what to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: Option<String>,
}

impl Failure {
    /// A failure for this reason.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), advice: None }
    }

    /// Anything that went wrong for a reason of its own.
    pub(crate) fn error(reason: impl fmt::Display) -> Self {
        Self::new(Exit::Error, reason.to_string())
    }

    /// Flags that cannot be meant so.
    pub(crate) fn usage(reason: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, reason.to_string())
    }

    /// The end of a command whose output nobody reads any more.
    pub(crate) fn reader_gone() -> Self {
        Self::new(Exit::ReaderGone, "")
    }

    /// The same failure, with what to do about it. etcdctl says no such thing.
    pub(crate) fn with_advice(self, advice: &str) -> Self {
        Self { advice: Some(advice.to_owned()), ..self }
    }

    /// The same failure under another exit code.
    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The same failure, in words that say what was tried.
    pub(crate) fn within(self, before: &str, after: &str) -> Self {
        Self { message: format!("{before}{}{after}", self.message), ..self }
    }

    /// What it is about, without advice.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Why it ended.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What is told on standard error, if anything is.
    pub(crate) fn text(&self, personality: Personality) -> Option<String> {
        if self.message.is_empty() {
            return None;
        }
        Some(match personality {
            Personality::Quorate => self.to_string(),
            Personality::Etcdctl => format!("Error: {}", self.message),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", self.message)?;
        match &self.advice {
            Some(advice) => write!(formatter, ". {advice}"),
            None => Ok(()),
        }
    }
}
