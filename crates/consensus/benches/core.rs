//! What an entry costs in the core: three engines in one thread, payloads of 256 bytes, no codec,
//! no disk, no network, the server's allocator. The time is the processor time of all three nodes
//! together, so that a busy machine does not change the figure.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mimalloc::MiMalloc;
use quorate_consensus::paxos::Paxos;
use quorate_consensus::raft::Raft;
use quorate_consensus::{
    Ballot, Clock, ClusterTime, Config, Effects, Engine, HardState, Incarnation, Index, Input,
    Instant, Members, Meta, NodeId, Outcome, ProposalId, Proposed, Recovered, Role, Seed, Strict,
};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PAYLOAD: &[u8] = &[7; 256];

/// Three nodes whose messages and writes take no time.
struct Trio<E: Engine> {
    engines: Vec<E>,
    messages: Vec<(NodeId, NodeId, E::Message)>,
    /// What was drained last. Its memory is used again.
    effects: Effects<E::Message>,
    leader: usize,
    sequence: u64,
    committed: u64,
    /// Who was told something since it was drained: nobody else is drained, as in a server.
    told: [bool; 3],
}

impl<E: Engine<Rules = Strict>> Trio<E> {
    fn new() -> Self {
        let members = Members::of_voters((1..=3).map(NodeId));
        let engines = (1..=3).map(|node| start(NodeId(node), members.clone())).collect();
        let (messages, effects, told) = (Vec::new(), Effects::default(), [true; 3]);
        let (leader, sequence, committed) = (0, 0, 0);
        let mut trio = Self { engines, messages, effects, leader, sequence, committed, told };
        trio.engines[0].handle(Instant::ORIGIN, Input::Campaign);
        trio.pump();
        assert_eq!(trio.engines[0].status().role, Role::Leader, "the first node is elected");
        trio
    }

    /// Proposes so many commands at once and waits until all are committed.
    fn commit(&mut self, count: u64) {
        let target = self.committed + count;
        for _ in 0..count {
            self.sequence += 1;
            let id = ProposalId {
                node: NodeId(1),
                incarnation: Incarnation(1),
                sequence: self.sequence,
            };
            let payload = Bytes::from_static(PAYLOAD);
            self.engines[self.leader].handle(Instant::ORIGIN, Input::Propose { id, payload });
        }
        self.told[self.leader] = true;
        self.pump();
        assert_eq!(self.committed, target, "every proposal is committed");
    }

    /// Lets everything happen until nothing moves.
    fn pump(&mut self) {
        loop {
            for at in 0..self.engines.len() {
                while self.told[at] {
                    self.told[at] = self.drain(at);
                }
            }
            if self.messages.is_empty() {
                return;
            }
            for (from, to, message) in self.messages.drain(..) {
                let at = to.0 as usize - 1;
                self.told[at] = true;
                self.engines[at].handle(Instant::ORIGIN, Input::Message { from, message });
            }
        }
    }

    /// Drains one engine; whether it was told something in return.
    fn drain(&mut self, at: usize) -> bool {
        let Self { engines, effects, messages, .. } = self;
        let engine = &mut engines[at];
        engine.effects_into(effects);
        let from = NodeId(at as u64 + 1);
        for envelope in effects.messages.drain(..) {
            messages.push((from, envelope.to, envelope.message));
        }
        for outcome in &effects.outcomes {
            let Outcome::Proposal { result: Proposed::Committed { .. }, .. } = outcome else {
                panic!("a proposal ended otherwise: {outcome:?}");
            };
            self.committed += 1;
        }
        let mut was_told = false;
        if let Some(batch) = &effects.write {
            engine.handle(Instant::ORIGIN, Input::Persisted { write: batch.id });
            was_told = true;
        }
        if let Some(entry) = effects.committed_entries().next_back() {
            let (upto, clock) = (entry.index, Clock::default());
            // Nobody is drained for that alone, as in a server.
            engine.handle(Instant::ORIGIN, Input::Applied { upto, clock });
        }
        black_box(effects);
        was_told
    }
}

fn start<E: Engine<Rules = Strict>>(node: NodeId, members: Members) -> E {
    let meta =
        Meta { index: Index::ZERO, ballot: Ballot::ZERO, time: ClusterTime::default(), members };
    let recovered = Recovered {
        hard: HardState::default(),
        meta,
        ballots: Vec::new(),
        tail: Vec::new(),
        configurations: Vec::new(),
        applied: Index::ZERO,
        time: ClusterTime::default(),
    };
    E::new(Config::new(node), Strict, Seed(node.0), recovered, Instant::ORIGIN)
}

/// Measures the processor time of this thread.
struct ProcessorTime;

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        processor_time()
    }

    fn end(&self, start: Duration) -> Duration {
        processor_time().saturating_sub(start)
    }

    fn add(&self, first: &Duration, second: &Duration) -> Duration {
        *first + *second
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn core(criterion: &mut Criterion<ProcessorTime>) {
    measure::<Raft>(criterion, "raft");
    measure::<Paxos>(criterion, "paxos");
}

fn measure<E: Engine<Rules = Strict>>(criterion: &mut Criterion<ProcessorTime>, name: &str) {
    let mut group = criterion.benchmark_group(name);
    for depth in [1, 32, 1024] {
        let mut trio = Trio::<E>::new();
        group.throughput(Throughput::Elements(depth));
        group.bench_function(format!("depth {depth}"), |bench| bench.iter(|| trio.commit(depth)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = core
}
criterion_main!(benches);
