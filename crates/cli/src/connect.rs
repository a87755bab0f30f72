//! How client commands reach a member: the first endpoint that answers, within one deadline.
//!
//! Trying again is safe as long as nothing was done: when no connection was made, when a member
//! said so definitely, and for reads in any case. A write that was sent and not answered is never
//! sent again: its outcome is unknown, and is reported so.

mod failures;

use std::future::Future;
use std::time::Duration;

use quorate_etcdapi::ApiError;
use quorate_server::HttpUrl;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

pub(crate) use failures::{Unreached, nobody, refused};

use crate::client_flags::Target;
use crate::diagnose::{self, Foreign};
use crate::exit::Failure;

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
    /// No connection to a member, so nothing was done.
    Unreached(Unreached),
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
        let mut unreached = Vec::new();
        for place in 0..self.targets.len() {
            let target = &self.targets[(place + skipped) % self.targets.len()];
            match self.dial(&target.url, until).await {
                Ok(channel) => return Ok(channel),
                Err(why) => unreached.push((target.url.clone(), why)),
            }
        }
        Err(nobody(&unreached))
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
            let mut unreached = Vec::new();
            let mut not_now = None;
            for (place, target) in self.targets.iter().enumerate() {
                let others = self.targets.len() - place - 1;
                let until = share_of(deadline, kind, others);
                match self.attempt(&target.url, kind, until, &request).await {
                    Ok(response) => return Ok(response),
                    Err(Miss::Unreached(why)) => unreached.push((target.url.clone(), why)),
                    Err(Miss::NotNow { reason }) => not_now = Some(reason),
                    Err(Miss::Unknown { reason }) => {
                        return Err(failures::unknown(&reason, self).await);
                    }
                    Err(Miss::Refused(status)) => return Err(refused(&status)),
                }
            }
            if not_now.is_none() && self.patience == Patience::None {
                return Err(nobody(&unreached));
            }
            if deadline <= Instant::now() + RETRY_PAUSE {
                return Err(match not_now {
                    Some(reason) => failures::unavailable(&reason, self).await,
                    None => nobody(&unreached),
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
        let channel = self.dial(url, until).await.map_err(Miss::Unreached)?;
        match timeout_at(until, request(channel)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => match foreign(url, &status).await {
                // What hangs up may have passed on what came before.
                Some(Foreign::HangsUp) if kind == Kind::Write => {
                    Err(lost(kind, format!("{}: {}", url.authority(), Foreign::HangsUp)))
                }
                Some(foreign) => Err(Miss::Unreached(Unreached::Foreign(foreign))),
                None => Err(miss_of(kind, status)),
            },
            Err(_) => Err(lost(kind, format!("{} did not answer in time", url.authority()))),
        }
    }

    async fn dial(&self, url: &HttpUrl, until: Instant) -> Result<Channel, Unreached> {
        open_within(url, until.min(Instant::now() + self.dial_timeout)).await
    }
}

/// What listens there instead of a member, if the connection broke because of that.
async fn foreign(url: &HttpUrl, status: &Status) -> Option<Foreign> {
    if let Some(refusal) = http_refusal(status) {
        return Some(Foreign::NoGrpc(refusal));
    }
    // What a server answered has no cause on this side.
    std::error::Error::source(status)?;
    diagnose::foreign(url).await
}

/// The status of a server of HTTP/2 without gRPC, if with it nothing was done.
fn http_refusal(status: &Status) -> Option<u16> {
    /// How tonic names them.
    const BEGIN: &str = "grpc-status header missing, mapped from HTTP status code ";
    let code = status.message().strip_prefix(BEGIN)?.split_whitespace().next()?.parse().ok()?;
    // With 408 and 429 somebody in between may have passed the request on before.
    matches!(code, 400..=407 | 409..=428 | 430..=499).then_some(code)
}

/// Why a member did not answer, where that is all there is to say.
pub(crate) async fn unreached(url: &HttpUrl, status: &Status) -> Unreached {
    match foreign(url, status).await {
        Some(foreign) => Unreached::Foreign(foreign),
        None => Unreached::Other(status.message().to_owned()),
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
pub(crate) async fn open(url: &HttpUrl, until: Instant) -> Result<Channel, Unreached> {
    open_within(url, until.min(Instant::now() + DIAL_TIMEOUT)).await
}

async fn open_within(url: &HttpUrl, until: Instant) -> Result<Channel, Unreached> {
    let endpoint = Endpoint::from_shared(url.to_string()).map_err(|error| Unreached::of(&error))?;
    match timeout_at(until, endpoint.tcp_nodelay(true).connect()).await {
        Ok(connected) => connected.map_err(|error| Unreached::of(&error)),
        Err(_) => Err(Unreached::Late),
    }
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

#[cfg(test)]
mod tests;
