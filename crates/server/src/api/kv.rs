//! The reads and writes of keys.

use std::pin::Pin;

use bytes::{BufMut, Bytes, BytesMut};
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
use crate::admission::HeldUntilSent;
use crate::client::{Client, Freshness};
use crate::waiter::Held;

/// What a range in another order is told: a client asks with `Range` then.
const NOT_STREAMABLE: &str =
    "etcdserver: only a range in key order without revision bounds can be streamed";

/// Before each message: whether it is compressed, and its length.
const FRAME_PREFIX_BYTES: usize = 5;

/// The longest answer that is written where it is asked for.
const ENCODED_AT_ONCE_MAX: usize = 64 << 10;

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

    /// Answers a request with all of the message that its client is sent.
    pub(crate) async fn answer(&self, request: KeyRequest) -> Told<Bytes> {
        match request {
            KeyRequest::Range(range) => framed(self.answer_range(range).await?).await,
            KeyRequest::Put(put) => framed(self.answer_put(put).await?).await,
            KeyRequest::DeleteRange(delete) => framed(self.answer_delete(delete).await?).await,
            KeyRequest::Txn(txn) => framed(self.answer_txn(txn).await?).await,
        }
    }

    async fn answer_range(&self, request: pb::RangeRequest) -> Told<pb::RangeResponse> {
        let range = kv::RangeRequest::try_from(request)?;
        kv::validate_range(&range, &self.limits)?;
        let freshness = freshness(range.serializable);
        let held = self.client.read_held(ReadRequest::Range(range), freshness).await?;
        Ok(held.map(|answer| match answer {
            ReadResponse::Range(response) => self.client.responder().range(response),
            other => unreachable!("to a range: {other:?}"),
        }))
    }

    async fn answer_put(&self, request: pb::PutRequest) -> Told<pb::PutResponse> {
        self.check_size(&request)?;
        let held = self.apply(Command::Put(request.into())).await?;
        Ok(held.map(|answer| match answer {
            Answer::Put(response) => self.client.responder().put(response),
            other => unreachable!("to a put: {other:?}"),
        }))
    }

    async fn answer_delete(
        &self,
        request: pb::DeleteRangeRequest,
    ) -> Told<pb::DeleteRangeResponse> {
        self.check_size(&request)?;
        let held = self.apply(Command::DeleteRange(request.into())).await?;
        Ok(held.map(|answer| match answer {
            Answer::DeleteRange(response) => self.client.responder().delete_range(response),
            other => unreachable!("to a delete: {other:?}"),
        }))
    }

    async fn answer_txn(&self, request: pb::TxnRequest) -> Told<pb::TxnResponse> {
        self.check_size(&request)?;
        check_txn(&request, self.limits.txn_ops_max)?;
        let txn = kv::TxnRequest::try_from(request)?;
        kv::validate_txn(&txn, &self.limits, &kv::Strict)?;
        if txn.is_read_only() {
            return self.read_txn(txn).await;
        }
        let held = self.client.write_held(Command::Txn(txn)).await?;
        Ok(held.map(|answer| match answer {
            Answer::Txn(response) => self.client.responder().txn(response),
            other => unreachable!("to a transaction: {other:?}"),
        }))
    }

    /// A transaction that cannot write is not logged.
    async fn read_txn(&self, txn: kv::TxnRequest) -> Told<pb::TxnResponse> {
        let freshness = freshness(txn.is_serializable());
        let held = self.client.read_held(ReadRequest::Txn(txn), freshness).await?;
        Ok(held.map(|answer| match answer {
            ReadResponse::Txn(response) => self.client.responder().txn(response),
            other => unreachable!("to a transaction: {other:?}"),
        }))
    }

    async fn answer_compact(
        &self,
        request: pb::CompactionRequest,
    ) -> Result<pb::CompactionResponse, ApiError> {
        match self.apply(Command::Compact(request.into())).await?.answer {
            Answer::Compact(response) => Ok(self.client.responder().compact(response)),
            other => unreachable!("to a compaction: {other:?}"),
        }
    }

    async fn apply(&self, command: Command) -> Told<Answer> {
        validate(&command, &self.limits)?;
        self.client.write_held(command).await
    }

    fn check_size(&self, request: &impl Message) -> Result<(), ApiError> {
        if self.limits.request_bytes_max < request.encoded_len() {
            return Err(ApiError::RequestTooLarge);
        }
        Ok(())
    }
}

/// A request that has one answer, and that a client may make a thousand times a second.
pub(crate) enum KeyRequest {
    Range(pb::RangeRequest),
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
}

impl KeyRequest {
    /// What is asked for at this path, if it is one of these and understood.
    pub(crate) fn decode(path: &str, message: Bytes) -> Option<Self> {
        match path {
            "/etcdserverpb.KV/Range" => pb::RangeRequest::decode(message).map(Self::Range).ok(),
            "/etcdserverpb.KV/Put" => pb::PutRequest::decode(message).map(Self::Put).ok(),
            "/etcdserverpb.KV/DeleteRange" => {
                pb::DeleteRangeRequest::decode(message).map(Self::DeleteRange).ok()
            }
            "/etcdserverpb.KV/Txn" => pb::TxnRequest::decode(message).map(Self::Txn).ok(),
            _ => None,
        }
    }
}

/// A message as gRPC sends it: not compressed, its length, itself. Writing a long one is left to
/// another task, for whoever asks for this has others waiting.
async fn framed<T: Message + 'static>(held: Held<T>) -> Told<Bytes> {
    let Held { answer, share } = held;
    let length = answer.encoded_len();
    let answer = if length <= ENCODED_AT_ONCE_MAX {
        encode_framed(&answer, length)
    } else {
        let encoding = tokio::spawn(async move { encode_framed(&answer, length) });
        encoding.await.map_err(|_| ApiError::Stopped)?
    };
    Ok(Held { answer, share })
}

fn encode_framed(message: &impl Message, length: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(FRAME_PREFIX_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("no answer is of 4 GiB"));
    message.encode(&mut bytes).expect("there is room");
    bytes.freeze()
}

/// An answer with its room, or why there is none.
pub(crate) type Told<T> = Result<Held<T>, ApiError>;

/// What gRPC is told of an answer, whose room goes with it.
fn reply_held<T>(result: Told<T>) -> Result<Response<T>, Status> {
    let Held { answer, share } = result?;
    let mut response = Response::new(answer);
    if let Some(share) = share {
        response.extensions_mut().insert(HeldUntilSent::new(share));
    }
    Ok(response)
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
        reply_held(self.answer_range(request.into_inner()).await)
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
        reply_held(self.answer_put(request.into_inner()).await)
    }

    async fn delete_range(
        &self,
        request: Request<pb::DeleteRangeRequest>,
    ) -> Result<Response<pb::DeleteRangeResponse>, Status> {
        reply_held(self.answer_delete(request.into_inner()).await)
    }

    async fn txn(
        &self,
        request: Request<pb::TxnRequest>,
    ) -> Result<Response<pb::TxnResponse>, Status> {
        reply_held(self.answer_txn(request.into_inner()).await)
    }

    async fn compact(
        &self,
        request: Request<pb::CompactionRequest>,
    ) -> Result<Response<pb::CompactionResponse>, Status> {
        reply(self.answer_compact(request.into_inner()).await)
    }
}
