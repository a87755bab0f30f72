//! Leases: their life in the log's time, their keys, and what a restart or a snapshot keeps.

use std::sync::Arc;

use quorate_kv::{
    ClusterTime, Command, CommandError, CompareResult, CompareTarget, Context, LEASE_BYTES, Lease,
    LeaseCounts, LeaseGrantRequest, LeaseId, LeaseKeys, LeaseRenewRequest, LeaseRevokeRequest,
    LeaseTtl, MemoryMap, OpenError, PutRequest, RECORD_OVERHEAD_BYTES, RecordKind, Records,
    RequestOp, Response, Rules, SetQuotaRequest, StateHash, Store, Strict, TxnRequest,
};

use crate::snapshot::transfer;
use crate::support::{Node, always, at, compare, node, op_delete, open, put};

const SECOND: u64 = 1_000_000;

fn ttl(seconds: i64) -> LeaseTtl {
    LeaseTtl::new(seconds).expect("in bounds")
}

impl<R: Rules> Node<R> {
    /// Applies an entry at this second.
    fn apply_at(&mut self, second: u64, command: &Command) -> Result<Response, CommandError> {
        let mut context = at(self.store.position().index + 1);
        context.time = ClusterTime(second * SECOND);
        self.store.apply(context, command).expect("memory is sound")
    }

    fn pass_to(&mut self, second: u64) {
        self.apply_at(second, &Command::Advance).expect("time passes");
    }

    fn grant(&mut self, id: i64, seconds: i64) -> Result<Response, CommandError> {
        let request = LeaseGrantRequest { id: LeaseId(id), ttl: ttl(seconds) };
        self.apply_at(0, &Command::LeaseGrant(request))
    }

    fn revoke(&mut self, id: i64) -> Result<i64, CommandError> {
        let request = LeaseRevokeRequest { id: LeaseId(id) };
        match self.apply_at(0, &Command::LeaseRevoke(request))? {
            Response::LeaseRevoke(response) => Ok(response.revision),
            other => panic!("a revocation was answered with {other:?}"),
        }
    }

    fn renew_at(&mut self, second: u64, ids: &[i64]) -> Vec<Option<LeaseTtl>> {
        let ids = ids.iter().copied().map(LeaseId).collect();
        match self.apply_at(second, &Command::LeaseRenew(LeaseRenewRequest { ids })) {
            Ok(Response::LeaseRenew(response)) => response.renewed,
            other => panic!("a renewal was answered with {other:?}"),
        }
    }

    fn attach(&mut self, key: &'static str, lease: i64) -> Result<Response, CommandError> {
        let request = PutRequest { lease: LeaseId(lease), ..put(key, "v") };
        self.apply_at(0, &Command::Put(request))
    }

    fn seconds_left(&self, id: i64) -> Option<i64> {
        let told = self.store.lease_time_to_live(LeaseId(id), self.store.now(), LeaseKeys::Omitted);
        told.time.map(|time| time.seconds_left)
    }

    fn keys_of(&self, id: i64) -> Vec<String> {
        let told = self.store.lease_time_to_live(LeaseId(id), self.store.now(), LeaseKeys::Listed);
        told.keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    fn ids(&self) -> Vec<i64> {
        self.store.lease_list().ids.iter().map(|id| id.0).collect()
    }

    /// The changes of one revision, as keys and kinds.
    fn changes_in(&self, revision: i64) -> Vec<(String, RecordKind)> {
        let events = self.store.events(revision, usize::MAX).expect("memory is sound");
        let records = events.expect("it is not compacted").records.into_iter();
        let here = records.filter(|(at, _)| at.main == revision);
        here.map(|(_, it)| (String::from_utf8_lossy(&it.key).into_owned(), it.kind)).collect()
    }
}

#[test]
fn a_grant_takes_no_revision_and_a_name_is_given_once() {
    let mut node = node();
    node.grant(7, 10).expect("it is new");
    assert_eq!(node.store.revision(), 1);
    assert_eq!(node.grant(7, 20), Err(CommandError::LeaseExists));
    assert_eq!(node.seconds_left(7), Some(10));
    node.grant(-7, 5).expect("names may be negative");
    assert_eq!(node.ids(), [-7, 7], "the one that is over first");
    assert_eq!(node.store.sizes().leases, 2);
}

#[test]
fn a_lease_is_over_when_the_log_says_so_and_not_before() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.attach("b", 1).expect("the lease exists");
    node.attach("a", 1).expect("the lease exists");
    assert_eq!(node.store.next_lease_deadline(), Some(ClusterTime(10 * SECOND)));
    node.pass_to(9);
    assert_eq!((node.seconds_left(1), node.keys_of(1)), (Some(1), vec!["a".into(), "b".into()]));
    assert_eq!(node.store.last_expired(), []);
    node.pass_to(10);
    assert_eq!(node.store.last_expired(), [LeaseId(1)]);
    let gone = RecordKind::Tombstone;
    assert_eq!(node.changes_in(4), [("a".into(), gone), ("b".into(), gone)], "sorted, in one");
    assert_eq!((node.store.revision(), node.seconds_left(1)), (4, None));
    assert_eq!(node.store.next_lease_deadline(), None);
}

