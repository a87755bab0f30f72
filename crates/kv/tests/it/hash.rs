//! Hashes: every byte counts, and only what happened counts.

use bytes::Bytes;
use proptest::prelude::*;
use quorate_kv::{
    ClusterTime, Command, CommandError, CompactRequest, Context, LeaseGrantRequest, LeaseId,
    LeaseTtl, LogPosition, Mutant, PublishRequest, Record, RecordKind, Records, Revision, Rule,
    Rules, SetQuotaRequest, Step, Store, Strict,
};

use crate::support::{at, node, node_with, op_delete, op_put, open, put, range};

fn record() -> impl Strategy<Value = (Revision, Record)> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    let numbers = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>(), any::<i64>());
    (bytes(), bytes(), numbers).prop_map(|(key, value, (main, sub, created, version, lease))| {
        let record = Record {
            key: Bytes::from(key),
            value: Bytes::from(value),
            create_revision: created,
            version,
            lease: LeaseId(lease),
            kind: RecordKind::Put,
        };
        (Revision::new(main, sub), record)
    })
}

fn with_byte(bytes: &Bytes, at: usize, flip: u8) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= flip;
    Bytes::from(bytes)
}

/// Every record that differs from this one in one byte of one field.
fn one_byte_off(revision: Revision, record: &Record, flip: u8) -> Vec<(Revision, Record)> {
    let mut all = Vec::new();
    for at in 0..record.key.len() {
        all.push((revision, Record { key: with_byte(&record.key, at, flip), ..record.clone() }));
    }
    for at in 0..record.value.len() {
        let value = with_byte(&record.value, at, flip);
        all.push((revision, Record { value, ..record.clone() }));
    }
    for byte in 0..8 {
        let off = |number: i64| number ^ i64::from(flip) << (8 * byte);
        let Record { create_revision, version, lease, .. } = *record;
        let with = |change: &dyn Fn(&mut Record)| {
            let mut record = record.clone();
            change(&mut record);
            record
        };
        all.push((Revision::new(off(revision.main), revision.sub), record.clone()));
        all.push((Revision::new(revision.main, off(revision.sub)), record.clone()));
        all.push((revision, with(&|record| record.create_revision = off(create_revision))));
        all.push((revision, with(&|record| record.version = off(version))));
        all.push((revision, with(&|record| record.lease = LeaseId(off(lease.0)))));
    }
    all.push((revision, Record { kind: RecordKind::Tombstone, ..record.clone() }));
    all
}

proptest! {
    #[test]
    fn any_byte_of_any_field_changes_the_hash((revision, record) in record(), flip in 1..=u8::MAX) {
        let hash = record.hash(revision);
        prop_assert_eq!(hash, record.clone().hash(revision));
        for (revision, other) in one_byte_off(revision, &record, flip) {
            prop_assert_ne!(hash, other.hash(revision), "{:?} {:?}", revision, other);
        }
    }

    #[test]
    fn a_byte_moved_from_key_to_value_changes_the_hash((revision, record) in record()) {
        prop_assume!(!record.key.is_empty());
        let (key, moved) = record.key.split_at(record.key.len() - 1);
        let value = [moved, &record.value].concat();
        let key = Bytes::copy_from_slice(key);
        let other = Record { key, value: value.into(), ..record.clone() };
        prop_assert_ne!(record.hash(revision), other.hash(revision));
    }
}

/// Two histories that differ in one effect each, and are otherwise alike.
fn differing_entries() -> Vec<(Command, Command)> {
    let advance = || Command::Advance;
    let compact = |revision| Command::Compact(CompactRequest { revision, physical: false });
    let publish = |member, attributes: &'static str| {
        Command::Publish(PublishRequest { member, attributes: attributes.into() })
    };
    let grant = |id, ttl| {
        let ttl = LeaseTtl::new(ttl).expect("in bounds");
        Command::LeaseGrant(LeaseGrantRequest { id: LeaseId(id), ttl })
    };
    let txn = |ops| Command::Txn(crate::support::always(ops));
    vec![
        (Command::Put(put("a", "1")), Command::Put(put("a", "2"))),
        (Command::Put(put("a", "1")), Command::Put(put("b", "1"))),
        (Command::Put(put("a", "1")), advance()),
        (Command::DeleteRange(crate::support::delete("k", "")), advance()),
        (compact(1), compact(2)),
        (compact(1), advance()),
        (compact(99), advance()),
        (publish(1, "a"), publish(1, "b")),
        (grant(1, 10), advance()),
        (grant(1, 10), grant(2, 10)),
        (grant(1, 10), grant(1, 11)),
        (publish(1, "a"), publish(2, "a")),
        (
            Command::SetQuota(SetQuotaRequest { quota_bytes: 1 }),
            Command::SetQuota(SetQuotaRequest { quota_bytes: 2 }),
        ),
        (
            txn(vec![op_put("a", ""), op_delete("k", "")]),
            txn(vec![op_delete("k", ""), op_put("a", "")]),
        ),
    ]
}

