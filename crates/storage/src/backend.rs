//! redb's file, over our disk.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use crate::disk::{DiskFile, failed_sync, is_full};

/// What went wrong with a file, seen below the database that uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The disk was full. What was durable before still is.
    Full,
    /// A read or write failed, or a sync: what is durable is unknown.
    Failed(io::ErrorKind),
}

/// One life of the database over the file: ends when the database must be opened anew.
#[derive(Clone)]
pub(crate) struct Backend {
    file: Arc<dyn DiskFile>,
    life: Arc<Life>,
}

#[derive(Debug, Default)]
struct Life {
    is_over: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

impl Backend {
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, life: Arc::default() }
    }

    /// Ends this life: whoever still holds the database can do nothing to the file any more.
    pub(crate) fn end(&self) {
        self.life.is_over.store(true, Ordering::Release);
    }

    /// The worst thing that has happened so far.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        *self.life.trouble.lock().expect("nothing panics while it holds the lock")
    }

    /// Whether both stand for the same life of the same database.
    pub(crate) fn is_same_life(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.life, &other.life)
    }

    fn run<T>(&self, call: impl FnOnce(&dyn DiskFile) -> io::Result<T>) -> io::Result<T> {
        if self.life.is_over.load(Ordering::Acquire) {
            return Err(io::Error::other("the database was opened anew"));
        }
        call(&*self.file).inspect_err(|error| {
            let trouble =
                if is_full(error) { Trouble::Full } else { Trouble::Failed(error.kind()) };
            self.note(trouble);
        })
    }

    /// A failure stays; being full gives way to it.
    fn note(&self, trouble: Trouble) {
        let mut noted = self.life.trouble.lock().expect("nothing panics while it holds the lock");
        if !matches!(*noted, Some(Trouble::Failed(_))) {
            *noted = Some(trouble);
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Backend").field("life", &self.life).finish_non_exhaustive()
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.run(|file| file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.run(|file| file.read_at(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.run(|file| file.truncate(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.run(|file| file.sync_data().map_err(|error| failed_sync(&error)))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.run(|file| file.write_at(offset, data))
    }
}
