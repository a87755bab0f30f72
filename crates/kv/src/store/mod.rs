//! The store: the state between two entries, and the questions it answers at once.
//!
//! `apply`, `txn` and `lease` change it, `write` is the one place where a record comes to be;
//! `range` and `history` read it; `commit` moves records to the map, `compaction` takes them away,
//! `snapshot` sends them to a peer, `open` finds them again.

mod alarm;
mod answer;
mod apply;
mod commit;
mod compaction;
mod garbage;
mod history;
mod index;
mod lease;
mod lease_log;
mod leases;
mod open;
mod pins;
mod range;
mod recent;
mod snapshot;
mod txn;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::hash::Effects;
use crate::{
    Checkpoint, ClusterTime, Command, CommandError, ContentHash, Damage, KeyValue, LeaseCounts,
    LeaseId, LogPosition, Record, Records, Reign, Response, Revision, Rule, Rules, SetQuotaRequest,
    StateHash, Strict,
};
use commit::Commits;
use garbage::GarbageQueue;
use index::KeyIndex;
use lease_log::LeaseLog;
use leases::Leases;
use pins::{Hold, Pins};
use recent::Recent;
use write::Writing;

pub use answer::ANSWER_BYTES_MAX;
pub use history::{ContentAt, Events, HashTask};
pub use lease::LeaseKeys;
pub use pins::Pin;
pub use range::RangeTask;
pub use snapshot::{Chunk, SnapshotPlace, SnapshotSource};

/// What applying a command comes to: the inner error is the client's, alike on every replica;
/// the outer one means that the disk lied, and that the store must not be used any more.
pub type Outcome = Result<Result<Response, CommandError>, Damage>;

/// What a read comes to, with the same two kinds of error.
pub type Read<T> = Result<Result<T, CommandError>, Damage>;

/// The quota of a cluster that was never told another, in logical bytes (etcd: 2 GiB).
pub const QUOTA_BYTES_DEFAULT: u64 = 2 << 30;

/// How this node runs its store. Nothing here may change what commands do: replicas may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The quota this node was started with, in logical bytes. It is not the cluster's quota,
    /// which is replicated: see [`Store::quota_command`].
    pub quota_bytes: u64,
    /// Cluster time after which a reader's pin no longer holds compaction back, in microseconds.
    pub pin_age_max_micros: u64,
}

impl Default for Config {
    /// etcd's quota, and pins of five minutes.
    fn default() -> Self {
        Self { quota_bytes: QUOTA_BYTES_DEFAULT, pin_age_max_micros: 300_000_000 }
    }
}

/// The state machine.
pub struct Store<R: Rules = Strict> {
    records: Arc<dyn Records>,
    config: Config,
    rules: R,
    /// The replicated state, but for records and leases.
    state: Checkpoint,
    /// The hash of the members, which is part of every entry's.
    members_hash: u64,
    leases: Leases,
    index: KeyIndex,
    garbage: GarbageQueue,
    recent: Recent,
    lease_log: LeaseLog,
    lease_counts: LeaseCounts,
    last_expired: Vec<LeaseId>,
    pins: Pins,
    commits: Commits,
    /// What the entry being applied has done so far.
    writing: Writing,
    effects: Effects,
}

/// What a slice of work comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// There is more to do.
    More,
    /// It is done.
    Done(T),
}

/// How big the state is. Alike on every replica at the same position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// What the quota counts.
    pub logical_bytes: u64,
    /// The cluster's quota.
    pub quota_bytes: u64,
    /// Whether a write was refused for lack of space and none was freed since (etcd's NOSPACE
    /// alarm, which here ends by itself).
    pub is_out_of_space: bool,
    /// Keys that exist now.
    pub keys: u64,
    /// Retained records, history included.
    pub records: u64,
    /// Leases.
    pub leases: u64,
}

impl<R: Rules> Store<R> {
    /// The log position of the last applied entry.
    pub fn position(&self) -> LogPosition {
        self.state.position
    }

    /// The store's clock: the highest time stamp applied.
    pub fn now(&self) -> ClusterTime {
        self.state.time
    }

    /// Whose entries move the clock, as it was set last.
    pub fn reign(&self) -> Reign {
        self.state.reign
    }

    /// Stores whose entries move the clock: before the entry that changes it is applied.
    pub fn set_reign(&mut self, reign: Reign) {
        self.state.reign = reign;
    }

    /// The current main revision.
    pub fn revision(&self) -> i64 {
        self.state.revision
    }