/// Whether each pair of histories, followed by one equal entry, hashes differently.
fn notices_differences<R: Rules + Copy>(rules: R) -> bool {
    differing_entries().iter().all(|(one, other)| {
        let hash = |command: &Command| {
            let mut node = node_with(rules);
            node.put("k", "v");
            let _ = node.apply(command);
            let context = at(node.store.position().index + 1);
            node.store.apply_nothing(context);
            node.store.state_hash()
        };
        hash(one) != hash(other)
    })
}

#[test]
fn any_effect_changes_the_state_hash() {
    assert!(notices_differences(Strict));
    assert!(!notices_differences(Mutant(Rule::HashIgnoresEffects)), "the check can fail");
}

#[test]
fn the_state_hash_knows_time_members_and_index_and_not_the_ballot() {
    let hash = |time: u64, round: u64, members: &'static str, entries: u64| {
        let mut store: Store = node().store;
        store.set_members(members.into());
        for index in 1..=entries {
            let position = LogPosition { index, round, node: round };
            store.apply_nothing(Context { position, time: ClusterTime(time) });
        }
        store.state_hash()
    };
    assert_eq!(hash(1, 1, "m", 1), hash(1, 2, "m", 1), "ballots may differ between replicas");
    assert_ne!(hash(1, 1, "m", 1), hash(2, 1, "m", 1));
    assert_ne!(hash(1, 1, "m", 1), hash(1, 1, "n", 1));
    assert_ne!(hash(1, 1, "m", 1), hash(1, 1, "m", 2));
}

#[test]
fn the_members_are_hashed_alike_after_a_restart() {
    let mut node = node();
    node.store.set_members("members".into());
    node.put("a", "1");
    let commit = node.store.begin_commit(u64::MAX).expect("an entry was applied");
    node.map.commit(&commit).expect("memory commits");
    node.store.finish_commit(commit.id);
    let mut reopened = open(&node.map, Strict);
    let next = at(node.store.position().index + 1);
    node.store.apply_nothing(next);
    reopened.apply_nothing(next);
    assert_eq!(reopened.state_hash(), node.store.state_hash());
}

/// Frozen: replicas of different versions must agree.
#[test]
fn the_hashes_are_these() {
    let mut node = node();
    node.put("a", "1");
    node.delete("a", "");
    assert_eq!(node.store.content_hash().0, 749_213_775_039_642_463);
    assert_eq!(node.store.state_hash().0, 183_828_722_996_181_929_972_785_113_894_848_865_539);
}

#[test]
fn the_content_at_a_revision_does_not_know_what_came_later() {
    let mut node = node();
    let mut hashes = Vec::new();
    for key in ["a", "b", "a", "c"] {
        node.put(key, "v");
        hashes.push(node.store.content_hash());
    }
    node.commit();
    node.delete("a", "c");
    node.put("d", "v");
    for (at, expected) in hashes.iter().enumerate() {
        let revision = i64::try_from(at).unwrap() + 2;
        let content = node.store.hash_kv(revision).expect("memory is sound").expect("readable");
        assert_eq!(content.hash, *expected, "at {revision}");
        assert_eq!((content.hash_revision, content.compact_revision), (revision, -1));
        let mut task = node.store.begin_hash(revision).expect("the revision is readable");
        let mut steps = 0;
        let sliced = loop {
            steps += 1;
            match node.store.step_hash(&mut task, 1) {
                Ok(Ok(Step::More)) => {}
                done => break done,
            }
        };
        node.store.end_hash(task);
        assert_eq!(sliced, Ok(Ok(Step::Done(content))));
        assert!(3 <= steps, "three or more records came later");
    }
    assert_eq!(node.store.hash_kv(8), Ok(Err(CommandError::FutureRevision)));
    let now = node.store.hash_kv(0).expect("memory is sound").expect("readable");
    assert_eq!((now.hash, now.hash_revision), (node.store.content_hash(), 7));
    node.compact(4).expect("the past can be compacted");
    assert_eq!(node.store.hash_kv(3), Ok(Err(CommandError::Compacted)));
    let compacted = node.store.hash_kv(4).expect("memory is sound").expect("readable");
    assert_eq!(compacted.compact_revision, 4);
    assert_ne!(compacted.hash, hashes[2], "less is retained");
}

#[test]
fn equal_content_hashes_equal_however_it_came_to_be_removed() {
    let mut fast = node();
    let mut slow = node();
    for node in [&mut fast, &mut slow] {
        for key in ["a", "b", "a", "b"] {
            node.put(key, "v");
        }
        node.compact(5).expect("the present can be compacted");
    }
    fast.remove_freed();
    fast.commit();
    assert_eq!(fast.store.content_hash(), slow.store.content_hash());
    let all = range("\0", "\0");
    assert_eq!(fast.range(&all), slow.range(&all));
}
