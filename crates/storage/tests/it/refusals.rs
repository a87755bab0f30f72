//! Directories that must not be opened, and what the refusals say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_consensus::{NodeId, WriteBatch, WriteId};
use quorate_storage::{
    ClusterId, EngineKind, OpenError, Opened, Options, Problem, RealDisk, SimDisk, open,
};

use crate::model::{commit_of, put, record};
use crate::script::{DIRECTORY, User, open_on, open_with, options, script};

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn used_disk() -> SimDisk {
    let disk = SimDisk::new();
    let mut user = User::new(disk.clone());
    user.run(&script()).expect("nothing fails");
    user.stop();
    disk
}

fn refusal(result: Result<Opened, OpenError>) -> OpenError {
    match result {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

fn problem(disk: &SimDisk) -> (PathBuf, Problem) {
    match refusal(open_on(disk)) {
        OpenError::Damaged(damage) => (damage.path, damage.problem),
        error => panic!("not taken for damage: {error}"),
    }
}

/// The segments, oldest first.
fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "wal");
    disk.files().into_iter().filter(is_segment).collect()
}

fn without(disk: &SimDisk, lost: &Path) -> SimDisk {
    let copy = SimDisk::new();
    for file in disk.files() {
        for directory in file.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            let made = quorate_storage::Disk::create_directory(&copy, directory);
            drop(made);
        }
        if file != lost {
            copy.replace(&file, &disk.contents(&file).expect("it was listed"));
        }
    }
    copy
}

#[test]
fn a_directory_is_used_by_one_at_a_time() {
    let disk = SimDisk::new();
    let opened = open_on(&disk).expect("an empty disk");
    assert!(matches!(refusal(open_on(&disk)), OpenError::Locked { .. }));
    let Opened { records, wal, reader, installer, .. } = opened;
    drop((wal, reader, installer));
    assert!(matches!(refusal(open_on(&disk)), OpenError::Locked { .. }), "the map is in use");
    drop(records);
    open_on(&disk).expect("nobody uses it");
}

#[test]
fn a_real_directory_is_used_by_one_at_a_time_and_stays() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("made/on/the/way");
    let open = || open(Arc::new(RealDisk), &directory, options());
    let mut opened = open().expect("a new directory");
    let error = refusal(open());
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another data directory"), "{error}");
    let entry = WriteBatch { id: WriteId(1), writes: vec![put(1, 1, 100)] };
    opened.wal.append(&[entry]).expect("a healthy disk");
    let puts = [record(2, 10)];
    let commit = commit_of(1, &puts, &puts.iter().cloned().collect());
    opened.records.commit(&commit).expect("a healthy disk");
    drop(opened);
    let opened = open().expect("nobody uses it");
    assert_eq!(opened.recovered.tail.len(), 1);
    assert_eq!(opened.recovered.applied.0, 1);
    assert_eq!(opened.identity.boots, 2);
}

