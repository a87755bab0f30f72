//! etcd's data model as a pure state machine: revisions, ranges, transactions, compaction.
//!
//! A [`Store`] applies the entries of a replicated log, one [`Command`] at a time, and answers
//! reads at any revision that is not compacted. It reads no clock and no random source, starts
//! no thread and touches no file: records live in an ordered map behind the [`Records`] trait,
//! which the caller provides ([`MemoryMap`] here, a disk map elsewhere) and whose commits the
//! caller performs. Same entries, same answers, same [`StateHash`], on every replica.
//!
//! ```
//! use std::sync::Arc;
//! use quorate_kv::{Command, Config, Context, LogPosition, MemoryMap, PutRequest, RangeRequest};
//! use quorate_kv::{ClusterTime, Store, Strict};
//!
//! let map = Arc::new(MemoryMap::new());
//! let mut store = Store::open(map, Config::default(), Strict).expect("a fresh map opens");
//! let put = PutRequest { key: "name".into(), value: "value".into(), ..PutRequest::default() };
//! let context = Context {
//!     position: LogPosition { index: 1, round: 1, node: 1 },
//!     time: ClusterTime(1_000),
//! };
//! store.apply(context, &Command::Put(put)).expect("memory is sound").expect("there is space");
//!
//! let read = RangeRequest { key: "name".into(), ..RangeRequest::default() };
//! let answer = store.range(&read).expect("memory is sound").expect("it is readable");
//! assert_eq!(answer.kvs[0].value, "value");
//! assert_eq!(answer.revision, 2);
//! ```

mod alarm;
mod command;
mod error;
mod hash;
mod lease;
mod map;
pub mod map_suite;
mod memory_map;
pub mod naive;
mod record;
mod response;
mod revision;
mod rules;
mod store;
mod validate;
mod watch;

pub use alarm::{ALARMS_MAX, Alarm, AlarmAction, AlarmKind, AlarmRequest, AlarmResponse};
pub use command::{
    Command, CompactRequest, Compare, CompareResult, CompareTarget, DeleteRangeRequest,
    LeaseGrantRequest, LeaseRenewRequest, LeaseRevokeRequest, PublishRequest, PutRequest,
    RangeRequest, RequestOp, SetQuotaRequest, SortOrder, SortTarget, TxnRequest,
};
pub use error::{CommandError, Damage, MapError, OpenError, RequestError};
pub use lease::{LEASE_BYTES, LEASE_RENEW_MAX, Lease, LeaseCounts, LeaseTtl};
pub use map::{Commit, CommitId, Records, ScanLimit};
pub use memory_map::MemoryMap;
pub use record::{Checkpoint, KeyValue, RECORD_OVERHEAD_BYTES, Record, RecordKind};
pub use response::{
    CompactResponse, DeleteRangeResponse, LeaseGrantResponse, LeaseList, LeaseRenewResponse,
    LeaseRevokeResponse, LeaseTime, LeaseTimeToLive, PutResponse, RangeResponse, Response,
    ResponseOp, TxnResponse,
};
pub use revision::{
    COMPACTED_NEVER, ClusterTime, ContentHash, Context, LeaseId, LogPosition, REVISION_INITIAL,
    Reign, Revision, StateHash,
};
pub use rules::{Mutant, Rule, Rules, Strict};
pub use store::{
    ANSWER_BYTES_MAX, Chunk, Config, ContentAt, Events, HashTask, LeaseKeys, Outcome, Pin,
    QUOTA_BYTES_DEFAULT, RangeTask, Read, Sizes, SnapshotPlace, SnapshotSource, Step, Store,
};
pub use validate::{
    Limits, TXN_DEPTH_MAX, validate, validate_delete_range, validate_put, validate_range,
    validate_txn,
};
pub use watch::{
    CancelCause, Change, NodeTime, StreamId, WatchFilter, WatchId, WatchLimits, WatchRefusal,
    WatchRequest, WatchResponse, Watches,
};