#[test]
fn what_is_over_is_gone_before_the_entry_that_tells_the_time() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.attach("a", 1).expect("the lease exists");
    let is_absent = compare("a", CompareResult::Equal, CompareTarget::Version(0));
    let txn = TxnRequest { compares: vec![is_absent], ..always(vec![]) };
    match node.apply_at(10, &Command::Txn(txn)) {
        Ok(Response::Txn(response)) => assert!(response.succeeded, "the key went with its lease"),
        other => panic!("a transaction was answered with {other:?}"),
    }
}

#[test]
fn a_renewal_begins_the_time_anew_and_brings_nothing_back() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.grant(2, 5).expect("it is new");
    assert_eq!(node.renew_at(4, &[2, 9, 1]), [Some(ttl(5)), None, Some(ttl(10))]);
    assert_eq!((node.seconds_left(1), node.seconds_left(2)), (Some(10), Some(5)));
    assert_eq!(node.renew_at(9, &[2, 1]), [None, Some(ttl(10))], "one is over");
    assert_eq!((node.ids(), node.store.revision()), (vec![1], 1));
    let counts = LeaseCounts { granted: 2, renewed: 3, revoked: 0, expired: 1 };
    assert_eq!(node.store.lease_counts(), counts);
}

#[test]
fn a_revocation_takes_a_revision_only_if_there_are_keys() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.grant(2, 10).expect("it is new");
    node.attach("b", 1).expect("the lease exists");
    node.attach("a", 1).expect("the lease exists");
    assert_eq!(node.revoke(2), Ok(3));
    assert_eq!(node.revoke(1), Ok(4));
    assert_eq!(node.changes_in(4).len(), 2);
    assert_eq!(node.revoke(1), Err(CommandError::LeaseNotFound));
    assert_eq!(node.store.revision(), 4);
}

#[test]
fn a_key_is_attached_to_the_lease_of_its_last_put() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.grant(2, 10).expect("it is new");
    for key in ["a", "b", "c", "d"] {
        node.attach(key, 1).expect("the lease exists");
    }
    node.attach("a", 2).expect("the lease exists");
    node.attach("b", 0).expect("no lease is needed");
    node.delete("c", "");
    let kept = PutRequest { ignore_lease: true, ..put("d", "w") };
    node.apply_at(0, &Command::Put(kept)).expect("the key exists");
    assert_eq!((node.keys_of(1), node.keys_of(2)), (vec!["d".into()], vec!["a".into()]));
    node.revoke(1).expect("it exists");
    assert_eq!(node.keys_at(0).expect("it is readable"), ["a", "b"]);
}

#[test]
fn a_lease_that_is_not_there_is_refused_before_anything_is_written() {
    let mut node = node();
    node.put("a", "1");
    assert_eq!(node.attach("a", 5), Err(CommandError::LeaseNotFound));
    let lost = RequestOp::Put(PutRequest { lease: LeaseId(5), ..put("b", "1") });
    let txn = always(vec![op_delete("a", ""), lost]);
    assert_eq!(node.txn(&txn), Err(CommandError::LeaseNotFound));
    assert_eq!((node.keys_at(0).expect("readable"), node.store.revision()), (vec!["a".into()], 2));
}

