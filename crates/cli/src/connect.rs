//! How client commands reach a member: the first endpoint that answers, within one deadline.
//!
//! Trying again is safe as long as nothing was done: when no connection was made, when a member
//! said so definitely, and for reads in any case. A write that was sent and not answered is never
//! sent again: its outcome is unknown, and is reported so.

use std::future::Future;
use std::time::Duration;

use quorate_etcdapi::ApiError;
use quorate_server::HttpUrl;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::client_flags::Target;
use crate::exit::{Exit, Failure};

/// Longest wait for a connection to one member unless more is allowed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before all endpoints are asked once more.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Most of the deadline that a read gives to one member while others are left to ask.
const READ_SHARE: u32 = 3;

/// Whether a request that was sent and not answered may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No.
    Read,
    /// Yes, but to send it again does no harm.
    Repeatable,
    /// Yes.
    Write,
}

/// What is done while no member can be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It is reported at once.
    None,
    /// They are tried again until the deadline.
    UntilDeadline,
}

/// The members to ask, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    targets: Vec<Target>,
    timeout: Duration,
    dial_timeout: Duration,
    patience: Patience,
}

/// How a request ended without an answer.
#[derive(Debug)]
enum Miss {
    /// No connection, so nothing was sent.
    Unreachable { reason: String },
    /// The member cannot do it now, and did nothing. Another one may, or this one later.
    NotNow { reason: String },
    /// It was sent, and nobody knows what became of it.
    Unknown { reason: String },
    /// The answer is no.
    Refused(Status),
}

impl Session {
    /// A session with these members, in this order, of which each request may take so long.
    pub(crate) fn new(targets: Vec<Target>, timeout: Duration, dial_timeout: Duration) -> Self {
        assert!(!targets.is_empty(), "there is a member to ask");
        Self { targets, timeout, dial_timeout, patience: Patience::None }
    }

    /// The members.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// How long one request may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long a connection may take.
    pub(crate) fn dial_timeout(&self) -> Duration {
        self.dial_timeout
    }

    /// The same with one of the members alone.
    pub(crate) fn only(&self, target: &Target) -> Self {
        Self { targets: vec![target.clone()], ..self.clone() }
    }

    /// The same for what goes on for long: a time in which nobody answers passes.
    pub(crate) fn patient(&self) -> Self {
        Self { patience: Patience::UntilDeadline, ..self.clone() }
    }

    /// A connection to the first member that can be connected to, after this many that come later.
    pub(crate) async fn connect(&self, skipped: usize) -> Result<Channel, Failure> {
        let until = Instant::now() + self.timeout;
        let mut unreachable = Vec::new();
        for place in 0..self.targets.len() {
            let target = &self.targets[(place + skipped) % self.targets.len()];
            match self.dial(&target.url, until).await {
                Ok(channel) => return Ok(channel),
                Err(reason) => unreachable.push((&target.url, reason)),
            }
        }
        Err(nobody(&unreachable))
    }

