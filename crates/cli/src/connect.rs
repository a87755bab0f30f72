//! How client commands reach a member: the first endpoint that answers, within one deadline.
//!
//! Trying again is safe as long as nothing was done: when no connection was made, when a member
//! said so definitely, and for reads in any case. A write that was sent and not answered is never
//! sent again: its outcome is unknown, and is reported so.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use quorate_etcdapi::ApiError;
use quorate_server::{HttpUrl, UrlError};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::exit::{Exit, Failure};

/// Where a member serves clients unless it is told otherwise.
const ENDPOINT_DEFAULT: &str = "127.0.0.1:2379";

/// The variable for `--endpoints`, which etcdctl reads too.
const ENDPOINTS_VARIABLE: &str = "ETCDCTL_ENDPOINTS";

/// How `--endpoints` is explained.
const ENDPOINTS_HELP: &str = "\
Members to ask, in this order, as HOST:PORT,...
[env: ETCDCTL_ENDPOINTS] [default: 127.0.0.1:2379]";

/// Longest wait for a connection to one member, etcdctl's `--dial-timeout`.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before all endpoints are asked once more.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Most of the deadline that a read gives to one member while others are left to ask.
const READ_SHARE: u32 = 3;

/// What is common to all client commands.
#[derive(Args, Clone, Debug)]
pub(crate) struct ClientFlags {
    /// The members to ask, in this order.
    #[arg(long, value_name = "LIST", help = ENDPOINTS_HELP)]
    endpoints: Option<Endpoints>,
    /// How long to wait for an answer, such as 500ms or 1m30s
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    command_timeout: Timeout,
}

impl ClientFlags {
    /// What the flags and the environment say. A flag outweighs its variable.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let endpoints = match &self.endpoints {
            Some(endpoints) => endpoints.clone(),
            None => endpoints_of_environment()?,
        };
        Ok(Session { endpoints: endpoints.0, timeout: self.command_timeout.0 })
    }
}

fn endpoints_of_environment() -> Result<Endpoints, Failure> {
    let value = std::env::var(ENDPOINTS_VARIABLE).unwrap_or_default();
    let list = if value.is_empty() { ENDPOINT_DEFAULT } else { &value };
    list.parse().map_err(|error| {
        Failure::usage(format!("{error} (from the environment: {ENDPOINTS_VARIABLE})"))
    })
}

/// Addresses as etcdctl takes them, with or without `http://`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoints(Vec<HttpUrl>);

impl FromStr for Endpoints {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = |part: &str| {
            let part = part.trim();
            if part.contains("://") { part.parse() } else { format!("http://{part}").parse() }
        };
        text.split(',').map(url).collect::<Result<_, _>>().map(Self)
    }
}

/// A duration as Go writes it: `5s`, `1m30s`, `1.5h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Duration);

/// Go's units, with their seconds; those that end in `s` before `s` itself.
const UNITS: [(&str, f64); 6] =
    [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];

impl FromStr for Timeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MALFORMED: &str = "write it with a unit, such as 500ms, 5s or 1m30s";
        let mut rest = text;
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(MALFORMED)?;
            let (number, tail) = rest.split_at(end);
            let (unit, scale) =
                UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or(MALFORMED)?;
            seconds += number.parse::<f64>().map_err(|_| MALFORMED)? * scale;
            rest = &tail[unit.len()..];
        }
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| MALFORMED)?;
        if duration.is_zero() { Err("it must be more than nothing") } else { Ok(Self(duration)) }
    }
}

/// Whether a request that was sent and not answered may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No.
    Read,
    /// Yes.
    Write,
}

/// The members to ask, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    endpoints: Vec<HttpUrl>,
    timeout: Duration,
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
            for (place, url) in self.endpoints.iter().enumerate() {
                let others = self.endpoints.len() - place - 1;
                let until = share_of(deadline, kind, others);
                match attempt(url, kind, until, &request).await {
                    Ok(response) => return Ok(response),
                    Err(Miss::Unreachable { reason }) => unreachable.push((url, reason)),
                    Err(Miss::NotNow { reason }) => not_now = Some(reason),
                    Err(Miss::Unknown { reason }) => return Err(unknown(&reason)),
                    Err(Miss::Refused(status)) => return Err(refused(&status)),
                }
            }
            let Some(reason) = not_now else { return Err(nobody(&unreachable)) };
            if deadline <= Instant::now() + RETRY_PAUSE {
                return Err(unavailable(&reason, self.timeout));
            }
            sleep(RETRY_PAUSE).await;
        }
    }
}

/// Until when one member is waited for.
fn share_of(deadline: Instant, kind: Kind, others: usize) -> Instant {
    let now = Instant::now();
    match kind {
        Kind::Read if 0 < others => now + deadline.saturating_duration_since(now) / READ_SHARE,
        Kind::Read | Kind::Write => deadline,
    }
}

async fn attempt<T, F>(
    url: &HttpUrl,
    kind: Kind,
    until: Instant,
    request: &impl Fn(Channel) -> F,
) -> Result<T, Miss>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let channel = dial(url, until).await?;
    match timeout_at(until, request(channel)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(miss_of(kind, status)),
        Err(_) => Err(lost(kind, format!("{url} did not answer in time"))),
    }
}

/// A connection to a member, or why there is none.
pub(crate) async fn open(url: &HttpUrl, until: Instant) -> Result<Channel, String> {
    let until = until.min(Instant::now() + DIAL_TIMEOUT);
    let endpoint = Endpoint::from_shared(url.to_string()).map_err(|error| root_cause(&error))?;
    match timeout_at(until, endpoint.tcp_nodelay(true).connect()).await {
        Ok(connected) => connected.map_err(|error| root_cause(&error)),
        Err(_) => Err("no connection in time".to_owned()),
    }
}

async fn dial(url: &HttpUrl, until: Instant) -> Result<Channel, Miss> {
    open(url, until).await.map_err(|reason| Miss::Unreachable { reason })
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
        Kind::Read => Miss::NotNow { reason },
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

fn refused(status: &Status) -> Failure {
    let hint = hints().into_iter().find(|(error, _)| error.text() == status.message());
    match hint {
        Some((_, hint)) => Failure::error(format!("{}. {hint}", status.message())),
        None => Failure::error(status.message()),
    }
}

/// What to do about refusals that a command of ours can meet.
fn hints() -> [(ApiError, &'static str); 5] {
    [
        (ApiError::EmptyKey, "Name a key, or ask for all with --prefix \"\""),
        (ApiError::KeyNotFound, "Put it once without --ignore-value or --ignore-lease"),
        (ApiError::Compacted, "History is kept since the last compaction; read without --rev"),
        (ApiError::FutureRevision, "Read without --rev to see the newest"),
        (ApiError::NoSpace, "Delete what is not needed, or raise --quota-backend-bytes"),
    ]
}

#[cfg(test)]
mod tests;