#[test]
fn only_so_many_end_with_one_entry_and_the_rest_are_over_all_the_same() {
    let mut node = node();
    for id in 1..=502 {
        node.grant(id, 10).expect("it is new");
    }
    node.attach("last", 502).expect("the lease exists");
    node.pass_to(10);
    assert_eq!((node.store.last_expired().len(), node.store.sizes().leases), (500, 2));
    assert_eq!(node.store.next_lease_deadline(), Some(ClusterTime(10 * SECOND)));
    assert!(node.ids().is_empty() && node.seconds_left(502).is_none(), "it is over");
    assert_eq!(node.keys_at(0).expect("readable"), ["last"], "its end has yet to come");
    node.pass_to(10);
    assert_eq!((node.store.last_expired().len(), node.store.sizes().leases), (2, 0));
    assert!(node.keys_at(0).expect("readable").is_empty());
}

/// A compaction ends no lease, so some may be over when the next entry comes.
#[test]
fn what_waits_for_its_end_can_be_neither_renewed_nor_attached_to_nor_granted() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.put("a", "1");
    let compact = quorate_kv::CompactRequest { revision: 2, physical: false };
    node.apply_at(10, &Command::Compact(compact)).expect("the present can be compacted");
    assert_eq!((node.store.last_expired(), node.store.sizes().leases), (&[][..], 1));
    node.pass_to(10);
    assert_eq!((node.store.last_expired(), node.store.sizes().leases), (&[LeaseId(1)][..], 0));
}

#[test]
fn many_keys_let_the_next_lease_wait() {
    let mut node = node();
    node.grant(1, 9).expect("it is new");
    node.grant(2, 9).expect("it is new");
    for number in 0..10_000 {
        let key = format!("{number:05}");
        let request = PutRequest { key: key.into(), lease: LeaseId(1), ..PutRequest::default() };
        node.apply_at(0, &Command::Put(request)).expect("the lease exists");
    }
    node.pass_to(9);
    assert_eq!(node.store.last_expired(), [LeaseId(1)]);
    node.pass_to(9);
    assert_eq!(node.store.last_expired(), [LeaseId(2)]);
}

#[test]
fn leases_count_for_the_quota() {
    let mut node = node();
    let quota_bytes = 2 * LEASE_BYTES + RECORD_OVERHEAD_BYTES;
    node.apply(&Command::SetQuota(SetQuotaRequest { quota_bytes })).expect("quotas change");
    node.grant(1, 10).expect("there is room");
    node.grant(2, 10).expect("there is room");
    node.grant(3, 10).expect("there is room");
    node.grant(4, 10).expect("there is room");
    assert_eq!(node.grant(5, 10), Err(CommandError::NoSpace));
    assert_eq!(node.grant(1, 10), Err(CommandError::LeaseExists), "the reason that stays");
    assert!(node.store.sizes().is_out_of_space);
    node.revoke(1).expect("it exists");
    assert!(!node.store.sizes().is_out_of_space, "there is less than at the refusal");
    node.grant(5, 10).expect("there is room again");
    assert_eq!(node.store.sizes().logical_bytes, 4 * LEASE_BYTES);
}

/// Two keys under one lease, one under another, and a renewal since the last commit.
fn lively() -> Node {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    node.grant(2, 20).expect("it is new");
    node.grant(3, 30).expect("it is new");
    for (key, lease) in [("a", 1), ("b", 1), ("c", 2)] {
        node.attach(key, lease).expect("the lease exists");
    }
    node.commit();
    node.renew_at(5, &[1]);
    node.revoke(3).expect("it exists");
    node
}

fn of(store: &Store) -> impl PartialEq + std::fmt::Debug + use<> {
    let told =
        [1, 2, 3].map(|id| store.lease_time_to_live(LeaseId(id), store.now(), LeaseKeys::Listed));
    (told, store.lease_hash(), store.state_hash(), store.sizes(), store.lease_list())
}

