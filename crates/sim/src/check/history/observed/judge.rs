//! The same judgement as of a simulated run, made afterwards.
//!
//! Nobody knows when an entry was committed, only that it was not before it was asked for, nor
//! before those before it were. So each is taken to have been committed as early as that allows:
//! an answer that shows it any earlier foretells, and one that comes later never matters.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use quorate_codec::encode_command;
use quorate_consensus::{Index, Instant, NodeId};
use quorate_kv::naive::Naive;
use quorate_kv::{
    Command, Compare, CompareResult, CompareTarget, KeyValue, PutRequest, PutResponse,
    RangeRequest, RangeResponse, RequestOp, Response, ResponseOp, TxnRequest, TxnResponse,
};
use quorate_replica::{Answer, Ending, ReadRequest, ReadResponse, Ticket};

use super::super::{History, Violation};
use super::{Call, Consistency, NEVER, Nanos, Operation, Outcome, Record, Truth, Value};
use crate::clients::{Ask, End};

/// What a good history consisted of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writes with an answer that says so; each is there, at its revision.
    pub acknowledged: usize,
    /// Writes without an answer that turned out to have happened.
    pub unknown_happened: usize,
    /// Writes without an answer that turned out not to have happened.
    pub unknown_never: usize,
    /// Linearizable reads, and swaps that read instead.
    pub linearizable_reads: usize,
    /// Serializable reads.
    pub serializable_reads: usize,
}

/// What is wrong with a history, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// What is there could not have been made by what was asked.
    Truth(Unmade),
    /// A promise was broken.
    Promise(Violation),
}

/// A revision that nothing which was asked for makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// The revision.
    pub revision: i64,
    /// What is there.
    pub found: Vec<Record>,
    /// What would be there, if anybody asked for it.
    pub expected: Vec<Record>,
}

impl core::fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truth(Unmade { revision, found, expected }) => write!(
                formatter,
                "revision {revision} holds {found:?}, what was asked makes it {expected:?}"
            ),
            Self::Promise(violation) => violation.fmt(formatter),
        }
    }
}

/// Judges a history by what really happened, which begins with the first revision of all.
pub fn check(history: &[Operation], truth: &Truth) -> Result<Tally, Wrong> {
    let commits = commits(history, truth).map_err(Wrong::Truth)?;
    judge(history, &commits).map_err(Wrong::Promise)?;
    Ok(tally(history, truth))
}

/// The acknowledged writes that are not there, or not at their revision.
pub fn lost<'a>(history: &'a [Operation], truth: &Truth) -> Vec<&'a Operation> {
    let is_lost = |operation: &&Operation| {
        let Outcome::Wrote { revision } = operation.outcome else { return false };
        let made = truth.get(&revision);
        let is_made = |(key, value): (&str, Value)| {
            made.is_some_and(|made| {
                made.iter().any(|record| record.key == key && record.value == value)
            })
        };
        !operation.call.writes().into_iter().all(is_made)
    };
    history.iter().filter(is_lost).collect()
}

/// A committed command, and the earliest time at which it can have been.
struct Commit {
    at: Nanos,
    command: Command,
}

/// The log that made what is there, if it is what such a log makes.
fn commits(history: &[Operation], truth: &Truth) -> Result<Vec<Commit>, Unmade> {
    let mut writers: BTreeMap<Value, &Operation> = BTreeMap::new();
    for operation in history {
        writers.extend(operation.call.writes().into_iter().map(|(_, value)| (value, operation)));
    }
    let mut model = Naive::new();
    let mut commits = Vec::new();
    let mut at = 0;
    for (&revision, found) in truth {
        let unmade = |expected| Unmade { revision, found: found.clone(), expected };
        let writer = found.first().and_then(|record| writers.get(&record.value));
        let writer = writer.ok_or_else(|| unmade(Vec::new()))?;
        at = Nanos::max(at, writer.invoked);
        let command = command(&writer.call).ok_or_else(|| unmade(Vec::new()))?;
        let before = model.standing().revision;
        let made = model.apply(&command).is_ok() && before < model.standing().revision;
        let expected = records_at(&model, &writer.call);
        let is_same =
            expected.len() == found.len() && expected.iter().all(|one| found.contains(one));
        if !made || model.standing().revision != revision || !is_same {
            return Err(unmade(expected));
        }
        commits.push(Commit { at, command });
    }
    Ok(commits)
}

