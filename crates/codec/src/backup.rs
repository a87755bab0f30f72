//! A snapshot in a file: the whole state at one moment, for people to keep.
//!
//! ```text
//!  0  QUORSNAP   u32 version (1)   u32 crc32c of the head behind it
//! 16  u64 length of the file without its hash: a multiple of 512
//! 24  u64 cluster   u64 node   u64 engine (0 raft, 1 paxos)   i64 revision
//! 56  u64 records   u64 leases
//! 72  items, end to end
//!     u8 kind, u32 length, u32 crc32c of kind and body, body:
//!       1 record      revision, record as on disk; ascending
//!       2 lease       lease as on disk; ascending, after all records
//!       3 checkpoint  checkpoint as on disk; once, the last
//!     zeros up to the length
//!     32 bytes: SHA-256 of all before
//! ```
//!
//! Little-endian. Length and trailing hash are those by which etcd's tools know a whole snapshot;
//! what is between is not etcd's: such a file is restored by this program only.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_consensus::NodeId;
use quorate_kv::{Checkpoint, LEASE_BYTES, Lease, RECORD_OVERHEAD_BYTES, Record, Revision};

use crate::error::DecodeError;
use crate::handshake::{ClusterId, EngineKind};
use crate::lease::{decode_lease, encode_lease};
use crate::primitives::Layout;
use crate::reader::Reader;
use crate::record::{decode_checkpoint, decode_record, encode_checkpoint, encode_record};

/// The newest version of the file.
pub const BACKUP_VERSION: u32 = 1;

/// Bytes of the head.
pub const BACKUP_HEAD_BYTES: usize = 72;

/// Bytes of the hash at the end.
pub const BACKUP_HASH_BYTES: usize = 32;

/// Bytes of an item before its body.
pub const BACKUP_ITEM_HEAD_BYTES: usize = 9;

/// The longest body: a record of the largest command, or a checkpoint of many members.
pub const BACKUP_ITEM_BYTES_MAX: u32 = 64 << 20;

const MAGIC: [u8; 8] = *b"QUORSNAP";

/// The file's length, but for the hash, is a multiple of it.
const SECTOR_BYTES: u64 = 512;

const RECORD_FIXED_BYTES: u64 = BACKUP_ITEM_HEAD_BYTES as u64 + 16 + 34;
const LEASE_FIXED_BYTES: u64 = BACKUP_ITEM_HEAD_BYTES as u64 + 25;

const KIND_RECORD: u8 = 1;
const KIND_LEASE: u8 = 2;
const KIND_CHECKPOINT: u8 = 3;

/// What the file says of itself first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupHead {
    /// Bytes of the file without its hash.
    pub bytes: u64,
    /// The cluster it was taken from.
    pub cluster: ClusterId,
    /// The member it was taken from.
    pub node: NodeId,
    /// That cluster's engine.
    pub engine: EngineKind,
    /// The revision of the state.
    pub revision: i64,
    /// Records in the file.
    pub records: u64,
    /// Leases in the file.
    pub leases: u64,
}

/// One part of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupItem {
    /// A change of a key.
    Record(Revision, Record),
    /// A lease.
    Lease(Lease),
    /// All the rest. Nothing comes after it.
    Checkpoint(Box<Checkpoint>),
}

/// What stands before an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupItemHead {
    kind: u8,
    length: u32,
    checksum: u32,
}

impl BackupHead {
    /// The head of a file that will hold the state of this checkpoint.
    pub fn new(
        cluster: ClusterId,
        node: NodeId,
        engine: EngineKind,
        checkpoint: &Checkpoint,
    ) -> Self {
        Self {
            bytes: file_bytes(checkpoint),
            cluster,
            node,
            engine,
            revision: checkpoint.revision,
            records: checkpoint.records,
            leases: checkpoint.leases,
        }
    }

