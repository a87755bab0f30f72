//! One file of the simulated disk: what readers see, and what a power cut would bring back.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Keep, SECTOR_BYTES};

const SECTOR: usize = SECTOR_BYTES as usize;

/// A file's contents in the cache, and how they differ from those on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    /// What readers see.
    pub(super) live: Vec<u8>,
    /// The length on the disk.
    durable_len: u64,
    /// The sectors whose contents on the disk differ, or may.
    unsynced: BTreeMap<u64, Sector>,
}

/// What the disk holds of a sector that the cache holds newer.
#[derive(Clone, Debug)]
struct Sector {
    /// Zero where the file on the disk is shorter.
    old: Box<[u8; SECTOR]>,
    /// Whether a sync failed on it, so that the cache takes it for clean.
    is_forgotten: bool,
}

impl Contents {
    /// A file that is on the disk as given.
    pub(super) fn durable(bytes: &[u8]) -> Self {
        Self { live: bytes.to_vec(), durable_len: bytes.len() as u64, unsynced: BTreeMap::new() }
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        self.touch(offset..end);
        let (start, end) = (offset as usize, end as usize);
        if self.live.len() < end {
            self.live.resize(end, 0);
        }
        self.live[start..end].copy_from_slice(bytes);
    }

    pub(super) fn truncate(&mut self, length: u64) {
        let old = self.live.len() as u64;
        self.touch(old.min(length)..old.max(length));
        self.live.resize(length as usize, 0);
    }

    /// Remembers what the disk holds of these bytes before they change.
    fn touch(&mut self, bytes: Range<u64>) {
        for number in bytes.start / SECTOR_BYTES..bytes.end.div_ceil(SECTOR_BYTES) {
            if let Some(sector) = self.unsynced.get_mut(&number) {
                sector.is_forgotten = false;
                continue;
            }
            let old = Box::new(sector_of(&self.live, number));
            self.unsynced.insert(number, Sector { old, is_forgotten: false });
        }
    }

    /// Everything written reaches the disk, except what a failed sync made the cache forget.
    pub(super) fn sync(&mut self) {
        self.unsynced.retain(|_, sector| sector.is_forgotten);
        self.durable_len = self.live.len() as u64;
    }

    /// A sync fails: the cache takes its sectors for clean, the disk never got them.
    pub(super) fn forget(&mut self) {
        for sector in self.unsynced.values_mut() {
            sector.is_forgotten = true;
        }
    }

    /// The cache drops what it takes for clean: readers see what the disk has.
    pub(super) fn reread(&mut self) {
        let forgotten = self.unsynced.extract_if(.., |_, sector| sector.is_forgotten);
        for (number, sector) in forgotten {
            let start = (number * SECTOR_BYTES) as usize;
            let end = self.live.len().min(start + SECTOR);
            if start < end {
                self.live[start..end].copy_from_slice(&sector.old[..end - start]);
            }
        }
    }

    /// Cuts the power. `choose_sector` and `choose_length` decide what had reached the disk.
    pub(super) fn crash(
        &mut self,
        mut choose_sector: impl FnMut(u64) -> Keep,
        choose_length: impl FnOnce() -> Keep,
    ) {
        let is_resized = self.durable_len != self.live.len() as u64;
        let length = if is_resized && choose_length() == Keep::Old {
            self.durable_len
        } else {
            self.live.len() as u64
        };
        let mut contents = self.live.clone();
        contents.resize(contents.len().max(length as usize).next_multiple_of(SECTOR), 0);
        for (number, sector) in &self.unsynced {
            let start = (number * SECTOR_BYTES) as usize;
            if contents.len() <= start {
                continue;
            }
            if sector.is_forgotten || choose_sector(*number) == Keep::Old {
                contents[start..start + SECTOR].copy_from_slice(&*sector.old);
            }
        }
        contents.truncate(length as usize);
        *self = Self::durable(&contents);
    }
}

/// The sector `number` of `bytes`, with zeros where they end.
fn sector_of(bytes: &[u8], number: u64) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let start = (number * SECTOR_BYTES) as usize;
    if start < bytes.len() {
        let end = bytes.len().min(start + SECTOR);
        sector[..end - start].copy_from_slice(&bytes[start..end]);
    }
    sector
}
