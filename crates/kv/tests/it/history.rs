//! Random histories: the store against the model, and against replicas that commit, compact,
//! restart and install snapshots at other moments. The same checks catch the mutants.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use quorate_kv::naive::Naive;
use quorate_kv::{
    Alarm, AlarmAction, AlarmKind, AlarmRequest, Command, Commit, CompactRequest, Compare,
    CompareResult, CompareTarget, Context, DeleteRangeRequest, LeaseGrantRequest, LeaseId,
    LeaseKeys, LeaseRenewRequest, LeaseRevokeRequest, LeaseTtl, Limits, MemoryMap, Mutant, Pin,
    PublishRequest, PutRequest, RangeRequest, RangeTask, RecordKind, Records, RequestOp, Rule,
    Rules, SetQuotaRequest, SortOrder, SortTarget, Step, Store, Strict, TxnRequest, validate_txn,
};

use crate::snapshot::transfer;
use crate::support::{Node, at, node_with, open};
use crate::watch_stories;

/// One thing that happens to a node.
#[derive(Clone, Debug)]
enum Event {
    /// The log brings an entry, stamped this many microseconds around the last.
    Entry(Command, i64),
    /// From here on the log is another leader's.
    NewLeader,
    /// The log brings a compaction of the revision this far back.
    Compact(i64),
    /// The log brings an entry without a command.
    Nothing,
    /// A client reads.
    Read(RangeRequest),
    /// A reader pins the present, and reads there later.
    BeginRead(RangeRequest),
    EndRead,
    /// The store thread's three steps.
    BeginCommit(u64),
    Persist,
    FinishCommit,
    /// A step of physical compaction.
    CompactStep(usize),
    /// The process dies: what was not persisted is gone, the log is applied again.
    Restart,
    /// Another node takes over by a snapshot.
    Install,
}

fn key() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just("a"), Just("b"), Just("ba"), Just("c"), Just("d")].prop_map(Bytes::from)
}

fn range_end() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => Just(""),
        1 => Just("\0"),
        1 => Just("b"),
        1 => Just("c"),
        1 => Just("z"),
    ]
    .prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(""), Just("x"), Just("yy"), Just("a longer value")].prop_map(Bytes::from)
}

fn put() -> impl Strategy<Value = PutRequest> {
    let lease = prop_oneof![16 => Just(0), 3 => Just(1), 1 => Just(2), 1 => Just(7)];
    let flag = || proptest::bool::weighted(0.2);
    (key(), value(), lease, any::<bool>(), flag(), flag()).prop_map(
        |(key, value, lease, prev_kv, ignore_value, ignore_lease)| PutRequest {
            key,
            value: if ignore_value { Bytes::new() } else { value },
            lease: LeaseId(if ignore_lease { 0 } else { lease }),
            prev_kv,
            ignore_value,
            ignore_lease,
        },
    )
}

fn delete() -> impl Strategy<Value = DeleteRangeRequest> {
    (key(), range_end(), any::<bool>()).prop_map(|(key, range_end, prev_kv)| DeleteRangeRequest {
        key,
        range_end,
        prev_kv,
    })
}

fn range() -> impl Strategy<Value = RangeRequest> {
    let order =
        prop_oneof![Just(SortOrder::None), Just(SortOrder::Ascend), Just(SortOrder::Descend)];
    let target = prop_oneof![
        Just(SortTarget::Key),
        Just(SortTarget::Version),
        Just(SortTarget::Create),
        Just(SortTarget::Mod),
        Just(SortTarget::Value),
    ];
    let filter = || prop_oneof![4 => Just(0), 1 => -1..20_i64];
    let filters = (filter(), filter(), filter(), filter());
    let revision = prop_oneof![3 => Just(0), 1 => -2..25_i64];
    let flags = (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2));
    (key(), range_end(), -1..4_i64, revision, order, target, flags, filters).prop_map(
        |(key, range_end, limit, revision, sort_order, sort_target, flags, filters)| RangeRequest {
            key,
            range_end,
            limit,
            revision,
            sort_order,
            sort_target,
            serializable: false,
            keys_only: flags.0,
            count_only: flags.1,
            min_mod_revision: filters.0,
            max_mod_revision: filters.1,
            min_create_revision: filters.2,
            max_create_revision: filters.3,
        },
    )
}

