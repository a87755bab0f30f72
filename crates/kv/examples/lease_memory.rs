//! What leases and the keys attached to them take in memory: `cargo run --example lease_memory`.

use std::sync::Arc;

use allocation_counter::measure;
use bytes::Bytes;
use quorate_kv::{
    ClusterTime, Command, Config, Context, LeaseGrantRequest, LeaseId, LeaseTtl, LogPosition,
    MemoryMap, PutRequest, Store, Strict,
};

const LEASES: i64 = 100_000;

fn apply(store: &mut Store, command: &Command) {
    let index = store.position().index + 1;
    let position = LogPosition { index, round: 1, node: 1 };
    let context = Context { position, time: ClusterTime(index) };
    store.apply(context, command).expect("memory is sound").expect("there is space");
}

/// Nothing is stored in the map: what is measured is the store alone.
fn forget_changes(store: &mut Store) {
    if let Some(commit) = store.begin_commit(u64::MAX) {
        store.finish_commit(commit.id);
    }
}

fn grants(store: &mut Store) {
    for id in 1..=LEASES {
        let ttl = LeaseTtl::new(60 + id % 60).expect("in bounds");
        apply(store, &Command::LeaseGrant(LeaseGrantRequest { id: LeaseId(id), ttl }));
        if id % 1_000 == 0 {
            forget_changes(store);
        }
    }
}

/// Puts of 32-byte keys, each on a lease of its own or on none.
fn puts(store: &mut Store, lease_of: impl Fn(i64) -> LeaseId) {
    for id in 1..=LEASES {
        let key = Bytes::from(format!("/registry/leases/{id:015}"));
        let put = PutRequest { key, lease: lease_of(id), ..PutRequest::default() };
        apply(store, &Command::Put(put));
        if id % 1_000 == 0 {
            forget_changes(store);
        }
    }
}

fn store() -> Store {
    let map = Arc::new(MemoryMap::new());
    Store::open(map, Config::default(), Strict).expect("a fresh map opens")
}

fn per_lease(work: impl FnOnce()) -> i64 {
    measure(work).bytes_current / LEASES
}

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() {
    let mut leased = store();
    let lease = per_lease(|| grants(&mut leased));
    let attached = per_lease(|| puts(&mut leased, LeaseId));
    let mut plain = store();
    let unattached = per_lease(|| puts(&mut plain, |_| LeaseId::NONE));
    println!("a lease: {lease} bytes; a key on a lease: {} more", attached - unattached);
}
