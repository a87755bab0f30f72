//! The journal: the suite of all maps, power cuts, full and failing disks.

use std::path::PathBuf;

use quorate_kv::map_suite;

use super::*;
use crate::rules::Strict;
use crate::{SimDisk, Survival};

fn path() -> PathBuf {
    PathBuf::from("/journal")
}

fn made() -> (SimDisk, Arc<dyn Disk>, JournalMap<Strict>) {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let map = JournalMap::create(&disk, &path(), Strict).expect("an empty disk");
    disk.sync_directory(Path::new("/")).expect("an empty disk");
    (sim, disk, map)
}

#[test]
fn the_journal_is_a_map() {
    map_suite::run(&|| Arc::new(made().2));
}

fn checkpoint(index: u64) -> Checkpoint {
    Checkpoint {
        position: quorate_kv::LogPosition { index, round: 1, node: 1 },
        time: quorate_kv::ClusterTime(1),
        reign: quorate_kv::Reign::default(),
        members: Bytes::new(),
        state_hash: quorate_kv::StateHash(1),
        revision: 1,
        compacted: -1,
        records: 1,
        content_hash: quorate_kv::ContentHash(1),
        logical_bytes: 1,
        quota_bytes: 1,
        space_alarm: None,
        attributes: BTreeMap::new(),
        leases: 0,
        lease_hash: quorate_kv::ContentHash::default(),
        alarms: [].into(),
    }
}

fn commit(index: u64) -> Commit {
    let record = Record::tombstone(Bytes::from_static(b"key"));
    let puts = vec![(Revision::new(index.cast_signed(), 0), record)];
    let id = quorate_kv::CommitId(index);
    Commit {
        id,
        puts,
        removes: vec![Revision::new(1, 0)],
        leases: Vec::new(),
        checkpoint: checkpoint(index),
    }
}

fn position(map: &JournalMap<Strict>) -> Option<u64> {
    map.checkpoint().expect("it is sound").map(|checkpoint| checkpoint.position.index)
}

#[test]
fn what_was_reported_survives_and_what_was_not_is_there_whole_or_not_at_all() {
    for seed in 0..200 {
        let (sim, disk, map) = made();
        map.commit(&commit(1)).expect("there is room");
        sim.halt_before(sim.changes() + 1);
        assert!(map.commit(&commit(2)).is_err(), "the process ends before the sync");
        drop(map);
        sim.crash(Survival::Torn(seed));
        let map = JournalMap::open(&disk, &path(), Strict).expect("it opens again");
        let at = position(&map).expect("it had a checkpoint");
        let records = map.scan(Revision::FIRST, ScanLimit { records: 9, bytes: 999 });
        assert_eq!(records.expect("it is sound").len() as u64 + 1, at, "whole or not at all");
        map.commit(&commit(3)).expect("there is room");
        drop(map);
        sim.crash(Survival::Lost);
        let map = JournalMap::open(&disk, &path(), Strict).expect("it opens again");
        assert_eq!(position(&map), Some(3));
    }
}

#[test]
fn a_full_disk_changes_nothing_and_a_failed_one_is_for_good() {
    let (sim, _, map) = made();
    map.commit(&commit(1)).expect("there is room");
    sim.limit(Some(sim.used_bytes()));
    assert_eq!(map.commit(&commit(2)), Err(MapError::Io(io::ErrorKind::StorageFull)));
    assert_eq!(position(&map), Some(1));
    sim.limit(None);
    map.commit(&commit(2)).expect("there is room again");
    sim.fail_sync();
    assert!(map.commit(&commit(3)).is_err());
    assert!(map.commit(&commit(3)).is_err(), "nobody knows what is durable");
    assert!(map.get(Revision::new(1, 0)).is_err());
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_not_built_on() {
    let (sim, disk, map) = made();
    map.commit(&commit(1)).expect("there is room");
    sim.fail_sync();
    assert!(map.commit(&commit(2)).is_err());
    drop(map);
    sim.kill();
    let map = JournalMap::open(&disk, &path(), Strict).expect("it opens again");
    let found = position(&map);
    map.commit(&commit(3)).expect("the disk is well again");
    drop(map);
    sim.crash(Survival::Lost);
    let map = JournalMap::open(&disk, &path(), Strict).expect("it opens again");
    assert_eq!((found, position(&map)), (Some(1), Some(3)));
}
