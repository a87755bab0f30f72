//! Whose data directory it is, and the small file that says so.
//!
//! ```text
//!  0          8         12        16        24        32        40            48       56
//! +----------+---------+---------+---------+---------+---------+-------------+--------+
//! | QUORATID | version | crc32c  | cluster | node    | engine  | incarnation | boots  |
//! +----------+---------+---------+---------+---------+---------+-------------+--------+
//! ```
//! Little-endian. The checksum is over all other bytes. Never changed in place: a new file is
//! written, synced and renamed over the old one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BufMut};
use quorate_codec::{ClusterId, EngineKind};
use quorate_consensus::{Incarnation, NodeId};

use crate::disk::{Disk, OpenMode};
use crate::error::{OpenError, Problem};
use crate::recover::{damaged, failed};
use crate::segment::{engine_of, engine_tag};

/// The newest version of the file.
const IDENTITY_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"QUORATID";
const BYTES: usize = 56;

/// Whose data directory it is, and which life it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The cluster's engine, for life.
    pub engine: EngineKind,
    /// Drawn when the directory was made: a wiped disk comes back with another.
    pub incarnation: Incarnation,
    /// How often the directory was opened, this time included: durable before anything is
    /// promised, so that numbers built on it are unique across restarts.
    pub boots: u64,
}

impl Identity {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.put_slice(&MAGIC);
        out.put_u32_le(IDENTITY_VERSION);
        out.put_u32_le(0);
        out.put_u64_le(self.cluster.0);
        out.put_u64_le(self.node.0);
        out.put_u64_le(engine_tag(self.engine));
        out.put_u64_le(self.incarnation.0);
        out.put_u64_le(self.boots);
        let checksum = checksum(&out);
        out[12..16].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, Option<u32>> {
        if bytes.len() < 16 || bytes[..8] != MAGIC {
            return Err(None);
        }
        let expected = checksum(bytes);
        bytes.advance(8);
        let version = bytes.get_u32_le();
        if IDENTITY_VERSION < version {
            return Err(Some(version));
        }
        let found = bytes.get_u32_le();
        if version != IDENTITY_VERSION || found != expected || bytes.len() != BYTES - 16 {
            return Err(None);
        }
        Ok(Self {
            cluster: ClusterId(bytes.get_u64_le()),
            node: NodeId(bytes.get_u64_le()),
            engine: engine_of(bytes.get_u64_le()).ok_or(None)?,
            incarnation: Incarnation(bytes.get_u64_le()),
            boots: bytes.get_u64_le(),
        })
    }

    /// Writes the file, durably. Its name is durable once its directory is synced.
    pub(crate) fn write(&self, disk: &Arc<dyn Disk>, path: &Path) -> Result<(), OpenError> {
        let write = || {
            let file = disk.open(path, OpenMode::Empty)?;
            file.write_at(0, &self.encode())?;
            file.sync_data()
        };
        write().map_err(|error| failed(path, error))
    }

    /// Reads the file.
    pub(crate) fn read(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let read = || {
            let file = disk.open(path, OpenMode::Existing)?;
            let mut bytes = vec![0; file.len()?.min(BYTES as u64 + 1) as usize];
            file.read_at(0, &mut bytes)?;
            io::Result::Ok(bytes)
        };
        let bytes = read().map_err(|error| failed(path, error))?;
        Self::decode(&bytes).map_err(|version| match version {
            Some(found) => {
                OpenError::Newer { path: path.to_owned(), found, newest: IDENTITY_VERSION }
            }
            None => damaged(path, 0, Problem::Head),
        })
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}
