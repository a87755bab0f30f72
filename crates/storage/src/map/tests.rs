//! The disk map: the suite of all maps, its bytes, and what it refuses.

use std::collections::BTreeMap;
use std::path::Path;

use quorate_kv::{
    ClusterTime, CommitId, ContentHash, LeaseId, LogPosition, RecordKind, Reign, StateHash,
};

use super::*;
use crate::rules::Strict;
use crate::sim_disk::SimDisk;

const FILE: &str = "/map.redb";

fn create(disk: &SimDisk) -> DiskMap<Strict> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    DiskMap::create(&disk, PathBuf::from(FILE), 1 << 20, Strict).expect("a healthy disk")
}

fn reopen(disk: &SimDisk) -> Result<DiskMap<Strict>, MapError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    DiskMap::open(&disk, PathBuf::from(FILE), 1 << 20, Strict)
}

fn record(main: i64, value: &'static [u8]) -> (Revision, Record) {
    let record = Record {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(value),
        create_revision: main,
        version: 1,
        lease: LeaseId::NONE,
        kind: RecordKind::Put,
    };
    (Revision::new(main, 1), record)
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        position: LogPosition { index: 5, round: 2, node: 1 },
        time: ClusterTime(6),
        reign: Reign { round: 7, node: 8, is_broken: true },
        members: Bytes::from_static(b"members"),
        state_hash: StateHash(7),
        revision: 3,
        compacted: -1,
        records: 2,
        content_hash: ContentHash(8),
        logical_bytes: 9,
        quota_bytes: 10,
        space_alarm: Some(11),
        attributes: BTreeMap::new(),
        leases: 0,
        lease_hash: ContentHash::default(),
        alarms: [].into(),
    }
}

fn commit(puts: Vec<(Revision, Record)>) -> Commit {
    Commit {
        id: CommitId(1),
        puts,
        removes: Vec::new(),
        leases: Vec::new(),
        checkpoint: checkpoint(),
    }
}

#[test]
fn the_disk_map_is_a_map() {
    quorate_kv::map_suite::run(&|| Arc::new(create(&SimDisk::new())));
}

#[test]
fn a_commit_is_there_after_the_map_is_opened_again() {
    let disk = SimDisk::new();
    let map = create(&disk);
    disk.sync_directory(Path::new("/")).expect("a healthy disk");
    let puts = vec![record(2, b"one"), record(3, b"two")];
    map.commit(&commit(puts.clone())).expect("a healthy disk");
    disk.crash(crate::Survival::Lost);
    drop(map);
    let map = reopen(&disk).expect("a sound map");
    let limit = ScanLimit { records: 10, bytes: 1000 };
    assert_eq!(map.scan(Revision::FIRST, limit), Ok(puts));
    assert_eq!(map.checkpoint(), Ok(Some(checkpoint())));
}

#[test]
fn the_bytes_of_a_value_are_frozen() {
    let golden: Vec<String> = include_str!("../../tests/golden/map-values-v1.hex")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let mut buffer = BytesMut::new();
    let (revision, put) = record(2, b"one");
    let key = key_of(revision);
    encode_checked(&key, &mut buffer, |out| encode_record(&put, out));
    assert_eq!([hex(&key), hex(&buffer)], golden[..2]);
    let parsed = parse_record(key, &buffer, &Strict);
    assert!(matches!(parsed, Ok((found, record)) if found == revision && record == put));
    encode_checked(&[CHECKPOINT_KEY], &mut buffer, |out| encode_checkpoint(&checkpoint(), out));
    assert_eq!(hex(&buffer), golden[2]);
    assert!(parse_checkpoint(&buffer).is_ok_and(|found| found == checkpoint()));
}

