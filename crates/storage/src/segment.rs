//! A segment of the log: its file's name and head.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_codec::{EngineKind, decode_hard, decode_meta, encode_hard, encode_meta};
use quorate_consensus::{Ballot, HardState, Incarnation, Index, Members, Meta, NodeId};

use crate::batch::Salt;
use crate::disk::DiskFile;
use crate::identity::Identity;

/// The newest version of a segment.
pub(crate) const SEGMENT_VERSION: u32 = 1;

/// Heads fill whole pages, so that batches begin on one.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// The longest head. Its one unbounded part is what the host stores about each member.
const HEAD_BYTES_MAX: u64 = 64 << 20;

const MAGIC: [u8; 8] = *b"QUORWAL\0";
const FIXED_BYTES: usize = 128;
const CHECKED_FROM: usize = 16;

/// The suffix of a segment in use.
const SUFFIX: &str = ".wal";

/// Which file holds the state machine: the position it was installed at, zero for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreId {
    pub(crate) index: Index,
    pub(crate) ballot: Ballot,
}

impl StoreId {
    pub(crate) fn of(meta: &Meta) -> Self {
        Self { index: meta.index, ballot: meta.ballot }
    }
}

/// What a segment's head says: the state of the log where the segment begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its place in the log, from 1.
    pub(crate) sequence: u64,
    /// The length of its file, which never changes while it is part of the log.
    pub(crate) length: u64,
    /// What its checksums begin with.
    pub(crate) salt: u64,
    /// Whose log it is.
    pub(crate) owner: Owner,
    /// Where the batches of the segment before end, and the checksum of the last of them; zero in
    /// the first segment.
    pub(crate) previous: Link,
    /// The highest index put into any segment before.
    pub(crate) highest_before: Index,
    /// The last position of the log.
    pub(crate) last: Index,
    /// The state machine's file.
    pub(crate) store: StoreId,
    /// The newest hard state.
    pub(crate) hard: HardState,
    /// Where the log begins.
    pub(crate) meta: Meta,
}

/// Whose a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) cluster: u64,
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) engine: EngineKind,
}

impl Owner {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self {
            cluster: identity.cluster.0,
            node: identity.node,
            incarnation: identity.incarnation,
            engine: identity.engine,
        }
    }
}

/// The end of a chain of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where the next batch goes.
    pub(crate) end: u64,
    /// The checksum that it repeats.
    pub(crate) checksum: u32,
}

/// Why a head was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// Written by a newer program.
    Newer(u32),
    /// Not what was written.
    Bad,
}

impl Head {
    /// The bytes of the head, to whole pages, and the checksum that the first batch repeats.
    pub(crate) fn encode(&self) -> (Bytes, u32) {
        let mut out = BytesMut::new();
        out.put_slice(&MAGIC);
        out.put_u32_le(SEGMENT_VERSION);
        out.put_u32_le(0);
        out.put_u32_le(0);
        out.put_u32_le(self.previous.checksum);
        out.put_u64_le(self.previous.end);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.length);
        out.put_u64_le(self.salt);
        out.put_u64_le(self.owner.cluster);
        out.put_u64_le(self.owner.node.0);
        out.put_u64_le(self.owner.incarnation.0);
        out.put_u64_le(engine_tag(self.owner.engine));
        out.put_u64_le(self.highest_before.0);
        out.put_u64_le(self.last.0);
        out.put_u64_le(self.store.index.0);
        out.put_u64_le(self.store.ballot.round);
        out.put_u64_le(self.store.ballot.node.0);
        assert_eq!(out.len(), FIXED_BYTES, "the drawing and the code agree");
        encode_hard(&self.hard, &mut out);
        encode_meta(&self.meta, &mut out);

