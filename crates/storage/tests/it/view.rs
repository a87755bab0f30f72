//! Directories are looked at as they are, damaged or not, and left so to the byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use quorate_consensus::{Index, Write};
use quorate_storage::{Problem, RecordView, SegmentView, View, log_bounds};
use tempfile::TempDir;

use crate::rot::small;
use crate::script::DIRECTORY;

/// A small directory on the machine's disk.
fn directory() -> TempDir {
    let (disk, _) = small();
    let target = TempDir::new().expect("the temporary directory is ours");
    for file in disk.files() {
        let path = target
            .path()
            .join(file.strip_prefix(DIRECTORY).expect("the temporary directory is ours"));
        fs::create_dir_all(path.parent().expect("the temporary directory is ours"))
            .expect("the temporary directory is ours");
        fs::write(path, disk.contents(&file).expect("the temporary directory is ours"))
            .expect("the temporary directory is ours");
    }
    target
}

/// All files with their bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("the temporary directory is ours") {
        let path = entry.expect("the temporary directory is ours").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).expect("the temporary directory is ours");
            found.insert(path, bytes);
        }
    }
    found
}

fn walk(directory: &Path) -> (Vec<SegmentView>, Vec<RecordView>) {
    let mut records = Vec::new();
    let view = View::of(directory).expect("the temporary directory is ours");
    let segments =
        view.walk(|record| records.push(record)).expect("the temporary directory is ours");
    (segments, records)
}

fn entries(records: &[RecordView]) -> Vec<u64> {
    let writes = records.iter().filter_map(|record| record.write.as_ref());
    writes.flat_map(Write::entries).map(|entry| entry.index.0).collect()
}

#[test]
fn a_sound_directory_is_read_whole_and_left_as_it_was() {
    let directory = directory();
    let before = contents(directory.path());
    let view = View::of(directory.path()).unwrap();
    assert!(!view.is_in_use());
    let opened = view.open().unwrap();
    let (meta, last) = log_bounds(&opened);
    assert_eq!((meta.index, last), (Index::ZERO, Index(3)));
    assert_eq!(opened.records.checkpoint().unwrap().unwrap().position.index, 2);
    drop(opened);
    let (segments, records) = walk(directory.path());
    assert_eq!(entries(&records), [1, 2, 3]);
    assert!(segments.iter().all(|segment| segment.damage.is_empty() && segment.torn.is_none()));
    assert_eq!(segments[0].indices, Some((Index(1), Index(3))));
    assert!(contents(directory.path()) == before, "it was changed");
}

#[test]
fn what_is_damaged_is_told_and_what_follows_it_still_read() {
    let directory = directory();
    let (segments, records) = walk(directory.path());
    let path = &segments[0].path;
    let place =
        records.iter().position(|record| entries(std::slice::from_ref(record)) == [1]).unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[records[place].offset as usize + 5] ^= 1;
    fs::write(path, &bytes).unwrap();
    let before = contents(directory.path());
    let (segments, records) = walk(directory.path());
    assert_eq!(entries(&records), [3], "the batch with the first two is skipped");
    let problems: Vec<Problem> = segments[0].damage.iter().map(|damage| damage.problem).collect();
    assert_eq!(problems, [Problem::Batch]);
    assert!(View::of(directory.path()).unwrap().open().is_err());
    assert!(contents(directory.path()) == before, "it was changed");
}

#[test]
fn a_torn_tail_is_no_damage_and_stays() {
    let directory = directory();
    let (segments, records) = walk(directory.path());
    let path = &segments[0].path;
    let last = records.last().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[last.offset as usize + last.bytes as usize - 1] ^= 1;
    fs::write(path, &bytes).unwrap();
    let before = contents(directory.path());
    let (segments, _) = walk(directory.path());
    assert!(segments[0].torn.is_some() && segments[0].damage.is_empty(), "{segments:?}");
    let opened = View::of(directory.path()).unwrap().open().unwrap();
    assert_eq!(opened.cut.map(|cut| cut.offset), segments[0].torn);
    assert!(contents(directory.path()) == before, "it was changed");
}

#[test]
fn a_directory_in_use_is_told_so() {
    let directory = directory();
    let view = View::of(directory.path()).unwrap();
    let lock =
        quorate_storage::Disk::lock(&quorate_storage::RealDisk, &directory.path().join("lock"));
    assert!(view.is_in_use());
    drop(lock);
    assert!(!view.is_in_use());
}
