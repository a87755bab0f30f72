//! The answer of a range in chunks: disjoint and in order, with header, count and `more` on the
//! last alone, all at the revision that the first was read at.

use quorate_etcdapi::Responder;
use quorate_etcdapi::error::ApiError;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_kv::{KeyValue, RangeResponse};
use quorate_replica::RangePiece;
use tokio::sync::mpsc;
use tonic::Status;

use crate::range_stream::RangeStream;

/// A chunk is sent once it has this many bytes of keys and values.
const CHUNK_BYTES: usize = 512 << 10;

/// Chunks that wait for the client's connection.
const CHUNKS_MAX: usize = 2;

type Chunk = Result<pb::RangeStreamResponse, Status>;

/// Begins to send.
pub(super) fn chunks(stream: RangeStream, responder: Responder) -> mpsc::Receiver<Chunk> {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(async move {
        if let Err(error) = send(&stream, responder, &sender).await {
            // The client may have gone.
            let _ = sender.send(Err(error.into())).await;
        }
    });
    chunks
}

async fn send(
    stream: &RangeStream,
    responder: Responder,
    sender: &mpsc::Sender<Chunk>,
) -> Result<(), ApiError> {
    let mut waiting: Vec<KeyValue> = Vec::new();
    let mut bytes = 0;
    let mut is_first = true;
    loop {
        match stream.next().await? {
            RangePiece::Some(kvs) => {
                bytes += kvs.iter().map(|kv| kv.key.len() + kv.value.len()).sum::<usize>();
                waiting.extend(kvs);
            }
            RangePiece::Last(mut last) => {
                waiting.append(&mut last.kvs);
                let response = responder.range(RangeResponse { kvs: waiting, ..last });
                // The client may have gone.
                let _ = sender.send(Ok(chunk_of(response))).await;
                return Ok(());
            }
            RangePiece::Lost(error) => return Err(error.into()),
        }
        // The first goes out at once: whoever waits sees that it has begun.
        if !waiting.is_empty() && (is_first || CHUNK_BYTES <= bytes) {
            (is_first, bytes) = (false, 0);
            let kvs = core::mem::take(&mut waiting);
            let response = responder.range(RangeResponse { kvs, ..RangeResponse::default() });
            let chunk = chunk_of(pb::RangeResponse { header: None, ..response });
            if sender.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn chunk_of(response: pb::RangeResponse) -> pb::RangeStreamResponse {
    pb::RangeStreamResponse { range_response: Some(response) }
}
