//! What an entry costs the apply thread: puts of 256 bytes on new and on known keys, with the
//! commits that go with them, and reads of one key.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quorate_kv::{
    ClusterTime, Command, CompactRequest, Compare, CompareResult, CompareTarget, Config, Context,
    LogPosition, MemoryMap, PutRequest, RangeRequest, Records, RequestOp, Store, Strict,
    TxnRequest,
};

/// Entries per measured batch.
const BATCH: u64 = 1_000;
/// Keys the store has before the measurement.
const KEYS: u64 = 200_000;

struct Node {
    store: Store,
    map: Arc<MemoryMap>,
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!(
        "/registry/pods/default/{:016x}",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    ))
}

fn put(number: u64) -> Command {
    let value = Bytes::from(vec![7; 256]);
    Command::Put(PutRequest { key: key(number), value, ..PutRequest::default() })
}

/// What Kubernetes writes: a put if the key was not changed meanwhile.
fn guarded_put(number: u64) -> Command {
    let target = CompareTarget::Mod(i64::MAX);
    let result = CompareResult::Less;
    let compare = Compare { key: key(number), range_end: Bytes::new(), result, target };
    let Command::Put(put) = put(number) else {
        unreachable!("it makes a put");
    };
    Command::Txn(TxnRequest {
        compares: vec![compare],
        success: vec![RequestOp::Put(put)],
        failure: Vec::new(),
    })
}

impl Node {
    fn new() -> Self {
        let map = Arc::new(MemoryMap::new());
        let store = Store::open(map.clone(), Config::default(), Strict).expect("a fresh map");
        let mut node = Self { store, map };
        for number in 0..KEYS {
            node.apply(&put(number));
        }
        node.store_all();
        node
    }

    fn apply(&mut self, command: &Command) {
        let index = self.store.position().index + 1;
        let position = LogPosition { index, round: 1, node: 1 };
        let context = Context { position, time: ClusterTime(index) };
        let outcome = self.store.apply(context, command);
        black_box(&outcome.expect("memory is sound").expect("there is space"));
    }

    /// Forgets all history, and moves the rest to the map.
    fn store_all(&mut self) {
        let revision = self.store.revision();
        if self.store.compacted() < revision {
            self.apply(&Command::Compact(CompactRequest { revision, physical: false }));
        }
        self.store.compact_step(usize::MAX).expect("memory is sound");
        if let Some(commit) = self.store.begin_commit(u64::MAX) {
            self.map.commit(&commit).expect("memory commits");
            self.store.finish_commit(commit.id);
        }
    }
}

fn applies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(BATCH));
    let mut node = Node::new();
    let mut next = KEYS;
    let mut bench = |name: &str, command: &dyn Fn(u64) -> Command, first: &dyn Fn(u64) -> u64| {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    next += BATCH;
                    (0..BATCH).map(|at| command(first(next + at))).collect::<Vec<_>>()
                },
                |commands| {
                    for command in &commands {
                        node.apply(command);
                    }
                    commands
                },
                BatchSize::PerIteration,
            );
            node.store_all();
        });
    };
    bench("put_known_key_256", &put, &|number| number.wrapping_mul(48_271) % KEYS);
    bench("guarded_put_256", &guarded_put, &|number| number.wrapping_mul(48_271) % KEYS);
    bench("advance", &|_| Command::Advance, &|number| number);
    bench("put_new_key_256", &put, &|number| number);
    group.finish();
}

/// The apply thread's share of a commit: a batch of puts, captured and dropped again.
fn commits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Elements(BATCH));
    let mut node = Node::new();
    let mut next = 0;
    group.bench_function("begin_and_finish", |bencher| {
        bencher.iter_custom(|batches| {
            let clock = criterion::measurement::WallTime;
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..batches {
                for _ in 0..BATCH {
                    next += 1;
                    node.apply(&put(next % KEYS));
                }
                let start = criterion::measurement::Measurement::start(&clock);
                let commit = node.store.begin_commit(u64::MAX).expect("entries were applied");
                node.store.finish_commit(commit.id);
                spent += criterion::measurement::Measurement::end(&clock, start);
                node.map.commit(&commit).expect("memory commits");
            }
            spent
        });
    });
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("range");
    let node = Node::new();
    let mut next = 0_u64;
    group.bench_function("one_key", |bencher| {
        bencher.iter_batched(
            || {
                next += 1;
                let key = key(next.wrapping_mul(48_271) % KEYS);
                RangeRequest { key, ..RangeRequest::default() }
            },
            |request| node.store.range(&request).expect("memory is sound"),
            BatchSize::SmallInput,
        );
    });
    let list = RangeRequest {
        key: Bytes::from_static(b"/registry/pods/"),
        range_end: Bytes::from_static(b"/registry/pods0"),
        limit: 500,
        ..RangeRequest::default()
    };
    group.bench_function("first_500_of_200k", |bencher| {
        bencher.iter(|| node.store.range(&list).expect("memory is sound"));
    });
    group.finish();
}

criterion_group!(benches, applies, commits, reads);
criterion_main!(benches);