fn compare() -> impl Strategy<Value = Compare> {
    let number = || 0..6_i64;
    let target = prop_oneof![
        number().prop_map(CompareTarget::Version),
        number().prop_map(CompareTarget::Create),
        number().prop_map(CompareTarget::Mod),
        value().prop_map(CompareTarget::Value),
        (0..2_i64).prop_map(|lease| CompareTarget::Lease(LeaseId(lease))),
    ];
    let result = prop_oneof![
        Just(CompareResult::Equal),
        Just(CompareResult::Greater),
        Just(CompareResult::Less),
        Just(CompareResult::NotEqual),
    ];
    (key(), range_end(), result, target).prop_map(|(key, range_end, result, target)| Compare {
        key,
        range_end,
        result,
        target,
    })
}

fn txn() -> impl Strategy<Value = TxnRequest> {
    let leaf = prop_oneof![
        1 => range().prop_map(RequestOp::Range),
        4 => put().prop_map(RequestOp::Put),
        2 => delete().prop_map(RequestOp::DeleteRange),
    ];
    let op = leaf.prop_recursive(2, 12, 3, |op| txn_of(op).prop_map(RequestOp::Txn).boxed());
    prop_oneof![8 => txn_of(op.boxed()), 1 => rewriting_txn()]
}

/// Deletes to the end of all keys around the put of one of them: etcd's rule that no key is written
/// twice does not see such deletes.
fn rewriting_txn() -> impl Strategy<Value = TxnRequest> {
    (put(), 1..4_usize).prop_map(|(put, length)| {
        let key = put.key.clone();
        let delete = DeleteRangeRequest { key, range_end: "\0".into(), prev_kv: false };
        let turns = [RequestOp::DeleteRange(delete), RequestOp::Put(put)];
        let success = turns.into_iter().cycle().take(length).collect();
        TxnRequest { success, ..TxnRequest::default() }
    })
}

fn txn_of(op: BoxedStrategy<RequestOp>) -> impl Strategy<Value = TxnRequest> {
    let ops = || proptest::collection::vec(op.clone(), 0..4);
    (proptest::collection::vec(compare(), 0..2), ops(), ops())
        .prop_map(|(compares, success, failure)| TxnRequest { compares, success, failure })
}

fn command() -> impl Strategy<Value = Command> {
    let revision = prop_oneof![6 => 0..30_i64, 1 => Just(-1)];
    let quota = prop_oneof![Just(u64::MAX), Just(400), Just(1000)];
    prop_oneof![
        8 => put().prop_map(Command::Put),
        4 => delete().prop_map(Command::DeleteRange),
        12 => txn().prop_map(Command::Txn),
        1 => revision.prop_map(|revision| {
            Command::Compact(CompactRequest { revision, physical: false })
        }),
        2 => quota.prop_map(|quota_bytes| Command::SetQuota(SetQuotaRequest { quota_bytes })),
        1 => (0..3_u64, value()).prop_map(|(member, attributes)| {
            Command::Publish(PublishRequest { member, attributes })
        }),
        1 => Just(Command::Advance),
        2 => alarm(),
    ]
}

/// More often ended than raised, so that there is something left to write.
fn alarm() -> impl Strategy<Value = Command> {
    let action = prop_oneof![1 => Just(AlarmAction::Raise), 3 => Just(AlarmAction::End)];
    let kind = prop_oneof![Just(AlarmKind::NoSpace), Just(AlarmKind::Corrupt)];
    (action, kind).prop_map(|(action, kind)| {
        Command::Alarm(AlarmRequest { action, alarm: Alarm { member: 1, kind } })
    })
}

fn lease_command() -> impl Strategy<Value = Command> {
    let id = || (1..4_i64).prop_map(LeaseId);
    let ttl = (1..4_i64).prop_map(|ttl| LeaseTtl::new(ttl).expect("in bounds"));
    let ids = proptest::collection::vec(id(), 0..3);
    prop_oneof![
        5 => (id(), ttl).prop_map(|(id, ttl)| {
            Command::LeaseGrant(LeaseGrantRequest { id, ttl })
        }),
        2 => id().prop_map(|id| Command::LeaseRevoke(LeaseRevokeRequest { id })),
        5 => ids.prop_map(|ids| Command::LeaseRenew(LeaseRenewRequest { ids })),
    ]
}

