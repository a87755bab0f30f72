//! A councillor: the roles it plays, its disk, and its patience.
//!
//! Whoever is asked for a decision proposes. Acceptors answer the proposer, which counts the votes
//! (PMS §2.3, one distinguished learner per ballot) and tells everyone else. A councillor's words
//! to itself do not travel, but wait for its disk like all others.

use core::time::Duration;
use std::collections::BTreeSet;

use super::acceptor::SynodAcceptor;
use super::config::Config;
use super::effects::{Durable, Effects, Event, Input};
use super::learner::Learner;
use super::message::{Message, Phase, Vote};
use super::proposer::{Choice, Proposer};
use super::withheld::Withheld;
use crate::ballot::Ballot;
use crate::config::Timers;
use crate::effects::{Envelope, Misbehaved};
use crate::ids::{NodeId, Seed};
use crate::paxos::acceptor::Decision;
use crate::random::Random;
use crate::rules::{Rule, Rules, Strict};
use crate::time::Instant;

/// A councillor of single-decree Paxos.
#[derive(Clone, Debug)]
pub struct Synod<V, R: Rules = Strict> {
    config: Config,
    rules: R,
    random: Random,
    now: Instant,
    proposer: Proposer<V>,
    acceptor: SynodAcceptor<V>,
    learner: Learner<V>,
    /// What to propose when the choice is free, while a decision is sought.
    wish: Option<V>,
    preemptions: u32,
    deadline: Option<Instant>,
    withheld: Withheld<Message<V>>,
    effects: Effects<V>,
}

impl<V: Clone + PartialEq, R: Rules> Synod<V, R> {
    /// A councillor as it stands after a start.
    pub fn new(config: Config, rules: R, seed: Seed, recovered: Durable<V>, now: Instant) -> Self {
        let quorum = config.council.quorum();
        let Durable { mut tried, mut promised, mut vote } = recovered;
        if rules.breaks(Rule::ForgetPromise) {
            (promised, vote) = (Ballot::ZERO, None);
        }
        if rules.breaks(Rule::ReuseBallot) {
            tried = Ballot::ZERO;
        }
        let mut proposer = Proposer::new(config.node, quorum.clone(), config.first_round, tried);
        proposer.see(promised);
        Self {
            rules,
            random: Random::new(seed),
            now,
            proposer,
            acceptor: SynodAcceptor::new(promised, vote),
            learner: Learner::new(quorum),
            wish: None,
            preemptions: 0,
            deadline: None,
            withheld: Withheld::new(),
            effects: Effects::default(),
            config,
        }
    }

    /// Takes one input. `now` never decreases from call to call.
    pub fn handle(&mut self, now: Instant, input: Input<V>) {
        assert!(self.now <= now, "time goes back");
        self.now = now;
        match input {
            Input::Propose { value } => self.on_propose(value),
            Input::Message { from, message } => self.on_message(from, message),
            Input::Persisted { write } => self.withheld.on_persisted(write),
            Input::Wake => self.on_wake(),
        }
        self.release();
    }

    /// Everything to be done since the last call.
    pub fn effects(&mut self) -> Effects<V> {
        if let Some(write) = self.withheld.issue() {
            self.effects.write = Some((write, self.durable()));
        }
        core::mem::take(&mut self.effects)
    }

    /// When to call with [`Input::Wake`] if nothing else happens before.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The decision, if known here.
    pub fn chosen(&self) -> Option<&Vote<V>> {
        self.learner.chosen()
    }

    /// The acceptor's triple and the proposer's ballot, as they stand in memory.
    pub fn durable(&self) -> Durable<V> {
        Durable {
            tried: self.proposer.tried(),
            promised: self.acceptor.promised(),
            vote: self.acceptor.vote().cloned(),
        }
    }

    /// The proposer.
    pub fn proposer(&self) -> &Proposer<V> {
        &self.proposer
    }

    fn is_acceptor(&self) -> bool {
        self.config.council.acceptors.contains(&self.config.node)
    }

    fn on_propose(&mut self, value: V) {
        if let Some(vote) = self.learner.chosen().cloned() {
            return self.effects.learned.push(vote);
        }
        self.wish = Some(value);
        self.preemptions = 0;
        self.prepare();
    }

