//! Receiving a snapshot: whole or not at all.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_consensus::{Ballot, ClusterTime, Index, Members};
use quorate_kv::{Lease, LeaseId, LeaseTtl, LogPosition, RecordKind, StateHash};

use super::*;
use crate::sim_disk::SimDisk;
use crate::state_map::MapKind;

struct NoLock;

impl DiskLock for NoLock {}

fn installer(disk: &SimDisk) -> Installer {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let directory = PathBuf::from("/kv");
    disk.create_directory(&directory).expect("a healthy disk");
    let horizon = Arc::new(Horizon::default());
    horizon.log_reaches(Index(100));
    let lock = Arc::new(NoLock);
    let map = MapOptions { kind: MapKind::Tree, cache_bytes: 1 << 20 };
    let stores = Stores { disk, directory, map, horizon, lock, rules: Strict };
    let old = StoreId::default();
    let path = map_path(&stores.directory, old);
    StateMap::create(&stores.disk, path, map, Strict).expect("a healthy disk");
    Installer::new(stores, old)
}

fn meta(index: u64) -> Meta {
    let ballot = Ballot { round: 2, node: quorate_consensus::NodeId(1) };
    Meta { index: Index(index), ballot, time: ClusterTime(1), members: Members::default() }
}

fn records(count: i64) -> BTreeMap<Revision, Record> {
    let record = |main: i64| Record {
        key: Bytes::from(format!("key {main}")),
        value: Bytes::from(vec![7; 300_000]),
        create_revision: main,
        version: 1,
        lease: LeaseId::NONE,
        kind: RecordKind::Put,
    };
    (2..2 + count).map(|main| (Revision::new(main, 0), record(main))).collect()
}

fn checkpoint(index: u64, records: &BTreeMap<Revision, Record>) -> Checkpoint {
    let hashes = records.iter().map(|(revision, record)| record.hash(*revision));
    Checkpoint {
        position: LogPosition { index, round: 2, node: 1 },
        time: quorate_kv::ClusterTime(1),
        reign: quorate_kv::Reign::default(),
        members: Bytes::new(),
        state_hash: StateHash(1),
        revision: 100,
        compacted: -1,
        records: records.len() as u64,
        content_hash: hashes.fold(ContentHash::default(), ContentHash::plus),
        logical_bytes: 1,
        quota_bytes: 1,
        space_alarm: None,
        attributes: BTreeMap::new(),
        leases: 0,
        lease_hash: ContentHash::default(),
        alarms: [].into(),
    }
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.list(Path::new("/kv")).expect("it exists")
}

#[test]
fn a_snapshot_is_received_in_pieces_and_takes_the_place_of_the_old_map() {
    let disk = SimDisk::new();
    let installer = installer(&disk);
    let all = records(40);
    let list: Vec<_> = all.clone().into_iter().collect();
    let mut staging = installer.begin(&meta(9)).expect("a healthy disk");
    assert_eq!(staging.next(), Revision::FIRST);
    for piece in list.chunks(7) {
        staging.add(piece).expect("a healthy disk");
        assert_eq!(staging.next(), piece[piece.len() - 1].0.next());
    }
    assert_eq!(
        staging.add(&list[..1]),
        Err(InstallError::OutOfOrder { next: Revision::new(41, 1) }),
        "a piece that comes twice is told from the next one"
    );
    staging.finish(&checkpoint(9, &all)).expect("it is whole");

    installer.stores.horizon.map_reaches(Index(9));
    let map = installer.activate(&meta(9)).expect("it is staged");
    let limit = ScanLimit { records: 100, bytes: usize::MAX };
    assert_eq!(map.scan(Revision::FIRST, limit), Ok(list));
    let name = "0000000000000009-0000000000000002-0000000000000001.redb";
    assert_eq!(names(&disk), [name], "the old one is gone");
}

#[test]
fn a_snapshot_that_is_not_what_was_promised_is_refused() {
    let disk = SimDisk::new();
    let installer = installer(&disk);
    let all = records(3);
    let list: Vec<_> = all.clone().into_iter().collect();
    let receive = |records: &[(Revision, Record)], checkpoint: &Checkpoint| {
        let mut staging = installer.begin(&meta(9))?;
        staging.add(records)?;
        staging.finish(checkpoint)
    };
    let promised = checkpoint(9, &all);
    let short = receive(&list[..2], &promised);
    let count = OpenError::WrongCount { expected: 3, found: 2 };
    assert_eq!(short, Err(InstallError::Mismatch(count)));

    let mut other = list.clone();
    other[1].1.lease = LeaseId(1);
    let mismatch = receive(&other, &promised);
    assert!(matches!(mismatch, Err(InstallError::Mismatch(OpenError::WrongContent { .. }))));

    let elsewhere = receive(&list, &checkpoint(8, &all));
    assert_eq!(elsewhere, Err(InstallError::WrongPosition));
    installer.stores.horizon.map_reaches(Index(9));
    assert_eq!(installer.activate(&meta(9)).err(), Some(InstallError::NotStaged));
    receive(&list, &promised).expect("the next attempt is a new one");
}

#[test]
fn leases_come_after_the_records_and_are_compared_too() {
    let disk = SimDisk::new();
    let installer = installer(&disk);
    let all = records(3);
    let list: Vec<_> = all.clone().into_iter().collect();
    let lease = |id| Lease {
        id: LeaseId(id),
        ttl: LeaseTtl::new(10).expect("in bounds"),
        deadline: quorate_kv::ClusterTime(5),
    };
    let leases = [lease(-3), lease(1), lease(2)];
    let promised = Checkpoint {
        leases: 3,
        lease_hash: leases.iter().fold(ContentHash(0), |sum, lease| sum.plus(lease.hash())),
        ..checkpoint(9, &all)
    };
    let receive = |leases: &[Lease]| {
        let mut staging = installer.begin(&meta(9))?;
        staging.add(&list)?;
        for piece in leases.chunks(2) {
            staging.add_leases(piece)?;
        }
        staging.finish(&promised)
    };
    let count = OpenError::WrongLeaseCount { expected: 3, found: 2 };
    assert_eq!(receive(&leases[..2]), Err(InstallError::Mismatch(count)));
    let mismatch = receive(&[lease(-3), lease(1), lease(3)]);
    assert!(matches!(mismatch, Err(InstallError::Mismatch(OpenError::WrongLeases { .. }))));
    receive(&leases).expect("these were promised");
    installer.stores.horizon.map_reaches(Index(9));
    let map = installer.activate(&meta(9)).expect("it is staged");
    assert_eq!(map.leases(LeaseId::FIRST, 9), Ok(leases.to_vec()));
}

#[test]
fn a_full_disk_ends_a_transfer_and_not_the_node() {
    let disk = SimDisk::new();
    let installer = installer(&disk);
    let list: Vec<_> = records(40).into_iter().collect();
    let mut staging = installer.begin(&meta(9)).expect("a healthy disk");
    disk.limit(Some(disk.used_bytes() + (1 << 20)));
    assert_eq!(staging.add(&list), Err(InstallError::Full));
    drop(staging);
    disk.limit(None);
    let mut staging = installer.begin(&meta(9)).expect("a healthy disk");
    staging.add(&list).expect("there is room");
    staging.finish(&checkpoint(9, &records(40))).expect("it is whole");
}
