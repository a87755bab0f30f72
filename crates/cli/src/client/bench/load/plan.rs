//! What is measured: which requests, on which keys, drawn from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use quorate_etcdapi::etcdserverpb::request_op::Request as Operation;
use quorate_etcdapi::etcdserverpb::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};

use super::connection::Method;
use super::framing::framed;

/// What all keys begin with.
pub(super) const PREFIX: &str = "bench/";

/// How much longer than a value the bytes are that values are cut from.
const POOL_SLACK: usize = 4096;

/// Most puts in one transaction of those that write the keys before reads of them are measured.
/// etcd takes at most 128 operations.
const FILL_PUTS_MAX: usize = 100;

/// Most bytes of values in such a transaction: a request may have 1.5 MiB.
const FILL_BYTES_MAX: usize = 512 << 10;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    /// One key is written.
    Put,
    /// So many keys are read in one request.
    Range {
        /// How fresh.
        freshness: Freshness,
        /// How many keys.
        span: u64,
    },
    /// One key is read or written.
    Mixed {
        /// How fresh what is read.
        freshness: Freshness,
        /// The share of reads, from 0 to 1.
        reads: f64,
    },
    /// A transaction of so many puts, if a comparison holds, which it does.
    Txn {
        /// How many puts, each of another key.
        puts: u64,
    },
}

/// How fresh what is read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As fresh as can be.
    Linearizable,
    /// What the member knows.
    Serializable,
}

/// In which order keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Any.
    Random,
    /// One after the other, over all clients.
    Sequential,
}

/// Whether a request can change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No.
    Read,
    /// Yes.
    Write,
}

/// The requests of a run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) work: Work,
    pub(super) keys: u64,
    pub(super) key_size: usize,
    pub(super) value_size: usize,
    pub(super) order: Order,
    pub(super) seed: u64,
    /// Which key is next if they come in order.
    pub(super) next: AtomicU64,
}

impl Plan {
    /// The shortest keys, in bytes, that so many can be told apart by.
    pub(super) fn key_size_min(keys: u64) -> usize {
        PREFIX.len() + (keys.max(1) - 1).max(1).ilog10() as usize + 1
    }

    fn key(&self, number: u64) -> Bytes {
        let digits = self.key_size - PREFIX.len();
        format!("{PREFIX}{number:0digits$}").into()
    }

    /// How many transactions write every key once.
    pub(super) fn fill_batches(&self) -> u64 {
        self.keys.div_ceil(self.fill_puts())
    }

    fn fill_puts(&self) -> u64 {
        let puts = (FILL_BYTES_MAX / (self.value_size + self.key_size)).clamp(1, FILL_PUTS_MAX);
        u64::try_from(puts).expect("there are few")
    }
}

/// A request, ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) frame: Bytes,
}

/// One client's requests, the same for the same seed.
#[derive(Debug)]
pub(super) struct Draws {
    plan: Arc<Plan>,
    pool: Bytes,
    state: u64,
}

impl Draws {
    /// Those of the client of this number.
    pub(super) fn new(plan: Arc<Plan>, pool: Bytes, client: u64) -> Self {
        let mut draws = Self { state: plan.seed, plan, pool };
        // Neighbouring numbers must not begin with neighbouring states.
        draws.state = draws.draw() ^ client.wrapping_mul(0xd134_2543_de82_ef95);
        draws
    }