/// The keys that a call writes, as the model holds them.
fn records_at(model: &Naive, call: &Call) -> Vec<Record> {
    let record = |(key, _): (&str, Value)| {
        let get = RangeRequest { key: bytes(key), ..RangeRequest::default() };
        let kv = model.range(&get).ok()?.kvs.pop()?;
        Some(Record {
            key: key.to_owned(),
            value: decode(&kv.value),
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
        })
    };
    call.writes().into_iter().filter_map(record).collect()
}

/// What happens in a history. At one instant calls come first, for those that overlap are in
/// either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    Asked(usize),
    Committed(usize),
    Ended(usize),
}

fn judge(history: &[Operation], commits: &[Commit]) -> Result<(), Violation> {
    let mut points: Vec<(Nanos, Point)> = Vec::new();
    for (place, operation) in history.iter().enumerate() {
        points.push((operation.invoked, Point::Asked(place)));
        points.push((operation.returned, Point::Ended(place)));
    }
    points.extend(
        commits.iter().enumerate().map(|(place, commit)| (commit.at, Point::Committed(place))),
    );
    points.sort_unstable();
    let mut judged = History::new();
    for (at, point) in points {
        match point {
            Point::Asked(place) => {
                // No two operations share a node: clients move between the nodes, and so a
                // serializable read may go back.
                let (ticket, node) = (Ticket(place as u64), NodeId(place as u64));
                let ask = ask(&history[place]);
                judged.on_ask(Instant::from_micros(at), ticket, node, &ask);
            }
            Point::Committed(place) => {
                let bytes = encode_command(&commits[place].command);
                judged.on_commit(Index(place as u64 + 1), Some(&bytes))?;
            }
            Point::Ended(place) => {
                judged.on_end(Ticket(place as u64), &end(&history[place]))?;
            }
        }
    }
    Ok(())
}

/// What was asked. A swap that was not made is what its answer says, a read: it took no revision,
/// and so nobody can tell where in the log it is.
fn ask(operation: &Operation) -> Ask {
    match (&operation.call, &operation.outcome) {
        (Call::Swap { key, expected, .. }, Outcome::Kept { .. }) => {
            let compares = vec![compare(key, *expected)];
            let failure = vec![RequestOp::Range(get(key))];
            let txn = TxnRequest { compares, success: Vec::new(), failure };
            Ask::Linearizable(ReadRequest::Txn(txn))
        }
        (Call::Read { prefix, consistency }, _) => {
            let request = ReadRequest::Range(range(prefix));
            match consistency {
                Consistency::Linearizable => Ask::Linearizable(request),
                Consistency::Serializable => Ask::Serializable(request),
            }
        }
        (call, _) => Ask::Command(command(call).expect("what does not read writes")),
    }
}

fn end(operation: &Operation) -> End {
    let put = |revision| PutResponse { revision, prev_kv: None };
    match (&operation.call, &operation.outcome) {
        (_, _) if operation.returned == NEVER => End::Lost,
        (_, Outcome::Unknown) => End::Lost,
        (_, Outcome::Refused) => End::Ending(Ending::NoLeader),
        (Call::Put { .. }, Outcome::Wrote { revision }) => {
            End::Answer(Answer::Command(Ok(Response::Put(put(*revision)))))
        }
        (call, Outcome::Wrote { revision }) => {
            let puts = call.writes().into_iter().map(|_| ResponseOp::Put(put(*revision)));
            let (revision, responses) = (*revision, puts.collect());
            let txn = TxnResponse { revision, succeeded: true, responses };
            End::Answer(Answer::Command(Ok(Response::Txn(txn))))
        }
        (_, Outcome::Kept { revision, seen }) => {
            let responses = vec![ResponseOp::Range(found(*revision, seen.iter()))];
            let txn = TxnResponse { revision: *revision, succeeded: false, responses };
            End::Answer(Answer::Read(Ok(ReadResponse::Txn(txn))))
        }
        (_, Outcome::Read { revision, seen }) => {
            let range = found(*revision, seen.iter());
            End::Answer(Answer::Read(Ok(ReadResponse::Range(range))))
        }
    }
}

