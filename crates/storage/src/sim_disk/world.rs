//! The state of a simulated disk, and what each call does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::file::Contents;
use super::names::{Change, Names, Node};
use super::{Failure, Keep, Unsynced};
use crate::disk::{LockError, OpenMode};

/// Everything there is.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    names: Names,
    files: BTreeMap<u64, Contents>,
    /// How often each file is open, so that an unlinked one lives on.
    opened: BTreeMap<u64, u64>,
    files_made: u64,
    locks: BTreeSet<PathBuf>,
    /// Which process is running; open files and locks of earlier ones have ended.
    pub(super) epoch: u64,
    pub(super) changes: u64,
    pub(super) reads: u64,
    pub(super) failures: BTreeMap<u64, Failure>,
    pub(super) read_failures: BTreeSet<u64>,
    pub(super) is_next_sync_failing: bool,
    pub(super) halt_before: Option<u64>,
    pub(super) bytes_max: Option<u64>,
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl World {
    pub(super) fn is_halted(&self) -> bool {
        self.halt_before.is_some_and(|change| change <= self.changes)
    }

    fn halted() -> io::Error {
        io::Error::other("the process was stopped")
    }

    /// Counts a call that changes the disk, and fails it if so told.
    fn begin_change(&mut self) -> Result<(), Failure> {
        if self.is_halted() {
            return Err(Failure::Error);
        }
        let change = self.changes;
        self.changes += 1;
        self.failures.remove(&change).map_or(Ok(()), Err)
    }

    /// As [`World::begin_change`], for calls that fail whole.
    fn begin_whole(&mut self) -> io::Result<()> {
        self.begin_change().map_err(|failure| match failure {
            Failure::Error => io::Error::other("input/output error"),
            Failure::Full | Failure::Short { .. } => full(),
        })
    }

    /// As [`World::begin_whole`], for syncs.
    fn begin_sync(&mut self) -> io::Result<()> {
        let begun = self.begin_whole();
        if begun.is_ok() && core::mem::take(&mut self.is_next_sync_failing) {
            return Err(io::Error::other("input/output error"));
        }
        begun
    }

    fn contents_mut(&mut self, inode: u64) -> &mut Contents {
        self.files.get_mut(&inode).expect("an open file exists")
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<(u64, u64)> {
        if self.is_halted() {
            return Err(Self::halted());
        }
        let found = self.names.live.get(path).copied();
        let inode = match (found, mode) {
            (Some(Node::Directory), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (None, OpenMode::Existing) => return Err(not_found()),
            (Some(Node::File(inode)), OpenMode::Existing) => inode,
            (Some(Node::File(inode)), OpenMode::Empty) => {
                self.begin_whole()?;
                self.contents_mut(inode).truncate(0);
                inode
            }
            (None, OpenMode::Empty) => self.make(path)?,
        };
        *self.opened.entry(inode).or_default() += 1;
        Ok((inode, self.epoch))
    }

    fn make(&mut self, path: &Path) -> io::Result<u64> {
        self.check_parent(path)?;
        self.begin_whole()?;
        let inode = self.files_made;
        self.files_made += 1;
        self.files.insert(inode, Contents::default());
        self.names.change(Change::Link(path.to_owned(), Node::File(inode)));
        Ok(inode)
    }

    fn check_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().ok_or_else(not_found)?;
        if self.names.live.get(parent) == Some(&Node::Directory) {
            return Ok(());
        }
        Err(not_found())
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        match self.names.live.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found()),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(from.parent(), to.parent(), "files never move between directories");
        let inode = self.inode(from)?;
        self.begin_whole()?;
        self.names.change(Change::Rename(from.to_owned(), to.to_owned(), Node::File(inode)));
        Ok(())
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        self.inode(path)?;
        self.begin_whole()?;
        self.names.change(Change::Unlink(path.to_owned()));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        if self.names.live.get(path) != Some(&Node::Directory) {
            return Err(not_found());
        }
        self.begin_sync()?;
        self.names.sync(path);
        self.forget_unreachable();
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        if self.is_halted() {
            return Err(Self::halted());
        }
        if self.names.live.get(path) != Some(&Node::Directory) {
            return Err(not_found());
        }
        let names = self.names.live.keys().filter(|name| name.parent() == Some(path));
        Ok(names.filter_map(|name| name.file_name()?.to_str().map(str::to_owned)).collect())
    }

    pub(super) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        self.check_parent(path)?;
        if self.names.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.begin_whole()?;
        self.names.change(Change::Link(path.to_owned(), Node::Directory));
        Ok(())
    }

    pub(super) fn exists(&self, path: &Path) -> io::Result<bool> {
        if self.is_halted() {
            return Err(Self::halted());
        }
        Ok(self.names.live.contains_key(path))
    }

    pub(super) fn lock(&mut self, path: &Path) -> Result<u64, LockError> {
        if self.is_halted() {
            return Err(LockError::Io(Self::halted()));
        }
        if !self.names.live.contains_key(path) {
            self.make(path).map_err(LockError::Io)?;
        }
        if !self.locks.insert(path.to_owned()) {
            return Err(LockError::Held);
        }
        Ok(self.epoch)
    }

    pub(super) fn unlock(&mut self, path: &Path, epoch: u64) {
        if epoch == self.epoch {
            self.locks.remove(path);
        }
    }

    pub(super) fn read_at(&mut self, inode: u64, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.is_halted() {
            return Err(Self::halted());
        }
        let read = self.reads;
        self.reads += 1;
        if self.read_failures.remove(&read) {
            return Err(io::Error::other("input/output error"));
        }
        let live = &self.contents_mut(inode).live;
        let start = usize::try_from(at).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let found = live.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(found);
        Ok(())
    }

    pub(super) fn write_at(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.begin_change() {
            Ok(()) => {}
            Err(Failure::Error) => return Err(io::Error::other("input/output error")),
            Err(Failure::Full) => return Err(full()),
            Err(Failure::Short { bytes: written }) => {
                let written = &bytes[..written.min(bytes.len())];
                self.contents_mut(inode).write(offset, written);
                return Err(full());
            }
        }
        self.check_room(inode, offset + bytes.len() as u64)?;
        self.contents_mut(inode).write(offset, bytes);
        Ok(())
    }

    /// Whether the file may grow to `length`.
    fn check_room(&self, inode: u64, length: u64) -> io::Result<()> {
        let current = self.files[&inode].live.len() as u64;
        let growth = length.saturating_sub(current);
        let is_over = |bytes_max| bytes_max < self.used_bytes() + growth;
        if 0 < growth && self.bytes_max.is_some_and(is_over) {
            return Err(full());
        }
        Ok(())
    }

    pub(super) fn truncate(&mut self, inode: u64, length: u64) -> io::Result<()> {
        self.begin_whole()?;
        self.check_room(inode, length)?;
        self.contents_mut(inode).truncate(length);
        Ok(())
    }

    pub(super) fn sync_data(&mut self, inode: u64) -> io::Result<()> {
        let begun = self.begin_sync();
        let is_halted = self.is_halted();
        let contents = self.contents_mut(inode);
        match &begun {
            Ok(()) => contents.sync(),
            Err(_) if is_halted => {}
            Err(_) => contents.forget(),
        }
        begun
    }

    pub(super) fn drop_cache(&mut self, inode: u64) -> io::Result<()> {
        if self.is_halted() {
            return Err(Self::halted());
        }
        self.contents_mut(inode).reread();
        Ok(())
    }

    pub(super) fn length(&self, inode: u64) -> io::Result<u64> {
        if self.is_halted() {
            return Err(Self::halted());
        }
        Ok(self.files[&inode].live.len() as u64)
    }

    pub(super) fn close(&mut self, inode: u64, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        if let Some(count) = self.opened.get_mut(&inode) {
            *count -= 1;
            if *count == 0 {
                self.opened.remove(&inode);
                self.forget_unreachable();
            }
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let named = self.names.live.values().filter_map(|node| match node {
            Node::File(inode) => Some(*inode),
            Node::Directory => None,
        });
        let inodes: BTreeSet<u64> = named.chain(self.opened.keys().copied()).collect();
        inodes.iter().map(|inode| self.files[inode].live.len() as u64).sum()
    }

    pub(super) fn crash(&mut self, mut choose: impl FnMut(Unsynced<'_>) -> Keep) {
        let paths = self.names.files();
        for (inode, contents) in &mut self.files {
            let Some(path) = paths.get(inode) else { continue };
            let choose = core::cell::RefCell::new(&mut choose);
            contents.crash(
                |sector| (*choose.borrow_mut())(Unsynced::Sector { path, sector }),
                || (*choose.borrow_mut())(Unsynced::Length { path }),
            );
        }
        self.names.crash(|path| choose(Unsynced::Name { path }));
        self.restart();
        self.forget_unreachable();
    }

    /// Drops files that nobody can open or has open.
    fn forget_unreachable(&mut self) {
        let named = self.names.files();
        self.files.retain(|inode, _| named.contains_key(inode) || self.opened.contains_key(inode));
    }

    fn paths(&self) -> BTreeMap<u64, PathBuf> {
        let files = self.names.live.iter().filter_map(|(path, node)| match node {
            Node::File(inode) => Some((*inode, path.clone())),
            Node::Directory => None,
        });
        files.collect()
    }

    pub(super) fn restart(&mut self) {
        self.epoch += 1;
        self.locks.clear();
        self.opened.clear();
        self.halt_before = None;
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.paths().into_values().collect();
        paths.sort_unstable();
        paths
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.inode(path).ok().map(|inode| self.files[&inode].live.clone())
    }

    pub(super) fn replace(&mut self, path: &Path, contents: &[u8]) {
        let inode = self.inode(path).unwrap_or_else(|_| {
            self.files_made += 1;
            self.names.plant(path, Node::File(self.files_made - 1));
            self.files_made - 1
        });
        self.files.insert(inode, Contents::durable(contents));
    }

    pub(super) fn flip(&mut self, path: &Path, bit: u64) {
        let mut contents = self.contents(path).expect("a file that rots exists");
        contents[(bit / 8) as usize] ^= 1 << (bit % 8);
        self.replace(path, &contents);
    }
}