    /// Random bytes that values are cut from.
    pub(super) fn pool(plan: &Arc<Plan>) -> Bytes {
        let mut draws = Self::new(plan.clone(), Bytes::new(), u64::MAX);
        let length = plan.value_size + POOL_SLACK;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(draws.draw().to_le_bytes());
        }
        bytes.into()
    }

    /// The next request.
    pub(super) fn request(&mut self) -> Request {
        match self.plan.work {
            Work::Put => self.put(),
            Work::Range { freshness, span } => self.range(freshness, span),
            Work::Mixed { freshness, reads } => {
                if self.fraction() < reads {
                    self.range(freshness, 1)
                } else {
                    self.put()
                }
            }
            Work::Txn { puts } => self.txn(puts),
        }
    }

    /// The transaction of this number of those that write every key once.
    pub(super) fn fill(&mut self, batch: u64) -> Request {
        let puts = self.plan.fill_puts();
        let keys = batch * puts..self.plan.keys.min((batch + 1) * puts);
        let success = keys.map(|number| self.put_operation(number)).collect();
        let request = TxnRequest { success, ..TxnRequest::default() };
        Request { kind: Kind::Write, method: Method::Txn, frame: framed(&request) }
    }

    fn put(&mut self) -> Request {
        let number = self.number(1);
        let request = self.put_request(number);
        Request { kind: Kind::Write, method: Method::Put, frame: framed(&request) }
    }

    fn put_request(&mut self, number: u64) -> PutRequest {
        let key = self.plan.key(number);
        PutRequest { key, value: self.value(), ..PutRequest::default() }
    }

    fn put_operation(&mut self, number: u64) -> RequestOp {
        let put = self.put_request(number);
        RequestOp { request: Some(Operation::RequestPut(put)) }
    }

    fn range(&mut self, freshness: Freshness, span: u64) -> Request {
        let span = span.min(self.plan.keys);
        let first = self.number(1).min(self.plan.keys - span);
        let key = self.plan.key(first);
        let range_end = match span {
            1 => Bytes::new(),
            // The end is not part of a range.
            _ => [&self.plan.key(first + span - 1)[..], b"\0"].concat().into(),
        };
        let serializable = freshness == Freshness::Serializable;
        let request = RangeRequest { key, range_end, serializable, ..RangeRequest::default() };
        Request { kind: Kind::Read, method: Method::Range, frame: framed(&request) }
    }

    fn txn(&mut self, puts: u64) -> Request {
        let puts = puts.min(self.plan.keys);
        let first = self.number(puts);
        let holds = Compare {
            result: CompareResult::Greater.into(),
            target: CompareTarget::Version.into(),
            key: self.plan.key(first),
            target_union: Some(TargetUnion::Version(-1)),
            ..Compare::default()
        };
        let keys = self.plan.keys;
        let numbers = (first..first + puts).map(|number| number % keys);
        let success = numbers.map(|number| self.put_operation(number)).collect();
        let request = TxnRequest { compare: vec![holds], success, ..TxnRequest::default() };
        Request { kind: Kind::Write, method: Method::Txn, frame: framed(&request) }
    }

    /// The first of so many keys.
    fn number(&mut self, count: u64) -> u64 {
        match self.plan.order {
            Order::Random => self.below(self.plan.keys),
            Order::Sequential => {
                self.plan.next.fetch_add(count, Ordering::Relaxed) % self.plan.keys
            }
        }
    }

    fn value(&mut self) -> Bytes {
        let slack = u64::try_from(POOL_SLACK).expect("it is small");
        let first = self.below(slack) as usize;
        self.pool.slice(first..first + self.plan.value_size)
    }

    fn fraction(&mut self) -> f64 {
        const STEPS: u64 = 1 << 32;
        #[expect(clippy::cast_precision_loss, reason = "there are no more steps than it can tell")]
        let fraction = self.below(STEPS) as f64 / STEPS as f64;
        fraction
    }

    fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.draw()) * u128::from(bound)) >> 64).expect("it is below")
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::super::framing::Deframer;
    use super::*;

    fn plan(work: Work, order: Order) -> Arc<Plan> {
        let next = AtomicU64::new(0);
        Arc::new(Plan { work, keys: 250, key_size: 12, value_size: 32, order, seed: 7, next })
    }

    fn draws(plan: &Arc<Plan>, client: u64) -> Draws {
        Draws::new(plan.clone(), Draws::pool(plan), client)
    }

    fn read<T: Message + Default>(request: &Request) -> T {
        let mut deframer = Deframer::default();
        deframer.push(&request.frame);
        T::decode(deframer.message().unwrap().unwrap()).unwrap()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_clients_differ() {
        let plan = plan(Work::Put, Order::Random);
        let frames = |client| {
            let mut draws = draws(&plan, client);
            (0..50).map(|_| draws.request().frame).collect::<Vec<_>>()
        };
        assert_eq!(frames(1), frames(1));
        assert_ne!(frames(1), frames(2));
    }

    #[test]
    fn sequential_clients_share_the_keys() {
        let plan = plan(Work::Put, Order::Sequential);
        let (mut one, mut two) = (draws(&plan, 1), draws(&plan, 2));
        let keys = (0..125).flat_map(|_| [one.request(), two.request()]);
        let keys: BTreeSet<Bytes> = keys.map(|it| read::<PutRequest>(&it).key).collect();
        assert_eq!(keys.len(), 250);
        assert_eq!(keys.first().unwrap(), "bench/000000");
        assert_eq!(keys.last().unwrap(), "bench/000249");
        assert!(keys.iter().all(|key| key.len() == 12));
    }

    #[test]
    fn filling_writes_every_key_once() {
        let plan = plan(Work::Put, Order::Random);
        assert_eq!(plan.fill_batches(), 3);
        let mut draws = draws(&plan, 0);
        let mut keys = Vec::new();
        for batch in 0..plan.fill_batches() {
            for operation in read::<TxnRequest>(&draws.fill(batch)).success {
                let Some(Operation::RequestPut(put)) = operation.request else {
                    panic!("only puts")
                };
                assert_eq!(put.value.len(), 32);
                keys.push(put.key);
            }
        }
        assert_eq!(keys.len(), 250);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 250);
    }

    #[test]
    fn a_range_never_leaves_the_keys() {
        let freshness = Freshness::Serializable;
        let plan = plan(Work::Range { freshness, span: 20 }, Order::Random);
        let mut draws = draws(&plan, 0);
        for _ in 0..500 {
            let range: RangeRequest = read(&draws.request());
            let number = |key: &[u8]| str::from_utf8(&key[6..12]).unwrap().parse::<u64>().unwrap();
            let (first, last) = (number(&range.key), number(&range.range_end));
            assert!(last - first == 19 && last < 250 && range.serializable, "{range:?}");
        }
    }

    #[test]
    fn the_share_of_reads_is_kept() {
        let freshness = Freshness::Linearizable;
        let plan = plan(Work::Mixed { freshness, reads: 0.75 }, Order::Random);
        let mut draws = draws(&plan, 0);
        let reads = (0..4000).filter(|_| draws.request().kind == Kind::Read).count();
        assert!((2850..3150).contains(&reads), "{reads}");
    }

    #[test]
    fn a_transaction_writes_different_keys() {
        let plan = plan(Work::Txn { puts: 100 }, Order::Random);
        let mut draws = draws(&plan, 0);
        for _ in 0..20 {
            let txn: TxnRequest = read(&draws.request());
            let keys = txn.success.into_iter().map(|it| match it.request {
                Some(Operation::RequestPut(put)) => put.key,
                other => panic!("{other:?}"),
            });
            assert_eq!(keys.collect::<BTreeSet<_>>().len(), 100);
        }
    }

    #[test]
    fn keys_have_room_for_their_numbers() {
        let sizes = [(1, 7), (10, 7), (11, 8), (10_000, 10), (10_001, 11)];
        for (keys, size) in sizes {
            assert_eq!(Plan::key_size_min(keys), size, "{keys}");
        }
    }
}
