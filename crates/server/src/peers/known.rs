//! Which data directory each peer is known by, durably.
//!
//! A peer whose disk was wiped has forgotten its promises; if it were counted as the member that
//! made them, a second quorum could form. So the incarnation a peer first came with is remembered
//! before anything it says counts, and another one is refused.
//!
//! ```text
//! u8 version, u32 count, count times (u64 node, u64 incarnation), u32 CRC-32C of all before;
//! little-endian
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use quorate_consensus::{Incarnation, NodeId};
use quorate_storage::{Disk, OpenMode};
use tokio::sync::Mutex;

use crate::fatal::{Alarm, Failure};

const VERSION: u8 = 1;
const FILE: &str = "peers";
const FILE_NEW: &str = "peers.new";

/// The incarnations of the peers.
pub(crate) struct Known {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    peers: Mutex<BTreeMap<NodeId, Incarnation>>,
    alarm: Alarm,
}

/// Why the file of known peers was not read.
#[derive(Debug)]
pub enum KnownError {
    /// The system failed.
    Io(io::Error),
    /// The bytes are not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for KnownError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(formatter, "the list of known peers: {error}"),
            Self::Damaged { path } => write!(
                formatter,
                "{} is damaged: this member no longer knows which peers may be counted. Remove the \
                 member, wipe its data directory and add it as new, or restore a backup",
                path.display()
            ),
        }
    }
}

impl std::error::Error for KnownError {}

impl From<io::Error> for KnownError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Known {
    /// Reads the list of an open data directory.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        alarm: Alarm,
    ) -> Result<Self, KnownError> {
        let path = directory.join(FILE);
        let peers = if disk.exists(&path)? {
            let file = disk.open(&path, OpenMode::Existing)?;
            let length = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(FILE_BYTES_MAX);
            let mut bytes = vec![0; length];
            file.read_at(0, &mut bytes)?;
            decode(&bytes).ok_or(KnownError::Damaged { path })?
        } else {
            BTreeMap::new()
        };
        Ok(Self { disk, directory: directory.to_owned(), peers: Mutex::new(peers), alarm })
    }

    /// Takes a peer that came with this incarnation, or says with which it is known.
    pub(crate) async fn admit(
        &self,
        peer: NodeId,
        incarnation: Incarnation,
    ) -> Result<(), Incarnation> {
        let mut peers = self.peers.lock().await;
        if let Some(known) = peers.get(&peer) {
            return if *known == incarnation { Ok(()) } else { Err(*known) };
        }
        peers.insert(peer, incarnation);
        if let Err(error) = self.store(&encode(&peers)) {
            self.alarm.raise(Failure::Log(error.to_string()));
            return Err(Incarnation(0));
        }
        Ok(())
    }

    /// A few bytes, once per peer and life of a cluster: not worth a thread of its own.
    fn store(&self, bytes: &[u8]) -> io::Result<()> {
        let new = self.directory.join(FILE_NEW);
        let file = self.disk.open(&new, OpenMode::Empty)?;
        file.write_at(0, bytes)?;
        file.sync_data()?;
        self.disk.rename(&new, &self.directory.join(FILE))?;
        self.disk.sync_directory(&self.directory)
    }
}

/// More than any cluster needs.
const FILE_BYTES_MAX: usize = 1 << 20;

fn encode(peers: &BTreeMap<NodeId, Incarnation>) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    out.put_u32_le(peers.len() as u32);
    for (node, incarnation) in peers {
        out.put_u64_le(node.0);
        out.put_u64_le(incarnation.0);
    }
    let crc = crc32c::crc32c(&out);
    out.put_u32_le(crc);
    out
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<NodeId, Incarnation>> {
    let (mut body, mut tail) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if tail.try_get_u32_le().ok()? != crc32c::crc32c(body) || body.try_get_u8().ok()? != VERSION {
        return None;
    }
    let count = body.try_get_u32_le().ok()?;
    let mut peers = BTreeMap::new();
    for _ in 0..count {
        let node = NodeId(body.try_get_u64_le().ok()?);
        peers.insert(node, Incarnation(body.try_get_u64_le().ok()?));
    }
    body.is_empty().then_some(peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BTreeMap<NodeId, Incarnation> {
        BTreeMap::from([(NodeId(7), Incarnation(70)), (NodeId(9), Incarnation(90))])
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encode(&sample());
        assert_eq!(decode(&bytes), Some(sample()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "cut at {length}");
        }
    }

    #[tokio::test]
    async fn another_incarnation_is_refused_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(quorate_storage::RealDisk);
        let open = || Known::open(disk.clone(), directory.path(), Alarm::new().0).unwrap();
        let known = open();
        assert_eq!(known.admit(NodeId(1), Incarnation(10)).await, Ok(()));
        assert_eq!(known.admit(NodeId(1), Incarnation(10)).await, Ok(()));
        assert_eq!(known.admit(NodeId(1), Incarnation(11)).await, Err(Incarnation(10)));
        drop(known);
        assert_eq!(open().admit(NodeId(1), Incarnation(11)).await, Err(Incarnation(10)));
    }
}
