//! What a node is: one struct per role, holding only what that role needs, and the steps between
//! roles that every path takes.
//!
//! Every node is an acceptor and a learner whatever its role: the promise, the votes and what is
//! chosen are the engine's own fields.

use std::collections::BTreeMap;

use super::Paxos;
use super::message::ElectionRound;
use super::prepare::Report;
use super::progress::Progress;
use crate::ballot::{Ballot, Promise};
use crate::entry::Entry;
use crate::ids::{Index, NodeId, Span, WriteId};
use crate::outcome::Refusal;
use crate::ranges::Coverage;
use crate::rules::{Rule, Rules};
use crate::standing::Standing;
use crate::status::Role;
use crate::tenure::Tenure;
use crate::time::Instant;
use crate::trace::{Reason, What};
use crate::write::{HardState, Write};

/// The role with its state.
#[derive(Clone, Debug)]
pub(super) enum State {
    Follower(Follower),
    Seeker(Seeker),
    Candidate(Box<Candidate>),
    Leader(Box<Leader>),
}

/// Follows a leader, or waits for one.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    /// The ballot of the leader; it is the promised one.
    pub leader: Option<Ballot>,
    /// When the leader was last heard; meaningless without one.
    pub heard_at: Instant,
    /// When to look for another.
    pub deadline: Instant,
    /// Whether the leader's connection broke since it was last heard.
    pub haste: Haste,
}

/// Asks who would follow it: the ballot election, before anybody is disturbed.
#[derive(Clone, Debug)]
pub(super) struct Seeker {
    pub round: ElectionRound,
    /// Who would, and who follows another.
    pub answers: BTreeMap<NodeId, bool>,
    pub deadline: Instant,
    pub haste: Haste,
}

/// Seeks promises for its ballot, which is the promised one here too: phase 1.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The first slot it asks about.
    pub base: Index,
    /// What each node has told. Its own counts once the promise is durable.
    pub reports: BTreeMap<NodeId, Report>,
    /// The vote of the highest ballot told for each slot.
    pub best: BTreeMap<Index, Entry>,
    pub resend_at: Instant,
    pub deadline: Instant,
}

/// Leads: phase 2.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub ballot: Ballot,
    pub tenure: Tenure<Progress>,
    /// What was chosen before this ballot: not voted for again.
    pub floor: Index,
    /// The last slot recovered in phase 1. Reads wait until it is chosen.
    pub barrier: Index,
    /// The next slot for a new value.
    pub next_slot: Index,
    /// Its own durable votes of this ballot, and those that await the disk.
    pub own: Coverage,
    pub unsynced: Vec<(WriteId, Span)>,
    /// What a quorum voted for in this ballot.
    pub chosen: Coverage,
    /// Votes counted since the last drain.
    pub news: Vec<Span>,
}

/// How soon a node that lost its leader tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// It only suspects: the leader was silent.
    Calm,
    /// The connection to the leader broke, which is what a killed process looks like.
    Hurried,
}

impl State {
    /// A follower of nobody.
    pub(super) fn waiting(now: Instant, deadline: Instant) -> Self {
        Self::Follower(Follower { leader: None, heard_at: now, deadline, haste: Haste::Calm })
    }

    /// The role's name.
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Follower(_) => Role::Follower,
            Self::Seeker(_) => Role::PreCandidate,
            Self::Candidate(_) => Role::Candidate,
            Self::Leader(_) => Role::Leader,
        }
    }
}

impl<R: Rules> Paxos<R> {
    /// Follows the leader of a ballot, or waits for one.
    ///
    /// The election deadline stays: only a leader's word or a promise moves it.
    pub(super) fn become_follower(&mut self, leader: Option<Ballot>, reason: Reason) {
        let deadline = match &self.state {
            State::Follower(follower) => follower.deadline,
            State::Seeker(seeker) => seeker.deadline,
            State::Candidate(candidate) => candidate.deadline,
            State::Leader(_) => self.next_election(),
        };
        let mut next = State::waiting(self.now, deadline);
        if let State::Follower(follower) = &mut next {
            follower.leader = leader;
        }
        if let State::Leader(former) = core::mem::replace(&mut self.state, next) {
            self.end_leadership(*former, leader);
        }
        self.word = super::follow::Word::new(leader);
        self.trace_role(reason);
        self.settle_handover();
    }

    /// Answers what waited for this node as the leader. Proposals wait on: whoever finds their
    /// votes may still have them chosen, but not for ever.
    fn end_leadership(&mut self, former: Leader, leader: Option<Ballot>) {
        let refusal = Refusal::NotLeader { leader: leader.map(|ballot| ballot.node) };
        former.tenure.reads.refuse(refusal, &mut self.effects.outcomes);
        let patience = self.config.election_timeout * Self::OUTCOME_PATIENCE;
        self.unknown_at = Some(self.now + patience);
        if self.rules.breaks(Rule::DisplaceWhenDeposed) {
            self.proposals.exclude(|_| true, &mut self.effects.outcomes);
        }
    }

    /// How long a former leader waits to learn how its proposals ended, in election timeouts.
    const OUTCOME_PATIENCE: u32 = 16;

    /// Writes the promise down. Durable before anything that depends on it is sent.
    pub(super) fn write_promise(&mut self) {
        self.highest = self.highest.max(self.acceptor.promised());
        self.durability.write(Write::Hard(self.hard_state()));
        self.promise_write = self.durability.next();
    }

    /// What must survive a crash beside the votes.
    pub(super) fn hard_state(&self) -> HardState {
        let promised = self.acceptor.promised();
        let to = (promised != Ballot::ZERO).then_some(promised.node);
        let promise = Promise { round: promised.round, to };
        HardState { promise, committed: self.slots.chosen() }
    }

    /// How it stands towards clients.
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing {
            node: self.config.node,
            members: self.members(),
            leader: self.known_leader().map(|ballot| ballot.node),
            handing_over_to: self.handing_over_to(),
            storage: self.room.state(),
        }
    }

    /// The ballot of the leader this node follows, or of its own leadership.
    pub(super) fn known_leader(&self) -> Option<Ballot> {
        match &self.state {
            State::Follower(follower) => follower.leader,
            State::Leader(leader) => Some(leader.ballot),
            State::Seeker(_) | State::Candidate(_) => None,
        }
    }

    /// Tells the trace about the role.
    pub(super) fn trace_role(&mut self, reason: Reason) {
        let role = self.state.role();
        let ballot = match role {
            Role::Candidate => self.acceptor.promised(),
            _ => self.visible_ballot(),
        };
        self.effects.trace(What::Became { role, ballot }, reason);
    }

    /// The ballot this node takes part in, with its leader if one is known.
    pub(super) fn visible_ballot(&self) -> Ballot {
        let nobody = Ballot { node: NodeId::default(), ..self.acceptor.promised() };
        self.known_leader().unwrap_or(nobody)
    }
}