    fn on_wake(&mut self) {
        if self.deadline.is_none_or(|deadline| self.now < deadline) {
            return;
        }
        if self.proposer.phase().is_some() {
            let ballot = self.proposer.tried();
            self.effects.events.push(Event::TimedOut { ballot });
        }
        self.prepare();
    }

    /// Phase 1a. The ballot is durable before anyone hears of it.
    fn prepare(&mut self) {
        let ballot = self.proposer.prepare();
        self.withheld.change();
        self.effects.events.push(Event::Prepared { ballot });
        self.set_deadline(self.config.answer_timeout);
        for to in self.others(&self.config.council.acceptors) {
            self.withheld.hold(Envelope { to, message: Message::Prepare { ballot } });
        }
        if self.is_acceptor() {
            self.on_prepare(ballot);
        }
    }

    fn on_message(&mut self, from: NodeId, message: Message<V>) {
        if let Some(reason) = self.impossible(from, &message) {
            return self.effects.misbehaved.push(Misbehaved { peer: from, reason });
        }
        match message {
            Message::Prepare { ballot } => self.on_prepare(ballot),
            Message::Promise { ballot, vote } => self.on_promise(from, ballot, vote),
            Message::Accept { ballot, value } => self.on_accept(ballot, value),
            Message::Accepted { ballot, value } => self.on_accepted(from, Vote { ballot, value }),
            Message::Nack { ballot, promised, .. } => self.on_nack(ballot, promised),
            Message::Chosen { ballot, value } => self.on_chosen(from, Vote { ballot, value }),
        }
    }