#[test]
fn the_bytes_of_a_lease_are_frozen_and_any_flipped_bit_is_noticed() {
    let golden: Vec<&str> = include_str!("../../tests/golden/map-leases-v1.hex")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let ttl = quorate_kv::LeaseTtl::new(60).expect("in bounds");
    let lease = Lease { id: LeaseId(-2), ttl, deadline: ClusterTime(6) };
    let key = lease_key_of(lease.id);
    let mut buffer = BytesMut::new();
    encode_checked(&key, &mut buffer, |out| encode_lease(&lease, out));
    assert_eq!([hex(&key), hex(&buffer)], golden[..]);
    assert!(matches!(parse_lease(key, &buffer, &Strict), Ok(found) if found == lease));
    for bit in 0..buffer.len() * 8 {
        let mut flipped = buffer.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let parsed = parse_lease(key, &flipped, &Strict);
        assert!(matches!(parsed, Err(Failure::Content(MapError::BadLease(LeaseId(-2))))), "{bit}");
    }
    assert!(parse_lease(lease_key_of(LeaseId(3)), &buffer, &Strict).is_err(), "another key");
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

#[test]
fn any_flipped_bit_of_a_value_or_its_key_is_noticed() {
    let (revision, put) = record(2, b"one");
    let key = key_of(revision);
    let mut buffer = BytesMut::new();
    encode_checked(&key, &mut buffer, |out| encode_record(&put, out));
    for bit in 0..buffer.len() * 8 {
        let mut rotten = buffer.to_vec();
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert!(parse_record(key, &rotten, &Strict).is_err(), "bit {bit}");
    }
    for bit in 0..key.len() * 8 {
        let mut rotten = key;
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert!(parse_record(rotten, &buffer, &Strict).is_err(), "bit {bit} of the key");
    }
}

#[test]
fn garbage_is_no_map() {
    for garbage in [vec![], vec![0; 100], vec![7; 100_000], b"redb".to_vec()] {
        let disk = SimDisk::new();
        disk.replace(Path::new(FILE), &garbage);
        assert!(reopen(&disk).is_err(), "{} bytes of garbage", garbage.len());
    }
}

#[test]
fn a_failed_sync_poisons_the_map() {
    let disk = SimDisk::new();
    let map = create(&disk);
    map.commit(&commit(vec![record(2, b"one")])).expect("a healthy disk");
    let changes = disk.changes();
    map.commit(&commit(vec![record(3, b"two")])).expect("a healthy disk");
    // The last call of a commit is the sync that it stands on.
    let commit_changes = disk.changes() - changes;
    disk.fail_change(disk.changes() + commit_changes - 1, crate::Failure::Full);
    for _ in 0..2 {
        let failed = map.commit(&commit(vec![record(4, b"two")]));
        assert_eq!(failed, Err(MapError::Io(io::ErrorKind::Other)), "a failed sync is no state");
    }
    assert!(map.get(Revision::new(2, 1)).is_err());

    drop(map);
    reopen(&disk).expect("the disk is healthy again").checkpoint().expect("and its data whole");
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_not_built_on() {
    for attempts in 0..6 {
        let disk = SimDisk::new();
        let map = create(&disk);
        map.disk.sync_directory(Path::new("/")).expect("a healthy disk");
        map.commit(&commit(vec![record(2, b"one")])).expect("there is room");
        disk.fail_change(disk.changes() + attempts, crate::Failure::Error);
        let failed = map.commit(&commit(vec![record(3, b"two")])).is_err();
        drop(map);
        disk.kill();
        disk.heal();
        let map = reopen(&disk).expect("it opens again");
        let found = map.get(Revision::new(3, 1)).expect("it is sound").is_some();
        assert!(failed || found, "what was reported is there");
        map.commit(&commit(vec![record(4, b"three")])).expect("the disk is well again");
        drop(map);
        disk.crash(crate::Survival::Lost);
        let map = reopen(&disk).expect("it opens again");
        assert_eq!(map.get(Revision::new(3, 1)).expect("it is sound").is_some(), found);
        assert!(map.get(Revision::new(4, 1)).expect("it is sound").is_some());
    }
}
