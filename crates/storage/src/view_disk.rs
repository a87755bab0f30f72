//! A data directory seen without changing it: what is written goes to memory and is forgotten.
//!
//! The code that opens directories for servers runs over it as it is, with all that it repairs and
//! removes, and nothing of that reaches the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile, DiskLock, LockError, OpenMode};

/// Files are copied to memory in pieces of this length, where they are written.
const PAGE_BYTES: u64 = 4096;

/// [`Disk`] over the operating system, of which nothing is ever written. Opens files for reading
/// alone, so that read-only copies will do.
#[derive(Debug, Default)]
pub struct ViewDisk {
    names: Mutex<BTreeMap<PathBuf, Name>>,
}

/// What became of a name that was used.
#[derive(Clone, Debug)]
enum Name {
    File(Arc<ViewFile>),
    Directory,
    Gone,
}

impl ViewDisk {
    fn names(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Name>> {
        self.names.lock().expect("nothing panics while it holds the lock")
    }

    fn file(&self, path: &Path) -> io::Result<Arc<ViewFile>> {
        let mut names = self.names();
        match names.get(path) {
            Some(Name::File(file)) => return Ok(Arc::clone(file)),
            Some(Name::Gone) => return Err(io::ErrorKind::NotFound.into()),
            Some(Name::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
            None => {}
        }
        let file = Arc::new(ViewFile::of(File::open(path)?)?);
        names.insert(path.to_owned(), Name::File(Arc::clone(&file)));
        Ok(file)
    }
}

impl Disk for ViewDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        if mode == OpenMode::Existing {
            return Ok(self.file(path)?);
        }
        let file = Arc::new(ViewFile::default());
        self.names().insert(path.to_owned(), Name::File(Arc::clone(&file)));
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.file(from)?;
        let mut names = self.names();
        names.insert(from.to_owned(), Name::Gone);
        names.insert(to.to_owned(), Name::File(file));
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.names().insert(path.to_owned(), Name::Gone);
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(path)? {
            found.extend(entry?.file_name().into_string());
        }
        for (name, state) in &*self.names() {
            let is_here = name.parent() == Some(path);
            let Some(name) = name.file_name().and_then(|name| name.to_str()) else { continue };
            match state {
                _ if !is_here => {}
                Name::Gone => {
                    found.remove(name);
                }
                Name::File(_) | Name::Directory => {
                    found.insert(name.to_owned());
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.names().insert(path.to_owned(), Name::Directory);
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.names().get(path) {
            Some(Name::Gone) => Ok(false),
            Some(Name::File(_) | Name::Directory) => Ok(true),
            None => path.try_exists(),
        }
    }

    fn lock(&self, _: &Path) -> Result<Arc<dyn DiskLock>, LockError> {
        Ok(Arc::new(NoLock))
    }
}

/// Nothing is changed, so nobody is kept out.
struct NoLock;

impl DiskLock for NoLock {}

/// A file as it was, and what was written over it.
#[derive(Debug, Default)]
struct ViewFile {
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    base: Option<File>,
    /// How much of the base still counts: it was cut there.
    base_length: u64,
    length: u64,
    /// Pages that were written, by their number.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl ViewFile {
    fn of(base: File) -> io::Result<Self> {
        let length = base.metadata()?.len();
        let content =
            Content { base: Some(base), base_length: length, length, pages: BTreeMap::new() };
        Ok(Self { content: Mutex::new(content) })
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("nothing panics while it holds the lock")
    }
}

impl Content {
    /// Reads what the base has there, and zeros behind its end.
    fn read_base(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(0);
        let Some(base) = &self.base else { return Ok(()) };
        let left = self.base_length.saturating_sub(offset);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut read = 0;
        while read < length {
            match base.read_at(&mut buffer[read..length], offset + read as u64)? {
                // A server has cut it since.
                0 => break,
                more => read += more,
            }
        }
        Ok(())
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.length < offset + buffer.len() as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_base(offset, buffer)?;
        let end = offset + buffer.len() as u64;
        for (number, page) in self.pages.range(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let start = number * PAGE_BYTES;
            let (from, upto) = (start.max(offset), (start + PAGE_BYTES).min(end));
            let source = &page[(from - start) as usize..(upto - start) as usize];
            buffer[(from - offset) as usize..(upto - offset) as usize].copy_from_slice(source);
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        for number in offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES) {
            let start = number * PAGE_BYTES;
            if !self.pages.contains_key(&number) {
                let mut page = vec![0; PAGE_BYTES as usize];
                self.read_base(start, &mut page)?;
                self.pages.insert(number, page);
            }
            let page = self.pages.get_mut(&number).expect("it was made a line above");
            let (from, upto) = (start.max(offset), (start + PAGE_BYTES).min(end));
            let source = &bytes[(from - offset) as usize..(upto - offset) as usize];
            page[(from - start) as usize..(upto - start) as usize].copy_from_slice(source);
        }
        self.length = self.length.max(end);
        Ok(())
    }

    fn cut(&mut self, length: u64) {
        self.base_length = self.base_length.min(length);
        self.length = length;
        self.pages.retain(|number, _| number * PAGE_BYTES < length);
        if let Some(page) = self.pages.get_mut(&(length / PAGE_BYTES)) {
            page[(length % PAGE_BYTES) as usize..].fill(0);
        }
    }
}

impl DiskFile for ViewFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.content().read(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.content().write(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.content().cut(length);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content().length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_seen_and_never_reach_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let before: Vec<u8> = (0..10_000_u32).map(|it| it as u8).collect();
        fs::write(&path, &before).unwrap();
        let disk = ViewDisk::default();
        let file = disk.open(&path, OpenMode::Existing).unwrap();
        file.write_at(4_090, b"across a page").unwrap();
        file.write_at(12_000, b"behind the end").unwrap();
        let mut expected = before.clone();
        expected.resize(12_014, 0);
        expected[4_090..4_103].copy_from_slice(b"across a page");
        expected[12_000..].copy_from_slice(b"behind the end");
        let read = |length: u64| {
            let mut bytes = vec![0; length as usize];
            file.read_at(0, &mut bytes).map(|()| bytes)
        };
        assert_eq!(read(12_014).unwrap(), expected);
        assert_eq!(read(12_015).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        file.truncate(4_095).unwrap();
        file.truncate(8_192).unwrap();
        expected.truncate(4_095);
        expected.resize(8_192, 0);
        assert_eq!(read(8_192).unwrap(), expected, "what was cut does not come back");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn names_change_in_memory_alone() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "a").unwrap();
        fs::write(at("b"), "b").unwrap();
        let disk = ViewDisk::default();
        disk.rename(&at("a"), &at("c")).unwrap();
        disk.unlink(&at("b")).unwrap();
        disk.open(&at("d"), OpenMode::Empty).unwrap();
        assert_eq!(disk.list(directory.path()).unwrap(), ["c", "d"]);
        assert!(!disk.exists(&at("a")).unwrap() && disk.exists(&at("c")).unwrap());
        let mut read = [0];
        disk.open(&at("c"), OpenMode::Existing).unwrap().read_at(0, &mut read).unwrap();
        assert_eq!(&read, b"a");
        assert!(disk.open(&at("b"), OpenMode::Existing).is_err());
        assert_eq!(crate::RealDisk.list(directory.path()).unwrap(), ["a", "b"]);
    }
}
