//! Opening refuses a map that does not hold what it should.

use std::sync::Arc;

use quorate_kv::{
    Checkpoint, Commit, CommitId, Config, Damage, Lease, LeaseId, MemoryMap, OpenError, Record,
    Records, Revision, ScanLimit, Store, Strict,
};

use crate::support::{Node, node, range};

type Content = (Vec<(Revision, Record)>, Checkpoint);

/// a at 2 and 4, b at 3, deleted at 5; not compacted.
fn content() -> Content {
    let mut node = node();
    for key in ["a", "b", "a"] {
        node.put(key, "value");
    }
    node.delete("b", "");
    node.commit();
    read(&node.map)
}

fn read(map: &MemoryMap) -> Content {
    let unlimited = ScanLimit { records: usize::MAX, bytes: usize::MAX };
    let records = map.scan(Revision::FIRST, unlimited).expect("memory scans");
    (records, map.checkpoint().expect("memory reads").expect("it was committed"))
}

fn open_on((records, checkpoint): Content) -> Result<Store, OpenError> {
    let map = MemoryMap::new();
    let (removes, leases) = (Vec::new(), Vec::new());
    let commit = Commit { id: CommitId(1), puts: records, removes, leases, checkpoint };
    map.commit(&commit).expect("memory commits");
    Store::open(Arc::new(map), Config::default(), Strict)
}

fn refusal(change: impl FnOnce(&mut Content)) -> OpenError {
    let mut content = content();
    change(&mut content);
    open_on(content).err().expect("the map is damaged")
}

#[test]
fn what_was_committed_opens() {
    let (records, checkpoint) = content();
    let store = open_on((records.clone(), checkpoint.clone())).expect("the map is sound");
    assert_eq!(store.content_hash(), checkpoint.content_hash);
    assert_eq!((store.sizes().keys, store.sizes().records), (1, 4));
}

#[test]
fn a_lost_record_is_noticed() {
    for lost in 0..4 {
        let error = refusal(|(records, _)| drop(records.remove(lost)));
        assert_eq!(error, OpenError::WrongCount { expected: 4, found: 3 }, "{lost}");
    }
}

#[test]
fn a_changed_record_is_noticed() {
    let value = refusal(|(records, _)| records[0].1.value = "other".into());
    assert!(matches!(value, OpenError::WrongContent { .. }));
    let key = refusal(|(records, _)| records[2].1.key = "c".into());
    assert!(matches!(key, OpenError::WrongContent { .. }));
    let version = refusal(|(records, _)| records[2].1.version = 3);
    assert!(matches!(version, OpenError::WrongContent { .. }));
}

#[test]
fn a_record_that_cannot_be_is_named() {
    type Change = fn(&mut Content);
    let cases: [(Change, Revision); 9] = [
        (|(records, _)| records[1].1.key.clear(), Revision::new(3, 0)),
        (|(records, _)| records[1].1.version = 0, Revision::new(3, 0)),
        (|(records, _)| records[1].1.create_revision = 4, Revision::new(3, 0)),
        (|(records, _)| records[1].1.create_revision = 1, Revision::new(3, 0)),
        (|(records, _)| records[1].0.sub = -1, Revision::new(3, -1)),
        (|(records, _)| records[1].0.sub = 1 << 40, Revision::new(3, 1 << 40)),
        (|(records, _)| records[0].0.main = 1, Revision::new(1, 0)),
        (|(records, _)| records[3].1.value = "v".into(), Revision::new(5, 0)),
        (|(_, checkpoint)| checkpoint.revision = 4, Revision::new(5, 0)),
    ];
    for (change, revision) in cases {
        assert_eq!(refusal(change), OpenError::Impossible(revision));
    }
}

#[test]
fn a_checkpoint_that_counts_otherwise_is_noticed() {
    let bytes = refusal(|(_, checkpoint)| checkpoint.logical_bytes += 1);
    assert!(matches!(bytes, OpenError::WrongBytes { .. }));
    let compacted = refusal(|(_, checkpoint)| checkpoint.compacted = 5);
    assert_eq!(compacted, OpenError::WrongCount { expected: 4, found: 2 });
    let hash = refusal(|(_, checkpoint)| checkpoint.content_hash.0 ^= 1);
    assert!(matches!(hash, OpenError::WrongContent { .. }));
}

