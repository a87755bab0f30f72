//! A disk in memory that fails as told: power cuts, torn writes, lying caches, full disks, rot.
//!
//! What is written sits in a cache until it is synced. [`SimDisk::crash`] cuts the power: of each
//! file, any subset of the unsynced 512-byte sectors survives, and of each directory any subset of
//! the changes since it was synced. Equal calls give equal disks; choices come from a seed.

mod file;
mod names;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile, DiskLock, LockError, OpenMode};
use world::World;

/// What survives a power cut on its own: disks write sectors whole.
pub const SECTOR_BYTES: u64 = 512;

/// A simulated disk. Clones are handles to the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An input/output error. Nothing of a write was done. After a failed sync the cache believes
    /// that the unsynced sectors are clean: they can be read, and no later sync writes them.
    Error,
    /// The disk is full. Nothing was done.
    Full,
    /// The disk became full after the first bytes of a write. Other calls fail as with `Full`.
    Short {
        /// How many bytes were written.
        bytes: usize,
    },
}

/// What a power cut leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Lost,
    /// Everything.
    Kept,
    /// Each sector, length and name change, or not, by this seed.
    Torn(u64),
}

/// A change that was not synced when the power was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced<'a> {
    /// The contents of a sector.
    Sector {
        /// The file, as it was last named.
        path: &'a Path,
        /// Which sector, from 0.
        sector: u64,
    },
    /// The length of a file.
    Length {
        /// The file, as it was last named.
        path: &'a Path,
    },
    /// A name made, removed or moved.
    Name {
        /// The name; of a move, the new one.
        path: &'a Path,
    },
}

/// Whether an unsynced change survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It reached the disk.
    New,
    /// It did not.
    Old,
}

impl SimDisk {
    /// An empty disk with a root directory, without failures, of unlimited size.
    pub fn new() -> Self {
        Self::default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no call panics while it holds the disk")
    }

    /// How many calls that change the disk were made so far: makes, writes, truncations, syncs,
    /// renames, unlinks.
    pub fn changes(&self) -> u64 {
        self.world().changes
    }

    /// How many reads of files were made so far.
    pub fn reads(&self) -> u64 {
        self.world().reads
    }

    /// Makes the change number `change` fail (the first ever is 0).
    pub fn fail_change(&self, change: u64, failure: Failure) {
        self.world().failures.insert(change, failure);
    }

    /// Makes the next sync fail, of a file or a directory.
    pub fn fail_sync(&self) {
        self.world().is_next_sync_failing = true;
    }

    /// Makes the read number `read` fail (the first ever is 0).
    pub fn fail_read(&self, read: u64) {
        self.world().read_failures.insert(read);
    }

    /// Takes back all failures that have not come to pass.
    pub fn heal(&self) {
        let mut world = self.world();
        world.failures.clear();
        world.read_failures.clear();
        world.is_next_sync_failing = false;
    }

    /// Stops the process right before the change number `change`: that call and all after it fail
    /// until [`SimDisk::crash`] or [`SimDisk::kill`].
    pub fn halt_before(&self, change: u64) {
        self.world().halt_before = Some(change);
    }

    /// Whether the process was stopped by [`SimDisk::halt_before`].
    pub fn is_halted(&self) -> bool {
        self.world().is_halted()
    }

    /// Limits the sum of all files' lengths; `None` is without limit.
    pub fn limit(&self, bytes: Option<u64>) {
        self.world().bytes_max = bytes;
    }

    /// The sum of all files' lengths.
    pub fn used_bytes(&self) -> u64 {
        self.world().used_bytes()
    }

    /// Cuts the power: open files and locks end, and what was not synced survives as told.
    pub fn crash(&self, survival: Survival) {
        let mut random = Random(match survival {
            Survival::Torn(seed) => seed,
            Survival::Lost | Survival::Kept => 0,
        });
        self.crash_choosing(|_| match survival {
            Survival::Lost => Keep::Old,
            Survival::Kept => Keep::New,
            Survival::Torn(_) => random.coin(),
        });
    }

    /// Cuts the power: `choose` decides for each unsynced change, in the order of files and
    /// sectors, then of directories and the changes in them.
    pub fn crash_choosing(&self, choose: impl FnMut(Unsynced<'_>) -> Keep) {
        self.world().crash(choose);
    }

    /// Ends the process: open files and locks end, the cache stays.
    pub fn kill(&self) {
        self.world().restart();
    }

    /// An independent copy of the disk as it is, with its pending failures. Files opened on this
    /// one stay with this one.
    pub fn fork(&self) -> Self {
        Self { world: Arc::new(Mutex::new(self.world().clone())) }
    }

    /// The paths of all files, ascending.
    pub fn files(&self) -> Vec<PathBuf> {
        self.world().files()
    }

    /// The contents of a file as a reader sees them.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.world().contents(path)
    }

    /// Rot: replaces a file's contents behind everyone's back, durably; makes it if need be.
    pub fn replace(&self, path: &Path, contents: &[u8]) {
        self.world().replace(path, contents);
    }

    /// Rot: flips one bit of a file at rest; bit 0 is the lowest of the first byte.
    pub fn flip(&self, path: &Path, bit: u64) {
        self.world().flip(path, bit);
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let (inode, epoch) = self.world().open(path, mode)?;
        Ok(Arc::new(SimFile { world: Arc::clone(&self.world), inode, epoch }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.world().rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.world().unlink(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.world().sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.world().list(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.world().create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.world().exists(path)
    }

    fn lock(&self, path: &Path) -> Result<Arc<dyn DiskLock>, LockError> {
        let epoch = self.world().lock(path)?;
        Ok(Arc::new(SimLock { world: Arc::clone(&self.world), path: path.to_owned(), epoch }))
    }
}

/// An open file: it ends with the process that opened it.
struct SimFile {
    world: Arc<Mutex<World>>,
    inode: u64,
    epoch: u64,
}

impl SimFile {
    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.world.lock().expect("no call panics while it holds the disk");
        if world.epoch != self.epoch {
            return Err(io::Error::other("the process that opened this file has ended"));
        }
        Ok(world)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.world()?.read_at(self.inode, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.world()?.write_at(self.inode, offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.world()?.sync_data(self.inode)
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.world()?.drop_cache(self.inode)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.world()?.truncate(self.inode, length)
    }

    fn len(&self) -> io::Result<u64> {
        self.world()?.length(self.inode)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if let Ok(mut world) = self.world.lock() {
            world.close(self.inode, self.epoch);
        }
    }
}

struct SimLock {
    world: Arc<Mutex<World>>,
    path: PathBuf,
    epoch: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        if let Ok(mut world) = self.world.lock() {
            world.unlock(&self.path, self.epoch);
        }
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014): a seed gives the same choices for ever.
struct Random(u64);

impl Random {
    fn coin(&mut self) -> Keep {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if crate::mix::mix(self.0) & 1 == 0 { Keep::Old } else { Keep::New }
    }
}

#[cfg(test)]
mod tests;
