//! Quorate's engines, driven as `crates/consensus/benches/core.rs` drives them.

use std::hint::black_box;

use bytes::Bytes;
use quorate_consensus::paxos::Paxos;
use quorate_consensus::raft::Raft;
use quorate_consensus::{
    Ballot, Clock, ClusterTime, Config, Effects, Engine, Entry, HardState, Incarnation, Index,
    Input, Instant, Members, Meta, NodeId, ProposalId, Recovered, Role, Seed, Strict,
};

use crate::{KEPT_MAX, PAYLOAD, Trio};

struct Engines<E: Engine> {
    engines: Vec<E>,
    messages: Vec<(NodeId, NodeId, E::Message)>,
    /// What was drained last. Its memory is used again.
    effects: Effects<E::Message>,
    sequence: u64,
    applied: [u64; 3],
    /// Who was told something since it was drained: nobody else is drained, as in a server.
    told: [bool; 3],
}

pub(crate) fn raft() -> Box<dyn Trio> {
    Box::new(Engines::<Raft>::start())
}

pub(crate) fn paxos() -> Box<dyn Trio> {
    Box::new(Engines::<Paxos>::start())
}

impl<E: Engine<Rules = Strict>> Engines<E> {
    fn start() -> Self {
        let engines = (1..=3).map(|node| engine(NodeId(node))).collect();
        let (messages, effects) = (Vec::new(), Effects::default());
        let (applied, told) = ([0; 3], [true; 3]);
        let mut trio = Self { engines, messages, effects, sequence: 0, applied, told };
        trio.engines[0].handle(Instant::ORIGIN, Input::Campaign);
        trio.pump();
        assert!(trio.engines[0].status().role == Role::Leader, "the first member is elected");
        trio
    }

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
        let mut was_told = false;
        if let Some(batch) = &effects.write {
            engine.handle(Instant::ORIGIN, Input::Persisted { write: batch.id });
            was_told = true;
        }
        if let Some(entry) = effects.committed_entries().next_back() {
            self.applied[at] = entry.index.0;
            let (upto, clock) = (entry.index, Clock::default());
            // Nobody is drained for that alone, as in a server.
            engine.handle(Instant::ORIGIN, Input::Applied { upto, clock });
        }
        black_box(effects);
        was_told
    }
}

impl<E: Engine<Rules = Strict>> Trio for Engines<E> {
    fn commit(&mut self, count: usize) {
        let target = self.applied[0] + count as u64;
        for _ in 0..count {
            self.sequence += 1;
            let (node, incarnation) = (NodeId(1), Incarnation(1));
            let id = ProposalId { node, incarnation, sequence: self.sequence };
            let payload = Bytes::from_static(PAYLOAD);
            self.engines[0].handle(Instant::ORIGIN, Input::Propose { id, payload });
        }
        self.told[0] = true;
        self.pump();
        assert!(self.applied == [target; 3], "every entry is applied everywhere");
    }
}

fn engine<E: Engine<Rules = Strict>>(node: NodeId) -> E {
    let members = Members::of_voters((1..=3).map(NodeId));
    let (ballot, time) = (Ballot::ZERO, ClusterTime::default());
    let recovered = Recovered {
        hard: HardState::default(),
        meta: Meta { index: Index::ZERO, ballot, time, members },
        ballots: Vec::new(),
        tail: Vec::new(),
        configurations: Vec::new(),
        applied: Index::ZERO,
        time,
    };
    // As many entries stay in memory as the others are left.
    let tail_bytes_max = KEPT_MAX as u64 * (PAYLOAD.len() as u64 + Entry::OVERHEAD_BYTES);
    let config = Config { tail_bytes_max, ..Config::new(node) };
    E::new(config, Strict, Seed(node.0), recovered, Instant::ORIGIN)
}
