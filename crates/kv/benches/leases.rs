//! What leases cost the apply thread, with 100,000 of them: to grant one, to renew one, alone and
//! many in an entry, and to end one that is over, with a key and without.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::{Measurement, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quorate_kv::{
    ClusterTime, Command, Config, Context, LeaseGrantRequest, LeaseId, LeaseRenewRequest, LeaseTtl,
    LogPosition, MemoryMap, PutRequest, Store, Strict,
};

const LEASES: i64 = 100_000;
const SECOND: u64 = 1_000_000;

struct Node {
    store: Store,
    now: ClusterTime,
}

impl Node {
    /// A node with many leases that last, and nothing that waits for the map.
    fn new() -> Self {
        let store = Store::open(Arc::new(MemoryMap::new()), Config::default(), Strict);
        let store = store.expect("a fresh map opens");
        let mut node = Self { store, now: ClusterTime(SECOND) };
        for id in 1..=LEASES {
            node.grant(id, 1_000_000 + id % 1_000);
        }
        node.forget_changes();
        node
    }

    fn apply(&mut self, command: &Command) {
        let index = self.store.position().index + 1;
        let position = LogPosition { index, round: 1, node: 1 };
        let outcome = self.store.apply(Context { position, time: self.now }, command);
        black_box(&outcome.expect("memory is sound").expect("there is space"));
    }

    fn grant(&mut self, id: i64, seconds: i64) {
        let ttl = LeaseTtl::new(seconds).expect("in bounds");
        self.apply(&Command::LeaseGrant(LeaseGrantRequest { id: LeaseId(id), ttl }));
    }

    fn renew(&mut self, ids: Vec<LeaseId>) {
        self.apply(&Command::LeaseRenew(LeaseRenewRequest { ids }));
    }

    fn attach(&mut self, id: i64) {
        let key = Bytes::from(format!("/registry/leases/{id:016x}"));
        let lease = LeaseId(id);
        self.apply(&Command::Put(PutRequest { key, lease, ..PutRequest::default() }));
    }

    fn forget_changes(&mut self) {
        if let Some(commit) = self.store.begin_commit(u64::MAX) {
            self.store.finish_commit(commit.id);
        }
    }
}

/// Scattered over all leases.
fn some(number: u64) -> LeaseId {
    let scattered = number.wrapping_mul(48_271) % LEASES.cast_unsigned();
    LeaseId(scattered.cast_signed() + 1)
}

fn renewals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lease");
    let mut node = Node::new();
    let mut next = 0;
    for in_an_entry in [1, 100] {
        group.throughput(Throughput::Elements(in_an_entry));
        group.bench_function(format!("renew_{in_an_entry}"), |bencher| {
            bencher.iter(|| {
                node.now.0 += 1;
                next += in_an_entry;
                node.renew((next..next + in_an_entry).map(some).collect());
            });
            node.forget_changes();
        });
    }
    group.finish();
}

fn grants_and_ends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lease");
    let mut node = Node::new();
    let mut next = LEASES;
    group.bench_function("grant", |bencher| {
        bencher.iter(|| {
            next += 1;
            node.grant(next, 1_000_000);
        });
        node.forget_changes();
    });
    for keys in [0, 1] {
        group.bench_function(format!("end_with_{keys}_keys"), |bencher| {
            bencher.iter_custom(|count| {
                let mut spent = Duration::ZERO;
                let mut left = count;
                while 0 < left {
                    let batch = left.min(500);
                    left -= batch;
                    for _ in 0..batch {
                        next += 1;
                        node.grant(next, 1);
                        (0..keys).for_each(|_| node.attach(next));
                    }
                    node.now.0 += SECOND;
                    let start = WallTime.start();
                    node.apply(&Command::Advance);
                    spent += WallTime.end(start);
                    node.forget_changes();
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, renewals, grants_and_ends);
criterion_main!(benches);
