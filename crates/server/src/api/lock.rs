//! Locks: whoever is first in line holds the lock. See docs/locks.md for what that promises.

use bytes::Bytes;
use quorate_etcdapi::ApiError;
use quorate_etcdapi::v3lockpb as pb;
use quorate_kv as kv;
use quorate_kv::{Command, LeaseId};
use tonic::{Request, Response, Status};

use super::line::Lines;
use super::reply_embedded;

/// etcd's Lock service.
#[derive(Clone)]
pub(crate) struct LockService {
    lines: Lines,
}

impl LockService {
    /// The service of this node.
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines }
    }

    async fn answer_lock(&self, request: pb::LockRequest) -> Result<pb::LockResponse, ApiError> {
        let lease = LeaseId(request.lease);
        let mut place = self.lines.enter(&request.name, lease, Bytes::new()).await?;
        let revision = place.wait().await?;
        let header = self.lines.client().responder().header(revision);
        Ok(pb::LockResponse { header: Some(header), key: place.keep() })
    }

    /// Whose key it is does not matter, nor whether it is there.
    async fn answer_unlock(
        &self,
        request: pb::UnlockRequest,
    ) -> Result<pb::UnlockResponse, ApiError> {
        let delete = kv::DeleteRangeRequest { key: request.key, ..Default::default() };
        let client = self.lines.client();
        match client.write_valid(Command::DeleteRange(delete)).await? {
            kv::Response::DeleteRange(deleted) => {
                let header = client.responder().header(deleted.revision);
                Ok(pb::UnlockResponse { header: Some(header) })
            }
            other => unreachable!("to a delete: {other:?}"),
        }
    }
}

#[tonic::async_trait]
impl pb::lock_server::Lock for LockService {
    async fn lock(
        &self,
        request: Request<pb::LockRequest>,
    ) -> Result<Response<pb::LockResponse>, Status> {
        reply_embedded(self.answer_lock(request.into_inner()).await)
    }

    async fn unlock(
        &self,
        request: Request<pb::UnlockRequest>,
    ) -> Result<Response<pb::UnlockResponse>, Status> {
        reply_embedded(self.answer_unlock(request.into_inner()).await)
    }
}
