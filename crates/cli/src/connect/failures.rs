//! What a client command says when it got no answer, or a refusal: each with its code.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use quorate_etcdapi::ApiError;
use quorate_server::HttpUrl;
use tokio::time::timeout;
use tonic::Status;

use super::{Session, is_known};
use crate::code::Code;
use crate::diagnose::Foreign;
use crate::exit::Failure;
use crate::survey::{self, Standing, Survey};

/// What etcdctl says whenever it got no answer.
const ETCDCTL_TIMEOUT: &str = "context deadline exceeded";

/// How long the members may take to tell why there was no answer.
const SURVEY_MAX: Duration = Duration::from_secs(1);

/// Why no connection to a member was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// Nothing listens there.
    Refused,
    /// There was none in time.
    Late,
    /// Something else listens there.
    Foreign(Foreign),
    /// The system says no.
    Other(String),
}

impl Unreached {
    /// The innermost cause of a failed connection.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = error;
        loop {
            let io = cause.downcast_ref::<io::Error>();
            if io.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                return Self::Refused;
            }
            match cause.source() {
                Some(source) => cause = source,
                None => return Self::Other(cause.to_string()),
            }
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => formatter.write_str("nothing listens there"),
            Self::Late => formatter.write_str("no connection in time"),
            Self::Foreign(foreign) => foreign.fmt(formatter),
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

/// No member was reached.
pub(crate) fn nobody(tried: &[(HttpUrl, Unreached)]) -> Failure {
    let is_tls = |why: &Unreached| *why == Unreached::Foreign(Foreign::Tls);
    let is_foreign = |why: &Unreached| matches!(why, Unreached::Foreign(_));
    let all: Vec<String> =
        tried.iter().map(|(url, why)| format!("{}: {why}", url.authority())).collect();
    let all = all.join("; ");
    let (code, what) = if tried.iter().any(|(_, why)| is_tls(why)) {
        (Code::Tls, format!("this client speaks plain text ({all})"))
    } else if tried.iter().any(|(_, why)| is_foreign(why)) {
        (Code::Protocol, format!("this is no member of a cluster ({all})"))
    } else if tried.iter().all(|(_, why)| *why == Unreached::Refused) {
        let places: Vec<String> = tried.iter().map(|(url, _)| url.authority()).collect();
        (Code::Refused, format!("nothing listens on {}", places.join(", ")))
    } else {
        (Code::Unreachable, format!("no member can be reached ({all})"))
    };
    Failure::coded(code, format!("{what}. Nothing was done")).with_etcdctl(ETCDCTL_TIMEOUT)
}

/// Members were reached, and none could serve this in time.
pub(super) async fn unavailable(reason: &str, session: &Session) -> Failure {
    let limit = session.timeout();
    let failure = |code, what: String| {
        Failure::coded(code, format!("{what}. Nothing was done")).with_etcdctl(etcds(reason))
    };
    if reason == ApiError::TooManyRequests.text() {
        return failure(Code::Overloaded, reason.to_owned());
    }
    let is_leaderless = reason == ApiError::NoLeader.text();
    match look(session).await {
        Some(survey) if survey.standing() == Standing::NoQuorum => {
            failure(Code::NoQuorum, survey.sentence())
        }
        Some(survey) if survey.standing() == Standing::NoLeader => {
            failure(Code::NoLeader, survey.sentence())
        }
        _ if is_leaderless => failure(Code::NoLeader, format!("nobody led within {limit:?}")),
        _ => failure(Code::Timeout, format!("there was no answer within {limit:?} ({reason})")),
    }
}

/// A write was sent, and not answered.
pub(super) async fn unknown(reason: &str, session: &Session) -> Failure {
    let standing = look(session).await.map(|survey| (survey.standing(), survey.sentence()));
    let why = match standing {
        Some((Standing::NoQuorum | Standing::NoLeader, sentence)) => {
            format!("{reason}; {sentence}")
        }
        _ => reason.to_owned(),
    };
    Failure::coded(Code::Unknown, format!("the write may or may not have happened ({why})"))
        .with_etcdctl(etcds(reason))
}

/// How the members are, if they tell soon.
async fn look(session: &Session) -> Option<Survey> {
    timeout(2 * SURVEY_MAX, survey::take(session.targets(), SURVEY_MAX)).await.ok()?.ok()
}

/// What etcdctl says of it: what it was told, or that its time was over.
fn etcds(reason: &str) -> &str {
    if is_known(reason) { reason } else { ETCDCTL_TIMEOUT }
}

/// The failure that a refusal is.
pub(crate) fn refused(status: &Status) -> Failure {
    match code_of(status.message()) {
        Some(code) => Failure::coded(code, status.message()),
        None => Failure::error(status.message()),
    }
}

/// Refusals that a command of ours can meet, with their codes.
fn code_of(text: &str) -> Option<Code> {
    /// How Go's gRPC refuses a message before anything looks at it.
    const TOO_LONG: &str = "grpc: received message larger than max";
    let known = [
        (ApiError::EmptyKey, Code::EmptyKey),
        (ApiError::KeyNotFound, Code::NoKey),
        (ApiError::Compacted, Code::Compacted),
        (ApiError::FutureRevision, Code::Future),
        (ApiError::LeaseNotFound, Code::NoLease),
        (ApiError::NoSpace, Code::NoSpace),
        (ApiError::RequestTooLarge, Code::TooLarge),
        (ApiError::Corrupt, Code::Corrupt),
        (ApiError::TooManyRequests, Code::Overloaded),
        (ApiError::NoLeader, Code::NoLeader),
    ];
    let found = known.into_iter().find(|(error, _)| error.text() == text).map(|(_, code)| code);
    found.or_else(|| text.starts_with(TOO_LONG).then_some(Code::TooLarge))
}

#[cfg(test)]
mod tests;