    /// Why no correct councillor sends this, if none does.
    fn impossible(&self, from: NodeId, message: &Message<V>) -> Option<&'static str> {
        let council = &self.config.council;
        match message {
            Message::Prepare { ballot } | Message::Accept { ballot, .. } => {
                if ballot.node != from {
                    return Some("a request in another's ballot");
                }
                (!self.is_acceptor()).then_some("a request to one who does not vote")
            }
            Message::Promise { ballot, .. }
            | Message::Accepted { ballot, .. }
            | Message::Nack { ballot, .. } => {
                if !council.acceptors.contains(&from) {
                    return Some("an answer from one who does not vote");
                }
                if ballot.node != self.config.node || self.proposer.tried() < *ballot {
                    return Some("an answer to a ballot never asked");
                }
                is_consistent(message)
            }
            Message::Chosen { .. } => (!council.is_member(from) && from != self.config.node)
                .then_some("a decision from outside the council"),
        }
    }

    fn on_prepare(&mut self, ballot: Ballot) {
        let decision = self.acceptor.on_prepare(ballot);
        if let Decision::Refused { promised } = decision {
            return self.refuse(ballot, Phase::One, promised);
        }
        // A promise that did not rise is on its way to the disk already, or there.
        if decision == Decision::Raised {
            self.withheld.change();
        }
        let vote = self.acceptor.vote().cloned();
        self.effects.events.push(Event::Promised { ballot, vote: vote.clone() });
        let promise = Message::Promise { ballot, vote };
        self.answer(ballot.node, promise, Rule::PromiseBeforeDurable);
    }

    fn on_accept(&mut self, ballot: Ballot, value: V) {
        let before = self.acceptor.clone();
        let decision = self.acceptor.on_accept(ballot, value.clone(), &self.rules);
        if let Decision::Refused { promised } = decision {
            return self.refuse(ballot, Phase::Two, promised);
        }
        if self.acceptor != before {
            self.withheld.change();
        }
        self.effects.events.push(Event::Voted { ballot, value: value.clone() });
        let accepted = Message::Accepted { ballot, value };
        self.answer(ballot.node, accepted, Rule::AcceptedBeforeDurable);
    }

    fn refuse(&mut self, ballot: Ballot, phase: Phase, promised: Ballot) {
        self.effects.events.push(Event::Refused { ballot, phase, promised });
        self.send(ballot.node, Message::Nack { ballot, phase, promised });
    }

    fn on_promise(&mut self, from: NodeId, ballot: Ballot, vote: Option<Vote<V>>) {
        let Some(choice) = self.proposer.on_promise(from, ballot, vote, &self.rules) else {
            return;
        };
        let value = match choice {
            Choice::Free => {
                let value = self.wish.clone().expect("a ballot is started for a wish");
                self.effects.events.push(Event::Free { ballot, value: value.clone() });
                value
            }
            Choice::Adopt(vote) => {
                let value = vote.value.clone();
                self.effects.events.push(Event::Adopted { ballot, vote });
                value
            }
        };
        self.proposer.propose(value.clone());
        for to in self.others(&self.config.council.acceptors) {
            self.send(to, Message::Accept { ballot, value: value.clone() });
        }
        if self.is_acceptor() {
            self.on_accept(ballot, value);
        }
    }

    fn on_accepted(&mut self, from: NodeId, vote: Vote<V>) {
        let Some(chosen) = self.learner.on_accepted(from, vote, &self.rules) else { return };
        self.effects.events.push(Event::Chosen { vote: chosen.clone() });
        self.settle(chosen.clone());
        let Vote { ballot, value } = chosen;
        let council = &self.config.council;
        let everyone = council.acceptors.union(&council.learners).copied().collect();
        for to in self.others(&everyone) {
            self.send(to, Message::Chosen { ballot, value: value.clone() });
        }
    }

    fn on_nack(&mut self, ballot: Ballot, promised: Ballot) {
        if !self.proposer.on_nack(ballot, promised) {
            return;
        }
        self.effects.events.push(Event::Preempted { ballot, by: promised });
        let wait = self.config.backoff.wait(self.preemptions, &mut self.random);
        self.preemptions += 1;
        self.set_deadline(wait);
    }

    fn on_chosen(&mut self, by: NodeId, vote: Vote<V>) {
        if self.learner.on_chosen(vote.clone()) {
            self.effects.events.push(Event::Told { by, vote: vote.clone() });
            self.settle(vote);
        }
    }

    /// There is a decision: nothing more to ask.
    fn settle(&mut self, vote: Vote<V>) {
        self.effects.learned.push(vote);
        self.proposer.give_up();
        self.wish = None;
        self.deadline = None;
    }

    fn set_deadline(&mut self, wait: Duration) {
        if self.config.timers == Timers::On {
            self.deadline = Some(self.now + wait);
        }
    }

    fn others(&self, nodes: &BTreeSet<NodeId>) -> Vec<NodeId> {
        nodes.iter().copied().filter(|node| *node != self.config.node).collect()
    }

    /// Sends what promises nothing.
    fn send(&mut self, to: NodeId, message: Message<V>) {
        if to == self.config.node {
            return self.on_message(to, message);
        }
        self.effects.messages.push(Envelope { to, message });
    }

    /// Sends an acceptor's word, once it is durable.
    fn answer(&mut self, to: NodeId, message: Message<V>, too_early: Rule) {
        if self.rules.breaks(too_early) {
            return self.send(to, message);
        }
        self.withheld.hold(Envelope { to, message });
    }

    /// Lets go of what the disk has made true. Its own words may lead to more.
    fn release(&mut self) {
        loop {
            let released = self.withheld.release();
            if released.is_empty() {
                return;
            }
            for envelope in released {
                self.send(envelope.to, envelope.message);
            }
        }
    }
}

#[cfg(test)]
impl<V: Clone + PartialEq + core::fmt::Debug, R: Rules> Synod<V, R> {
    /// What distinguishes this state from others, without the numbers of writes, and without what
    /// it knows of single acceptors.
    pub(super) fn canonical(&self) -> impl core::fmt::Debug + '_ {
        let held: Vec<_> =
            self.withheld.held().map(|(after, held)| (after, &held.message)).collect();
        let learner = (self.learner.chosen(), self.learner.counted());
        let proposer = (self.proposer.ballots(), self.proposer.phase(), self.proposer.value());
        (proposer, &self.acceptor, learner, &self.wish, held, self.withheld.unconfirmed())
    }

    /// What it knows of one acceptor: its promise and its vote.
    pub(super) fn view_of(&self, acceptor: NodeId) -> impl core::fmt::Debug + '_ {
        (self.proposer.promise_of(acceptor), self.learner.vote_of(acceptor))
    }
}

/// Why the parts of an answer contradict each other, if they do.
fn is_consistent<V>(message: &Message<V>) -> Option<&'static str> {
    match message {
        Message::Promise { ballot, vote: Some(vote) } if *ballot < vote.ballot => {
            Some("a vote above the promise")
        }
        Message::Nack { ballot, promised, .. } if promised <= ballot => {
            Some("a refusal without a reason")
        }
        _ => None,
    }
}
