//! What the API layers ask of the node: plain requests in, plain answers or errors out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::time::Duration;

use quorate_codec::encode_command;
use quorate_codec::handshake::ClusterId;
use quorate_consensus::{Index, Members, NodeId, Refusal, Status, TransferError};
use quorate_etcdapi::Responder;
use quorate_etcdapi::error::ApiError;
use quorate_kv::{
    Command, LeaseId, RangeRequest, Response, StreamId, TxnRequest, TxnResponse, validate,
};
use quorate_replica::{Answer, Ending, KeepAlive, KeptAlive, ReadRequest, ReadResponse};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::backup::{Backup, BackupLost};
use crate::config::Config;
use crate::leases::LeaseIds;
use crate::metrics::{Cause, Metrics};
use crate::once;
use crate::ordering_thread::Shared;
use crate::queue::Sender;
use crate::range_stream::RangeStream;
use crate::waiter::{Ask, Figures, Held, Order, ToApplying, Waiter};
use crate::watching::WatchClient;

/// Most bytes of a command: every message that carries one fits its frame.
const COMMAND_BYTES_MAX: usize = quorate_codec::COMMAND_BYTES_MAX;

/// Most requests of clients that this member works on at a time.
const REQUESTS_MAX: usize = 65_536;

/// Most snapshots that clients take at a time.
const BACKUPS_MAX: usize = 4;

/// Most ranges that are streamed at a time: each may hold some MiB that its client does not take,
/// and holds a revision.
const RANGE_STREAMS_MAX: usize = 64;

/// How long a question to one of this member's own threads may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);

/// The node, as the API layers see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
    wakes: Wakes,
}

/// When the threads are woken for what they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wakes {
    AtOnce,
    /// When [`Client::wake`] is called: they find all that was asked before then.
    Later,
}

struct Inner {
    ordering: Arc<dyn Order>,
    applying: Sender<ToApplying>,
    shared: Arc<Shared>,
    requests: Arc<Semaphore>,
    backups: Arc<Semaphore>,
    range_streams: Arc<Semaphore>,
    cluster: ClusterId,
    node: NodeId,
    config: Config,
    members: Members,
    metrics: Arc<Metrics>,
    /// Streams of watches opened so far.
    streams: AtomicU64,
    lease_ids: LeaseIds,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It sees every write that was acknowledged before it began.
    Linearizable,
    /// It sees what this member has applied.
    Local,
}

impl Client {
    /// The way to the threads behind these queues.
    pub(crate) fn new(
        config: &Config,
        members: Members,
        ordering: Arc<dyn Order>,
        applying: Sender<ToApplying>,
        shared: Arc<Shared>,
        metrics: Arc<Metrics>,
        entropy: u64,
    ) -> Self {
        let inner = Inner {
            ordering,
            applying,
            shared,
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            backups: Arc::new(Semaphore::new(BACKUPS_MAX)),
            range_streams: Arc::new(Semaphore::new(RANGE_STREAMS_MAX)),
            cluster: config.cluster_id(),
            node: config.node(),
            config: config.clone(),
            members,
            metrics,
            streams: AtomicU64::new(0),
            lease_ids: LeaseIds::new(entropy),
        };
        Self { inner: Arc::new(inner), wakes: Wakes::AtOnce }
    }

    /// The same node for whoever asks many things at once, and calls [`Self::wake`] afterwards.
    pub(crate) fn waking_later(&self) -> Self {
        Self { inner: self.inner.clone(), wakes: Wakes::Later }
    }

    /// Wakes the threads for what they were asked.
    pub(crate) fn wake(&self) {
        self.inner.ordering.wake();
        self.inner.applying.wake();
    }

    /// The settings the server was started with.
    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Ids for leases of this member's choice.
    pub(crate) fn lease_ids(&self) -> &LeaseIds {
        &self.inner.lease_ids
    }

    /// The members.
    pub(crate) fn members(&self) -> &Members {
        &self.inner.members
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// Leaders seen since the start.
    pub(crate) fn leader_changes(&self) -> u64 {
        self.inner.shared.leader_changes.load(Memory::Relaxed)
    }

    /// This member.
    pub(crate) fn node(&self) -> NodeId {
        self.inner.node
    }

    /// The leader, if this member knows one.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        let leader = self.inner.shared.leader.load(Memory::Relaxed);
        (leader != 0).then_some(NodeId(leader))
    }

    /// Who answers.
    pub(crate) fn responder(&self) -> Responder {
        Responder {
            cluster_id: self.inner.cluster.0,
            member_id: self.inner.node.0,
            raft_term: self.inner.shared.term.load(Memory::Relaxed),
        }
    }

    /// Has a command applied. For small answers: their room is given back.
    pub(crate) async fn write(&self, command: Command) -> Result<Response, ApiError> {
        Ok(self.write_held(command).await?.answer)
    }

