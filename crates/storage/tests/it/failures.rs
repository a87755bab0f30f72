//! The disk fails, or is full, at every call that changes it.

use std::io;
use std::path::Path;

use quorate_consensus::{Index, StorageState, Write, WriteBatch, WriteId};
use quorate_kv::{MapError, Revision};
use quorate_storage::{
    Failure, Opened, Progress, ReadError, Rules, SimDisk, Strict, Survival, WalError,
};

use crate::model::{Model, commit_of, hard, meta, put, record};
use crate::script::{DIRECTORY, End, User, open_by, open_on, script};

/// Runs the script with one failure. Answers how it ended, how often the disk was full on the way,
/// and whether the failure came to pass.
fn run_with<R: Rules>(change: u64, failure: Failure, rules: R) -> (Result<(), End>, u64, bool) {
    let disk = SimDisk::new();
    disk.fail_change(change, failure);
    let mut user = User::breaking(disk.clone(), rules);
    let end = user.run(&script());
    user.stop();
    let is_reached = change < disk.changes();
    disk.heal();
    check_after(&user, &disk, change, failure);
    (end, user.full, is_reached)
}

/// The process ends and starts again; then the power is cut. What is reported once stays.
fn check_after<R: Rules>(user: &User<R>, disk: &SimDisk, change: u64, failure: Failure) {
    let context = format!("{failure:?} at change {change}");
    let open = |disk: &SimDisk| open_by(disk, user.rules.clone());
    let cut = disk.fork();
    cut.crash(Survival::Lost);
    let opened = open(&cut).unwrap_or_else(|error| panic!("{context}, power cut: {error}"));
    user.check(&Model::of(&opened), &context);
    drop(opened);

    disk.kill();
    let opened = open(disk).unwrap_or_else(|error| panic!("{context}, killed: {error}"));
    let found = Model::of(&opened);
    user.check(&found, &context);
    disk.crash(Survival::Lost);
    drop(opened);
    let opened = open(disk).unwrap_or_else(|error| panic!("{context}, then cut: {error}"));
    assert_eq!(Model::of(&opened), found, "{context}: what was reported was not durable");
}

#[test]
fn nothing_is_acknowledged_or_lost_when_any_change_fails() {
    fail_at_every_change(Strict);
}

/// Panics where something acknowledged is lost, or a failure is not noticed.
pub(crate) fn fail_at_every_change<R: Rules>(rules: R) {
    let mut stopped = 0;
    for change in 0.. {
        let (end, _, is_reached) = run_with(change, Failure::Error, rules.clone());
        if !is_reached {
            assert!(end.is_ok(), "nothing failed");
            break;
        }
        stopped += u64::from(end.is_err());
    }
    assert!(250 < stopped, "a failure that nobody waits for is rare: {stopped} stopped it");
}

#[test]
fn a_full_disk_at_any_change_is_a_state_or_a_clean_stop() {
    let (mut survived, mut stopped) = (0, 0);
    for change in 0.. {
        let failure = if change % 2 == 0 { Failure::Full } else { Failure::Short { bytes: 700 } };
        let (end, full, is_reached) = run_with(change, failure, Strict);
        if !is_reached {
            break;
        }
        match end {
            Ok(()) => survived += full.min(1),
            Err(End::Log | End::Map) => stopped += 1,
            Err(End::Open(error)) => assert!(!error.to_string().is_empty(), "it says why"),
        }
    }
    assert!(10 < survived, "{survived} times the script went on, {stopped} times it stopped");
}

fn batch(id: u64, writes: Vec<Write>) -> [WriteBatch; 1] {
    [WriteBatch { id: WriteId(id), writes }]
}

fn reserve(opened: &mut Opened) {
    let mut reservation = opened.wal.reservation().expect("the log needs room");
    while reservation.step() == Progress::More {}
    opened.wal.reserved(reservation);
}

#[test]
fn a_full_disk_refuses_entries_takes_votes_serves_reads_and_recovers_by_itself() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    disk.limit(Some(disk.used_bytes()));
    reserve(&mut opened);
    assert_eq!(opened.wal.storage_state(), StorageState::Full, "no room for another segment");

    let mut last = 0;
    let refused = loop {
        match opened.wal.append(&batch(last + 1, vec![put(last + 1, 1, 500)])) {
            Ok(_) => last += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, WalError::Full { .. }), "{refused}");
    assert!(3 < last, "the reserved part was used");
    opened.wal.append(&batch(last + 1, vec![hard(7, 1)])).expect("a vote still fits");
    assert_eq!(opened.reader.read(Index(1), Index(last), u64::MAX).map(|read| read.len()), Ok(5));

    disk.limit(None);
    let again = opened.wal.append(&batch(last + 2, vec![put(last + 1, 1, 500)]));
    assert!(matches!(again, Err(WalError::Full { .. })), "until a reservation succeeds");
    reserve(&mut opened);
    assert_eq!(opened.wal.storage_state(), StorageState::Writable);
    opened.wal.append(&batch(last + 2, vec![put(last + 1, 1, 500)])).expect("there is room");
}