    /// The compacted main revision, or [`crate::COMPACTED_NEVER`].
    pub fn compacted(&self) -> i64 {
        self.state.compacted
    }

    /// H(i) at the current position.
    pub fn state_hash(&self) -> StateHash {
        self.state.state_hash
    }

    /// The hash over all leases.
    pub fn lease_hash(&self) -> ContentHash {
        self.state.lease_hash
    }

    /// The hash over all retained records.
    pub fn content_hash(&self) -> ContentHash {
        self.state.content_hash
    }

    /// How big the state is.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            logical_bytes: self.state.logical_bytes,
            quota_bytes: self.state.quota_bytes,
            is_out_of_space: self.state.space_alarm.is_some(),
            keys: self.index.live(),
            records: self.state.records,
            leases: self.state.leases,
        }
    }

    /// The rules it keeps.
    pub fn rules(&self) -> &R {
        &self.rules
    }

    /// The cluster's members, as last set.
    pub fn members(&self) -> &Bytes {
        &self.state.members
    }

    /// What each member told of itself, by its id.
    pub fn attributes(&self) -> &BTreeMap<u64, Bytes> {
        &self.state.attributes
    }

    /// Stores the cluster's members, opaque to the store.
    ///
    /// They are hashed into every later entry, so each replica must set the same bytes at the
    /// same position: the initial ones before the first entry, later ones just before
    /// [`Store::apply_nothing`] is called for the entry that brings them.
    pub fn set_members(&mut self, members: Bytes) {
        self.members_hash = xxh3_64(&members);
        self.state.members = members;
    }

    /// The command with which a leader makes its configured quota the cluster's; none if it is.
    ///
    /// The quota decides which writes are refused, so all replicas must apply the same one at
    /// the same entry. It is therefore replicated state, changed only through the log: nodes
    /// started with different quotas do not diverge, the current leader's holds.
    pub fn quota_command(&self) -> Option<Command> {
        let quota_bytes = self.config.quota_bytes;
        if quota_bytes == self.state.quota_bytes {
            return None;
        }
        Some(Command::SetQuota(SetQuotaRequest { quota_bytes }))
    }

    /// Holds the current revision readable, for at most the age that the config allows once
    /// compaction has passed it.
    pub fn pin(&mut self) -> Pin {
        self.pin_at(self.state.revision)
    }

    /// Gives a pin back.
    pub fn unpin(&mut self, pin: Pin) {
        self.pins.unpin(&pin);
    }

    fn pin_at(&mut self, revision: i64) -> Pin {
        let end = self.state.time.0.saturating_add(self.config.pin_age_max_micros);
        self.pins.pin(revision, Hold::Until(ClusterTime(end)))
    }

    /// The key as it was at a main revision; 0 or less is the current one.
    pub fn key_at(&self, key: &[u8], revision: i64) -> Read<Option<KeyValue>> {
        let at = match self.readable(revision) {
            Ok(at) => at,
            Err(error) => return Ok(Err(error)),
        };
        let Some(found) = self.index.entry(key).and_then(|entry| entry.visible(at)) else {
            return Ok(Ok(None));
        };
        Ok(Ok(Some(self.fetch(key, found)?.key_value(found))))
    }

    /// The revision to read at, if `revision` is asked for.
    fn readable(&self, revision: i64) -> Result<i64, CommandError> {
        if revision <= 0 {
            return Ok(self.state.revision);
        }
        self.check_readable(revision)?;
        if self.rules.breaks(Rule::OldReadsSeeLater) {
            return Ok(self.state.revision);
        }
        Ok(revision)
    }

    fn check_readable(&self, revision: i64) -> Result<(), CommandError> {
        if self.state.revision < revision {
            return Err(CommandError::FutureRevision);
        }
        if revision < self.state.compacted && !self.rules.breaks(Rule::CompactedIsAnswered) {
            return Err(CommandError::Compacted);
        }
        Ok(())
    }

    /// The record that the index says is there.
    fn fetch(&self, key: &[u8], revision: Revision) -> Result<Record, Damage> {
        let record = self.load(revision)?;
        if record.key != key {
            return Err(Damage::Mixed(revision));
        }
        Ok(record)
    }

    /// The record at a revision that has one.
    fn load(&self, revision: Revision) -> Result<Record, Damage> {
        if let Some(record) = self.recent.find(revision) {
            return Ok(record.clone());
        }
        self.records.get(revision)?.ok_or(Damage::Missing(revision))
    }
}