    /// Has a command applied.
    pub(crate) async fn write_held(&self, command: Command) -> Result<Held<Response>, ApiError> {
        let _permit = self.admit()?;
        let bytes = encode_command(&command);
        // Its bytes are held while it waits: once is enough.
        drop(command);
        if COMMAND_BYTES_MAX < bytes.len() {
            return Err(ApiError::RequestTooLarge);
        }
        let metrics = &self.inner.metrics.requests;
        let _pending = metrics.begin_write();
        let answered = self.order(|waiter| Ask::Write { command: bytes, waiter }).await;
        let Held { answer, share } = answered.inspect_err(|_| metrics.writes_failed.increment())?;
        match answer {
            Answer::Command(result) => Ok(Held { answer: result?, share }),
            answer => unreachable!("to a command: {answer:?}"),
        }
    }

    /// Has a command applied that no client's request was checked for yet.
    pub(crate) async fn write_valid(&self, command: Command) -> Result<Response, ApiError> {
        validate(&command, &self.inner.config.limits())?;
        self.write(command).await
    }

    /// Has a transaction of this member's own making applied.
    pub(crate) async fn transact(&self, txn: TxnRequest) -> Result<TxnResponse, ApiError> {
        match self.write_valid(Command::Txn(txn)).await? {
            Response::Txn(response) => Ok(response),
            other => unreachable!("to a transaction: {other:?}"),
        }
    }

    /// Has a read answered. For small answers: their room is given back.
    pub(crate) async fn read(
        &self,
        request: ReadRequest,
        freshness: Freshness,
    ) -> Result<ReadResponse, ApiError> {
        Ok(self.read_held(request, freshness).await?.answer)
    }

    /// Has a read answered.
    pub(crate) async fn read_held(
        &self,
        request: ReadRequest,
        freshness: Freshness,
    ) -> Result<Held<ReadResponse>, ApiError> {
        let _permit = self.admit()?;
        let Held { answer, share } = match freshness {
            Freshness::Linearizable => {
                let answered = self.order(|waiter| Ask::Read { request, waiter }).await;
                answered.inspect_err(|_| self.inner.metrics.requests.reads_failed.increment())?
            }
            Freshness::Local => self.ask_locally(request).await?,
        };
        match answer {
            Answer::Read(result) => Ok(Held { answer: result?, share }),
            Answer::Behind => {
                self.inner.metrics.requests.on_unanswered(Cause::Behind);
                Err(ApiError::TimeoutWaitingForApply)
            }
            Answer::Overloaded => {
                self.inner.metrics.requests.on_unanswered(Cause::Overloaded);
                Err(ApiError::TooManyRequests)
            }
            answer => unreachable!("to a read: {answer:?}"),
        }
    }

    /// Has a lease begin its time anew: through the log, unless that would gain almost nothing.
    pub(crate) async fn keep_alive(&self, lease: LeaseId) -> Result<KeptAlive, ApiError> {
        for freshness in [Freshness::Local, Freshness::Linearizable] {
            let request = ReadRequest::KeepAlive { id: lease };
            match (self.read(request, freshness).await?, freshness) {
                (ReadResponse::KeepAlive(KeepAlive::Due), _) => break,
                (ReadResponse::KeepAlive(KeepAlive::Fresh(kept)), Freshness::Linearizable) => {
                    return Ok(kept);
                }
                (ReadResponse::KeepAlive(KeepAlive::Fresh(_)), Freshness::Local) => {}
                (answer, _) => unreachable!("to a keep-alive: {answer:?}"),
            }
        }
        let _permit = self.admit()?;
        match self.order(|waiter| Ask::Renew { lease, waiter }).await?.answer {
            Answer::KeptAlive(kept) => Ok(kept),
            answer => unreachable!("to a renewal: {answer:?}"),
        }
    }

    /// Moves leadership to another member.
    pub(crate) async fn transfer(&self, to: NodeId) -> Result<(), ApiError> {
        let _permit = self.admit()?;
        let (waiter, ended) = once::channel();
        self.ask(Ask::Transfer { to, waiter });
        match ended.await.map_err(|_| ApiError::Stopped)? {
            Err(Ending::Transferred(Ok(()))) => Ok(()),
            Err(Ending::Transferred(Err(error))) => Err(match error {
                TransferError::NotLeader { .. } => ApiError::NotLeader,
                TransferError::BadTarget => ApiError::BadLeaderTransferee,
                TransferError::TimedOut => ApiError::LeaderTransferTimeout,
            }),
            Err(ending) => Err(error_of(ending)),
            Ok(held) => unreachable!("to a transfer: {held:?}"),
        }
    }

