//! Elections: whoever is first in line leads, and its key holds what it proclaims.

use std::pin::Pin;

use bytes::Bytes;
use quorate_etcdapi::{ApiError, etcdserverpb, v3electionpb as pb};
use quorate_kv as kv;
use quorate_kv::{LeaseId, RequestOp};
use quorate_replica::{ReadRequest, ReadResponse};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::line::{Lines, OWN_LEASE_SECONDS, Place, first_created, is_created, prefix_of, removal};
use super::observe::Observer;
use super::reply_embedded;
use crate::client::Freshness;

/// etcd's Election service.
#[derive(Clone)]
pub(crate) struct ElectionService {
    lines: Lines,
}

impl ElectionService {
    /// The service of this node.
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines }
    }

    /// The header tells when the line was entered, as etcd's does, not when one came first.
    async fn answer_campaign(
        &self,
        request: pb::CampaignRequest,
    ) -> Result<pb::CampaignResponse, ApiError> {
        let (name, lease) = (request.name, LeaseId(request.lease));
        let mut place = self.lines.enter(&name, lease, request.value.clone()).await?;
        if place.found.as_ref().is_some_and(|found| *found != request.value) {
            self.proclaim(place.key().clone(), place.created(), place.lease, request.value).await?;
        }
        place.wait().await.map_err(as_of_an_election)?;
        let header = self.header(place.revision);
        let leader = leader_key(name, &place);
        place.keep();
        Ok(pb::CampaignResponse { header: Some(header), leader: Some(leader) })
    }

    /// A leader key without a lease gets one that the server grants, as in etcd.
    async fn answer_proclaim(
        &self,
        request: pb::ProclaimRequest,
    ) -> Result<pb::ProclaimResponse, ApiError> {
        let leader = request.leader.ok_or(ApiError::ElectionLeaderMissing)?;
        let client = self.lines.client();
        let mut lease = LeaseId(leader.lease);
        if lease == LeaseId::NONE {
            lease = client.grant(LeaseId::NONE, OWN_LEASE_SECONDS).await?.id;
        }
        let proclaimed = self.proclaim(leader.key, leader.rev, lease, request.value).await;
        if proclaimed.is_err() && leader.lease == 0 {
            // Nothing is attached to it; it would end by itself.
            let _ = client.revoke(lease).await;
        }
        Ok(pb::ProclaimResponse { header: Some(self.header(proclaimed?)) })
    }

    /// Puts a value into the key of one's place, and tells the revision.
    async fn proclaim(
        &self,
        key: Bytes,
        created: i64,
        lease: LeaseId,
        value: Bytes,
    ) -> Result<i64, ApiError> {
        let put = kv::PutRequest { key: key.clone(), value, lease, ..kv::PutRequest::default() };
        let txn = kv::TxnRequest {
            compares: vec![is_created(key, created)],
            success: vec![RequestOp::Put(put)],
            failure: Vec::new(),
        };
        let response = self.lines.client().transact(txn).await?;
        if response.succeeded { Ok(response.revision) } else { Err(ApiError::ElectionNotLeader) }
    }

    async fn answer_leader(
        &self,
        request: pb::LeaderRequest,
    ) -> Result<pb::LeaderResponse, ApiError> {
        let range = first_created(&prefix_of(&request.name));
        let read = ReadRequest::Range(range);
        match self.lines.client().read(read, Freshness::Linearizable).await? {
            ReadResponse::Range(range) => {
                let header = Some(self.header(range.revision));
                let leader = range.kvs.into_iter().next().ok_or(ApiError::ElectionNoLeader)?;
                Ok(pb::LeaderResponse { header, kv: Some(leader.into()) })
            }
            other => unreachable!("to a range: {other:?}"),
        }
    }

    /// Who does not lead has nothing to resign from, and succeeds, as in etcd.
    async fn answer_resign(
        &self,
        request: pb::ResignRequest,
    ) -> Result<pb::ResignResponse, ApiError> {
        let leader = request.leader.ok_or(ApiError::ElectionLeaderMissing)?;
        let resigned = self.lines.client().transact(removal(leader.key, leader.rev)).await?;
        Ok(pb::ResignResponse { header: Some(self.header(resigned.revision)) })
    }

    fn header(&self, revision: i64) -> etcdserverpb::ResponseHeader {
        self.lines.client().responder().header(revision)
    }
}

fn leader_key(name: Bytes, place: &Place) -> pb::LeaderKey {
    pb::LeaderKey { name, key: place.key().clone(), rev: place.created(), lease: place.lease.0 }
}

/// etcd tells a candidate whose key is gone that it leads; here it is told that it does not.
fn as_of_an_election(error: ApiError) -> ApiError {
    match error {
        ApiError::LockSessionExpired => ApiError::ElectionNotLeader,
        other => other,
    }
}

#[tonic::async_trait]
impl pb::election_server::Election for ElectionService {
    async fn campaign(
        &self,
        request: Request<pb::CampaignRequest>,
    ) -> Result<Response<pb::CampaignResponse>, Status> {
        reply_embedded(self.answer_campaign(request.into_inner()).await)
    }

    async fn proclaim(
        &self,
        request: Request<pb::ProclaimRequest>,
    ) -> Result<Response<pb::ProclaimResponse>, Status> {
        reply_embedded(self.answer_proclaim(request.into_inner()).await)
    }

    async fn leader(
        &self,
        request: Request<pb::LeaderRequest>,
    ) -> Result<Response<pb::LeaderResponse>, Status> {
        reply_embedded(self.answer_leader(request.into_inner()).await)
    }

    type ObserveStream = Pin<Box<dyn Stream<Item = Result<pb::LeaderResponse, Status>> + Send>>;

    async fn observe(
        &self,
        request: Request<pb::LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let observed = Observer::begin(&self.lines, &request.into_inner().name);
        reply_embedded(observed.map(|leaders| Box::pin(leaders) as Self::ObserveStream))
    }

    async fn resign(
        &self,
        request: Request<pb::ResignRequest>,
    ) -> Result<Response<pb::ResignResponse>, Status> {
        reply_embedded(self.answer_resign(request.into_inner()).await)
    }
}
