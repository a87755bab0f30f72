//! The test suite that every implementation of [`Records`] passes. It panics where one does not
//! keep the contract.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    COMPACTED_NEVER, Checkpoint, ClusterTime, Commit, CommitId, ContentHash, Lease, LeaseId,
    LeaseTtl, LogPosition, Record, RecordKind, Records, Reign, Revision, ScanLimit, StateHash,
};

/// Runs every test. `open` makes a new, empty map at each call.
pub fn run(open: &dyn Fn() -> Arc<dyn Records>) {
    a_fresh_map_is_empty(&*open());
    a_commit_is_read_back(&*open());
    a_checkpoint_is_replaced(&*open());
    extreme_fields_are_read_back(&*open());
    a_scan_ascends_and_starts_where_it_is_told(&*open());
    a_scan_keeps_its_limits(&*open());
    removes_take_records_away(&*open());
    a_put_replaces(&*open());
    leases_are_read_back(&*open());
    a_walk_over_leases_ascends_and_keeps_its_limit(&*open());
}

const UNLIMITED: ScanLimit = ScanLimit { records: usize::MAX, bytes: usize::MAX };

fn a_fresh_map_is_empty(map: &dyn Records) {
    assert_eq!(map.checkpoint(), Ok(None), "nothing was committed");
    assert_eq!(map.get(Revision::new(2, 0)), Ok(None), "nothing was put");
    assert_eq!(map.scan(Revision::FIRST, UNLIMITED), Ok(Vec::new()), "nothing was put");
}

fn a_commit_is_read_back(map: &dyn Records) {
    let puts = vec![
        (Revision::new(2, 0), put(b"a", b"one", 2)),
        (Revision::new(2, 1), put(b"b", b"", 2)),
        (Revision::new(3, 0), Record::tombstone(Bytes::from_static(b"a"))),
    ];
    let commit = commit(1, puts.clone(), Vec::new());
    assert_eq!(map.commit(&commit), Ok(()), "a healthy map commits");
    assert_eq!(map.checkpoint(), Ok(Some(commit.checkpoint)), "the checkpoint as committed");
    for (revision, record) in &puts {
        assert_eq!(map.get(*revision), Ok(Some(record.clone())), "the record as committed");
    }
    assert_eq!(map.get(Revision::new(2, 2)), Ok(None), "between two records");
    assert_eq!(map.scan(Revision::FIRST, UNLIMITED), Ok(puts), "all records in order");
}

fn a_checkpoint_is_replaced(map: &dyn Records) {
    for id in 1..4 {
        let commit = commit(id, Vec::new(), Vec::new());
        assert_eq!(map.commit(&commit), Ok(()), "a healthy map commits");
        assert_eq!(map.checkpoint(), Ok(Some(commit.checkpoint)), "the last checkpoint");
    }
}

fn extreme_fields_are_read_back(map: &dyn Records) {
    let record = Record {
        key: Bytes::from(vec![0xff; 1_000]),
        value: Bytes::from(vec![0; 2_000_000]),
        create_revision: i64::MAX,
        version: i64::MAX,
        lease: LeaseId(i64::MIN),
        kind: RecordKind::Put,
    };
    let revision = Revision::new(i64::MAX, i64::MAX);
    let mut commit = commit(u64::MAX, vec![(revision, record.clone())], Vec::new());
    commit.checkpoint.space_alarm = None;
    commit.checkpoint.members = Bytes::new();
    assert_eq!(map.commit(&commit), Ok(()), "a healthy map commits");
    assert_eq!(map.get(revision), Ok(Some(record)), "every field at its extreme");
    assert_eq!(map.checkpoint(), Ok(Some(commit.checkpoint)), "without the optional field");
}

