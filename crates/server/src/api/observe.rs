//! Observing an election: who leads, and what it proclaims, as it changes.

use std::sync::Arc;

use bytes::Bytes;
use quorate_etcdapi::{ApiError, v3electionpb as pb};
use quorate_kv as kv;
use quorate_kv::{Change, KeyValue, RecordKind};
use quorate_replica::{ReadRequest, ReadResponse};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::line::{Lines, end_of, first_created, prefix_of};
use super::own_watch::{News, OwnWatch};
use super::status_embedded;

/// Leaders that wait for a slow client. Behind them the observer waits, and history keeps the rest.
const UNTOLD_MAX: usize = 4;

/// What a client is told.
pub(super) type Leaders = ReceiverStream<Result<pb::LeaderResponse, Status>>;

/// Follows one election for one client.
pub(super) struct Observer {
    lines: Lines,
    prefix: Bytes,
    told: mpsc::Sender<Result<pb::LeaderResponse, Status>>,
    _permit: OwnedSemaphorePermit,
}

/// A leader as it was at a revision.
struct Leader {
    kv: KeyValue,
    revision: i64,
}

/// Why following ends.
enum End {
    /// The client has gone.
    Gone,
    /// It cannot go on.
    Failed(ApiError),
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Observer {
    /// Begins to follow, until the client goes.
    pub(super) fn begin(lines: &Lines, name: &[u8]) -> Result<Leaders, ApiError> {
        let (told, leaders) = mpsc::channel(UNTOLD_MAX);
        let (lines, prefix) = (lines.clone(), prefix_of(name));
        let observer = Self { _permit: lines.admit()?, lines, prefix, told };
        tokio::spawn(observer.run());
        Ok(ReceiverStream::new(leaders))
    }

    async fn run(self) {
        let ended = tokio::select! {
            ended = self.follow() => ended,
            () = self.told.closed() => End::Gone,
            () = self.lines.stopped() => End::Failed(ApiError::Stopped),
        };
        if let End::Failed(error) = ended {
            // A client that has gone needs no telling.
            let _ = self.told.send(Err(status_embedded(error))).await;
        }
    }

    async fn follow(&self) -> End {
        loop {
            if let Err(end) = self.follow_one().await {
                return end;
            }
        }
    }

    /// One leader, until its key is gone.
    async fn follow_one(&self) -> Result<(), End> {
        let (first, revision) = self.read_first().await?;
        let leader = match first {
            Some(kv) => Leader { kv, revision },
            None => match self.await_first(revision).await? {
                Some(leader) => leader,
                None => return Ok(()),
            },
        };
        let (key, from) = (leader.kv.key.clone(), leader.revision + 1);
        self.tell(leader).await?;
        self.follow_key(key, from).await
    }

    async fn read_first(&self) -> Result<(Option<KeyValue>, i64), End> {
        let read = ReadRequest::Range(first_created(&self.prefix));
        match self.lines.read_patiently(&read).await? {
            ReadResponse::Range(range) => Ok((range.kvs.into_iter().next(), range.revision)),
            other => unreachable!("to a range: {other:?}"),
        }
    }

    /// The first that enters the empty line after this revision; none if history is compacted.
    async fn await_first(&self, revision: i64) -> Result<Option<Leader>, End> {
        let (key, range_end) = (self.prefix.clone(), end_of(&self.prefix));
        let filter = kv::WatchFilter::Puts;
        let mut watch =
            self.watch(kv::WatchRequest { range_end, filter, ..from(key, revision + 1) })?;
        match watch.next().await? {
            News::Compacted => Ok(None),
            News::Changes(changes) => Ok(changes.first().map(leader_of)),
        }
    }

    /// What the leader's key holds, from this revision on, until it is deleted. Who leads is read
    /// anew if history is compacted.
    async fn follow_key(&self, key: Bytes, revision: i64) -> Result<(), End> {
        let mut watch = self.watch(from(key, revision))?;
        loop {
            match watch.next().await? {
                News::Compacted => return Ok(()),
                News::Changes(changes) => {
                    for change in &changes {
                        if change.record.kind == RecordKind::Tombstone {
                            return Ok(());
                        }
                        self.tell(leader_of(change)).await?;
                    }
                }
            }
        }
    }

    fn watch(&self, request: kv::WatchRequest) -> Result<OwnWatch, ApiError> {
        OwnWatch::begin(self.lines.client(), [request])
    }

    async fn tell(&self, leader: Leader) -> Result<(), End> {
        let header = self.lines.client().responder().header(leader.revision);
        let response = pb::LeaderResponse { header: Some(header), kv: Some(leader.kv.into()) };
        self.told.send(Ok(response)).await.map_err(|_| End::Gone)
    }
}

fn from(key: Bytes, start_revision: i64) -> kv::WatchRequest {
    kv::WatchRequest { key, start_revision, ..kv::WatchRequest::default() }
}

fn leader_of(change: &Arc<Change>) -> Leader {
    Leader { kv: change.record.key_value(change.revision), revision: change.revision.main }
}
