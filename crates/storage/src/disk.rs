//! The disk as storage sees it: files and directories, every call of which can fail.
//!
//! The trait is synchronous and at the level of files, so that the simulator runs the same code
//! over [`crate::SimDisk`] as the server does over [`crate::RealDisk`].

use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened. Always for reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist.
    Existing,
    /// It is made, or emptied if it exists.
    Empty,
}

/// A file system.
///
/// What was written is durable only after [`DiskFile::sync_data`]; that a name exists, is gone or
/// has moved is durable only after [`Disk::sync_directory`] of the directory it is in.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file, replacing a file of the new name: after a crash one of the two names is
    /// there, and a replaced file is never half replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Those who have it open can go on using it.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, ascending. Names that are not UTF-8 are left out: none is ours.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes a directory in an existing one.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Whether a file or directory of this name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Takes the exclusive lock that the file at `path` stands for, making the file if need be.
    /// Never waits. The lock ends when the answer is dropped or the process dies.
    fn lock(&self, path: &Path) -> Result<Arc<dyn DiskLock>, LockError>;
}

/// An open file. Any number of threads may use it; they must not write the same bytes.
pub trait DiskFile: Send + Sync {
    /// Fills `buffer` from `offset` on. Fails with `UnexpectedEof` where the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file if need be. After an error any part of
    /// them may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written durable, and the length. An error leaves unknown what is durable,
    /// for good: calling it again proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Forgets what the system holds of the file in memory and takes for equal to the disk. After
    /// a failed sync it may not be equal: what was read before could be gone after a power cut.
    fn drop_cache(&self) -> io::Result<()>;

    /// Cuts the file, or grows it by zeros.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }
}

/// An exclusive lock, held for as long as this lives.
pub trait DiskLock: Send + Sync {}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it, or another part of this one.
    Held,
    /// The system failed.
    Io(io::Error),
}

/// A failed sync is never a state, not even for lack of space: afterwards nobody knows what is
/// durable. This takes the harmless kinds from its error.
pub(crate) fn failed_sync(error: &io::Error) -> io::Error {
    io::Error::other(format!("a sync failed: {error}"))
}

/// Whether an error says that the disk is full, a state that ends by itself when space returns.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
