//! The log, as its readers see it.

use std::io;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use quorate_codec::decode_write;
use quorate_consensus::{Entry, Index};

use crate::batch::{HEAD_BYTES, RECORD_HEAD_BYTES, parse_record};
use crate::error::{Damage, Problem, ReadError};
use crate::index::{Catalog, Location};
use crate::segment::Segment;

/// How many bytes one read of a file covers at most, unless a single record is longer.
const READ_BYTES: u64 = 1 << 20;

/// Records this near each other are read in one go: the head of a batch and its padding between.
const GAP_BYTES: u64 = HEAD_BYTES as u64 + 8;

/// Reads durable entries, from any thread, without waiting for a sync.
#[derive(Clone)]
pub struct LogReader {
    catalog: Arc<RwLock<Catalog>>,
}

/// Records of one segment that are read in one go.
struct Stretch {
    segment: Segment,
    records: Vec<(Index, Location)>,
    end: u64,
}

impl LogReader {
    pub(crate) fn new(catalog: Arc<RwLock<Catalog>>) -> Self {
        Self { catalog }
    }

    /// The entries `first..=last`, or as many from `first` on as follow each other without a hole
    /// and as it takes to reach `bytes_max`, at least one.
    pub fn read(&self, first: Index, last: Index, bytes_max: u64) -> Result<Vec<Entry>, ReadError> {
        let stretches = self.locate(first, last, bytes_max)?;
        let mut entries = Vec::new();
        for stretch in &stretches {
            if let Err(error) = read_stretch(stretch, &mut entries) {
                return Err(self.explain(first, error));
            }
        }
        Ok(entries)
    }

    /// Where the entry is, for the start, which reads backwards.
    pub(crate) fn length_of(&self, index: Index) -> Option<u64> {
        let catalog = self.catalog.read().expect("no writer panics");
        catalog.locations.find(index).map(|location| u64::from(location.length))
    }

    fn locate(&self, first: Index, last: Index, max: u64) -> Result<Vec<Stretch>, ReadError> {
        let catalog = self.catalog.read().expect("no writer panics");
        if first <= catalog.base {
            return Err(ReadError::Compacted { base: catalog.base });
        }
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut bytes = 0;
        let mut index = first;
        while index <= last && (index == first || bytes < max) {
            let Some(location) = catalog.locations.find(index) else { break };
            bytes += u64::from(location.length);
            match stretches.last_mut().filter(|stretch| stretch.can_take(location)) {
                Some(stretch) => stretch.take(index, location),
                None => stretches.push(Stretch::begin(&catalog, index, location)),
            }
            index = index.next();
        }
        if stretches.is_empty() {
            return Err(ReadError::Absent);
        }
        Ok(stretches)
    }

    /// A segment that was recycled under a reader looks damaged, or reads as another; then the
    /// entries are compacted by now.
    fn explain(&self, first: Index, error: ReadError) -> ReadError {
        let base = self.catalog.read().expect("no writer panics").base;
        if first <= base { ReadError::Compacted { base } } else { error }
    }
}

impl Stretch {
    fn begin(catalog: &Catalog, index: Index, location: Location) -> Self {
        let segment = catalog.segments.get(&location.segment);
        let segment = segment.expect("a live entry's segment lives").clone();
        Self { segment, records: vec![(index, location)], end: end_of(location) }
    }

    fn start(&self) -> u64 {
        start_of(self.records[0].1)
    }

    fn can_take(&self, location: Location) -> bool {
        let start = start_of(location);
        self.segment.sequence as u32 == location.segment
            && (self.end..=self.end + GAP_BYTES).contains(&start)
            && end_of(location) - self.start() <= READ_BYTES
    }

    fn take(&mut self, index: Index, location: Location) {
        self.records.push((index, location));
        self.end = end_of(location);
    }
}

fn start_of(location: Location) -> u64 {
    u64::from(location.offset) - RECORD_HEAD_BYTES as u64
}

fn end_of(location: Location) -> u64 {
    u64::from(location.offset) + u64::from(location.length)
}

fn read_stretch(stretch: &Stretch, entries: &mut Vec<Entry>) -> Result<(), ReadError> {
    let start = stretch.start();
    let mut bytes = vec![0; (stretch.end - start) as usize];
    let read = stretch.segment.file.read_at(start, &mut bytes);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(stretch, start),
        kind => ReadError::Io(kind),
    })?;
    let bytes = Bytes::from(bytes);
    for (index, location) in &stretch.records {
        let framed = (start_of(*location) - start) as usize..(end_of(*location) - start) as usize;
        let framed = bytes.slice(framed);
        let record = parse_record(&framed, location.length as usize, stretch.segment.salt);
        let entry = record.and_then(|record| decode_entry(record, *index));
        entries.push(entry.ok_or_else(|| damaged(stretch, u64::from(location.offset)))?);
    }
    Ok(())
}

fn decode_entry(mut record: Bytes, index: Index) -> Option<Entry> {
    match decode_write(&mut record) {
        Ok(write) => write.entries().first().filter(|entry| entry.index == index).cloned(),
        Err(_) => None,
    }
}

fn damaged(stretch: &Stretch, offset: u64) -> ReadError {
    let path = stretch.segment.path.to_path_buf();
    ReadError::Damaged(Damage { path, offset, problem: Problem::Record })
}

#[cfg(test)]
mod tests;