        let length = u32::try_from(out.len()).expect("a configuration takes less than 4 GiB");
        out[16..20].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&out);
        out[12..16].copy_from_slice(&checksum.to_le_bytes());
        let padded = u64::from(length).next_multiple_of(PAGE_BYTES) as usize;
        out.put_bytes(0, padded - out.len());
        (out.freeze(), checksum)
    }

    /// Reads the head at the front of a segment's bytes. Returns it with the place of the first
    /// batch.
    pub(crate) fn decode(file: &Bytes) -> Result<(Self, Link), HeadError> {
        let (version, length, checksum_found) = fixed(file).ok_or(HeadError::Bad)?;
        if SEGMENT_VERSION < version {
            return Err(HeadError::Newer(version));
        }
        let is_possible = FIXED_BYTES <= length && length as u64 <= HEAD_BYTES_MAX;
        if version != SEGMENT_VERSION || !is_possible || file.len() < length {
            return Err(HeadError::Bad);
        }
        if checksum(&file[..length]) != checksum_found {
            return Err(HeadError::Bad);
        }
        let head = Self::decode_fields(file.slice(20..length)).ok_or(HeadError::Bad)?;
        let end = (length as u64).next_multiple_of(PAGE_BYTES);
        Ok((head, Link { end, checksum: checksum_found }))
    }

    fn decode_fields(mut bytes: Bytes) -> Option<Self> {
        let checksum = bytes.get_u32_le();
        let previous = Link { end: bytes.get_u64_le(), checksum };
        let sequence = bytes.get_u64_le();
        let length = bytes.get_u64_le();
        let salt = bytes.get_u64_le();
        let owner = Owner {
            cluster: bytes.get_u64_le(),
            node: NodeId(bytes.get_u64_le()),
            incarnation: Incarnation(bytes.get_u64_le()),
            engine: engine_of(bytes.get_u64_le())?,
        };
        let highest_before = Index(bytes.get_u64_le());
        let last = Index(bytes.get_u64_le());
        let index = Index(bytes.get_u64_le());
        let ballot = Ballot { round: bytes.get_u64_le(), node: NodeId(bytes.get_u64_le()) };
        let store = StoreId { index, ballot };
        let hard = decode_hard(&mut bytes).ok()?;
        let meta = detached_meta(decode_meta(&mut bytes).ok()?);
        let head = Self {
            sequence,
            length,
            salt,
            owner,
            previous,
            highest_before,
            last,
            store,
            hard,
            meta,
        };
        bytes.is_empty().then_some(head)
    }
}

/// The same, in memory of its own: decoded bytes keep the whole file they came from.
pub(crate) fn detached_meta(meta: Meta) -> Meta {
    Meta { members: detached_members(meta.members), ..meta }
}

/// The same, in memory of its own.
pub(crate) fn detached_members(mut members: Members) -> Members {
    for details in members.details.values_mut() {
        *details = Bytes::copy_from_slice(details);
    }
    members
}

/// Version, length and checksum of what begins like a segment.
fn fixed(file: &Bytes) -> Option<(u32, usize, u32)> {
    let mut bytes = file.get(..FIXED_BYTES)?;
    if bytes[..8] != MAGIC {
        return None;
    }
    bytes.advance(8);
    let version = bytes.get_u32_le();
    let checksum = bytes.get_u32_le();
    Some((version, bytes.get_u32_le() as usize, checksum))
}

fn checksum(head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..12]), &head[CHECKED_FROM..])
}

/// The number that stands for an engine in files.
pub(crate) fn engine_tag(engine: EngineKind) -> u64 {
    match engine {
        EngineKind::Raft => 0,
        EngineKind::Paxos => 1,
    }
}

/// The engine that a number in a file stands for.
pub(crate) fn engine_of(tag: u64) -> Option<EngineKind> {
    match tag {
        0 => Some(EngineKind::Raft),
        1 => Some(EngineKind::Paxos),
        _ => None,
    }
}

/// The path of the segment `sequence` in the log's directory.
pub(crate) fn path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("{sequence:016x}{SUFFIX}"))
}

/// The sequence of the segment of this file name, if it is one.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let sequence = u64::from_str_radix(digits, 16).ok()?;
    (format!("{sequence:016x}") == digits).then_some(sequence)
}

/// A segment that is part of the log.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) salt: Salt,
    pub(crate) path: Arc<PathBuf>,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The file's length.
    pub(crate) length: u64,
    /// The highest index put into it; zero if none.
    pub(crate) highest: Index,
}

#[cfg(test)]
mod tests;
