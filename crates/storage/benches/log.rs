//! What the log costs on this disk: making batches of entries of 256 bytes durable, with one write
//! and one sync each, and opening a directory whose log is full. Segments are reserved ahead, as
//! the server does; the time is that of the wall, for the disk is most of it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quorate_consensus::{
    Ballot, ClusterTime, Entry, Incarnation, Index, Members, NodeId, Payload, ProposalId, Write,
    WriteBatch, WriteId,
};
use quorate_storage::{
    ClusterId, EngineKind, Opened, Options, Progress, RealDisk, Strict, Wal, open,
};

const PAYLOAD: &[u8] = &[7; 256];

fn open_in(directory: &Path) -> Opened {
    let members = Members::of_voters([NodeId(1)]);
    let options = Options::new(ClusterId(1), NodeId(1), EngineKind::Raft, members);
    open(Arc::new(RealDisk), directory, options).expect("the directory can be opened")
}

fn entry(index: u64) -> Entry {
    let (node, incarnation) = (NodeId(1), Incarnation(1));
    Entry {
        index: Index(index),
        ballot: Ballot { round: 1, node },
        born: Ballot { round: 1, node },
        id: Some(ProposalId { node, incarnation, sequence: index }),
        time: ClusterTime(index),
        payload: Payload::Command(Bytes::from_static(PAYLOAD)),
    }
}

/// A log that grows.
struct Writer {
    wal: Wal<Strict>,
    write: u64,
    last: u64,
}

impl Writer {
    fn new(wal: Wal<Strict>) -> Self {
        Self { wal, write: 0, last: 0 }
    }

    fn append(&mut self, entries: u64) {
        self.write += 1;
        let first = self.last + 1;
        self.last += entries;
        let writes = (first..=self.last).map(|index| Write::Put(entry(index).into())).collect();
        let batch = WriteBatch { id: WriteId(self.write), writes };
        self.wal.append(&[batch]).expect("the disk has room");
        self.reserve();
    }

    /// The server does this beside the log's thread; here it is rare enough not to be seen.
    fn reserve(&mut self) {
        if let Some(mut reservation) = self.wal.reservation() {
            while reservation.step() == Progress::More {}
            self.wal.reserved(reservation);
        }
    }
}

fn appends(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append and sync");
    for entries in [1, 16, 128] {
        let directory = tempfile::tempdir().expect("a place for the log");
        let mut writer = Writer::new(open_in(directory.path()).wal);
        writer.reserve();
        group.throughput(Throughput::Elements(entries));
        group.bench_function(format!("{entries} entries"), |bench| {
            bench.iter(|| writer.append(entries));
        });
    }
    group.finish();
}

/// How long a start takes whose whole tail is in the log.
fn starts(criterion: &mut Criterion) {
    const ENTRIES: u64 = 100_000;
    let directory = tempfile::tempdir().expect("a place for the log");
    let mut writer = Writer::new(open_in(directory.path()).wal);
    (0..ENTRIES / 1_000).for_each(|_| writer.append(1_000));
    drop(writer);
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Elements(ENTRIES));
    group.sample_size(10);
    group.bench_function("100,000 entries in the log", |bench| {
        bench.iter(|| open_in(directory.path()).recovered.tail.len());
    });
    group.finish();
}

criterion_group!(benches, appends, starts);
criterion_main!(benches);