#[test]
fn strangers_are_refused_by_name() {
    let disk = used_disk();
    let strangers: [(Options, [&str; 2]); 3] = [
        (Options { cluster: ClusterId(12), ..options() }, ["cluster b", "not c"]),
        (Options { node: NodeId(2), ..options() }, ["node n1", "not n2"]),
        (Options { engine: EngineKind::Paxos, ..options() }, ["raft", "not paxos"]),
    ];
    for (options, parts) in strangers {
        let error = refusal(open_with(&disk, options)).to_string();
        for part in parts.iter().chain(&[DIRECTORY, "data directory"]) {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
    open_on(&disk).expect("its owner still opens it");
}

#[test]
fn newer_formats_are_refused() {
    let disk = used_disk();
    let last = segments(&disk).pop().expect("there are segments");
    for (file, version_at) in [(path("identity"), 8), (last, 8)] {
        let newer = disk.fork();
        let mut bytes = newer.contents(&file).expect("it exists");
        bytes[version_at] = 2;
        newer.replace(&file, &bytes);
        let error = refusal(open_on(&newer));
        assert!(matches!(error, OpenError::Newer { found: 2, newest: 1, .. }), "{error}");
    }
}

#[test]
fn a_directory_that_lost_a_file_is_damaged_and_not_new() {
    let disk = used_disk();
    for file in disk.files() {
        let name = file.file_name().and_then(|name| name.to_str()).expect("ours are plain");
        let is_free = name == "lock" || name.ends_with(".reserved");
        let incomplete = without(&disk, &file);
        match open_on(&incomplete) {
            Ok(_) => assert!(is_free, "{name} was not missed"),
            // Nothing but the state machine's file knows of the last segment.
            Err(OpenError::Detached { .. }) => assert!(is_last_segment(&disk, &file), "{name}"),
            Err(OpenError::Damaged(damage)) => {
                assert!(!is_free, "{name} holds nothing");
                assert_eq!(damage.problem, Problem::Missing, "{name}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

fn is_last_segment(disk: &SimDisk, file: &Path) -> bool {
    segments(disk).last().is_some_and(|last| last == file)
}

#[test]
fn an_empty_directory_with_a_log_is_damaged_and_not_new() {
    let disk = without(&used_disk(), &path("identity"));
    assert_eq!(problem(&disk), (path("identity"), Problem::Missing));
}

#[test]
fn files_in_the_wrong_place_are_refused() {
    let disk = used_disk();
    let segments = segments(&disk);
    assert!(2 < segments.len(), "the script leaves several segments");
    let first = disk.contents(&segments[0]).expect("it exists");

    let swapped = disk.fork();
    swapped.replace(&segments[1], &first);
    assert_eq!(problem(&swapped), (segments[1].clone(), Problem::Place));

    let shorter = disk.fork();
    let last = segments.last().expect("there are segments");
    let bytes = disk.contents(last).expect("it exists");
    shorter.replace(last, &bytes[..bytes.len() - 1]);
    assert_eq!(problem(&shorter), (last.clone(), Problem::Place));

    let other = SimDisk::new();
    let mut elsewhere = options();
    elsewhere.entropy = 1;
    drop(open_with(&other, elsewhere).expect("an empty disk"));
    let stranger = path("wal/0000000000000001.wal");
    let mixed = SimDisk::new();
    drop(open_on(&mixed).expect("an empty disk"));
    mixed.replace(&stranger, &other.contents(&stranger).expect("it exists"));
    assert_eq!(problem(&mixed), (stranger, Problem::Place));
}

#[test]
fn a_map_outside_the_log_is_refused() {
    let (short, long) = (SimDisk::new(), SimDisk::new());
    let mut opened = open_on(&short).expect("an empty disk");
    opened.wal.append(&[WriteBatch { id: WriteId(1), writes: vec![put(1, 1, 10)] }]).expect("room");
    drop(opened);
    let mut opened = open_on(&long).expect("an empty disk");
    let writes = vec![put(1, 1, 10), put(2, 1, 10)];
    opened.wal.append(&[WriteBatch { id: WriteId(1), writes }]).expect("room");
    let puts = [record(2, 10)];
    opened.records.commit(&commit_of(2, &puts, &puts.iter().cloned().collect())).expect("room");
    drop(opened);

    let is_map = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "redb");
    let map = long.files().into_iter().find(is_map).expect("there is a map");
    short.replace(&map, &long.contents(&map).expect("it exists"));
    let error = refusal(open_on(&short));
    assert!(matches!(error, OpenError::Detached { .. }), "{error}");
    assert!(error.to_string().contains("stands at entry 2"), "{error}");
}

#[test]
#[should_panic(expected = "ahead of the durable log")]
fn a_map_ahead_of_the_log_is_a_bug() {
    let opened = open_on(&SimDisk::new()).expect("an empty disk");
    let puts = [record(2, 10)];
    let commit = commit_of(1, &puts, &puts.iter().cloned().collect());
    assert!(opened.records.commit(&commit).is_err(), "it does not come back");
}

#[test]
#[should_panic(expected = "cut past what the state machine's file holds")]
fn a_log_cut_past_the_map_is_a_bug() {
    let mut opened = open_on(&SimDisk::new()).expect("an empty disk");
    let writes = vec![put(1, 1, 10), quorate_consensus::Write::CompactTo(crate::model::meta(1, 1))];
    drop(opened.wal.append(&[WriteBatch { id: WriteId(1), writes }]));
}

#[test]
#[should_panic(expected = "leaves a hole")]
fn a_hole_in_a_raft_log_is_a_bug() {
    let mut opened = open_on(&SimDisk::new()).expect("an empty disk");
    drop(opened.wal.append(&[WriteBatch { id: WriteId(1), writes: vec![put(2, 1, 10)] }]));
}
