//! Reading while the log is cut.

use super::*;
use crate::batch::{BatchBuilder, Place, Salt};
use crate::disk::{Disk, OpenMode};
use crate::sim_disk::SimDisk;
use quorate_codec::encode_write;
use quorate_consensus::{Ballot, ClusterTime, Payload, Write};
use std::path::{Path, PathBuf};

fn put(index: u64) -> Write {
    Write::Put(
        Entry {
            index: Index(index),
            ballot: Ballot::ZERO,
            born: Ballot::ZERO,
            id: None,
            time: ClusterTime(0),
            payload: Payload::Command(vec![7; 100].into()),
        }
        .into(),
    )
}

/// A catalog of one segment with one batch of ten entries.
fn reader() -> (SimDisk, LogReader) {
    let disk = SimDisk::new();
    let file = disk.open(Path::new("/one"), OpenMode::Empty).expect("a healthy disk");
    let place = Place { sequence: 1, salt: Salt::new(1), offset: 0 };
    let mut builder = BatchBuilder::default();
    builder.clear();
    let mut catalog = Catalog::default();
    for index in 1..=10 {
        let (offset, length) = builder.push(|out| encode_write(&put(index), out));
        let location = Location { segment: 1, offset: offset as u32, length: length as u32 };
        catalog.put(Index(index), location);
    }
    let (bytes, _) = builder.seal(place, 0);
    file.write_at(0, bytes).expect("a healthy disk");
    let (sequence, salt, length) = (1, place.salt, bytes.len() as u64);
    let path = Arc::new(PathBuf::from("/one"));
    catalog.add(Segment { sequence, salt, path, file, length, highest: Index(10) });
    (disk, LogReader::new(Arc::new(RwLock::new(catalog))))
}

fn indices(read: Result<Vec<Entry>, ReadError>) -> Vec<u64> {
    read.expect("it is there").iter().map(|entry| entry.index.0).collect()
}

#[test]
fn a_read_keeps_its_limits() {
    let (disk, reader) = reader();
    assert_eq!(indices(reader.read(Index(3), Index(5), u64::MAX)), [3, 4, 5]);
    assert_eq!(indices(reader.read(Index(3), Index(5), 0)), [3], "at least one");
    assert_eq!(indices(reader.read(Index(3), Index(9), 200)), [3, 4]);
    assert_eq!(indices(reader.read(Index(9), Index(99), u64::MAX)), [9, 10]);
    assert_eq!(reader.read(Index(11), Index(12), 1), Err(ReadError::Absent));
    let reads = disk.reads();
    assert_eq!(indices(reader.read(Index(1), Index(10), u64::MAX)).len(), 10);
    assert_eq!(disk.reads(), reads + 1, "neighbours are read in one go");
}

#[test]
fn a_segment_recycled_under_a_reader_reads_as_compacted() {
    let (disk, reader) = reader();
    let stretches = reader.locate(Index(1), Index(10), u64::MAX).expect("it is there");
    let file = disk.contents(Path::new("/one")).expect("it exists");
    disk.replace(Path::new("/one"), &vec![0; file.len()]);
    reader.catalog.write().expect("nobody panics").base = Index(10);

    let error = read_stretch(&stretches[0], &mut Vec::new()).expect_err("it is another's now");
    assert_eq!(reader.explain(Index(1), error), ReadError::Compacted { base: Index(10) });
}

#[test]
fn rot_under_a_reader_is_named() {
    let (disk, reader) = reader();
    disk.flip(Path::new("/one"), 600 * 8);
    let error = reader.read(Index(1), Index(10), u64::MAX).expect_err("an entry is damaged");
    let ReadError::Damaged(damage) = error else { panic!("{error}") };
    assert_eq!(damage.path, Path::new("/one"));
    assert!((450..=600).contains(&damage.offset), "{}", damage.offset);
    assert_eq!(indices(reader.read(Index(1), Index(1), u64::MAX)), [1], "the others are sound");
}