/// Mostly short, and now and then long enough for a lease.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -128..128_i64, 2 => 0..900_000_i64, 1 => 900_000..4_000_000_i64]
}

fn history() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        24 => (command(), step()).prop_map(|(command, time)| Event::Entry(command, time)),
        12 => (lease_command(), step()).prop_map(|(command, time)| Event::Entry(command, time)),
        1 => Just(Event::NewLeader),
        4 => (0..4_i64).prop_map(Event::Compact),
        1 => Just(Event::Nothing),
        6 => range().prop_map(Event::Read),
        4 => range().prop_map(Event::BeginRead),
        2 => Just(Event::EndRead),
        4 => (0..2000_u64).prop_map(Event::BeginCommit),
        4 => Just(Event::Persist),
        4 => Just(Event::FinishCommit),
        6 => (1..4_usize).prop_map(Event::CompactStep),
        1 => Just(Event::Restart),
        1 => Just(Event::Install),
    ];
    proptest::collection::vec(event, 1..60)
}

/// The node under test, a replica that only applies, the model, and what is going on.
struct World<R: Rules + Copy> {
    rules: R,
    node: Node<R>,
    /// Applies the same log and does nothing else.
    idle: Store<R>,
    model: Naive,
    log: Vec<(Context, Option<Command>)>,
    round: u64,
    commit: Option<(Commit, Persisted)>,
    read: Option<(RangeTask, Pin, quorate_kv::RangeResponse)>,
}

#[derive(PartialEq)]
enum Persisted {
    No,
    Yes,
}

type Verdict = Result<(), TestCaseError>;

impl<R: Rules + Copy> World<R> {
    fn new(rules: R) -> Self {
        let idle = open(&Arc::new(MemoryMap::new()), rules);
        let (log, model) = (Vec::new(), Naive::new());
        let node = node_with(rules);
        Self { rules, node, idle, model, log, round: 1, commit: None, read: None }
    }

    fn happen(&mut self, event: Event) -> Verdict {
        match event {
            Event::Entry(command, time) => self.entry(command, time)?,
            Event::Compact(back) => {
                let revision = self.model.standing().revision - back;
                let request = CompactRequest { revision, physical: false };
                self.entry(Command::Compact(request), 0)?;
            }
            Event::Nothing => self.nothing()?,
            Event::NewLeader => self.round += 1,
            Event::Read(request) => self.read(&request)?,
            Event::BeginRead(request) => self.begin_read(request)?,
            Event::EndRead => self.end_read()?,
            Event::BeginCommit(bytes_max) => self.begin_commit(bytes_max),
            Event::Persist => self.persist(),
            Event::FinishCommit => self.finish_commit(),
            Event::CompactStep(records_max) => {
                self.node.store.compact_step(records_max).map_err(failed)?;
            }
            Event::Restart => self.restart()?,
            Event::Install => self.install()?,
        }
        self.agree()
    }

    fn next_context(&self, time: i64) -> Context {
        let mut context = at(self.log.len() as u64 + 1);
        context.position.round = self.round;
        let last = self.log.last().map_or(1000, |(context, _)| context.time.0);
        context.time.0 = last.saturating_add_signed(time);
        context
    }

    fn entry(&mut self, command: Command, time: i64) -> Verdict {
        if let Command::Txn(txn) = &command
            && validate_txn(txn, &Limits::default(), &self.rules).is_err()
        {
            return Ok(());
        }
        let context = self.next_context(time);
        let (expired, expected) = self.model.apply_at(context.time, Some(&command));
        let expected = expected.expect("a command has an outcome");
        let outcome = self.node.store.apply(context, &command).map_err(failed)?;
        prop_assert_eq!(&outcome, &expected, "{:?}", command);
        prop_assert_eq!(self.node.store.last_expired(), expired);
        prop_assert_eq!(self.idle.apply(context, &command).map_err(failed)?, expected);
        self.log.push((context, Some(command)));
        let now = self.log.iter().map(|(context, _)| context.time).max();
        prop_assert_eq!(Some(self.node.store.now()), now, "the clock is the highest stamp");
        self.no_key_is_put_twice()
    }

