//! What an operation asks for, drawn from its number.
//!
//! Every command carries the name of its operation in a value, a compare or the end of a range,
//! so that no two commands of a run have the same bytes and each can be told in the log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use quorate_kv::{
    Command, CompactRequest, Compare, CompareResult, CompareTarget, DeleteRangeRequest, KeyValue,
    LeaseId, Limits, PutRequest, RangeRequest, RequestOp, Response, ResponseOp, SortOrder,
    SortTarget, TxnRequest, TxnResponse, validate,
};
use quorate_replica::{Answer, ReadRequest, ReadResponse};

use super::Ask;
use super::operation::OperationId;
use super::plan::{Kind, Plan};
use crate::draws::{Chance, Draws, Site};

/// How deeply drawn transactions are nested, the outermost counted.
const DEPTH_MAX: u32 = 3;

/// How many leases a client remembers.
const LEASES_KNOWN: usize = 4;

/// What a client has learned.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The newest revision.
    revision: i64,
    /// The keys that it has seen, with their value and when that was written.
    seen: BTreeMap<Bytes, (Bytes, i64)>,
    /// The key of its own that it put last and has not deleted.
    own: Option<Bytes>,
    /// The leases that it heard of last.
    pub(super) leases: VecDeque<LeaseId>,
}

impl Known {
    pub(super) fn learn(&mut self, answer: &Answer) {
        match answer {
            Answer::Command(Ok(response)) => self.learn_response(response),
            Answer::Read(Ok(ReadResponse::Range(range))) => {
                self.learn_revision(range.revision);
                self.learn_all(&range.kvs);
            }
            Answer::Read(Ok(ReadResponse::Txn(txn))) => self.learn_txn(txn),
            Answer::Read(Ok(ReadResponse::Revision(revision))) => self.learn_revision(*revision),
            Answer::Read(Ok(ReadResponse::Leases(list))) => {
                list.ids.iter().rev().take(LEASES_KNOWN).for_each(|id| self.learn_lease(*id));
            }
            Answer::KeptAlive(kept) => self.learn_revision(kept.revision),
            Answer::Read(_) | Answer::Command(Err(_)) | Answer::Behind | Answer::Overloaded => {}
        }
    }

    fn learn_response(&mut self, response: &Response) {
        match response {
            Response::Put(put) => self.learn_revision(put.revision),
            Response::DeleteRange(delete) => self.learn_revision(delete.revision),
            Response::Txn(txn) => self.learn_txn(txn),
            Response::Compact(compact) => self.learn_revision(compact.revision),
            Response::LeaseGrant(grant) => {
                self.learn_revision(grant.revision);
                self.learn_lease(grant.id);
            }
            Response::LeaseRevoke(revoke) => self.learn_revision(revoke.revision),
            Response::LeaseRenew(renew) => self.learn_revision(renew.revision),
            Response::Alarm(alarm) => self.learn_revision(alarm.revision),
            Response::SetQuota | Response::Publish | Response::Advance => {}
        }
    }

    fn learn_txn(&mut self, txn: &TxnResponse) {
        self.learn_revision(txn.revision);
        for response in &txn.responses {
            if let ResponseOp::Range(range) = response {
                self.learn_all(&range.kvs);
            }
        }
    }

    fn learn_lease(&mut self, id: LeaseId) {
        if !self.leases.contains(&id) {
            self.leases.truncate(LEASES_KNOWN - 1);
            self.leases.push_front(id);
        }
    }

    fn learn_revision(&mut self, revision: i64) {
        self.revision = self.revision.max(revision);
    }

    fn learn_all(&mut self, kvs: &[KeyValue]) {
        for kv in kvs.iter().filter(|kv| kv.key.starts_with(b"hot/") && !kv.value.is_empty()) {
            self.seen.insert(kv.key.clone(), (kv.value.clone(), kv.mod_revision));
        }
    }
}

/// What an operation is drawn from.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    pub(super) draws: Draws,
    pub(super) plan: &'a Plan,
    /// The operation, whose name the command carries.
    pub(super) operation: OperationId,
    /// The number that decides what it is: its own, or that of one it repeats.
    pub(super) shape: u32,
}

/// The parts of one transaction, which puts no key twice.
#[derive(Default)]
struct Parts {
    drawn: u64,
    keys_used: u32,
}

impl Parts {
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }
}

