//! Leases: what keys can be attached to, and end with.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use quorate_etcdapi::ApiError;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_kv::{LeaseId, LeaseKeys};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::reply;
use crate::client::Client;
use crate::server::told_to_stop;

/// Renewals of one stream that are under way at a time. Beyond these its requests wait.
const RENEWALS_MAX: usize = 1_000;

/// etcd's Lease service.
#[derive(Clone)]
pub(crate) struct LeaseService {
    client: Client,
    stopped: watch::Receiver<bool>,
}

impl LeaseService {
    /// The service of this node, whose streams end when the server stops.
    pub(crate) fn new(client: Client, stopped: watch::Receiver<bool>) -> Self {
        Self { client, stopped }
    }

    async fn answer_grant(
        &self,
        request: pb::LeaseGrantRequest,
    ) -> Result<pb::LeaseGrantResponse, ApiError> {
        let granted = self.client.grant(LeaseId(request.id), request.ttl).await?;
        Ok(self.client.responder().lease_grant(granted))
    }

    async fn answer_revoke(
        &self,
        request: pb::LeaseRevokeRequest,
    ) -> Result<pb::LeaseRevokeResponse, ApiError> {
        let revoked = self.client.revoke(LeaseId(request.id)).await?;
        Ok(self.client.responder().lease_revoke(revoked))
    }

    async fn answer_time_to_live(
        &self,
        request: pb::LeaseTimeToLiveRequest,
    ) -> Result<pb::LeaseTimeToLiveResponse, ApiError> {
        let keys = if request.keys { LeaseKeys::Listed } else { LeaseKeys::Omitted };
        let lease = self.client.time_to_live(LeaseId(request.id), keys).await?;
        Ok(self.client.responder().lease_time_to_live(lease))
    }

    async fn answer_leases(&self) -> Result<pb::LeaseLeasesResponse, ApiError> {
        let leases = self.client.leases().await?;
        Ok(self.client.responder().lease_leases(leases))
    }

    /// Renewals under way overtake each other; their answers do not. No task is spawned, and none
    /// of this outlives the client's stream.
    fn keep_alive(&self, requests: Streaming<pb::LeaseKeepAliveRequest>) -> Result<Told, ApiError> {
        let permit = self.client.admit_stream()?;
        let client = self.client.clone();
        let answers = requests.map(move |request| {
            let client = client.clone();
            async move { answer_keep_alive(&client, request?).await.map_err(Status::from) }
        });
        let mut stopped = self.stopped.clone();
        Ok(Told {
            answers: Box::pin(answers.buffered(RENEWALS_MAX)),
            stopped: Box::pin(async move { told_to_stop(&mut stopped).await }),
            _permit: permit,
        })
    }
}

async fn answer_keep_alive(
    client: &Client,
    request: pb::LeaseKeepAliveRequest,
) -> Result<pb::LeaseKeepAliveResponse, ApiError> {
    let id = LeaseId(request.id);
    let kept = client.keep_alive_patiently(id).await?;
    Ok(client.responder().lease_keep_alive(kept.revision, id, kept.ttl))
}

/// What a stream of renewals is told, until the client goes or the server stops.
pub(crate) struct Told {
    answers: Pin<Box<dyn Stream<Item = Answer> + Send>>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// One request under way, as long as the stream is open.
    _permit: OwnedSemaphorePermit,
}

type Answer = Result<pb::LeaseKeepAliveResponse, Status>;

impl Stream for Told {
    type Item = Answer;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Answer>> {
        let it = self.get_mut();
        if it.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(ApiError::Stopped.into())));
        }
        it.answers.as_mut().poll_next(context)
    }
}

#[tonic::async_trait]
impl pb::lease_server::Lease for LeaseService {
    async fn lease_grant(
        &self,
        request: Request<pb::LeaseGrantRequest>,
    ) -> Result<Response<pb::LeaseGrantResponse>, Status> {
        reply(self.answer_grant(request.into_inner()).await)
    }

    async fn lease_revoke(
        &self,
        request: Request<pb::LeaseRevokeRequest>,
    ) -> Result<Response<pb::LeaseRevokeResponse>, Status> {
        reply(self.answer_revoke(request.into_inner()).await)
    }

    type LeaseKeepAliveStream = Told;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Response<Told>, Status> {
        reply(self.keep_alive(request.into_inner()))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<pb::LeaseTimeToLiveRequest>,
    ) -> Result<Response<pb::LeaseTimeToLiveResponse>, Status> {
        reply(self.answer_time_to_live(request.into_inner()).await)
    }

    async fn lease_leases(
        &self,
        _request: Request<pb::LeaseLeasesRequest>,
    ) -> Result<Response<pb::LeaseLeasesResponse>, Status> {
        reply(self.answer_leases().await)
    }
}
