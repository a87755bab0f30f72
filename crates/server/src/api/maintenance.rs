//! How a member is doing.

use std::pin::Pin;

use quorate_consensus::NodeId;
use quorate_etcdapi::error::ApiError;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_kv::{Alarm, AlarmAction, AlarmKind};
use quorate_replica::{ReadRequest, ReadResponse};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{reply, snapshot, unimplemented};
use crate::alarms;
use crate::client::{Client, Freshness};
use crate::version;

/// etcd's Maintenance service.
#[derive(Clone)]
pub(crate) struct MaintenanceService {
    client: Client,
}

impl MaintenanceService {
    /// The service of this node.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn answer_status(&self) -> Result<pb::StatusResponse, ApiError> {
        let status = self.client.status().await?;
        let figures = self.client.figures().await?;
        let file_bytes = self.client.file_bytes();
        let mut errors = Vec::new();
        if status.leader.is_none() {
            errors.push(ApiError::NoLeader.text().to_owned());
        }
        for Alarm { member, kind } in alarms::all(&self.client, &figures) {
            errors.push(format!("memberID:{member} alarm:{} ", alarms::name_of(kind)));
        }
        let responder = self.client.responder();
        Ok(pb::StatusResponse {
            header: Some(responder.header(figures.revision)),
            version: version::ETCD_VERSION.to_owned(),
            db_size: file_bytes,
            leader: status.leader.map_or(0, |node| node.0),
            raft_index: status.committed.0,
            raft_term: responder.raft_term.max(status.ballot.round),
            raft_applied_index: figures.applied.0,
            errors,
            db_size_in_use: figures.sizes.logical_bytes.cast_signed().min(file_bytes),
            is_learner: status.members.is_learner(status.node),
            storage_version: version::STORAGE_VERSION.to_owned(),
            db_size_quota: figures.sizes.quota_bytes.cast_signed(),
            downgrade_info: Some(pb::DowngradeInfo::default()),
        })
    }

    /// Filtered by kind alone, as in etcd.
    async fn list_alarms(&self, asked: pb::AlarmType) -> Result<pb::AlarmResponse, ApiError> {
        let figures = self.client.fresh_figures().await?;
        let alarms = alarms::all(&self.client, &figures);
        let wanted = kind_of(asked);
        let wanted =
            alarms.into_iter().filter(|alarm| wanted.is_none_or(|kind| kind == alarm.kind));
        Ok(self.alarm_response(figures.revision, wanted))
    }

    async fn set_alarm(
        &self,
        action: AlarmAction,
        request: &pb::AlarmRequest,
    ) -> Result<pb::AlarmResponse, ApiError> {
        let Some(kind) = kind_of(request.alarm()) else {
            // etcd takes it for a request about nothing.
            let figures = self.client.fresh_figures().await?;
            return Ok(self.alarm_response(figures.revision, None));
        };
        let alarm = Alarm { member: request.member_id, kind };
        let (revision, alarm) = self.client.set_alarm(action, alarm).await?;
        Ok(self.alarm_response(revision, alarm))
    }

    fn alarm_response(
        &self,
        revision: i64,
        alarms: impl IntoIterator<Item = Alarm>,
    ) -> pb::AlarmResponse {
        let alarms = alarms.into_iter().map(|alarm| pb::AlarmMember {
            member_id: alarm.member,
            alarm: match alarm.kind {
                AlarmKind::NoSpace => pb::AlarmType::Nospace.into(),
                AlarmKind::Corrupt => pb::AlarmType::Corrupt.into(),
            },
        });
        let header = Some(self.client.responder().header(revision));
        pb::AlarmResponse { header, alarms: alarms.collect() }
    }

    /// The hash over all that was ever applied: equal on members that have applied as much.
    async fn answer_hash(&self) -> Result<pb::HashResponse, ApiError> {
        let figures = self.client.figures().await?;
        let hash = figures.state_hash.0;
        Ok(pb::HashResponse {
            header: Some(self.client.responder().header(figures.revision)),
            // etcd's hash has 32 bits.
            hash: (hash ^ (hash >> 32) ^ (hash >> 64) ^ (hash >> 96)) as u32,
        })
    }

    async fn answer_hash_kv(
        &self,
        request: pb::HashKvRequest,
    ) -> Result<pb::HashKvResponse, ApiError> {
        let read = ReadRequest::Hash { revision: request.revision };
        match self.client.read(read, Freshness::Local).await? {
            ReadResponse::Hash(content) => {
                let figures = self.client.figures().await?;
                Ok(pb::HashKvResponse {
                    header: Some(self.client.responder().header(figures.revision)),
                    // etcd's hash has 32 bits.
                    hash: (content.hash.0 ^ (content.hash.0 >> 32)) as u32,
                    compact_revision: content.compact_revision,
                    hash_revision: content.hash_revision,
                })
            }
            other => unreachable!("to a hash: {other:?}"),
        }
    }
}

/// The kind that is meant, if one is.
fn kind_of(alarm: pb::AlarmType) -> Option<AlarmKind> {
    match alarm {
        pb::AlarmType::None => None,
        pb::AlarmType::Nospace => Some(AlarmKind::NoSpace),
        pb::AlarmType::Corrupt => Some(AlarmKind::Corrupt),
    }
}

#[tonic::async_trait]
impl pb::maintenance_server::Maintenance for MaintenanceService {
    async fn alarm(
        &self,
        request: Request<pb::AlarmRequest>,
    ) -> Result<Response<pb::AlarmResponse>, Status> {
        let request = request.into_inner();
        reply(match request.action() {
            pb::alarm_request::AlarmAction::Get => self.list_alarms(request.alarm()).await,
            pb::alarm_request::AlarmAction::Activate => {
                self.set_alarm(AlarmAction::Raise, &request).await
            }
            pb::alarm_request::AlarmAction::Deactivate => {
                self.set_alarm(AlarmAction::End, &request).await
            }
        })
    }

    async fn status(
        &self,
        _request: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::StatusResponse>, Status> {
        reply(self.answer_status().await)
    }

    async fn defragment(
        &self,
        _request: Request<pb::DefragmentRequest>,
    ) -> Result<Response<pb::DefragmentResponse>, Status> {
        // Space is given back while serving, so there is nothing to stop the world for.
        Ok(Response::new(pb::DefragmentResponse { header: None }))
    }

    async fn hash(
        &self,
        _request: Request<pb::HashRequest>,
    ) -> Result<Response<pb::HashResponse>, Status> {
        reply(self.answer_hash().await)
    }

    async fn hash_kv(
        &self,
        request: Request<pb::HashKvRequest>,
    ) -> Result<Response<pb::HashKvResponse>, Status> {
        reply(self.answer_hash_kv(request.into_inner()).await)
    }

    type SnapshotStream = Pin<Box<dyn Stream<Item = Result<pb::SnapshotResponse, Status>> + Send>>;

    async fn snapshot(
        &self,
        _request: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let blobs = snapshot::stream(&self.client).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(blobs))))
    }

    async fn move_leader(
        &self,
        request: Request<pb::MoveLeaderRequest>,
    ) -> Result<Response<pb::MoveLeaderResponse>, Status> {
        let to = NodeId(request.into_inner().target_id);
        reply(self.client.transfer(to).await.map(|()| pb::MoveLeaderResponse { header: None }))
    }

    async fn downgrade(
        &self,
        _request: Request<pb::DowngradeRequest>,
    ) -> Result<Response<pb::DowngradeResponse>, Status> {
        unimplemented("Downgrade")
    }
}