    /// Room for a stream, which counts as one request for as long as it is open.
    pub(crate) fn admit_stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.admit()
    }

    /// Opens a stream of watches, which counts as one request for as long as it is open.
    pub(crate) fn open_watches(&self) -> Result<WatchClient, ApiError> {
        let permit = self.admit_stream()?;
        let stream = StreamId(self.inner.streams.fetch_add(1, Memory::Relaxed));
        Ok(WatchClient::open(stream, self.inner.applying.clone(), permit))
    }

    /// Begins to stream a range, one of few at a time.
    pub(crate) async fn begin_range(&self, request: RangeRequest) -> Result<RangeStream, ApiError> {
        if !request.serializable {
            self.read(ReadRequest::Revision, Freshness::Linearizable).await?;
        }
        let permit = self.inner.range_streams.clone().try_acquire_owned();
        let permit = permit.map_err(|_| self.refuse())?;
        RangeStream::begin(self.inner.applying.clone(), request, permit).await
    }

    /// Begins a snapshot for a client, one of few at a time: each holds compaction back.
    pub(crate) async fn begin_backup(&self) -> Result<Backup, ApiError> {
        let permit = self.inner.backups.clone().try_acquire_owned();
        let permit = permit.map_err(|_| self.refuse())?;
        let backup = Backup::begin(self.inner.applying.clone(), permit).await;
        backup.map_err(|BackupLost| ApiError::Stopped)
    }

    /// What the engine is doing.
    pub(crate) async fn status(&self) -> Result<Status, ApiError> {
        let (answer, asked) = oneshot::channel();
        self.ask(Ask::Status(answer));
        in_time(asked).await
    }

    /// The size of the state machine's file, zero if the system does not tell.
    pub(crate) fn file_bytes(&self) -> i64 {
        let directory = self.inner.config.data_dir.join(quorate_storage::STORE_DIRECTORY);
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let sizes = files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len());
        sizes.sum::<u64>().cast_signed()
    }

    /// How many files the log has, those reserved for later left out.
    pub(crate) fn log_segments(&self) -> usize {
        let files = std::fs::read_dir(self.inner.config.data_dir.join("wal"));
        let names = files.into_iter().flatten().flatten().map(|file| file.path());
        names.filter(|path| path.extension().is_some_and(|end| end == "wal")).count()
    }

    /// How the state machine is.
    pub(crate) async fn figures(&self) -> Result<Figures, ApiError> {
        let (answer, asked) = oneshot::channel();
        let _ = self.inner.applying.send(ToApplying::Figures(answer));
        in_time(asked).await
    }

    async fn order(&self, ask: impl FnOnce(Waiter) -> Ask) -> Result<Held<Answer>, ApiError> {
        let (waiter, ended) = once::channel();
        self.ask(ask(waiter));
        let ended = ended.await.map_err(|_| ApiError::Stopped)?;
        if let Some(cause) = ended.as_ref().err().and_then(Cause::of) {
            self.inner.metrics.requests.on_unanswered(cause);
        }
        ended.map_err(error_of)
    }

    async fn ask_locally(&self, request: ReadRequest) -> Result<Held<Answer>, ApiError> {
        let (waiter, ended) = once::channel();
        let message = ToApplying::Read { request, waiter, at: Index::ZERO };
        let _ = self.inner.applying.leave(message);
        if self.wakes == Wakes::AtOnce {
            self.inner.applying.wake();
        }
        ended.await.map_err(|_| ApiError::Stopped)?.map_err(error_of)
    }

    fn ask(&self, ask: Ask) {
        // If the thread is gone, so is who waits for it to answer.
        self.inner.ordering.leave(ask);
        if self.wakes == Wakes::AtOnce {
            self.inner.ordering.wake();
        }
    }

    /// Room for one more request, or a definite refusal.
    fn admit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.inner.requests.clone().try_acquire_owned().map_err(|_| self.refuse())
    }

    fn refuse(&self) -> ApiError {
        self.inner.metrics.requests.on_unanswered(Cause::Busy);
        ApiError::TooManyRequests
    }
}

async fn in_time<T>(asked: oneshot::Receiver<T>) -> Result<T, ApiError> {
    let answer = tokio::time::timeout(QUESTION_TIMEOUT, asked).await;
    answer.map_err(|_| ApiError::Timeout)?.map_err(|_| ApiError::Stopped)
}

/// How a request ended without an answer, in etcd's words. What may have happened is told apart
/// from what has not: clients take `Unavailable` for the former.
fn error_of(ending: Ending) -> ApiError {
    match ending {
        Ending::Refused(refusal) => match refusal {
            Refusal::Overloaded { .. } => ApiError::TooManyRequests,
            Refusal::StorageFull => ApiError::NoSpace,
            Refusal::NotLeader { .. } | Refusal::Transferring { .. } => ApiError::LeaderChanged,
            Refusal::Removed => ApiError::Stopped,
            Refusal::Unsupported => ApiError::NotCapable,
        },
        Ending::NoLeader => ApiError::NoLeader,
        Ending::Unknown => ApiError::Timeout,
        Ending::Transferred(_) => unreachable!("only a transfer ends like this"),
    }
}