    /// Appends the head.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut rest = BytesMut::with_capacity(BACKUP_HEAD_BYTES);
        rest.put_u64_le(self.bytes);
        rest.put_u64_le(self.cluster.0);
        rest.put_u64_le(self.node.0);
        rest.put_u64_le(match self.engine {
            EngineKind::Raft => 0,
            EngineKind::Paxos => 1,
        });
        rest.put_i64_le(self.revision);
        rest.put_u64_le(self.records);
        rest.put_u64_le(self.leases);
        out.put_slice(&MAGIC);
        out.put_u32_le(BACKUP_VERSION);
        out.put_u32_le(crc32c::crc32c(&rest));
        out.put_slice(&rest);
    }

    /// Reads the head.
    pub fn decode(bytes: &[u8; BACKUP_HEAD_BYTES]) -> Result<Self, DecodeError> {
        let mut rest = &bytes[..];
        if !rest.starts_with(&MAGIC) {
            return Err(DecodeError::BadMagic { what: "snapshot file" });
        }
        rest.advance(MAGIC.len());
        let version = rest.get_u32_le();
        if version != BACKUP_VERSION {
            let found = u8::try_from(version).unwrap_or(u8::MAX);
            let newest = BACKUP_VERSION as u8;
            return Err(DecodeError::Version { what: "snapshot file", found, newest });
        }
        if rest.get_u32_le() != crc32c::crc32c(&bytes[16..]) {
            return Err(DecodeError::BadChecksum { what: "head of the snapshot file" });
        }
        Ok(Self {
            bytes: rest.get_u64_le(),
            cluster: ClusterId(rest.get_u64_le()),
            node: NodeId(rest.get_u64_le()),
            engine: match rest.get_u64_le() {
                0 => EngineKind::Raft,
                1 => EngineKind::Paxos,
                found => return Err(DecodeError::BadTag { what: "engine", found: found as u8 }),
            },
            revision: rest.get_i64_le(),
            records: rest.get_u64_le(),
            leases: rest.get_u64_le(),
        })
    }
}

/// The length of the file that holds the state of this checkpoint, without its hash.
fn file_bytes(checkpoint: &Checkpoint) -> u64 {
    let Checkpoint { records, leases, logical_bytes, .. } = *checkpoint;
    let overhead = RECORD_OVERHEAD_BYTES * records + LEASE_BYTES * leases;
    let keys_and_values = logical_bytes.saturating_sub(overhead);
    let mut rest = BytesMut::new();
    encode_backup_item(&BackupItem::Checkpoint(Box::new(checkpoint.clone())), &mut rest);
    let items = RECORD_FIXED_BYTES * records + keys_and_values + LEASE_FIXED_BYTES * leases;
    (BACKUP_HEAD_BYTES as u64 + items + rest.len() as u64).next_multiple_of(SECTOR_BYTES)
}

/// Appends an item.
pub fn encode_backup_item(item: &BackupItem, out: &mut BytesMut) {
    let start = out.len();
    out.put_bytes(0, BACKUP_ITEM_HEAD_BYTES);
    let kind = match item {
        BackupItem::Record(revision, record) => {
            revision.put(out);
            encode_record(record, out);
            KIND_RECORD
        }
        BackupItem::Lease(lease) => {
            encode_lease(lease, out);
            KIND_LEASE
        }
        BackupItem::Checkpoint(checkpoint) => {
            encode_checkpoint(checkpoint, out);
            KIND_CHECKPOINT
        }
    };
    let body = &out[start + BACKUP_ITEM_HEAD_BYTES..];
    let length = u32::try_from(body.len()).expect("requests are limited far below 4 GiB");
    let checksum = checksum(kind, body);
    out[start] = kind;
    out[start + 1..start + 5].copy_from_slice(&length.to_le_bytes());
    out[start + 5..start + BACKUP_ITEM_HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(kind: u8, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), body)
}

impl BackupItemHead {
    /// Reads what stands before an item.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != BACKUP_ITEM_HEAD_BYTES {
            return Err(DecodeError::Truncated { what: ITEM });
        }
        let head =
            Self { kind: bytes.get_u8(), length: bytes.get_u32_le(), checksum: bytes.get_u32_le() };
        if !(KIND_RECORD..=KIND_CHECKPOINT).contains(&head.kind) {
            return Err(DecodeError::BadTag { what: ITEM, found: head.kind });
        }
        if BACKUP_ITEM_BYTES_MAX < head.length {
            return Err(DecodeError::BadLength { what: ITEM, claimed: head.length.into() });
        }
        Ok(head)
    }

    /// Bytes of the item's body.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// Reads the item itself.
    pub fn item(&self, mut body: Bytes) -> Result<BackupItem, DecodeError> {
        if body.len() != self.length() {
            return Err(DecodeError::Truncated { what: ITEM });
        }
        if checksum(self.kind, &body) != self.checksum {
            return Err(DecodeError::BadChecksum { what: ITEM });
        }
        match self.kind {
            KIND_RECORD => {
                let revision = Revision::read(&mut Reader::new(&mut body))?;
                Ok(BackupItem::Record(revision, decode_record(body)?))
            }
            KIND_LEASE => decode_lease(body).map(BackupItem::Lease),
            _ => decode_checkpoint(body).map(Box::new).map(BackupItem::Checkpoint),
        }
    }
}

const ITEM: &str = "item of the snapshot file";