    /// In one revision no key is put twice.
    fn no_key_is_put_twice(&self) -> Verdict {
        let revision = self.model.standing().revision.max(self.model.standing().compacted);
        let events = self.node.store.events(revision, usize::MAX).map_err(failed)?;
        let records = events.map_err(failed)?.records;
        let puts = records.iter().filter(|(_, record)| record.kind == RecordKind::Put);
        let mut keys: Vec<_> = puts.map(|(_, record)| record.key.clone()).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), count);
        Ok(())
    }

    fn nothing(&mut self) -> Verdict {
        let context = self.next_context(0);
        let (expired, _) = self.model.apply_at(context.time, None);
        self.node.store.apply_nothing(context);
        self.idle.apply_nothing(context);
        self.log.push((context, None));
        prop_assert_eq!(self.node.store.last_expired(), expired);
        Ok(())
    }

    fn read(&self, request: &RangeRequest) -> Verdict {
        let read = self.node.store.range(request).map_err(failed)?;
        prop_assert_eq!(read, self.model.range(request), "{:?}", request);
        Ok(())
    }

    fn begin_read(&mut self, request: RangeRequest) -> Verdict {
        if self.read.is_none()
            && let Ok(expected) = self.model.range(&request)
        {
            let task = self.node.store.begin_range(request).map_err(failed)?;
            self.read = Some((task, self.node.store.pin(), expected));
        }
        Ok(())
    }

    fn end_read(&mut self) -> Verdict {
        let Some((mut task, pin, expected)) = self.read.take() else {
            return Ok(());
        };
        let response = loop {
            match self.node.store.step_range(&mut task, 1).map_err(failed)?.map_err(failed)? {
                Step::More => {}
                Step::Done(response) => break response,
            }
        };
        prop_assert_eq!(response, expected, "a read in slices stays at its revision");
        self.node.store.end_range(task);
        self.node.store.unpin(pin);
        Ok(())
    }

    fn begin_commit(&mut self, bytes_max: u64) {
        if let Some(commit) = self.node.store.begin_commit(bytes_max) {
            self.commit = Some((commit, Persisted::No));
        }
    }

    fn persist(&mut self) {
        if let Some((commit, persisted)) = &mut self.commit
            && *persisted == Persisted::No
        {
            self.node.map.commit(commit).expect("memory commits");
            *persisted = Persisted::Yes;
        }
    }

    fn finish_commit(&mut self) {
        if let Some((commit, _)) =
            self.commit.take_if(|(_, persisted)| *persisted == Persisted::Yes)
        {
            self.node.store.finish_commit(commit.id);
        }
    }

    fn restart(&mut self) -> Verdict {
        self.commit = None;
        self.read = None;
        let records: Arc<dyn Records> = self.node.map.clone();
        self.node.store =
            Store::open(records, quorate_kv::Config::default(), self.rules).map_err(failed)?;
        let applied = usize::try_from(self.node.store.position().index).expect("a short log");
        for (context, command) in &self.log[applied..] {
            match command {
                Some(command) => {
                    let _ = self.node.store.apply(*context, command).map_err(failed)?;
                }
                None => self.node.store.apply_nothing(*context),
            }
        }
        Ok(())
    }

    fn install(&mut self) -> Verdict {
        self.commit = None;
        self.read = None;
        let source = self.node.store.snapshot();
        self.node.map = transfer(&mut self.node, &source, |_| {});
        self.restart()
    }

    fn agree(&self) -> Verdict {
        let store = &self.node.store;
        prop_assert_eq!(store.revision(), self.model.standing().revision);
        prop_assert_eq!(store.compacted(), self.model.standing().compacted);
        prop_assert_eq!(store.sizes(), self.model.sizes());
        prop_assert_eq!(store.attributes(), self.model.attributes());
        prop_assert_eq!(store.content_hash(), self.model.content_hash(i64::MAX));
        prop_assert_eq!(store.lease_hash(), self.model.lease_hash());
        prop_assert_eq!(store.lease_list(), self.model.lease_list());
        for id in (1..4).map(LeaseId) {
            let told = store.lease_time_to_live(id, store.now(), LeaseKeys::Listed);
            prop_assert_eq!(told, self.model.lease_time_to_live(id));
        }
        prop_assert_eq!(store.state_hash(), self.idle.state_hash());
        prop_assert_eq!(store.position(), self.idle.position());
        Ok(())
    }

    /// All that can be read at every revision, and the whole history.
    fn agree_on_everything(&mut self) -> Verdict {
        for revision in self.model.standing().compacted.max(1)..=self.model.standing().revision {
            let all = RangeRequest {
                key: Bytes::from_static(&[0]),
                range_end: Bytes::from_static(&[0]),
                revision,
                ..RangeRequest::default()
            };
            self.read(&all)?;
            let content = self.node.store.hash_kv(revision).map_err(failed)?.map_err(failed)?;
            prop_assert_eq!(content.hash, self.model.content_hash(revision));
        }
        let compacted = self.model.standing().compacted;
        let events = self.node.store.events(compacted, usize::MAX).map_err(failed)?;
        let mut retained = self.model.retained();
        retained.retain(|(revision, _)| compacted <= revision.main);
        prop_assert_eq!(events.map_err(failed)?.records, retained);
        Ok(())
    }
}

