//! The reads and writes of keys.

use std::pin::Pin;

use prost::Message;
use quorate_etcdapi::check_txn;
use quorate_etcdapi::error::ApiError;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_kv as kv;
use quorate_kv::{Command, Response as Answer, validate};
use quorate_replica::{ReadRequest, ReadResponse};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{range_stream, reply};
use crate::client::{Client, Freshness};

/// What a range in another order is told: a client asks with `Range` then.
const NOT_STREAMABLE: &str =
    "etcdserver: only a range in key order without revision bounds can be streamed";

/// etcd's KV service.
#[derive(Clone)]
pub(crate) struct KvService {
    client: Client,
    limits: kv::Limits,
}

impl KvService {
    /// The service of this node.
    pub(crate) fn new(client: Client) -> Self {
        let limits = client.config().limits();
        Self { client, limits }
    }

    async fn answer_range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse, ApiError> {
        let range = kv::RangeRequest::try_from(request)?;
        kv::validate_range(&range, &self.limits)?;
        let freshness = freshness(range.serializable);
        match self.client.read(ReadRequest::Range(range), freshness).await? {
            ReadResponse::Range(response) => Ok(self.client.responder().range(response)),
            other => unreachable!("to a range: {other:?}"),
        }
    }

    async fn answer_put(&self, request: pb::PutRequest) -> Result<pb::PutResponse, ApiError> {
        self.check_size(&request)?;
        match self.apply(Command::Put(request.into())).await? {
            Answer::Put(response) => Ok(self.client.responder().put(response)),
            other => unreachable!("to a put: {other:?}"),
        }
    }

    async fn answer_delete(
        &self,
        request: pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, ApiError> {
        self.check_size(&request)?;
        match self.apply(Command::DeleteRange(request.into())).await? {
            Answer::DeleteRange(response) => Ok(self.client.responder().delete_range(response)),
            other => unreachable!("to a delete: {other:?}"),
        }
    }

    async fn answer_txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse, ApiError> {
        self.check_size(&request)?;
        check_txn(&request, self.limits.txn_ops_max)?;
        let txn = kv::TxnRequest::try_from(request)?;
        kv::validate_txn(&txn, &self.limits, &kv::Strict)?;
        if txn.is_read_only() {
            return self.read_txn(txn).await;
        }
        match self.client.write(&Command::Txn(txn)).await? {
            Answer::Txn(response) => Ok(self.client.responder().txn(response)),
            other => unreachable!("to a transaction: {other:?}"),
        }
    }

    /// A transaction that cannot write is not logged.
    async fn read_txn(&self, txn: kv::TxnRequest) -> Result<pb::TxnResponse, ApiError> {
        let freshness = freshness(txn.is_serializable());
        match self.client.read(ReadRequest::Txn(txn), freshness).await? {
            ReadResponse::Txn(response) => Ok(self.client.responder().txn(response)),
            other => unreachable!("to a transaction: {other:?}"),
        }
    }

    async fn answer_compact(
        &self,
        request: pb::CompactionRequest,
    ) -> Result<pb::CompactionResponse, ApiError> {
        match self.apply(Command::Compact(request.into())).await? {
            Answer::Compact(response) => Ok(self.client.responder().compact(response)),
            other => unreachable!("to a compaction: {other:?}"),
        }
    }

    async fn apply(&self, command: Command) -> Result<Answer, ApiError> {
        validate(&command, &self.limits)?;
        self.client.write(&command).await
    }

    fn check_size(&self, request: &impl Message) -> Result<(), ApiError> {
        if self.limits.request_bytes_max < request.encoded_len() {
            return Err(ApiError::RequestTooLarge);
        }
        Ok(())
    }
}

fn freshness(is_serializable: bool) -> Freshness {
    if is_serializable { Freshness::Local } else { Freshness::Linearizable }
}

#[tonic::async_trait]
impl pb::kv_server::Kv for KvService {
    async fn range(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<pb::RangeResponse>, Status> {
        reply(self.answer_range(request.into_inner()).await)
    }

    type RangeStreamStream =
        Pin<Box<dyn Stream<Item = Result<pb::RangeStreamResponse, Status>> + Send>>;

    async fn range_stream(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let range = kv::RangeRequest::try_from(request.into_inner())?;
        kv::validate_range(&range, &self.limits).map_err(ApiError::from)?;
        if !range.is_streamable() {
            return Err(Status::unimplemented(NOT_STREAMABLE));
        }
        let stream = self.client.begin_range(range).await?;
        let chunks = range_stream::chunks(stream, self.client.responder());
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks))))
    }

    async fn put(
        &self,
        request: Request<pb::PutRequest>,
    ) -> Result<Response<pb::PutResponse>, Status> {
        reply(self.answer_put(request.into_inner()).await)
    }

    async fn delete_range(
        &self,
        request: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        reply(self.answer_delete(request.into_inner()).await)
    }

    async fn txn(
        &self,
        request: Request<pb::TxnRequest>,
    ) -> Result<Response<pb::TxnResponse>, Status> {
        reply(self.answer_txn(request.into_inner()).await)
    }

    async fn compact(
        &self,
        request: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        reply(self.answer_compact(request.into_inner()).await)
    }
}
