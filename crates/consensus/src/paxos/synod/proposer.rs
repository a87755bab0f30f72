//! The proposer: seeks a quorum of promises, then a quorum of votes for one value.

use std::collections::BTreeMap;

use super::message::{Phase, Vote};
use super::number::next_own;
use crate::ballot::Ballot;
use crate::ids::NodeId;
use crate::quorum::Quorum;
use crate::rules::{Rule, Rules};

/// A proposer of one decision.
///
/// It remembers durably which ballots it has used, so that it never puts two values to the vote
/// under one number, not even after a restart (PMS §2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposer<V> {
    node: NodeId,
    quorum: Quorum,
    first_round: u64,
    /// Its highest ballot. Durable before the ballot's prepare leaves.
    tried: Ballot,
    /// The highest ballot heard of.
    seen: Ballot,
    step: Step<V>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step<V> {
    /// Nothing is asked.
    Idle,
    /// Phase 1: each promise with the vote it reported.
    Preparing { promises: BTreeMap<NodeId, Option<Vote<V>>> },
    /// Phase 2.
    Accepting { value: V },
}

/// What a quorum of promises allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<V> {
    /// No vote was reported: the value is the proposer's to choose.
    Free,
    /// The value of the highest ballot reported: it may be chosen already, and nothing else can
    /// be proposed (P2c).
    Adopt(Vote<V>),
}

impl<V: Clone> Proposer<V> {
    /// A proposer that has used its ballots up to `tried`; [`Ballot::ZERO`] for a new one, which
    /// starts in `first_round`.
    pub fn new(node: NodeId, quorum: Quorum, first_round: u64, tried: Ballot) -> Self {
        Self { node, quorum, first_round, tried, seen: tried, step: Step::Idle }
    }

    /// The highest ballot used.
    pub fn tried(&self) -> Ballot {
        self.tried
    }

    /// The phase it is in, if it has asked for anything.
    pub fn phase(&self) -> Option<Phase> {
        match self.step {
            Step::Idle => None,
            Step::Preparing { .. } => Some(Phase::One),
            Step::Accepting { .. } => Some(Phase::Two),
        }
    }

    /// The value put to the vote, in phase 2.
    pub fn value(&self) -> Option<&V> {
        match &self.step {
            Step::Accepting { value } => Some(value),
            _ => None,
        }
    }

    /// Takes note of a ballot in use, so that the next one is above it.
    pub fn see(&mut self, ballot: Ballot) {
        self.seen = self.seen.max(ballot);
    }

    /// Phase 1a: starts a new ballot, above all heard of. Any earlier one is given up.
    pub fn prepare(&mut self) -> Ballot {
        let least = Ballot { round: self.first_round, node: self.node };
        let ballot = next_own(self.node, self.seen).max(least);
        assert!(self.tried < ballot, "a ballot is used once");
        self.tried = ballot;
        self.seen = ballot;
        self.step = Step::Preparing { promises: BTreeMap::new() };
        ballot
    }

    /// A promise for `ballot`. What may be proposed, once a quorum has promised: the caller then
    /// names the value with [`Self::propose`].
    pub fn on_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        vote: Option<Vote<V>>,
        rules: &impl Rules,
    ) -> Option<Choice<V>> {
        let Step::Preparing { promises } = &mut self.step else { return None };
        if ballot != self.tried {
            return None;
        }
        promises.entry(from).or_insert(vote);
        if !self.quorum.is_reached(|node| promises.contains_key(&node)) {
            return None;
        }
        Some(Self::choice(promises, rules))
    }

    /// What the promises allow (P2c).
    fn choice(promises: &BTreeMap<NodeId, Option<Vote<V>>>, rules: &impl Rules) -> Choice<V> {
        let votes = promises.values().flatten();
        let adopted = if rules.breaks(Rule::AdoptAnyVote) {
            votes.min_by_key(|vote| vote.ballot)
        } else {
            votes.max_by_key(|vote| vote.ballot)
        };
        match adopted {
            Some(vote) if !rules.breaks(Rule::IgnoreVotes) => Choice::Adopt(vote.clone()),
            _ => Choice::Free,
        }
    }

    /// Phase 2a: puts a value to the vote in the ballot whose promises are complete.
    pub fn propose(&mut self, value: V) -> Ballot {
        assert!(self.phase() == Some(Phase::One), "one value per ballot, after its promises");
        self.step = Step::Accepting { value };
        self.tried
    }

    /// A refusal of `ballot`. Whether it ends the ballot in hand.
    pub fn on_nack(&mut self, ballot: Ballot, promised: Ballot) -> bool {
        self.see(promised);
        let is_current = ballot == self.tried && self.phase().is_some();
        if is_current {
            self.give_up();
        }
        is_current
    }

    /// Asks for nothing more. What was asked may still be answered, and count.
    pub fn give_up(&mut self) {
        self.step = Step::Idle;
    }
}

#[cfg(test)]
impl<V: Clone> Proposer<V> {
    pub(super) fn ballots(&self) -> (Ballot, Ballot) {
        (self.tried, self.seen)
    }

    pub(super) fn promise_of(&self, acceptor: NodeId) -> Option<&Option<Vote<V>>> {
        match &self.step {
            Step::Preparing { promises } => promises.get(&acceptor),
            _ => None,
        }
    }
}