fn a_scan_ascends_and_starts_where_it_is_told(map: &dyn Records) {
    // Mains and subs around the byte borders, where a map ordered by the wrong bytes would
    // misplace them.
    let mains = [2, 255, 256, 65_535, 65_536, 1 << 32, 1 << 48];
    let revisions: Vec<Revision> = mains
        .iter()
        .flat_map(|&main| [0, 1, 255, 256].map(|sub| Revision::new(main, sub)))
        .collect();
    let puts = revisions.iter().map(|&revision| (revision, put(b"k", b"v", 2))).collect();
    assert_eq!(map.commit(&commit(1, puts, Vec::new())), Ok(()), "a healthy map commits");
    for (at, &revision) in revisions.iter().enumerate() {
        let from_it = scanned(map, revision, UNLIMITED);
        assert_eq!(from_it, revisions[at..], "from a record on, it included");
        let after_it = scanned(map, revision.next(), UNLIMITED);
        assert_eq!(after_it, revisions[at + 1..], "from just after a record on");
    }
}

fn a_scan_keeps_its_limits(map: &dyn Records) {
    let revisions: Vec<Revision> = (2..12).map(|main| Revision::new(main, 0)).collect();
    let puts = revisions.iter().map(|&revision| (revision, put(b"k", &[7; 99], 2))).collect();
    assert_eq!(map.commit(&commit(1, puts, Vec::new())), Ok(()), "a healthy map commits");
    let scan = |records, bytes| scanned(map, Revision::FIRST, ScanLimit { records, bytes });
    assert_eq!(scan(3, usize::MAX), revisions[..3], "the limit of records");
    assert_eq!(scan(usize::MAX, 1), revisions[..1], "at least one record");
    assert_eq!(scan(usize::MAX, 200), revisions[..2], "exactly the limit of bytes");
    assert_eq!(scan(usize::MAX, 201), revisions[..3], "over the limit of bytes by one record");
}

fn removes_take_records_away(map: &dyn Records) {
    let revisions: Vec<Revision> = (2..7).map(|main| Revision::new(main, 0)).collect();
    let puts = revisions.iter().map(|&revision| (revision, put(b"k", b"v", 2))).collect();
    assert_eq!(map.commit(&commit(1, puts, Vec::new())), Ok(()), "a healthy map commits");
    let gone = vec![revisions[0], revisions[3], Revision::new(99, 0)];
    let added = vec![(Revision::new(7, 0), put(b"k", b"v", 2))];
    assert_eq!(map.commit(&commit(2, added, gone)), Ok(()), "also of what is not there");
    let left = [revisions[1], revisions[2], revisions[4], Revision::new(7, 0)];
    assert_eq!(scanned(map, Revision::FIRST, UNLIMITED), left, "what was not removed");
    assert_eq!(map.get(revisions[3]), Ok(None), "what was removed");
}

fn a_put_replaces(map: &dyn Records) {
    let revision = Revision::new(2, 0);
    for (id, value) in [(1, b"old"), (2, b"new")] {
        let puts = vec![(revision, put(b"k", value, 2))];
        assert_eq!(map.commit(&commit(id, puts, Vec::new())), Ok(()), "a healthy map commits");
    }
    assert_eq!(map.get(revision), Ok(Some(put(b"k", b"new", 2))), "the later put");
    assert_eq!(scanned(map, Revision::FIRST, UNLIMITED), [revision], "once");
}

