//! What clients are told, and what state machines are given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Invariants;
use super::mirror::Digest;
use super::violation::{Invariant, Verdict};
use crate::entry::{Entry, Meta};
use crate::ids::{Incarnation, Index, NodeId, ProposalId, RequestId};
use crate::outcome::{Outcome, Proposed};
use crate::status::Role;

/// Requests under way, and what was said of those that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    /// What a read must see at least.
    reads: BTreeMap<(NodeId, RequestId), Index>,
    /// The newest proposal of each origin.
    newest: BTreeMap<(NodeId, Incarnation), u64>,
    /// Proposals of which it was said that they will never happen, the newest of them.
    excluded: BTreeSet<ProposalId>,
    excluded_order: VecDeque<ProposalId>,
}

impl Requests {
    /// The most excluded proposals remembered.
    const EXCLUDED_MAX: usize = 1 << 16;

    pub(super) fn on_crash(&mut self, node: NodeId) {
        self.reads.retain(|(at, _), _| *at != node);
    }

    fn exclude(&mut self, id: ProposalId) {
        if !self.excluded.insert(id) {
            return;
        }
        self.excluded_order.push_back(id);
        if Self::EXCLUDED_MAX < self.excluded_order.len()
            && let Some(oldest) = self.excluded_order.pop_front()
        {
            self.excluded.remove(&oldest);
        }
    }

    /// Whether anyone proposed it, as far as proposals are reported at all.
    fn is_proposed(&self, id: ProposalId) -> bool {
        let newest = self.newest.get(&(id.node, id.incarnation));
        self.newest.is_empty() || newest.is_some_and(|newest| id.sequence <= *newest)
    }
}

impl Invariants {
    /// A client's command gets its name, before any engine hears of it. A host that reports one
    /// proposal reports all.
    pub fn on_proposed(&mut self, id: ProposalId) {
        let newest = self.requests.newest.entry((id.node, id.incarnation)).or_default();
        *newest = id.sequence.max(*newest);
    }

    /// A client asks a node for a linearizable read, before its engine hears of it.
    pub fn on_read_asked(&mut self, node: NodeId, id: RequestId) -> Verdict {
        let floor = self.slots.last_known();
        let before = self.requests.reads.insert((node, id), floor);
        self.checks.ensure(Invariant::ReadOncePerToken, node, before.is_none(), || {
            format!("read {} is asked twice at {node}", id.0)
        })
    }

    /// An engine says that a read may be served at this position.
    pub fn on_read_released(&mut self, node: NodeId, id: RequestId, index: Index) -> Verdict {
        let floor = self.requests.reads.remove(&(node, id));
        self.checks.ensure(Invariant::ReadOncePerToken, node, floor.is_some(), || {
            format!("{node} releases read {}, which nobody waits for", id.0)
        })?;
        let floor = floor.unwrap_or_default();
        self.checks.ensure(Invariant::ReadNotStale, node, floor <= index, || {
            format!("stale read: {node} releases {index}, but {floor} was committed when asked")
        })?;
        if self.order == super::Order::Ballots {
            return Ok(());
        }
        let known = self.nodes.at(self.nodes.started(node));
        let Some(seen) = known.seen.filter(|seen| seen.role == Role::Leader) else { return Ok(()) };
        let ballot = known.mirror.issued.ballot_at(index);
        let is_own = ballot.is_none_or(|ballot| ballot.round == seen.ballot.round);
        self.checks.ensure(Invariant::ReadAfterOwnCommit, node, is_own, || {
            format!("{node} releases a read at {index}, before it committed anything of its term")
        })
    }

    /// An engine ends a request.
    pub fn on_outcome(&mut self, node: NodeId, outcome: &Outcome) -> Verdict {
        match outcome {
            Outcome::Read { id, result: Ok(index) } => self.on_read_released(node, *id, *index),
            Outcome::Read { id, result: Err(_) } => {
                let asked = self.requests.reads.remove(&(node, *id));
                self.checks.ensure(Invariant::ReadOncePerToken, node, asked.is_some(), || {
                    format!("{node} refuses read {}, which nobody waits for", id.0)
                })
            }
            Outcome::Proposal { id, result } => self.on_proposal_end(node, *id, *result),
            Outcome::Transfer { .. } => Ok(()),
        }
    }