impl Shape<'_> {
    /// The request itself.
    pub(super) fn ask(self, known: &mut Known, compactions: &mut BTreeSet<i64>) -> Ask {
        let ask = match self.plan.mix.at(self.below(0, 0, self.plan.mix.total())) {
            Kind::Put => Ask::Command(self.put_hot()),
            Kind::PutOwn => Ask::Command(self.put_own(known)),
            Kind::DeleteOwn => Ask::Command(self.delete_own(known)),
            Kind::DeleteRange => Ask::Command(self.delete_range()),
            Kind::Swap => Ask::Command(Command::Txn(self.swap(known))),
            Kind::Txn => Ask::Command(Command::Txn(self.marked_txn(known))),
            Kind::ReadTxn => self.read(ReadRequest::Txn(self.read_txn(known))),
            Kind::Get => self.read(ReadRequest::Range(self.get())),
            Kind::Range => self.read(ReadRequest::Range(self.range(0))),
            Kind::OldRange => self.read(ReadRequest::Range(self.old_range(known))),
            Kind::Revision => self.read(ReadRequest::Revision),
            Kind::Compact => Ask::Command(self.compact(known, compactions)),
            Kind::Grant => Ask::Command(self.grant()),
            Kind::PutLeased => Ask::Command(self.put_leased(known)),
            Kind::KeepAlive => self.keep_alive(known),
            Kind::Revoke => Ask::Command(self.revoke(known)),
            Kind::TimeToLive => self.time_to_live(known),
            Kind::Leases => Ask::Linearizable(ReadRequest::Leases),
        };
        if let Ask::Command(command) = &ask {
            let checked = validate(command, &Limits::default());
            assert!(checked.is_ok(), "a client asks what no server takes: {checked:?} {command:?}");
        }
        ask
    }

    fn read(self, mut request: ReadRequest) -> Ask {
        if !self.happens(0, 1, self.plan.serializable) {
            return Ask::Linearizable(request);
        }
        match &mut request {
            ReadRequest::Range(range) => range.serializable = true,
            ReadRequest::Txn(txn) => make_serializable(txn),
            ReadRequest::Hash { .. }
            | ReadRequest::Revision
            | ReadRequest::Lease { .. }
            | ReadRequest::Leases
            | ReadRequest::KeepAlive { .. } => {}
        }
        Ask::Serializable(request)
    }

    fn put_hot(self) -> Command {
        let has_lease = self.happens(0, 2, Chance::percent(1));
        Command::Put(PutRequest {
            key: self.hot_key(self.hot(0, 3)),
            value: self.value(0),
            // There is no such lease, and so the put is refused.
            lease: if has_lease { LeaseId(7) } else { LeaseId::NONE },
            prev_kv: self.happens(0, 4, Chance::percent(30)),
            ignore_value: false,
            ignore_lease: !has_lease && self.happens(0, 5, Chance::percent(5)),
        })
    }

    fn put_own(self, known: &mut Known) -> Command {
        let key = Bytes::from(format!("own/{}", self.operation));
        known.own = Some(key.clone());
        Command::Put(PutRequest { key, value: self.value(0), ..PutRequest::default() })
    }

    fn delete_own(self, known: &mut Known) -> Command {
        let Some(key) = known.own.take() else { return self.put_own(known) };
        let prev_kv = self.happens(0, 2, Chance::percent(50));
        Command::DeleteRange(DeleteRangeRequest { key, range_end: Bytes::new(), prev_kv })
    }

    fn delete_range(self) -> Command {
        let first = self.hot(0, 2);
        let last = (first + self.below(0, 3, 3) as u32).min(self.plan.hot_keys.max(1) - 1);
        let mut range_end = self.hot_key(last).to_vec();
        range_end.extend_from_slice(format!("~{}", self.operation).as_bytes());
        Command::DeleteRange(DeleteRangeRequest {
            key: self.hot_key(first),
            range_end: range_end.into(),
            prev_kv: self.happens(0, 4, Chance::percent(50)),
        })
    }

    fn swap(self, known: &Known) -> TxnRequest {
        let key = self.hot_key(self.hot(0, 2));
        let put = PutRequest {
            key: key.clone(),
            value: self.value(0),
            prev_kv: self.happens(0, 3, Chance::percent(30)),
            ..PutRequest::default()
        };
        let get = RangeRequest { key: key.clone(), ..RangeRequest::default() };
        TxnRequest {
            compares: vec![self.as_seen(0, key, known)],
            success: vec![RequestOp::Put(put)],
            failure: vec![RequestOp::Range(get)],
        }
    }

    /// That the key is as the client saw it last.
    fn as_seen(self, part: u64, key: Bytes, known: &Known) -> Compare {
        let target = match known.seen.get(&key) {
            None => CompareTarget::Create(0),
            Some((value, _)) if self.happens(part, 10, Chance::percent(50)) => {
                CompareTarget::Value(value.clone())
            }
            Some((_, revision)) => CompareTarget::Mod(*revision),
        };
        Compare { key, range_end: Bytes::new(), result: CompareResult::Equal, target }
    }

    fn marked_txn(self, known: &Known) -> TxnRequest {
        let mut parts = Parts { drawn: 0, keys_used: 0 };
        let mut txn = self.txn(&mut parts, known, DEPTH_MAX);
        txn.compares.push(self.mark());
        txn
    }

    /// A condition that always holds, and names the operation.
    fn mark(self) -> Compare {
        let key = Bytes::from(format!("~{}", self.operation));
        let targets = [
            CompareTarget::Version(0),
            CompareTarget::Create(0),
            CompareTarget::Mod(0),
            CompareTarget::Lease(LeaseId::NONE),
        ];
        let target = self.one_of(0, 11, &targets).clone();
        Compare { key, range_end: Bytes::new(), result: CompareResult::Equal, target }
    }

    fn txn(self, parts: &mut Parts, known: &Known, depth: u32) -> TxnRequest {
        let part = parts.next();
        let compares = (0..self.below(part, 1, 3)).map(|_| self.compare(parts.next(), known));
        let compares = compares.collect();
        let success = (0..=self.below(part, 2, 3)).map(|_| self.op(parts, known, depth));
        let success = success.collect();
        let failure = (0..self.below(part, 3, 3)).map(|_| self.op(parts, known, depth));
        let failure = failure.collect();
        TxnRequest { compares, success, failure }
    }

    fn op(self, parts: &mut Parts, known: &Known, depth: u32) -> RequestOp {
        let part = parts.next();
        let has_key = parts.keys_used < self.plan.hot_keys;
        match self.below(part, 1, 20) {
            0..9 if has_key => RequestOp::Put(PutRequest {
                key: self.unused_key(parts),
                value: self.value(part),
                prev_kv: self.happens(part, 2, Chance::percent(30)),
                ..PutRequest::default()
            }),
            9..12 if has_key => RequestOp::DeleteRange(DeleteRangeRequest {
                key: self.unused_key(parts),
                range_end: Bytes::new(),
                prev_kv: self.happens(part, 2, Chance::percent(30)),
            }),
            12..14 => RequestOp::DeleteRange(DeleteRangeRequest {
                key: format!("own/c{}.", self.operation.client()).into(),
                range_end: format!("own/c{}/", self.operation.client()).into(),
                prev_kv: self.happens(part, 2, Chance::percent(30)),
            }),
            14..16 if 1 < depth => RequestOp::Txn(self.txn(parts, known, depth - 1)),
            _ => RequestOp::Range(self.range(part)),
        }
    }

    /// A shared key that the transaction has not used yet.
    fn unused_key(self, parts: &mut Parts) -> Bytes {
        let index = (self.hot(0, 12) + parts.keys_used) % self.plan.hot_keys;
        parts.keys_used += 1;
        self.hot_key(index)
    }

    fn compare(self, part: u64, known: &Known) -> Compare {
        let key = self.hot_key(self.hot(part, 1));
        if self.happens(part, 2, Chance::percent(50)) {
            return self.as_seen(part, key, known);
        }
        let number = |what| self.number(part, what, 8);
        let near = |what| known.revision.saturating_sub(number(what)).max(0);
        let targets = [
            CompareTarget::Version(number(3)),
            CompareTarget::Create(near(4)),
            CompareTarget::Mod(near(5)),
            CompareTarget::Value(Bytes::from_static(b"c")),
            CompareTarget::Lease(LeaseId::NONE),
        ];
        let results = [
            CompareResult::Equal,
            CompareResult::Greater,
            CompareResult::Less,
            CompareResult::NotEqual,
        ];
        let ends = [Bytes::new(), Bytes::new(), Bytes::from_static(b"hot0")];
        Compare {
            key,
            range_end: self.one_of(part, 6, &ends).clone(),
            result: *self.one_of(part, 7, &results),
            target: self.one_of(part, 8, &targets).clone(),
        }
    }

    fn read_txn(self, known: &Known) -> TxnRequest {
        let mut parts = Parts::default();
        let compares = (0..self.below(0, 2, 3)).map(|_| self.compare(parts.next(), known));
        let compares = compares.collect();
        let mut reads = |what| -> Vec<RequestOp> {
            let count = 1 + self.below(0, what, 2);
            (0..count).map(|_| RequestOp::Range(self.range(parts.next()))).collect()
        };
        let (inner, failure) = (reads(3), reads(4));
        let nested = TxnRequest { compares: Vec::new(), success: inner, failure: Vec::new() };
        let mut success = reads(5);
        success.push(RequestOp::Txn(nested));
        TxnRequest { compares, success, failure }
    }

    fn get(self) -> RangeRequest {
        RangeRequest { key: self.hot_key(self.hot(0, 2)), ..RangeRequest::default() }
    }

    fn range(self, part: u64) -> RangeRequest {
        let key = self.hot_key(self.hot(part, 20));
        let all = Bytes::from_static(&[0]);
        let ends = [Bytes::new(), self.hot_key(self.hot(part, 21)), "hot0".into(), all];
        let orders = [SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
        let targets = [
            SortTarget::Key,
            SortTarget::Version,
            SortTarget::Create,
            SortTarget::Mod,
            SortTarget::Value,
        ];
        let is_limited = self.happens(part, 22, Chance::percent(30));
        let is_filtered = self.happens(part, 23, Chance::percent(15));
        let filter = |what| if is_filtered { self.number(part, what, 60) } else { 0 };
        RangeRequest {
            key,
            range_end: self.one_of(part, 24, &ends).clone(),
            limit: if is_limited { self.number(part, 25, 4) } else { 0 },
            revision: 0,
            sort_order: *self.one_of(part, 26, &orders),
            sort_target: *self.one_of(part, 27, &targets),
            serializable: false,
            keys_only: self.happens(part, 28, Chance::percent(10)),
            count_only: self.happens(part, 29, Chance::percent(10)),
            min_mod_revision: filter(30),
            max_mod_revision: filter(31) * 10,
            min_create_revision: filter(32) / 2,
            max_create_revision: 0,
        }
    }

    fn old_range(self, known: &Known) -> RangeRequest {
        let distance = self.number(0, 2, 40);
        let is_future = self.happens(0, 3, Chance::percent(15));
        let revision =
            if is_future { known.revision + distance } else { known.revision - distance };
        RangeRequest { revision: revision.max(1), ..self.range(1) }
    }

    /// No revision is asked to be compacted twice.
    fn compact(self, known: &Known, compactions: &mut BTreeSet<i64>) -> Command {
        let mut revision = (known.revision - self.number(0, 2, 30)).max(1);
        while !compactions.insert(revision) {
            revision += 1;
        }
        let physical = self.happens(0, 3, Chance::percent(50));
        Command::Compact(CompactRequest { revision, physical })
    }

    fn hot_key(self, index: u32) -> Bytes {
        self.plan.hot_key(self.draws, index)
    }

    /// A value that nothing else has.
    pub(super) fn value(self, part: u64) -> Bytes {
        let mut value = format!("{}/{part}", self.operation).into_bytes();
        let longest = u64::from(self.plan.value_bytes_max).max(value.len() as u64);
        let extra = self.below(part, 40, longest - value.len() as u64 + 1);
        value.resize(value.len() + extra as usize, b'.');
        value.into()
    }

    fn hot(self, part: u64, what: u64) -> u32 {
        self.below(part, what, u64::from(self.plan.hot_keys.max(1))) as u32
    }

    fn keys(self, part: u64, what: u64) -> [u64; 4] {
        [u64::from(self.operation.client()), u64::from(self.shape), part, what]
    }

    pub(super) fn below(self, part: u64, what: u64, bound: u64) -> u64 {
        self.draws.below(SHAPE, self.keys(part, what), bound)
    }

    fn number(self, part: u64, what: u64, bound: u64) -> i64 {
        self.below(part, what, bound).cast_signed()
    }

    pub(super) fn happens(self, part: u64, what: u64, chance: Chance) -> bool {
        self.draws.happens(SHAPE, self.keys(part, what), chance)
    }

    fn one_of<T>(self, part: u64, what: u64, choices: &[T]) -> &T {
        self.draws.one_of(SHAPE, self.keys(part, what), choices)
    }
}

const SHAPE: Site = Site::new("clients/shape");

fn make_serializable(txn: &mut TxnRequest) {
    for op in txn.success.iter_mut().chain(&mut txn.failure) {
        match op {
            RequestOp::Range(range) => range.serializable = true,
            RequestOp::Txn(nested) => make_serializable(nested),
            RequestOp::Put(_) | RequestOp::DeleteRange(_) => {}
        }
    }
}
