//! Why storage refuses or fails: one enum per operation, each variant naming the next step.

use core::fmt;
use std::io;
use std::path::PathBuf;

use quorate_codec::{ClusterId, EngineKind};
use quorate_consensus::{Index, NodeId};
use quorate_kv::MapError;

/// Why a data directory was not opened. Nothing in it was changed for the worse.
#[derive(Debug)]
pub enum OpenError {
    /// Another process uses it. Stop that one, or name another directory.
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// The system failed.
    Io {
        /// What was being used.
        path: PathBuf,
        /// How it failed.
        error: io::Error,
    },
    /// It belongs to another cluster. Name another directory, or the right cluster.
    WrongCluster {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: ClusterId,
        /// Who asked.
        expected: ClusterId,
    },
    /// It belongs to another node. Name another directory, or the right node.
    WrongNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asked.
        expected: NodeId,
    },
    /// It was made for the other engine. A cluster keeps its engine for life.
    WrongEngine {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: EngineKind,
        /// Who asked.
        expected: EngineKind,
    },
    /// Written by a newer program. Run that one.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest this program reads.
        newest: u32,
    },
    /// Bytes that were durable have changed or are gone. This replica's data is lost: remove the
    /// member, wipe the directory and add it as new, or restore a backup.
    Damaged(Damage),
    /// The state machine's position lies outside the log: one of the two is not this node's.
    Detached {
        /// Where the state machine stands.
        applied: Index,
        /// Where the log begins.
        base: Index,
        /// Where the log ends.
        last: Index,
    },
}

/// Durable bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file they are in, or that is missing.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is gone while others say that it was there.
    Missing,
    /// The head of the file fails its checksum.
    Head,
    /// The head contradicts the file's name or the files around it.
    Place,
    /// A batch fails its checksum although batches after it are sound.
    Batch,
    /// A record in a sound batch cannot be read, or cannot follow the records before it.
    Record,
    /// Entries are missing in the middle of the log.
    Hole(Index),
    /// The state machine's file is damaged.
    Map(MapError),
}

/// Why an append was not done.
#[derive(Debug)]
pub enum WalError {
    /// The disk is full and the batches do not fit what is left. Nothing was written: append the
    /// same batches again later. Shorter ones may still fit.
    Full {
        /// How many bytes the batches take.
        needed: u64,
        /// How many are left for batches of this kind.
        left: u64,
    },
    /// A write or sync failed, now or before. What is durable is unknown until the directory is
    /// opened again, so nothing is written any more: stop the node.
    Poisoned(io::ErrorKind),
}

/// Why entries were not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The first entry is compacted away: send a snapshot instead.
    Compacted {
        /// The position up to which entries are gone.
        base: Index,
    },
    /// The first entry is not in the log, or not yet durable.
    Absent,
    /// The entry cannot be read back. Stop the node.
    Damaged(Damage),
    /// The system failed to read. Stop the node.
    Io(io::ErrorKind),
}

/// Why a snapshot was not staged or activated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallError {
    /// The disk is full. Abandon this transfer; a later one may fit.
    Full,
    /// The records do not ascend from where the last ones ended. Pull from `next` again.
    OutOfOrder {
        /// The smallest revision that may come.
        next: quorate_kv::Revision,
    },
    /// What arrived is not what the checkpoint describes. Abandon this transfer.
    Mismatch(quorate_kv::OpenError),
    /// The checkpoint is not the one of the position that is being installed. Abandon it.
    WrongPosition,
    /// No whole snapshot of this position is staged.
    NotStaged,
    /// The disk failed. Stop the node.
    Map(MapError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => write!(
                formatter,
                "{} is locked by another process: stop it, or use another data directory",
                path.display()
            ),
            Self::Io { path, error } if error.kind() == io::ErrorKind::StorageFull => write!(
                formatter,
                "{}: {error}: free some space, then start this member again",
                path.display()
            ),
            Self::Io { path, error } => write!(formatter, "{}: {error}", path.display()),
            Self::WrongCluster { path, found, expected } => write!(
                formatter,
                "{} belongs to cluster {:x}, not {:x}: check the data directory, the initial \
                 cluster and its token, or wipe the directory and add this node as new",
                path.display(),
                found.0,
                expected.0
            ),
            Self::WrongNode { path, found, expected } => write!(
                formatter,
                "{} belongs to node {found}, not {expected}: check the data directory and the \
                 node's name, or wipe the directory and add this node as new",
                path.display()
            ),
            Self::WrongEngine { path, found, expected } => write!(
                formatter,
                "{} was made for {found}, not {expected}: a cluster keeps its engine for life; \
                 start with --engine={found}, or use another data directory",
                path.display()
            ),
            Self::Newer { path, found, newest } => write!(
                formatter,
                "{} has format version {found}, this program reads up to {newest}: run the newer \
                 program again",
                path.display()
            ),
            Self::Damaged(damage) => write!(
                formatter,
                "{damage}; this replica has lost data: remove the member from the cluster, wipe \
                 its data directory and add it as new, or restore a backup"
            ),
            Self::Detached { applied, base, last } => write!(
                formatter,
                "the state machine stands at entry {applied}, outside the log, which has entries \
                 after {base} up to {last}: files of different origin are mixed; remove the \
                 member, wipe its data directory and add it as new"
            ),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, problem } = self;
        write!(formatter, "{} is damaged at byte {offset}: {problem}", path.display())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("the file is missing"),
            Self::Head => formatter.write_str("the head of the file fails its checksum"),
            Self::Place => formatter.write_str("the file does not fit the files around it"),
            Self::Batch => formatter.write_str("a batch fails its checksum, and sound ones follow"),
            Self::Record => formatter.write_str("a record makes no sense at its place"),
            Self::Hole(index) => write!(formatter, "entry {index} is missing"),
            Self::Map(error) => error.fmt(formatter),
        }
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { needed, left } => write!(
                formatter,
                "the log's disk is full: {needed} bytes needed, {left} reserved; free some space"
            ),
            Self::Poisoned(kind) => write!(formatter, "the log's disk failed: {kind}"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compacted { base } => write!(formatter, "the log is compacted up to {base}"),
            Self::Absent => formatter.write_str("the entry is not in the log"),
            Self::Damaged(damage) => damage.fmt(formatter),
            Self::Io(kind) => write!(formatter, "the log could not be read: {kind}"),
        }
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => formatter.write_str("the disk is full"),
            Self::OutOfOrder { next } => {
                write!(formatter, "records must come from {}.{} on", next.main, next.sub)
            }
            Self::Mismatch(error) => error.fmt(formatter),
            Self::WrongPosition => formatter.write_str("the checkpoint is of another position"),
            Self::NotStaged => formatter.write_str("no whole snapshot of this position is staged"),
            Self::Map(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for OpenError {}
impl std::error::Error for WalError {}
impl std::error::Error for ReadError {}
impl std::error::Error for InstallError {}
