//! Clients of every member that write and read at once, and record everything.
//!
//! *Recorders* put each key once, so that each acknowledged write can be looked for afterwards.
//! *Rivals* put, swap and read a few keys that all of them share, and move on to new ones before a
//! key's history grows too long to be searched for an order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use pb::kv_client::KvClient;

use super::audit;
use super::cluster::Cluster;
use super::history::Value;
use super::history::{Call, Consistency, NEVER, Nanos, Operation, Outcome, Record, Stopwatch};
use super::poll;
use super::random::Random;

/// Keys that rivals share at a time.
pub(crate) const SHARED_KEYS: usize = 4;

/// Calls of rivals until they move on to new keys. Of these at most about a third concern one key.
const CALLS_PER_GROUP: usize = 900;

/// Most groups of keys in a round.
const GROUPS_MAX: usize = 1_000;

/// Most clients in a round.
const CLIENTS_MAX: usize = 100;

/// How long a fault may stop all writes.
const STALL_LIMIT: Duration = Duration::from_mins(1);

/// Who works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Recorders at each member.
    pub(crate) recorders: usize,
    /// Rivals at each member.
    pub(crate) rivals: usize,
    /// How long a client waits for an answer.
    pub(crate) request_limit: Duration,
}

/// One of several workloads on the same cluster, whose histories are judged together: they share a
/// clock, and no key or value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    clock: Stopwatch,
    number: usize,
}

impl Round {
    /// The first.
    pub(crate) fn first(clock: Stopwatch) -> Self {
        Self { clock, number: 0 }
    }

    /// The one after this.
    pub(crate) fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    fn first_client(self) -> usize {
        self.number * CLIENTS_MAX
    }
}

/// Clients at work.
pub(crate) struct Workload {
    clients: JoinSet<Vec<Operation>>,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Stopwatch,
    stop: watch::Sender<bool>,
    progress: watch::Sender<Progress>,
    /// Counts on from round to round, in whole groups.
    rival_calls: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Writes acknowledged so far.
    acknowledged: usize,
    /// When the latest-asked of them was asked for.
    newest: Nanos,
}

impl Workload {
    /// Sets the clients to work.
    pub(crate) fn start(cluster: &Cluster, shape: Shape, seed: u64) -> Self {
        Self::start_round(cluster, shape, seed, Round::first(Stopwatch::start()))
    }

    /// As [`Workload::start`], for a round of several.
    pub(crate) fn start_round(cluster: &Cluster, shape: Shape, seed: u64, round: Round) -> Self {
        let shared = Arc::new(Shared {
            clock: round.clock,
            stop: watch::Sender::new(false),
            progress: watch::Sender::new(Progress::default()),
            rival_calls: AtomicUsize::new(round.number * GROUPS_MAX * CALLS_PER_GROUP),
        });
        let mut clients = JoinSet::new();
        for member in 0..cluster.size() {
            for place in 0..shape.recorders + shape.rivals {
                let number = round.first_client() + clients.len();
                let client = Client {
                    number,
                    sequence: 0,
                    random: Random::split(seed, number as u64),
                    kv: KvClient::new(cluster.connect(member, shape.request_limit)),
                    shared: shared.clone(),
                    history: Vec::new(),
                };
                let role = if place < shape.recorders { Role::Recorder } else { Role::Rival };
                clients.spawn(client.run(role));
            }
        }
        assert!(clients.len() <= CLIENTS_MAX, "clients of two rounds would share their keys");
        Self { clients, shared }
    }

    /// The time by the clock of the history.
    pub(crate) fn now(&self) -> Nanos {
        self.shared.clock.now()
    }

    /// The clock of the history.
    pub(crate) fn clock(&self) -> Stopwatch {
        self.shared.clock
    }

    /// Writes acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.shared.progress.borrow().acknowledged
    }

    /// Waits until this many more writes are acknowledged.
    pub(crate) async fn more(&self, writes: usize) {
        let goal = self.acknowledged() + writes;
        self.wait(|progress| goal <= progress.acknowledged).await;
    }

    /// Waits until a write is acknowledged that was asked for after this time.
    pub(crate) async fn wait_write_after(&self, time: Nanos) {
        self.wait(|progress| time < progress.newest).await;
    }

    async fn wait(&self, is_enough: impl Fn(&Progress) -> bool) {
        let mut progress = self.shared.progress.subscribe();
        let waiting = progress.wait_for(is_enough);
        let waited = tokio::time::timeout(STALL_LIMIT, waiting).await;
        assert!(waited.is_ok(), "writes did not go on for {STALL_LIMIT:?}");
    }

    /// Lets the clients end what they are at, and gives what all of them recorded.
    pub(crate) async fn finish(self) -> Vec<Operation> {
        self.shared.stop.send_replace(true);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Recorder,
    Rival,
}

struct Client {
    number: usize,
    sequence: u64,
    random: Random,
    kv: KvClient<Channel>,
    shared: Arc<Shared>,
    history: Vec<Operation>,
}

impl Client {
    async fn run(mut self, role: Role) -> Vec<Operation> {
        let mut guess = None;
        while !*self.shared.stop.borrow() {
            let call = match role {
                Role::Recorder => self.next_record(),
                Role::Rival => self.next_rivalry(guess.clone()),
            };
            let outcome = self.perform(call).await;
            guess = self.newest_seen().or(guess);
            if matches!(outcome, Outcome::Unknown | Outcome::Refused) {
                poll::back_off().await;
            }
        }
        self.history
    }

    fn next_value(&mut self) -> Value {
        self.sequence += 1;
        Value((self.number as u64) << 32 | self.sequence)
    }

    fn next_record(&mut self) -> Call {
        let value = self.next_value();
        Call::Put { key: format!("record/{:05}/{:08}", self.number, self.sequence), value }
    }