fn found<'a>(revision: i64, records: impl ExactSizeIterator<Item = &'a Record>) -> RangeResponse {
    let count = i64::try_from(records.len()).expect("an answer fits into memory");
    RangeResponse { revision, kvs: records.map(key_value).collect(), more: false, count }
}

fn key_value(record: &Record) -> KeyValue {
    KeyValue {
        key: bytes(&record.key),
        value: encode(record.value),
        create_revision: record.create_revision,
        mod_revision: record.mod_revision,
        version: record.version,
        ..KeyValue::default()
    }
}

/// The command of a call that writes.
fn command(call: &Call) -> Option<Command> {
    match call {
        Call::Put { key, value } => Some(Command::Put(put(key, *value))),
        Call::Swap { key, expected, value } => Some(Command::Txn(TxnRequest {
            compares: vec![compare(key, *expected)],
            success: vec![RequestOp::Put(put(key, *value))],
            failure: vec![RequestOp::Range(get(key))],
        })),
        Call::PutBoth { keys, value } => Some(Command::Txn(TxnRequest {
            compares: Vec::new(),
            success: keys.iter().map(|key| RequestOp::Put(put(key, *value))).collect(),
            failure: Vec::new(),
        })),
        Call::Read { .. } => None,
    }
}

fn put(key: &str, value: Value) -> PutRequest {
    PutRequest { key: bytes(key), value: encode(value), ..PutRequest::default() }
}

fn get(key: &str) -> RangeRequest {
    RangeRequest { key: bytes(key), ..RangeRequest::default() }
}

/// All keys of a prefix. The prefixes end with no byte of 255.
fn range(prefix: &str) -> RangeRequest {
    let (key, range_end) = match prefix.as_bytes() {
        [] => (vec![0], vec![0]),
        [start @ .., last] => (prefix.as_bytes().to_vec(), [start, &[last + 1]].concat()),
    };
    RangeRequest { key: key.into(), range_end: range_end.into(), ..RangeRequest::default() }
}

fn compare(key: &str, expected: Option<Value>) -> Compare {
    let target = match expected {
        Some(value) => CompareTarget::Value(encode(value)),
        None => CompareTarget::Create(0),
    };
    Compare { key: bytes(key), range_end: Bytes::new(), result: CompareResult::Equal, target }
}

fn bytes(key: &str) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn encode(value: Value) -> Bytes {
    Bytes::copy_from_slice(&value.0.to_be_bytes())
}

fn decode(value: &[u8]) -> Value {
    Value(u64::from_be_bytes(value.try_into().expect("it was encoded here")))
}

fn tally(history: &[Operation], truth: &Truth) -> Tally {
    let made: BTreeSet<Value> = truth.values().flatten().map(|record| record.value).collect();
    let happened = |operation: &Operation| {
        operation.call.writes().first().is_some_and(|(_, value)| made.contains(value))
    };
    let mut tally = Tally::default();
    for operation in history {
        match (&operation.outcome, &operation.call) {
            (Outcome::Wrote { .. }, _) => tally.acknowledged += 1,
            (Outcome::Refused, _) | (Outcome::Unknown, Call::Read { .. }) => {}
            (Outcome::Unknown, _) if happened(operation) => tally.unknown_happened += 1,
            (Outcome::Unknown, _) => tally.unknown_never += 1,
            (_, Call::Read { consistency: Consistency::Serializable, .. }) => {
                tally.serializable_reads += 1;
            }
            (Outcome::Kept { .. } | Outcome::Read { .. }, _) => tally.linearizable_reads += 1,
        }
    }
    tally
}
