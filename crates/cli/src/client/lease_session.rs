//! A lease that is kept alive as long as this process lives, for what is held through it.

use std::time::Duration;

use quorate_etcdapi::ApiError;
use quorate_etcdapi::etcdserverpb::lease_client::LeaseClient;
use quorate_etcdapi::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest,
};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::connect::{Kind, Session};
use crate::exit::{Exit, Failure};

/// The pause before the next member is asked for a renewal.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Renewals in one time to live: two may be lost.
const RENEWALS_PER_TTL: u32 = 3;

/// Renewals of leases, over a stream that is opened again when it breaks.
#[derive(Debug)]
pub(crate) struct Renewals {
    session: Session,
    stream: Option<Stream>,
    /// Members that are passed over: so many at first, and one for each stream that ended.
    skipped: usize,
}

#[derive(Debug)]
struct Stream {
    requests: Sender<LeaseKeepAliveRequest>,
    responses: Streaming<LeaseKeepAliveResponse>,
}

impl Renewals {
    /// Renewals, none of which was asked for yet. So many members come later in their turn.
    pub(crate) fn new(session: &Session, skipped: usize) -> Self {
        Self { session: session.clone(), stream: None, skipped }
    }

    /// Renews a lease once. A time to live of 0 or less says that the lease is gone.
    ///
    /// Members are asked in turn until the session's time is over.
    pub(crate) async fn renew(&mut self, id: i64) -> Result<LeaseKeepAliveResponse, Failure> {
        let deadline = Instant::now() + self.session.timeout();
        // One member of several may be silent, and must not use up the time of all.
        let share = self.session.timeout()
            / u32::try_from(self.session.targets().len().min(3)).expect("it is small");
        loop {
            let reason = match timeout(share, self.attempt(id)).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(reason)) => reason,
                Err(_) => "no answer in time".to_owned(),
            };
            self.stream = None;
            self.skipped += 1;
            if deadline <= Instant::now() + RETRY_PAUSE {
                let text = format!("the lease could not be renewed in time: {reason}");
                return Err(Failure::new(Exit::Unavailable, text));
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt(&mut self, id: i64) -> Result<LeaseKeepAliveResponse, String> {
        let request = LeaseKeepAliveRequest { id };
        let stream = match &mut self.stream {
            Some(stream) => {
                let sent = stream.requests.send(request).await;
                sent.map_err(|_| "the stream has ended".to_owned())?;
                stream
            }
            None => self.stream.insert(open(&self.session, self.skipped, request).await?),
        };
        match stream.responses.message().await.map_err(text)? {
            Some(response) => Ok(response),
            None => Err("the stream has ended".to_owned()),
        }
    }
}

/// Opens a stream with a first request: etcd answers nothing before it has one.
async fn open(
    session: &Session,
    skipped: usize,
    first: LeaseKeepAliveRequest,
) -> Result<Stream, String> {
    let connected = session.connect(skipped).await;
    let channel = connected.map_err(|failure| failure.message().to_owned())?;
    let (requests, sent) = mpsc::channel(1);
    requests.try_send(first).expect("nothing waits before it");
    let opened = LeaseClient::new(channel).lease_keep_alive(ReceiverStream::new(sent)).await;
    Ok(Stream { requests, responses: opened.map_err(text)?.into_inner() })
}

fn text(status: Status) -> String {
    status.message().to_owned()
}

/// A lease, and a task that renews it.
#[derive(Debug)]
pub(crate) struct LeaseSession {
    id: i64,
    renewing: JoinHandle<()>,
}

impl LeaseSession {
    /// Grants a lease of so many seconds, and begins to renew it.
    pub(crate) async fn grant(session: &Session, ttl: i64) -> Result<Self, Failure> {
        // If the answer is lost, a lease that nobody knows goes by itself.
        let send = |channel| async move {
            LeaseClient::new(channel).lease_grant(LeaseGrantRequest { ttl, id: 0 }).await
        };
        let granted = session.call(Kind::Repeatable, send).await?;
        let renewing = tokio::spawn(renew_until_gone(session.clone(), granted.id, granted.ttl));
        Ok(Self { id: granted.id, renewing })
    }

    /// The lease.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// Waits until the lease is gone, or must be taken for gone. May be waited for again if the
    /// wait was given up.
    pub(crate) async fn gone(&mut self) {
        // A task that has panicked renews no more either.
        let _ = (&mut self.renewing).await;
    }

    /// Ends the lease, and what was held through it.
    pub(crate) async fn revoke(self, session: &Session) -> Result<(), Failure> {
        self.renewing.abort();
        let id = self.id;
        let send = |channel| async move {
            LeaseClient::new(channel).lease_revoke(LeaseRevokeRequest { id }).await
        };
        match session.call(Kind::Repeatable, send).await {
            Err(failure) if failure.message() != ApiError::LeaseNotFound.text() => Err(failure),
            _ => Ok(()),
        }
    }
}

/// Ends when the lease is gone, or when nobody could be asked for as long as it lasts.
async fn renew_until_gone(session: Session, id: i64, ttl: i64) {
    let seconds = |ttl: i64| Duration::from_secs(ttl.max(1).cast_unsigned());
    let mut lasts = seconds(ttl);
    let mut renewals = Renewals::new(&session, 0);
    let mut until = Instant::now() + lasts;
    loop {
        sleep(lasts / RENEWALS_PER_TTL).await;
        let asked = Instant::now();
        match timeout_at(until, renew_patiently(&mut renewals, id)).await {
            Ok(response) if 0 < response.ttl => {
                lasts = seconds(response.ttl);
                until = asked + lasts;
            }
            Ok(_) | Err(_) => return,
        }
    }
}

async fn renew_patiently(renewals: &mut Renewals, id: i64) -> LeaseKeepAliveResponse {
    loop {
        if let Ok(response) = renewals.renew(id).await {
            return response;
        }
    }
}
