//! Who the members are.

use bytes::Bytes;
use quorate_consensus::NodeId;
use quorate_etcdapi::error::ApiError;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_replica::ReadRequest;
use tonic::{Request, Response, Status};

use super::{reply, unimplemented};
use crate::client::{Client, Freshness};
use crate::member::{MemberAttributes, MemberDetails};

/// etcd's Cluster service.
#[derive(Clone)]
pub(crate) struct ClusterService {
    client: Client,
}

impl ClusterService {
    /// The service of this node.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn answer_list(
        &self,
        request: pb::MemberListRequest,
    ) -> Result<pb::MemberListResponse, ApiError> {
        if request.linearizable {
            self.client.read(ReadRequest::Revision, Freshness::Linearizable).await?;
        }
        let figures = self.client.figures().await?;
        let members = self.client.members().details.iter().map(|(node, details)| {
            let attributes = figures.attributes.get(&node.0).cloned();
            self.member(*node, details.clone(), attributes)
        });
        Ok(pb::MemberListResponse {
            header: Some(self.client.responder().header(0)),
            members: members.collect(),
        })
    }

    /// A member that never started has no name and no client URLs, as in etcd.
    fn member(&self, node: NodeId, details: Bytes, attributes: Option<Bytes>) -> pb::Member {
        let details = MemberDetails::decode(details).expect("the log's details were encoded here");
        let attributes = attributes
            .and_then(|attributes| MemberAttributes::decode(attributes).ok())
            .unwrap_or_default();
        pb::Member {
            id: node.0,
            name: attributes.name,
            peer_ur_ls: details.peer_urls.iter().map(ToString::to_string).collect(),
            client_ur_ls: attributes.client_urls.iter().map(ToString::to_string).collect(),
            is_learner: self.client.members().is_learner(node),
        }
    }
}

#[tonic::async_trait]
impl pb::cluster_server::Cluster for ClusterService {
    async fn member_add(
        &self,
        _request: Request<pb::MemberAddRequest>,
    ) -> Result<Response<pb::MemberAddResponse>, Status> {
        unimplemented("changing the members")
    }

    async fn member_remove(
        &self,
        _request: Request<pb::MemberRemoveRequest>,
    ) -> Result<Response<pb::MemberRemoveResponse>, Status> {
        unimplemented("changing the members")
    }

    async fn member_update(
        &self,
        _request: Request<pb::MemberUpdateRequest>,
    ) -> Result<Response<pb::MemberUpdateResponse>, Status> {
        unimplemented("changing the members")
    }

    async fn member_list(
        &self,
        request: Request<pb::MemberListRequest>,
    ) -> Result<Response<pb::MemberListResponse>, Status> {
        reply(self.answer_list(request.into_inner()).await)
    }

    async fn member_promote(
        &self,
        _request: Request<pb::MemberPromoteRequest>,
    ) -> Result<Response<pb::MemberPromoteResponse>, Status> {
        unimplemented("changing the members")
    }
}