#[test]
fn leases_survive_a_restart_as_the_last_commit_has_them() {
    let mut node = lively();
    let reopened = open(&node.map, Strict);
    assert_eq!((reopened.sizes().leases, reopened.position().index), (3, 6));
    let late = reopened.lease(LeaseId(1)).expect("it was granted");
    assert_eq!(late.deadline, ClusterTime(10 * SECOND), "the renewal came later");
    node.commit();
    assert_eq!(of(&open(&node.map, Strict)), of(&node.store));
    assert_eq!(node.store.uncommitted_bytes(), 0);
}

#[test]
fn a_commit_holds_leases_as_they_were_at_its_position() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    let commit = node.store.begin_commit(u64::MAX).expect("an entry was applied");
    node.renew_at(5, &[1]);
    node.map.commit(&commit).expect("memory commits");
    node.store.finish_commit(commit.id);
    let deadline = |node: &Node| {
        let lease = open(&node.map, Strict).lease(LeaseId(1)).expect("it was granted");
        lease.deadline.0 / SECOND
    };
    assert_eq!(deadline(&node), 10);
    assert_eq!(node.store.uncommitted_bytes(), LEASE_BYTES);
    node.commit();
    assert_eq!(deadline(&node), 15);
}

/// Renewals alone fill commits too, and each is cut where the state was that it names.
#[test]
fn a_backlog_of_renewals_goes_in_pieces() {
    let mut node = node();
    node.grant(1, 10).expect("it is new");
    let mut hashes = vec![StateHash::default(), node.store.state_hash()];
    for _ in 0..10_000 {
        node.renew_at(1, &[1]);
        hashes.push(node.store.state_hash());
    }
    let mut commits = 0;
    while let Some(commit) = node.store.begin_commit(150_000) {
        node.map.commit(&commit).expect("memory commits");
        node.store.finish_commit(commit.id);
        let reopened = open(&node.map, Strict);
        let index = usize::try_from(reopened.position().index).expect("a short log");
        assert_eq!(reopened.state_hash(), hashes[index]);
        commits += 1;
    }
    assert!((4..=6).contains(&commits), "640 kB in pieces of 128: {commits}");
}

#[test]
fn a_snapshot_has_the_leases_of_its_moment() {
    let mut node = lively();
    let source = node.store.snapshot();
    let expected = of(&node.store);
    let map = transfer(&mut node, &source, |node| {
        node.renew_at(6, &[2]);
        node.grant(4, 9).ok();
        node.revoke(1).ok();
    });
    assert_eq!(of(&open(&map, Strict)), expected);
    node.store.end_snapshot(source);
}

/// What opening a map comes to whose leases were changed behind the store's back.
fn refusal(change: &[(LeaseId, Option<Lease>)]) -> Option<OpenError> {
    let mut node = lively();
    node.commit();
    let checkpoint = node.map.checkpoint().expect("memory reads").expect("it was committed");
    let commit = quorate_kv::Commit {
        id: quorate_kv::CommitId(99),
        puts: vec![],
        removes: vec![],
        leases: change.to_vec(),
        checkpoint,
    };
    node.map.commit(&commit).expect("memory commits");
    let records: Arc<MemoryMap> = Arc::clone(&node.map);
    Store::open(records, quorate_kv::Config::default(), Strict).err()
}

#[test]
fn leases_that_are_not_the_checkpoints_are_refused() {
    let lease = |id, seconds| Lease::beginning(LeaseId(id), ttl(10), ClusterTime(seconds * SECOND));
    assert_eq!(refusal(&[]), None);
    let lost = refusal(&[(LeaseId(2), None)]);
    assert_eq!(lost, Some(OpenError::WrongLeaseCount { expected: 2, found: 1 }));
    let changed = refusal(&[(LeaseId(1), Some(lease(1, 6)))]);
    assert!(matches!(changed, Some(OpenError::WrongLeases { .. })), "{changed:?}");
}

/// The state hash of a store that has leases knows them, and that of one without is as before.
#[test]
fn deadlines_are_in_the_state_hash() {
    let hash = |renewed: &[i64]| {
        let mut node = node();
        node.grant(1, 10).expect("it is new");
        node.renew_at(3, renewed);
        node.store.apply_nothing(Context { time: ClusterTime(3 * SECOND), ..at(3) });
        node.store.state_hash()
    };
    assert_ne!(hash(&[1]), hash(&[]));
}