#[test]
fn a_checkpoint_with_impossible_revisions_is_noticed() {
    let changes: [fn(&mut Checkpoint); 5] = [
        |checkpoint| checkpoint.revision = i64::MAX,
        |checkpoint| checkpoint.revision = 0,
        |checkpoint| checkpoint.compacted = 6,
        |checkpoint| checkpoint.compacted = -2,
        |checkpoint| checkpoint.position.index = u64::MAX,
    ];
    for change in changes {
        let error = refusal(|(_, checkpoint)| change(checkpoint));
        assert_eq!(error, OpenError::ImpossibleCheckpoint);
    }
}

/// A map that lost its checkpoint, or fails to read.
struct Broken {
    map: Arc<MemoryMap>,
    failure: Option<quorate_kv::MapError>,
}

impl Records for Broken {
    fn get(&self, revision: Revision) -> Result<Option<Record>, quorate_kv::MapError> {
        self.failure.map_or_else(|| self.map.get(revision), Err)
    }

    fn scan(
        &self,
        from: Revision,
        limit: ScanLimit,
    ) -> Result<Vec<(Revision, Record)>, quorate_kv::MapError> {
        self.failure.map_or_else(|| self.map.scan(from, limit), Err)
    }

    fn leases(&self, from: LeaseId, count_max: usize) -> Result<Vec<Lease>, quorate_kv::MapError> {
        self.failure.map_or_else(|| self.map.leases(from, count_max), Err)
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, quorate_kv::MapError> {
        Ok(None)
    }

    fn commit(&self, commit: &Commit) -> Result<(), quorate_kv::MapError> {
        self.map.commit(commit)
    }
}

#[test]
fn records_without_a_checkpoint_are_not_a_fresh_store() {
    let mut node = node();
    node.put("a", "1");
    node.commit();
    let open = |failure| {
        let map = Arc::new(Broken { map: node.map.clone(), failure });
        Store::open(map, Config::default(), Strict).err()
    };
    assert_eq!(open(None), Some(OpenError::NoCheckpoint));
    let failure = quorate_kv::MapError::BadStructure;
    assert_eq!(open(Some(failure)), Some(OpenError::Map(failure)));
}

fn damaged(change: impl FnOnce(&MemoryMap, Checkpoint)) -> Node {
    let mut node = node();
    node.put("a", "1");
    node.put("b", "1");
    node.commit();
    let (_, checkpoint) = read(&node.map);
    change(&node.map, checkpoint);
    node
}

#[test]
fn damage_is_noticed_by_the_read_that_meets_it() {
    let at = Revision::new(2, 0);
    let node = damaged(|map, checkpoint| {
        let (puts, removes, leases) = (vec![], vec![at], vec![]);
        let commit = Commit { id: CommitId(9), puts, removes, leases, checkpoint };
        map.commit(&commit).expect("memory commits");
    });
    assert_eq!(node.store.range(&range("a", "")), Err(Damage::Missing(at)));
    assert!(matches!(node.store.range(&range("b", "")), Ok(Ok(_))));

    let node = damaged(|map, checkpoint| {
        let other = map.get(Revision::new(3, 0)).expect("memory reads").expect("b was put");
        let puts = vec![(at, other)];
        let (removes, leases) = (vec![], vec![]);
        let commit = Commit { id: CommitId(9), puts, removes, leases, checkpoint };
        map.commit(&commit).expect("memory commits");
    });
    assert_eq!(node.store.range(&range("a", "")), Err(Damage::Mixed(at)));
    assert_eq!(node.store.key_at(b"a", 0), Err(Damage::Mixed(at)));
}

/// The apply thread owns the store; a reader thread may be lent it.
#[test]
fn a_store_can_change_threads() {
    fn assert_send_and_sync<T: Send + Sync>(_: &T) {}
    assert_send_and_sync(&node().store);
}
