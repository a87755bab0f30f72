//! What a node is: one struct per role, holding only what that role needs, and the steps between
//! roles that every path takes.

use std::collections::BTreeMap;

use super::Raft;
use super::message::{Cause, Term};
use super::progress::Progress;
use crate::ballot::Promise;
use crate::ids::{Index, NodeId, WriteId};
use crate::outcome::Refusal;
use crate::reads::Reads;
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
    PreCandidate(PreCandidate),
    Candidate(Candidate),
    Leader(Box<Leader>),
}

/// Follows a leader, or waits for one.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub leader: Option<NodeId>,
    /// When the leader was last heard; meaningless without one.
    pub heard_at: Instant,
    /// When to campaign.
    pub deadline: Instant,
    /// Whether the leader's connection broke since it was last heard.
    pub haste: Haste,
    /// The last index known to agree with this leader's log. Nothing at or below it can conflict.
    pub verified: Index,
    /// The last index acknowledged to this leader.
    pub acknowledged: Index,
    /// Whether an append brought nothing that is not durable already, and awaits its answer.
    pub owes_answer: bool,
}

/// Asks whether it could win, having forgotten its leader: two pre-candidates that each remembered
/// one would refuse each other for ever (etcd#8334).
#[derive(Clone, Debug)]
pub(super) struct PreCandidate {
    pub votes: BTreeMap<NodeId, bool>,
    pub deadline: Instant,
    pub haste: Haste,
    pub attempt: Attempt,
}

/// Seeks votes. Its own is counted once it is durable.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub votes: BTreeMap<NodeId, bool>,
    pub deadline: Instant,
    pub cause: Cause,
}

/// Leads.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub tenure: Tenure<Progress>,
    /// Where its own term begins in the log. Nothing before is committed by counting (§5.4.2).
    pub first_own: Index,
    /// Whether a match or the durable mark moved since the commit mark was computed.
    pub is_commit_due: bool,
}

/// How soon a node that lost its leader tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// It only suspects: the leader was silent.
    Calm,
    /// The connection to the leader broke, which is what a killed process looks like.
    Hurried,
    /// The same, and it has given way to another that was hurried too. It does so once: else
    /// others that cannot win would keep one that can from asking at all.
    Yielded,
}

/// Whether a pre-candidate has asked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Not since it lost its leader.
    First,
    /// It has, and was not supported by a quorum.
    Again,
}

impl State {
    /// The role's name.
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Follower(_) => Role::Follower,
            Self::PreCandidate(_) => Role::PreCandidate,
            Self::Candidate(_) => Role::Candidate,
            Self::Leader(_) => Role::Leader,
        }
    }
}

impl<R: Rules> Raft<R> {
    /// Follows `leader` in `term`, or waits for a leader there.
    ///
    /// The election deadline stays: only a leader's word or a granted vote moves it, else a node
    /// with a hopeless log could hold up all others by campaigning.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>, reason: Reason) {
        assert!(self.term <= term, "the term goes back");
        let deadline = match &self.state {
            State::Follower(follower) => follower.deadline,
            State::PreCandidate(candidate) => candidate.deadline,
            State::Candidate(candidate) => candidate.deadline,
            State::Leader(_) => self.next_election(),
        };
        if self.term < term {
            self.enter(term);
        }
        if leader.is_some() {
            self.term_leader = leader;
        }
        let committed = self.log.committed();
        let previous = core::mem::replace(
            &mut self.state,
            State::Follower(Follower {
                leader,
                heard_at: self.now,
                deadline,
                haste: Haste::Calm,
                verified: committed,
                acknowledged: committed.min(self.log.persisted()),
                owes_answer: false,
            }),
        );
        if let State::Leader(former) = previous {
            self.end_leadership(former.tenure.reads, leader);
        }
        self.trace_role(reason);
        self.settle_handover();
    }

    /// Takes part in a newer term, in which its vote is still free.
    fn enter(&mut self, term: Term) {
        if self.rules.breaks(Rule::ForgetTerm) {
            self.term_leader = None;
            self.term = term;
            self.vote = None;
            return;
        }
        let bound = self.vote.filter(|_| self.rules.breaks(Rule::KeepVoteAcrossTerms));
        self.promise(term, bound);
    }

    /// Answers what waited for this node as the leader. Proposals wait on: they may be committed.
    fn end_leadership(&mut self, reads: Reads, leader: Option<NodeId>) {
        if !self.rules.breaks(Rule::DropReads) {
            reads.refuse(Refusal::NotLeader { leader }, &mut self.effects.outcomes);
        }
        if self.rules.breaks(Rule::DisplaceWhenDeposed) {
            self.proposals.exclude(|_| true, &mut self.effects.outcomes);
        }
    }

    /// Takes part in `term`, promising its vote to `to`. Durable before anything that depends on
    /// it is sent.
    pub(super) fn promise(&mut self, term: Term, to: Option<NodeId>) {
        assert!(self.term <= term, "the term goes back");
        if self.term < term {
            self.term_leader = None;
        }
        self.term = term;
        self.vote = to;
        self.durability.write(Write::Hard(self.hard_state()));
        self.promise_write = self.durability.next();
    }

    /// What must survive a crash beside the log.
    pub(super) fn hard_state(&self) -> HardState {
        let to = self.vote.filter(|_| !self.rules.breaks(Rule::ForgetVote));
        HardState { promise: Promise { round: self.term.0, to }, committed: self.log.committed() }
    }

    /// The batch that makes the current term and vote durable.
    pub(super) fn promise_write(&self) -> WriteId {
        self.promise_write
    }

    /// How it stands towards clients.
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing {
            node: self.config.node,
            members: self.members(),
            leader: self.known_leader(),
            handing_over_to: self.handing_over_to(),
            storage: self.room.state(),
        }
    }

    /// The leader this node follows, or itself.
    pub(super) fn known_leader(&self) -> Option<NodeId> {
        match &self.state {
            State::Follower(follower) => follower.leader,
            State::Leader(_) => Some(self.config.node),
            State::PreCandidate(_) | State::Candidate(_) => None,
        }
    }

    /// Tells the trace about the role.
    pub(super) fn trace_role(&mut self, reason: Reason) {
        let role = self.state.role();
        let node = match role {
            Role::Candidate => self.config.node,
            _ => self.known_leader().unwrap_or_default(),
        };
        self.effects.trace(What::Became { role, ballot: self.term.ballot(node) }, reason);
    }
}
