//! How the command ends: its exit codes, and what it says when it fails.

use std::fmt;

use crate::code::Code;
use crate::output::{Json, Object};

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
    /// What was required to be there is not.
    NotFound,
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
            Self::NotFound => (3, 1),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: Option<String>,
    code: Option<Code>,
    /// What etcdctl says instead.
    etcdctl: Option<String>,
    form: Form,
}

/// How a failure is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs that asked for JSON.
    Json,
}

impl Failure {
    /// A failure for this reason.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { exit, message, advice: None, code: None, etcdctl: None, form: Form::Text }
    }

    /// A failure of a kind that is known, with what happened this time.
    pub(crate) fn coded(code: Code, message: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::new(code.exit(), message) }
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

    /// The end of a command that has told everything already.
    pub(crate) fn told(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The same failure, with what to do about it. etcdctl says no such thing.
    pub(crate) fn with_advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// The same failure, of which etcdctl says something else.
    pub(crate) fn with_etcdctl(self, text: impl Into<String>) -> Self {
        Self { etcdctl: Some(text.into()), ..self }
    }

    /// The same failure, told in this form.
    pub(crate) fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same failure under another exit code.
    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The same failure, in words that say what was tried.
    pub(crate) fn within(self, before: &str, after: &str) -> Self {
        let around = |text: &str| format!("{before}{text}{after}");
        let etcdctl = self.etcdctl.as_deref().map(around);
        Self { message: around(&self.message), etcdctl, ..self }
    }

    /// What it is about, without advice.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Why it ended.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The same failure; if its outcome is unknown, with what tells it.
    pub(crate) fn if_unknown(self, advice: impl FnOnce() -> String) -> Self {
        self.if_it_is(Code::Unknown, advice)
    }

    /// The same failure; if it is of this kind, with what to do about it here.
    pub(crate) fn if_it_is(self, code: Code, advice: impl FnOnce() -> String) -> Self {
        if self.code == Some(code) { self.with_advice(advice()) } else { self }
    }

    /// What is told on standard error, if anything is.
    pub(crate) fn text(&self, personality: Personality) -> Option<String> {
        if self.message.is_empty() {
            return None;
        }
        Some(match (personality, self.form) {
            (Personality::Quorate, Form::Text) => self.to_string(),
            (Personality::Quorate, Form::Json) => self.json().to_string(),
            (Personality::Etcdctl, _) => {
                format!("Error: {}", self.etcdctl.as_ref().unwrap_or(&self.message))
            }
        })
    }

    /// What to do about it.
    pub(crate) fn next(&self) -> Option<&str> {
        self.advice.as_deref().or(self.code.map(Code::next))
    }

    /// Whether what was asked has happened, in one word.
    fn outcome(&self) -> &'static str {
        if self.exit == Exit::Unknown { "unknown" } else { "failed" }
    }

    fn json(&self) -> Json {
        let text = |text: Option<&str>| text.map_or(Json::Null, Json::from);
        let error = Object::new()
            .with("code", text(self.code.map(Code::name)))
            .with("message", self.message.as_str())
            .with("likely", text(self.code.map(Code::likely)))
            .with("next", text(self.next()))
            .with("outcome", self.outcome())
            .with("exit", u32::from(self.exit.code(Personality::Quorate)));
        Object::new().with("error", error).into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = &self.message;
        let Some(code) = self.code else {
            write!(formatter, "error: {message}")?;
            return match &self.advice {
                Some(advice) => write!(formatter, ". {advice}"),
                None => Ok(()),
            };
        };
        let (name, next) = (code.name(), self.next().expect("every code has a next step"));
        write!(
            formatter,
            "error[{name}]: {message}\n  likely: {}\n  next:   {next}\n  more:   \
             `quorate explain {name}`",
            code.likely()
        )
    }
}
