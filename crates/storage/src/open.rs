//! Opening a data directory.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_codec::{ClusterId, EngineKind};
use quorate_consensus::{Members, NodeId, Recovered};
use quorate_kv::Records;

use crate::disk::Disk;
use crate::error::OpenError;
use crate::identity::Identity;
use crate::reader::LogReader;
use crate::staging::Installer;
use crate::wal::Wal;

/// How to open a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose directory it must be, or becomes.
    pub cluster: ClusterId,
    /// Whose directory it must be, or becomes.
    pub node: NodeId,
    /// The engine it must be, or is made, for.
    pub engine: EngineKind,
    /// The configuration that a new directory's log begins with.
    pub members: Members,
    /// Unpredictable, and other at every start: becomes a new directory's incarnation, and salts
    /// the checksums of new segments.
    pub entropy: u64,
    /// The size of a log segment, in bytes. At least [`Options::SEGMENT_BYTES_MIN`].
    pub segment_bytes: u64,
    /// How many dropped segments are kept for reuse at most.
    pub spare_segments_max: usize,
    /// How many bytes of entries are read into [`Recovered::tail`] at most.
    pub tail_bytes_max: u64,
    /// How much memory the disk map may use for its cache, in bytes.
    pub map_cache_bytes: usize,
}

impl Options {
    /// The smallest segment: a head and one page of batches.
    pub const SEGMENT_BYTES_MIN: u64 = 8 * 1024;

    /// The defaults for this node: 64 MiB segments, two of them spare, 64 MiB of tail and cache.
    pub fn new(cluster: ClusterId, node: NodeId, engine: EngineKind, members: Members) -> Self {
        Self {
            cluster,
            node,
            engine,
            members,
            entropy: 0,
            segment_bytes: 64 << 20,
            spare_segments_max: 2,
            tail_bytes_max: 64 << 20,
            map_cache_bytes: 64 << 20,
        }
    }
}

/// A data directory, open and locked until every part of this is dropped.
pub struct Opened {
    /// Whose it is.
    pub identity: Identity,
    /// The log, for the one thread that writes it.
    pub wal: Wal,
    /// The log, for those who read it.
    pub reader: LogReader,
    /// The disk map under the state machine.
    pub records: Arc<dyn Records>,
    /// Where snapshots are received.
    pub installer: Installer,
    /// What the engine starts from.
    pub recovered: Recovered,
    /// The torn tail that was cut, if any: a batch that was being written at a crash, never
    /// acknowledged.
    pub cut: Option<Cut>,
}

/// A torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file it was cut from.
    pub path: PathBuf,
    /// Where, in bytes.
    pub offset: u64,
}

/// Opens a data directory, or makes it.
///
/// Everything reported is durable when this returns. Makes missing directories, takes the lock,
/// counts the start, cuts a torn tail and removes what an interrupted step left behind.
pub fn open(disk: Arc<dyn Disk>, directory: &Path, options: Options) -> Result<Opened, OpenError> {
    let _ = (disk, directory, options);
    unreachable!("arrives in the next step")
}
