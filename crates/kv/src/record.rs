//! What the map under the store holds: one record per change, and one checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::hash::record_hash;
use crate::{Alarm, ClusterTime, ContentHash, LeaseId, LogPosition, Reign, Revision, StateHash};

/// Bytes that a retained record costs beside its key and its value, as the quota counts them:
/// revision, create revision, version, lease, checksum, and its share of index and B-tree.
pub const RECORD_OVERHEAD_BYTES: u64 = 128;

/// Whether a record says that its key has a value, or that it was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// The key was written.
    Put,
    /// The key was deleted. Value, create revision, version and lease are empty or 0.
    Tombstone,
}

/// One change of one key. The revision it is stored under is its `mod_revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key, never empty.
    pub key: Bytes,
    /// The value, may be empty.
    pub value: Bytes,
    /// The main revision of the put that began this life of the key; 0 in a tombstone.
    pub create_revision: i64,
    /// How many puts this life of the key has seen, from 1; 0 in a tombstone.
    pub version: i64,
    /// The lease the key is attached to, or none.
    pub lease: LeaseId,
    /// Put or tombstone.
    pub kind: RecordKind,
}

impl Record {
    /// The record of a deletion of `key`.
    pub fn tombstone(key: Bytes) -> Self {
        Self {
            key,
            value: Bytes::new(),
            create_revision: 0,
            version: 0,
            lease: LeaseId::NONE,
            kind: RecordKind::Tombstone,
        }
    }

    /// What this record counts for in the quota, in bytes.
    pub fn logical_bytes(&self) -> u64 {
        RECORD_OVERHEAD_BYTES + self.key.len() as u64 + self.value.len() as u64
    }

    /// This record's share of the content hash when it is stored under `revision`.
    pub fn hash(&self, revision: Revision) -> ContentHash {
        record_hash(revision, self)
    }

    /// What a client sees of this put, stored under `revision`.
    pub fn key_value(&self, revision: Revision) -> KeyValue {
        KeyValue {
            key: self.key.clone(),
            create_revision: self.create_revision,
            mod_revision: revision.main,
            version: self.version,
            value: self.value.clone(),
            lease: self.lease,
        }
    }
}

/// A key and its value as clients see them (etcd's `mvccpb.KeyValue`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The main revision of the put that began this life of the key.
    pub create_revision: i64,
    /// The main revision of the last put.
    pub mod_revision: i64,
    /// How many puts this life of the key has seen, from 1.
    pub version: i64,
    /// The value; empty when only keys were asked for.
    pub value: Bytes,
    /// The lease the key is attached to, or none.
    pub lease: LeaseId,
}

impl KeyValue {
    /// The bytes of its key and value.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Everything beside the records that a store needs to go on exactly where it stood.
///
/// Stored in the same atomic commit as the records it speaks of: the map holds every record
/// that is retained at `position`, none above `revision`, and possibly some that compaction
/// has freed but not yet removed; and the leases at `position`, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last applied entry.
    pub position: LogPosition,
    /// The store's clock.
    pub time: ClusterTime,
    /// Whose entries move it, opaque to the store.
    pub reign: Reign,
    /// The cluster's members, opaque to the store.
    pub members: Bytes,
    /// What each member told of itself, by its id, opaque to the store.
    pub attributes: BTreeMap<u64, Bytes>,
    /// H(i) at `position`.
    pub state_hash: StateHash,
    /// The store's main revision.
    pub revision: i64,
    /// The compacted main revision, or [`crate::COMPACTED_NEVER`].
    pub compacted: i64,
    /// How many records are retained.
    pub records: u64,
    /// The hash over the retained records.
    pub content_hash: ContentHash,
    /// What the retained records and the leases count for in the quota, in bytes.
    pub logical_bytes: u64,
    /// The cluster's quota, in bytes.
    pub quota_bytes: u64,
    /// The logical bytes at the first refusal for lack of space, while the alarm lasts.
    pub space_alarm: Option<u64>,
    /// How many leases there are.
    pub leases: u64,
    /// The hash over them: the wrapping sum of the hash of each.
    pub lease_hash: ContentHash,
    /// The alarms raised by hand.
    pub alarms: BTreeSet<Alarm>,
}