    /// A call on the shared keys. Swaps expect the value that this client saw last, so that many
    /// succeed and many do not.
    fn next_rivalry(&mut self, guess: Option<(String, Value)>) -> Call {
        let group = self.shared.rival_calls.fetch_add(1, Ordering::Relaxed) / CALLS_PER_GROUP;
        let prefix = format!("shared/{group:07}/");
        let first = self.random.below(SHARED_KEYS);
        let key = format!("{prefix}{first}");
        let value = self.next_value();
        match self.random.below(10) {
            0..3 => Call::Put { key, value },
            3..5 => match guess {
                Some((key, expected)) if key.starts_with(&prefix) => {
                    Call::Swap { key, expected: Some(expected), value }
                }
                _ => Call::Swap { key, expected: None, value },
            },
            5 => {
                let second = (first + 1 + self.random.below(SHARED_KEYS - 1)) % SHARED_KEYS;
                Call::PutBoth { keys: [key, format!("{prefix}{second}")], value }
            }
            6..8 => Call::Read { prefix: key, consistency: Consistency::Linearizable },
            8 => Call::Read { prefix, consistency: Consistency::Linearizable },
            _ => Call::Read { prefix, consistency: Consistency::Serializable },
        }
    }

    /// The key and value that the last answer showed or made.
    fn newest_seen(&self) -> Option<(String, Value)> {
        let last = self.history.last()?;
        let record = match &last.outcome {
            Outcome::Kept { seen, .. } => seen.as_ref(),
            Outcome::Read { seen, .. } => seen.last(),
            _ => None,
        };
        record.map(|record| (record.key.clone(), record.value))
    }

    async fn perform(&mut self, call: Call) -> Outcome {
        let invoked = self.shared.clock.now();
        let outcome = self.ask(&call).await.unwrap_or_else(|status| outcome_of(&status));
        let answered = self.shared.clock.now();
        let returned = if outcome == Outcome::Unknown { NEVER } else { answered };
        if matches!(outcome, Outcome::Wrote { .. }) {
            self.shared.progress.send_modify(|progress| {
                progress.acknowledged += 1;
                progress.newest = progress.newest.max(invoked);
            });
        }
        let client = self.number;
        self.history.push(Operation { client, invoked, returned, call, outcome: outcome.clone() });
        outcome
    }

    async fn ask(&mut self, call: &Call) -> Result<Outcome, Status> {
        match call {
            Call::Put { key, value } => {
                let answer = self.kv.put(put(key, *value)).await?;
                Ok(Outcome::Wrote { revision: revision(answer.into_inner().header) })
            }
            Call::Swap { key, expected, value } => {
                self.kv.txn(swap(key, *expected, *value)).await.map(swapped)
            }
            Call::PutBoth { keys, value } => {
                let success = keys.iter().map(|key| put_operation(key, *value)).collect();
                let both = pb::TxnRequest { success, ..Default::default() };
                self.kv.txn(both).await.map(swapped)
            }
            Call::Read { prefix, consistency } => {
                let read = pb::RangeRequest {
                    key: prefix.clone().into(),
                    range_end: audit::end_of(prefix).into(),
                    serializable: *consistency == Consistency::Serializable,
                    ..Default::default()
                };
                let answer = self.kv.range(read).await?.into_inner();
                let seen = answer.kvs.iter().map(audit::record).collect();
                Ok(Outcome::Read { revision: revision(answer.header), seen })
            }
        }
    }
}

/// What an error means. A refusal is only what cannot be anything else.
fn outcome_of(status: &Status) -> Outcome {
    match status.code() {
        Code::ResourceExhausted | Code::FailedPrecondition | Code::InvalidArgument => {
            Outcome::Refused
        }
        _ => Outcome::Unknown,
    }
}

fn revision(header: Option<pb::ResponseHeader>) -> i64 {
    header.expect("an answer has a header").revision
}

fn put(key: &str, value: Value) -> pb::PutRequest {
    let (key, value) = (key.to_owned().into(), audit::encode(value).into());
    pb::PutRequest { key, value, ..Default::default() }
}

fn put_operation(key: &str, value: Value) -> pb::RequestOp {
    let request = pb::request_op::Request::RequestPut(put(key, value));
    pb::RequestOp { request: Some(request) }
}

fn swap(key: &str, expected: Option<Value>, value: Value) -> pb::TxnRequest {
    use pb::compare::{CompareResult, CompareTarget, TargetUnion};
    let (target, union) = match expected {
        Some(expected) => {
            (CompareTarget::Value, TargetUnion::Value(audit::encode(expected).into()))
        }
        None => (CompareTarget::Create, TargetUnion::CreateRevision(0)),
    };
    let compare = pb::Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key.to_owned().into(),
        target_union: Some(union),
        ..Default::default()
    };
    let read = pb::RangeRequest { key: key.to_owned().into(), ..Default::default() };
    let read = pb::request_op::Request::RequestRange(read);
    pb::TxnRequest {
        compare: vec![compare],
        success: vec![put_operation(key, value)],
        failure: vec![pb::RequestOp { request: Some(read) }],
    }
}

fn swapped(answer: Response<pb::TxnResponse>) -> Outcome {
    let answer = answer.into_inner();
    let revision = revision(answer.header);
    if answer.succeeded {
        return Outcome::Wrote { revision };
    }
    let seen = answer.responses.into_iter().next().and_then(only_record);
    Outcome::Kept { revision, seen }
}

fn only_record(answer: pb::ResponseOp) -> Option<Record> {
    match answer.response {
        Some(pb::response_op::Response::ResponseRange(range)) => {
            range.kvs.first().map(audit::record)
        }
        other => panic!("the swap reads when it does not write, and this is {other:?}"),
    }
}
