//! The store.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Checkpoint, ClusterTime, Command, CommandError, Commit, CommitId, ContentHash, Context, Damage,
    KeyValue, LogPosition, OpenError, RangeRequest, RangeResponse, Record, Records, Response,
    Revision, Rules, StateHash, Strict, TxnRequest, TxnResponse,
};

/// What applying a command comes to: the inner error is the client's, alike on every replica;
/// the outer one means that the disk lied, and the store must not be used any more.
pub type Outcome = Result<Result<Response, CommandError>, Damage>;

/// What a read comes to, with the same two kinds of error.
pub type Read<T> = Result<Result<T, CommandError>, Damage>;

/// How this node runs its store. Nothing here may change what commands do: replicas may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The quota this node was started with, in logical bytes. It is not the cluster's quota,
    /// which is replicated: see [`Store::quota_command`].
    pub quota_bytes: u64,
    /// Cluster time after which a pin that holds compaction back is dropped, in microseconds.
    pub pin_age_max_micros: u64,
}

impl Default for Config {
    /// etcd's quota (2 GiB), and pins of five minutes.
    fn default() -> Self {
        Self { quota_bytes: 2 << 30, pin_age_max_micros: 300_000_000 }
    }
}

/// The state machine.
pub struct Store<R: Rules = Strict> {
    records: Arc<dyn Records>,
    config: Config,
    rules: R,
}

/// Holds physical compaction back, so that everything at `revision` and later stays readable.
#[derive(Debug, PartialEq, Eq)]
pub struct Pin {
    id: u64,
    revision: i64,
}

/// A range being read in slices, at one revision.
#[derive(Debug)]
pub struct RangeTask {}

/// A content hash being computed in slices.
#[derive(Debug)]
pub struct HashTask {}

/// What a slice of work comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// There is more to do.
    More,
    /// It is done.
    Done(T),
}

/// The hash over what is retained at a revision (etcd's HashKV).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentAt {
    /// The hash.
    pub hash: ContentHash,
    /// The compacted revision that the hash was computed under. Hashes of two members compare
    /// only if these are equal.
    pub compact_revision: i64,
    /// The revision that the hash speaks of.
    pub hash_revision: i64,
}

/// The state at one moment, to be streamed to a peer.
#[derive(Debug)]
pub struct SnapshotSource {
    checkpoint: Checkpoint,
    pin: Pin,
}

impl SnapshotSource {
    /// The state that the receiver has once it has all records.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Records, ascending.
    pub records: Vec<(Revision, Record)>,
    /// Where the next piece begins; none if this is the last.
    pub next: Option<Revision>,
}

/// Changes in order of revision, never a part of one main revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The changes.
    pub records: Vec<(Revision, Record)>,
    /// The main revision up to which, it included, these are all changes.
    pub upto: i64,
}

/// How big the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What the quota counts.
    pub logical_bytes: u64,
    /// The cluster's quota.
    pub quota_bytes: u64,
    /// Whether writes were refused for lack of space and none was freed since.
    pub is_out_of_space: bool,
    /// Keys that have a value now.
    pub keys: u64,
    /// Retained records, history included.
    pub records: u64,
}

#[expect(clippy::todo, unused_variables, missing_docs, reason = "signatures first")]
impl<R: Rules> Store<R> {
    pub fn open(records: Arc<dyn Records>, config: Config, rules: R) -> Result<Self, OpenError> {
        Ok(Self { records, config, rules })
    }
    pub fn apply(&mut self, context: Context, command: &Command) -> Outcome {
        todo!()
    }
    pub fn apply_nothing(&mut self, context: Context) {
        todo!()
    }
    pub fn set_members(&mut self, members: Bytes) {
        todo!()
    }
    pub fn members(&self) -> &Bytes {
        todo!()
    }
    pub fn position(&self) -> LogPosition {
        todo!()
    }
    pub fn now(&self) -> ClusterTime {
        todo!()
    }
    pub fn revision(&self) -> i64 {
        todo!()
    }
    pub fn compacted(&self) -> i64 {
        todo!()
    }
    pub fn state_hash(&self) -> StateHash {
        todo!()
    }
    pub fn content_hash(&self) -> ContentHash {
        todo!()
    }
    pub fn sizes(&self) -> Sizes {
        todo!()
    }
    /// The command with which a leader makes its configured quota the cluster's, if it is not.
    pub fn quota_command(&self) -> Option<Command> {
        todo!()
    }
    pub fn range(&self, request: &RangeRequest) -> Read<RangeResponse> {
        todo!()
    }
    pub fn read_txn(&self, request: &TxnRequest) -> Read<TxnResponse> {
        todo!()
    }
    /// The key at a main revision.
    pub fn key_at(&self, key: &[u8], revision: i64) -> Read<Option<KeyValue>> {
        todo!()
    }
    pub fn begin_range(&mut self, request: RangeRequest) -> Result<RangeTask, CommandError> {
        todo!()
    }
    /// `keys_max`: keys to visit in this slice.
    pub fn step_range(&self, task: &mut RangeTask, keys_max: usize) -> Read<Step<RangeResponse>> {
        todo!()
    }
    pub fn end_range(&mut self, task: RangeTask) {
        todo!()
    }
    pub fn pin(&mut self) -> Pin {
        todo!()
    }
    pub fn unpin(&mut self, pin: Pin) {
        todo!()
    }
    /// 0 or less is the current revision.
    pub fn begin_hash(&mut self, revision: i64) -> Result<HashTask, CommandError> {
        todo!()
    }
    pub fn step_hash(&self, task: &mut HashTask, records_max: usize) -> Read<Step<ContentAt>> {
        todo!()
    }
    pub fn end_hash(&mut self, task: HashTask) {
        todo!()
    }
    /// All of begin, step and end at once.
    pub fn hash_kv(&self, revision: i64) -> Read<ContentAt> {
        todo!()
    }
    /// Takes the oldest whole entries that have not more than `bytes_max` (at least one entry).
    pub fn begin_commit(&mut self, bytes_max: u64) -> Option<Commit> {
        todo!()
    }
    pub fn finish_commit(&mut self, id: CommitId) {
        todo!()
    }
    /// The last position whose commit is finished (or that the store was opened at).
    pub fn committed(&self) -> LogPosition {
        todo!()
    }
    pub fn uncommitted_bytes(&self) -> u64 {
        todo!()
    }
    /// Whether there is more to do.
    pub fn compact_step(&mut self, records_max: usize) -> Result<Step<()>, Damage> {
        todo!()
    }
    pub fn is_compacted_physically(&self, revision: i64) -> bool {
        todo!()
    }
    pub fn snapshot(&mut self) -> SnapshotSource {
        todo!()
    }
    pub fn snapshot_chunk(
        &self,
        source: &SnapshotSource,
        from: Revision,
        bytes_max: usize,
    ) -> Result<Chunk, Damage> {
        todo!()
    }
    pub fn end_snapshot(&mut self, source: SnapshotSource) {
        todo!()
    }
    pub fn events(&self, from: i64, records_max: usize) -> Read<Events> {
        todo!()
    }
}