    /// Has a request answered by the first member that can.
    pub(crate) async fn call<T, F>(
        &self,
        kind: Kind,
        request: impl Fn(Channel) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let deadline = Instant::now() + self.timeout;
        loop {
            let mut unreachable = Vec::new();
            let mut not_now = None;
            for (place, target) in self.targets.iter().enumerate() {
                let others = self.targets.len() - place - 1;
                let until = share_of(deadline, kind, others);
                match self.attempt(&target.url, kind, until, &request).await {
                    Ok(response) => return Ok(response),
                    Err(Miss::Unreachable { reason }) => unreachable.push((&target.url, reason)),
                    Err(Miss::NotNow { reason }) => not_now = Some(reason),
                    Err(Miss::Unknown { reason }) => return Err(unknown(&reason)),
                    Err(Miss::Refused(status)) => return Err(refused(&status)),
                }
            }
            if not_now.is_none() && self.patience == Patience::None {
                return Err(nobody(&unreachable));
            }
            if deadline <= Instant::now() + RETRY_PAUSE {
                return Err(match not_now {
                    Some(reason) => unavailable(&reason, self.timeout),
                    None => nobody(&unreachable),
                });
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt<T, F>(
        &self,
        url: &HttpUrl,
        kind: Kind,
        until: Instant,
        request: &impl Fn(Channel) -> F,
    ) -> Result<T, Miss>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let dialed = self.dial(url, until).await;
        let channel = dialed.map_err(|reason| Miss::Unreachable { reason })?;
        match timeout_at(until, request(channel)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(miss_of(kind, status)),
            Err(_) => Err(lost(kind, format!("{url} did not answer in time"))),
        }
    }

    async fn dial(&self, url: &HttpUrl, until: Instant) -> Result<Channel, String> {
        open_within(url, until.min(Instant::now() + self.dial_timeout)).await
    }
}

/// Until when one member is waited for.
fn share_of(deadline: Instant, kind: Kind, others: usize) -> Instant {
    let now = Instant::now();
    match kind {
        Kind::Read | Kind::Repeatable if 0 < others => {
            now + deadline.saturating_duration_since(now) / READ_SHARE
        }
        Kind::Read | Kind::Repeatable | Kind::Write => deadline,
    }
}

/// A connection to a member, or why there is none.
pub(crate) async fn open(url: &HttpUrl, until: Instant) -> Result<Channel, String> {
    open_within(url, until.min(Instant::now() + DIAL_TIMEOUT)).await
}

async fn open_within(url: &HttpUrl, until: Instant) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(url.to_string()).map_err(|error| root_cause(&error))?;
    match timeout_at(until, endpoint.tcp_nodelay(true).connect()).await {
        Ok(connected) => connected.map_err(|error| root_cause(&error)),
        Err(_) => Err("no connection in time".to_owned()),
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What an error status says about the request.
fn miss_of(kind: Kind, status: Status) -> Miss {
    // With these a member says that it has done nothing.
    let definite = [ApiError::NoLeader, ApiError::LeaderChanged, ApiError::TooManyRequests];
    if definite.iter().any(|error| error.text() == status.message()) {
        return Miss::NotNow { reason: status.message().to_owned() };
    }
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Internal => {
            lost(kind, status.message().to_owned())
        }
        // A transport that broke has no etcd text.
        Code::Unknown if !is_known(status.message()) => lost(kind, status.message().to_owned()),
        _ => Miss::Refused(status),
    }
}

fn is_known(text: &str) -> bool {
    ApiError::all().any(|error| error.text() == text)
}

fn lost(kind: Kind, reason: String) -> Miss {
    match kind {
        Kind::Read | Kind::Repeatable => Miss::NotNow { reason },
        Kind::Write => Miss::Unknown { reason },
    }
}

fn nobody(tried: &[(&HttpUrl, String)]) -> Failure {
    let tried: Vec<String> =
        tried.iter().map(|(url, reason)| format!("{}: {reason}", url.authority())).collect();
    Failure::new(
        Exit::Unavailable,
        format!(
            "no member can be reached ({}). Nothing was done. Is the cluster running? `quorate \
             demo` starts one; --endpoints names the members of another",
            tried.join("; ")
        ),
    )
}

fn unavailable(reason: &str, timeout: Duration) -> Failure {
    Failure::new(
        Exit::Unavailable,
        format!(
            "the cluster could not serve this within {timeout:?}: {reason}. Nothing was done. \
             Probably fewer than half of its members are running: start the others, or try again"
        ),
    )
}

fn unknown(reason: &str) -> Failure {
    Failure::new(
        Exit::Unknown,
        format!(
            "the outcome is unknown: the write may or may not have happened ({reason}). Look \
             with `quorate get` before you write again"
        ),
    )
}

/// The failure that a refusal is.
pub(crate) fn refused(status: &Status) -> Failure {
    let failure = Failure::error(status.message());
    match hints().into_iter().find(|(error, _)| error.text() == status.message()) {
        Some((_, hint)) => failure.with_advice(hint),
        None => failure,
    }
}

/// What to do about refusals that a command of ours can meet.
fn hints() -> [(ApiError, &'static str); 6] {
    [
        (ApiError::EmptyKey, "Name a key, or ask for all with --prefix \"\""),
        (ApiError::KeyNotFound, "Put it once without --ignore-value or --ignore-lease"),
        (ApiError::Compacted, "History is kept since the last compaction; read without --rev"),
        (ApiError::FutureRevision, "Read without --rev to see the newest"),
        (ApiError::LeaseNotFound, "`quorate lease list` names those that there are"),
        (ApiError::NoSpace, "Delete what is not needed, or raise --quota-backend-bytes"),
    ]
}

#[cfg(test)]
mod tests;
