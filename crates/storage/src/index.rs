//! Where each entry is: an in-memory index of the log.

use std::collections::BTreeMap;

use quorate_consensus::{Index, Write};

use crate::segment::Segment;

/// How many positions share one allocation.
const CHUNK: u64 = 512;

/// Where an entry's record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    /// The lower half of the segment's sequence: at no time do more than 2^32 segments live.
    pub(crate) segment: u32,
    /// Where the record's bytes begin in the file.
    pub(crate) offset: u32,
    /// How many they are; zero where there is no entry.
    pub(crate) length: u32,
}

/// Locations by index: 12 bytes each, in chunks, so that holes and drops are cheap.
#[derive(Debug, Default)]
pub(crate) struct Locations {
    chunks: BTreeMap<u64, Box<[Location; CHUNK as usize]>>,
}

impl Locations {
    /// The entry at `index` is here now.
    pub(crate) fn put(&mut self, index: Index, location: Location) {
        assert!(0 < location.length, "a record has at least a version");
        let chunk = self.chunks.entry(index.0 / CHUNK);
        let chunk = chunk.or_insert_with(|| Box::new([Location::default(); CHUNK as usize]));
        chunk[(index.0 % CHUNK) as usize] = location;
    }

    /// Where the entry at `index` is.
    pub(crate) fn find(&self, index: Index) -> Option<Location> {
        let location = self.chunks.get(&(index.0 / CHUNK))?[(index.0 % CHUNK) as usize];
        (0 < location.length).then_some(location)
    }

    /// Forgets the entries from `index` on.
    pub(crate) fn truncate_from(&mut self, index: Index) {
        self.chunks.split_off(&index.0.div_ceil(CHUNK));
        if let Some(chunk) = self.chunks.get_mut(&(index.0 / CHUNK)) {
            chunk[(index.0 % CHUNK) as usize..].fill(Location::default());
        }
    }

    /// Forgets the entries up to `index`.
    pub(crate) fn drop_upto(&mut self, index: Index) {
        let first = index.0.saturating_add(1);
        self.chunks = self.chunks.split_off(&(first / CHUNK));
        if let Some(chunk) = self.chunks.get_mut(&(first / CHUNK)) {
            chunk[..(first % CHUNK) as usize].fill(Location::default());
        }
    }
}

/// What readers need to know of the durable log.
#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) locations: Locations,
    /// The live segments, by the lower half of their sequence.
    pub(crate) segments: BTreeMap<u32, Segment>,
    /// Entries up to here are gone.
    pub(crate) base: Index,
}

impl Catalog {
    /// Adds a segment.
    pub(crate) fn add(&mut self, segment: Segment) {
        self.segments.insert(segment.sequence as u32, segment);
    }

    /// The entry at `index` is at `location` now. Late ones, below the base, are not wanted.
    pub(crate) fn put(&mut self, index: Index, location: Location) {
        if self.base < index {
            self.locations.put(index, location);
        }
    }

    /// Takes the effect of a record that is no entry.
    pub(crate) fn follow(&mut self, write: &Write) {
        match write {
            Write::Hard(_) | Write::Put(_) => {}
            Write::TruncateFrom(index) => self.locations.truncate_from(*index),
            Write::CompactTo(meta) | Write::Install(meta) => {
                self.base = meta.index;
                self.locations.drop_upto(meta.index);
            }
        }
    }

    /// Forgets a segment that holds no live entry.
    pub(crate) fn remove(&mut self, sequence: u64) {
        self.segments.remove(&(sequence as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u32) -> Location {
        Location { segment: 1, offset, length: 1 }
    }

    fn filled(indices: impl IntoIterator<Item = u64>) -> Locations {
        let mut locations = Locations::default();
        for index in indices {
            locations.put(Index(index), at(index as u32));
        }
        locations
    }

    #[test]
    fn holes_are_holes() {
        let locations = filled([1, 2, 2000]);
        assert_eq!(locations.find(Index(2)), Some(at(2)));
        assert_eq!(locations.find(Index(3)), None);
        assert_eq!(locations.find(Index(1999)), None);
        assert_eq!(locations.find(Index(2000)), Some(at(2000)));
    }

    #[test]
    fn cuts_are_exact_at_every_position() {
        for cut in [1, 2, 511, 512, 513, 1023, 1024, 1025, 1500] {
            let mut suffix = filled(1..=1500);
            suffix.truncate_from(Index(cut));
            let mut prefix = filled(1..=1500);
            prefix.drop_upto(Index(cut));
            for index in 1..=1500 {
                assert_eq!(suffix.find(Index(index)).is_some(), index < cut, "{index} of {cut}");
                assert_eq!(prefix.find(Index(index)).is_some(), cut < index, "{index} of {cut}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_no_exception() {
        let mut locations = filled(1..=600);
        locations.truncate_from(Index(1));
        assert_eq!(locations.find(Index(1)), None);
        locations.put(Index(u64::MAX), at(7));
        locations.drop_upto(Index(u64::MAX - 1));
        assert_eq!(locations.find(Index(u64::MAX)), Some(at(7)));
        locations.drop_upto(Index(u64::MAX));
        assert_eq!(locations.find(Index(600)), None);
    }
}