#[test]
fn a_batch_longer_than_a_segment_waits_for_room_and_then_fits() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    reserve(&mut opened);
    disk.limit(Some(disk.used_bytes()));
    let long = batch(1, vec![put(1, 1, 30_000)]);
    let refused = opened.wal.append(&long);
    assert!(matches!(refused, Err(WalError::Full { .. })), "it needs a file of its own");
    assert!(opened.wal.reservation().is_none(), "the next segment is there");
    assert!(matches!(opened.wal.append(&long), Err(WalError::Full { .. })), "still no room");

    disk.limit(None);
    assert!(opened.wal.reservation().is_none(), "the next segment is there");
    opened.wal.append(&long).expect("there is room");
}

#[test]
fn compaction_frees_a_full_disk() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    for index in 1..=6 {
        opened.wal.append(&batch(index, vec![put(index, 1, 1500)])).expect("there is room");
    }
    let puts = [record(2, 10)];
    let commit = commit_of(4, &puts, &puts.iter().cloned().collect());
    opened.records.commit(&commit).expect("there is room");

    disk.limit(Some(disk.used_bytes()));
    reserve(&mut opened);
    assert_eq!(opened.wal.storage_state(), StorageState::Full);
    opened.wal.append(&batch(7, vec![Write::CompactTo(meta(4, 1))])).expect("it needs no room");
    reserve(&mut opened);
    assert_eq!(opened.wal.storage_state(), StorageState::Writable, "the old segment is recycled");
    for index in 7..=9 {
        opened.wal.append(&batch(index + 1, vec![put(index, 1, 1500)])).expect("there is room");
    }
    assert_eq!(
        opened.reader.read(Index(2), Index(9), 1),
        Err(ReadError::Compacted { base: Index(4) })
    );
    assert_eq!(opened.reader.read(Index(5), Index(9), u64::MAX).map(|read| read.len()), Ok(5));
}

#[test]
fn a_failed_sync_poisons_the_log_for_good() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    opened.wal.append(&batch(1, vec![put(1, 1, 10)])).expect("a healthy disk");
    disk.fail_change(disk.changes() + 1, Failure::Error);
    for _ in 0..3 {
        let refused = opened.wal.append(&batch(2, vec![put(2, 1, 10)]));
        assert!(matches!(refused, Err(WalError::Poisoned(_))), "the disk itself is healthy again");
    }
    assert!(opened.wal.reservation().is_none(), "nothing is written any more");
    assert_eq!(opened.reader.read(Index(2), Index(2), 1), Err(ReadError::Absent));
}

#[test]
fn a_failed_read_is_an_error_and_not_a_missing_entry() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    opened.wal.append(&batch(1, vec![put(1, 1, 10)])).expect("a healthy disk");
    disk.fail_read(disk.reads());
    let failed = opened.reader.read(Index(1), Index(1), 1);
    assert_eq!(failed, Err(ReadError::Io(io::ErrorKind::Other)));
    assert_eq!(opened.reader.read(Index(1), Index(1), 1).map(|read| read.len()), Ok(1));
}

#[test]
fn the_map_waits_out_a_full_disk_and_its_readers_notice_nothing() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    opened.wal.append(&batch(1, vec![put(1, 1, 10), put(2, 1, 10)])).expect("a healthy disk");
    let small = [record(2, 10)];
    let commit = commit_of(1, &small, &small.iter().cloned().collect());
    opened.records.commit(&commit).expect("there is room");

    let big = [record(3, 1 << 20), record(4, 1 << 20), record(5, 1 << 20)];
    let all = small.iter().chain(&big).cloned().collect();
    let commit = commit_of(2, &big, &all);
    disk.limit(Some(disk.used_bytes()));
    for _ in 0..3 {
        let refused = opened.records.commit(&commit);
        assert_eq!(refused, Err(MapError::Io(io::ErrorKind::StorageFull)));
        assert_eq!(opened.records.get(Revision::new(2, 0)), Ok(Some(small[0].1.clone())));
        assert_eq!(opened.records.get(Revision::new(3, 0)), Ok(None), "all or nothing");
    }
    disk.limit(None);
    opened.records.commit(&commit).expect("there is room again");
    assert_eq!(opened.records.get(Revision::new(5, 0)), Ok(Some(big[2].1.clone())));
}

#[test]
fn a_lost_reservation_is_made_again_and_a_short_one_gives_its_space_back() {
    let disk = SimDisk::new();
    let mut opened = open_on(&disk).expect("an empty disk");
    drop(opened.wal.reservation().expect("the log needs room"));
    let used = disk.used_bytes();
    disk.limit(Some(used + 4096));
    reserve(&mut opened);
    assert_eq!(disk.used_bytes(), used, "what could not be finished is removed");
    disk.limit(None);
    reserve(&mut opened);
    assert!(opened.wal.reservation().is_none(), "one is enough");
    let names = disk.files();
    let is_reserved =
        |path: &&std::path::PathBuf| path.extension().is_some_and(|e| e == "reserved");
    assert_eq!(names.iter().filter(is_reserved).count(), 1);
    assert!(names.iter().all(|path| path.starts_with(Path::new(DIRECTORY))));
}