fn leases_are_read_back(map: &dyn Records) {
    let lease = |id, ttl, deadline| Lease {
        id: LeaseId(id),
        ttl: LeaseTtl::new(ttl).expect("in bounds"),
        deadline: ClusterTime(deadline),
    };
    let extremes = [
        lease(i64::MIN, 1, 0),
        lease(-1, 9_000_000_000, u64::MAX),
        lease(1, 2, 3),
        lease(i64::MAX, 4, 5),
    ];
    assert_eq!(map.leases(LeaseId::FIRST, 9), Ok(Vec::new()), "none was put");
    let held = |lease: &Lease| (lease.id, Some(*lease));
    let mut first = commit(1, Vec::new(), Vec::new());
    first.leases = extremes.iter().map(held).collect();
    assert_eq!(map.commit(&first), Ok(()), "a healthy map commits");
    assert_eq!(map.leases(LeaseId::FIRST, 9), Ok(extremes.to_vec()), "every field, in order");
    let renewed = lease(1, 2, 9);
    let mut second = commit(2, Vec::new(), Vec::new());
    second.leases = vec![(LeaseId(-1), None), held(&renewed), (LeaseId(7), None)];
    assert_eq!(map.commit(&second), Ok(()), "also of the end of what is not there");
    let left = vec![extremes[0], renewed, extremes[3]];
    assert_eq!(map.leases(LeaseId::FIRST, 9), Ok(left), "one has ended, one was renewed");
    assert_eq!(map.scan(Revision::FIRST, UNLIMITED), Ok(Vec::new()), "leases are no records");
}

fn a_walk_over_leases_ascends_and_keeps_its_limit(map: &dyn Records) {
    // Ids around the byte borders and zero, where wrong bytes would be out of order.
    let ids = [-65_536, -256, -255, -1, 1, 255, 256, 65_536, 1 << 40].map(LeaseId);
    let lease = |id| Lease { id, ttl: LeaseTtl::MAX, deadline: ClusterTime(7) };
    let mut all = commit(1, Vec::new(), Vec::new());
    all.leases = ids.iter().map(|id| (*id, Some(lease(*id)))).collect();
    assert_eq!(map.commit(&all), Ok(()), "a healthy map commits");
    for (at, id) in ids.iter().enumerate() {
        let walk = |from, count_max| {
            let found = map.leases(from, count_max).expect("a healthy map walks");
            found.into_iter().map(|lease| lease.id).collect::<Vec<_>>()
        };
        assert_eq!(walk(*id, 99), ids[at..], "from a lease on, it included");
        assert_eq!(walk(LeaseId(id.0 + 1), 99), ids[at + 1..], "from just after a lease on");
        assert_eq!(walk(*id, 1), [*id], "the limit");
    }
}

fn scanned(map: &dyn Records, from: Revision, limit: ScanLimit) -> Vec<Revision> {
    let found = map.scan(from, limit).expect("a healthy map scans");
    found.into_iter().map(|(revision, _)| revision).collect()
}

fn put(key: &[u8], value: &[u8], create_revision: i64) -> Record {
    Record {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(value),
        create_revision,
        version: 1,
        lease: LeaseId::NONE,
        kind: RecordKind::Put,
    }
}

/// A commit whose checkpoint differs in every field from that of any other id.
fn commit(id: u64, puts: Vec<(Revision, Record)>, removes: Vec<Revision>) -> Commit {
    let checkpoint = Checkpoint {
        position: LogPosition { index: id, round: id ^ 1, node: id ^ 2 },
        time: ClusterTime(id ^ 3),
        reign: Reign { round: id, node: id ^ 3, is_broken: id.is_multiple_of(2) },
        members: Bytes::from(id.to_le_bytes().to_vec()),
        attributes: [(id ^ 0xc, Bytes::from(id.to_be_bytes().to_vec()))].into(),
        state_hash: StateHash(u128::from(id) << 64 | 4),
        revision: (id ^ 5).cast_signed(),
        compacted: if id == 1 { COMPACTED_NEVER } else { (id ^ 6).cast_signed() },
        records: id ^ 7,
        content_hash: ContentHash(id ^ 8),
        logical_bytes: id ^ 9,
        quota_bytes: id ^ 0xa,
        space_alarm: Some(id ^ 0xb),
        leases: id ^ 0xd,
        lease_hash: ContentHash(id ^ 0xe),
        alarms: [].into(),
    };
    Commit { id: CommitId(id), puts, removes, leases: Vec::new(), checkpoint }
}