    fn on_proposal_end(&mut self, node: NodeId, id: ProposalId, result: Proposed) -> Verdict {
        match result {
            Proposed::Committed { index } => {
                let Some(slot) = self.slots.slot(index) else { return Ok(()) };
                let is_true = slot.chosen.is_some_and(|chosen| chosen.id == Some(id));
                self.checks.ensure(Invariant::OutcomeIsTrue, node, is_true, || {
                    format!("{node} says that {id:?} is committed at {index}, where it is not")
                })
            }
            Proposed::Displaced => {
                self.requests.exclude(id);
                let first = self.slots.base().next();
                let is_chosen = |chosen: super::slots::Chosen| chosen.id == Some(id);
                let mut slots = self.slots.iter_from(first);
                let at = slots.find(|(_, slot)| slot.chosen.is_some_and(is_chosen));
                self.checks.ensure(Invariant::OutcomeIsTrue, node, at.is_none(), || {
                    format!("{node} says that {id:?} will never happen, but it has")
                })
            }
            Proposed::Refused(_) => {
                self.requests.exclude(id);
                Ok(())
            }
            Proposed::Unknown => Ok(()),
        }
    }

    /// What becomes committed was proposed, and nobody was told that it will not happen.
    pub(super) fn check_chosen(&mut self, node: NodeId, id: Option<ProposalId>) -> Verdict {
        let Some(id) = id else { return Ok(()) };
        let is_proposed = self.requests.is_proposed(id);
        self.checks.ensure(Invariant::OnlyProposedChosen, node, is_proposed, || {
            format!("{id:?} is committed, and nobody proposed it")
        })?;
        let is_free = !self.requests.excluded.contains(&id);
        self.checks.ensure(Invariant::OutcomeIsTrue, node, is_free, || {
            format!("{id:?} is committed, though its client was told that it never will be")
        })
    }

    /// An engine hands a committed entry to its host.
    pub fn on_committed(&mut self, node: NodeId, entry: &Entry) -> Verdict {
        let place = self.nodes.started(node);
        let before = self.nodes.at(place).delivered;
        self.nodes.at_mut(place).delivered = entry.index;
        self.check_next(node, before, entry)
    }

    /// A state machine applies an entry.
    pub fn on_apply(&mut self, node: NodeId, entry: &Entry) -> Verdict {
        let place = self.nodes.started(node);
        let before = self.nodes.at(place).applied;
        self.nodes.at_mut(place).applied = entry.index;
        self.check_next(node, before, entry)
    }

    /// In order, without gaps, and only what is committed.
    fn check_next(&mut self, node: NodeId, before: Index, entry: &Entry) -> Verdict {
        let at = entry.index;
        self.checks.ensure(Invariant::NoGapExecution, node, before.next() == at, || {
            format!("{node} executes {at} after {before}")
        })?;
        if at <= self.slots.base() {
            return Ok(());
        }
        let chosen = self.slots.chosen(at).copied();
        self.checks.ensure(Invariant::StateMachineSafety, node, chosen.is_some(), || {
            format!("{node} applies {at}, which nobody committed")
        })?;
        let is_same = chosen.is_some_and(|chosen| chosen.digest.is_same(Digest::of(entry)));
        self.checks.ensure(Invariant::StateMachineSafety, node, is_same, || {
            format!("{node} applies another entry {at} than was committed")
        })
    }

    /// A state machine was replaced by a snapshot, before the engine hears of it.
    pub fn on_installed(&mut self, node: NodeId, meta: &Meta) -> Verdict {
        let place = self.nodes.started(node);
        let known = self.nodes.at_mut(place);
        let recorded = known.mirror.durable.base.index;
        known.delivered = known.delivered.max(meta.index);
        known.applied = known.applied.max(meta.index);
        self.checks.ensure(
            Invariant::SnapshotNotBeyondApplied,
            node,
            meta.index <= recorded,
            || format!("{node} installs {} before its log says so, at {recorded}", meta.index),
        )
    }
}
