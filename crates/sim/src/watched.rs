//! An engine that writes down what passes between it and its host, for the checkers.

use core::cell::RefCell;

use quorate_consensus::invariants::{Claim, Claims, Order};
use quorate_consensus::{
    Ballot, ClusterTime, Config, Effects, Engine, Fingerprint, Input, Instant, Meta, NodeId,
    Outcome, ProposalId, Recovered, RequestId, Seed, Status, Summary,
};

/// Something that the ordering half around an engine keeps to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// The engine is given a proposal.
    Proposed(ProposalId),
    /// The engine is asked for a read.
    ReadAsked(RequestId),
    /// The engine ends a request.
    Ended(Outcome),
}

/// The engine itself, unchanged, and what has passed since anyone looked.
#[derive(Clone, Debug)]
pub(crate) struct Watched<E> {
    engine: E,
    passed: RefCell<Vec<Passed>>,
}

impl<E> Watched<E> {
    /// What has passed since the last call.
    pub(crate) fn take_passed(&self) -> Vec<Passed> {
        self.passed.take()
    }

    fn note(&mut self, passed: Passed) {
        self.passed.get_mut().push(passed);
    }
}

impl<E: Engine> Engine for Watched<E> {
    type Message = E::Message;
    type Rules = E::Rules;

    fn new(
        config: Config,
        rules: Self::Rules,
        seed: Seed,
        recovered: Recovered,
        now: Instant,
    ) -> Self {
        let engine = E::new(config, rules, seed, recovered, now);
        Self { engine, passed: RefCell::default() }
    }

    fn handle(&mut self, now: Instant, input: Input<Self::Message>) {
        match &input {
            Input::Propose { id, .. } | Input::Reconfigure { id, .. } => {
                self.note(Passed::Proposed(*id));
            }
            Input::Read { id } => self.note(Passed::ReadAsked(*id)),
            _ => {}
        }
        self.engine.handle(now, input);
    }

    fn effects_into(&mut self, effects: &mut Effects<Self::Message>) {
        self.engine.effects_into(effects);
        for outcome in &effects.outcomes {
            self.note(Passed::Ended(*outcome));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.engine.deadline()
    }

    fn status(&self) -> Status {
        self.engine.status()
    }

    fn summary(&self) -> Summary {
        self.engine.summary()
    }

    fn leader(&self) -> Option<Ballot> {
        self.engine.leader()
    }

    fn cluster_time(&self, now: Instant) -> Option<ClusterTime> {
        self.engine.cluster_time(now)
    }

    fn snapshot_in(message: &Self::Message) -> Option<&Meta> {
        E::snapshot_in(message)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.engine.fingerprint()
    }

    fn excludes(applied: Ballot, proposed: Ballot) -> bool {
        E::excludes(applied, proposed)
    }
}

impl<E: Claims> Claims for Watched<E> {
    const ORDER: Order = E::ORDER;

    fn claim(from: NodeId, to: NodeId, message: &Self::Message) -> Option<Claim<'_>> {
        E::claim(from, to, message)
    }
}