fn failed(error: impl std::fmt::Debug) -> TestCaseError {
    TestCaseError::fail(format!("{error:?}"))
}

fn run<R: Rules + Copy>(rules: R, history: Vec<Event>) -> Verdict {
    let mut world = World::new(rules);
    for event in history {
        world.happen(event)?;
    }
    world.agree_on_everything()?;
    world.happen(Event::EndRead)?;
    world.happen(Event::Install)?;
    world.agree_on_everything()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_the_model(history in history()) {
        run(Strict, history)?;
    }
}

/// What notices that a rule is broken.
enum Catcher {
    /// One of the histories, compared with the model.
    Histories,
    /// The lives of watches, compared with the history.
    Watches,
    /// A test of its own, which says so.
    Test(&'static str),
}

fn catcher(rule: Rule) -> Catcher {
    match rule {
        // Every replica forgets the same, so only the test of the hash itself can tell.
        Rule::HashIgnoresEffects => Catcher::Test("hash::any_effect_changes_the_state_hash"),
        // Only a backlog larger than these histories is committed in pieces.
        Rule::CheckpointAhead => {
            Catcher::Test("commit::a_checkpoint_ahead_of_its_records_shows_at_a_restart")
        }
        Rule::WatchProgressAhead
        | Rule::WatchDropsWhenSlow
        | Rule::WatchRepeatsAfterInstall
        | Rule::WatchSkipsInstalled
        | Rule::WatchSkipsAtHandOver
        | Rule::WatchRepeatsWhenSlow
        | Rule::WatchSkipsCompacted
        | Rule::WatchTellsEarly => Catcher::Watches,
        // The simulator's clients ask for filters, fragments and what was there before.
        Rule::WatchEndsAtEdge
        | Rule::WatchIgnoresFilter
        | Rule::WatchPreviousIsNew
        | Rule::WatchSplitsRevision => {
            Catcher::Test("sim mutants::every_mutant_serves_and_is_caught_where_it_was_recorded")
        }
        _ => Catcher::Histories,
    }
}

/// Runs the same histories for each mutant, until one is caught.
#[test]
fn every_mutant_is_caught() {
    for rule in Rule::ALL {
        let is_caught = match catcher(rule) {
            Catcher::Test(name) => name.contains("::"),
            Catcher::Watches => watch_stories::catches(rule),
            Catcher::Histories => is_caught_by_histories(rule),
        };
        assert!(is_caught, "{rule:?} went unnoticed");
    }
}

fn is_caught_by_histories(rule: Rule) -> bool {
    let mut runner = TestRunner::deterministic();
    (0..4000).any(|_| {
        let history = history().new_tree(&mut runner).expect("it rejects nothing").current();
        run(Mutant(rule), history).is_err()
    })
}
