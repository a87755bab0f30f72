//! Linearizable reads without a log entry: the `ReadIndex` of the literature (dissertation §6.4).
//!
//! A read is released at the commit mark of a moment after it arrived, once a quorum has confirmed,
//! after that moment, that this node still leads. One confirmation serves all reads that wait; its
//! number is made here and never again in this term, so a delayed answer confirms nothing later.

use std::collections::VecDeque;

use super::Raft;
use super::message::Confirmation;
use super::role::State;
use crate::ids::{Index, NodeId, RequestId};
use crate::outcome::{Outcome, Refusal};
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};

/// Reads that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    /// For a round to begin.
    waiting: Vec<RequestId>,
    /// For a round to be confirmed, oldest first.
    rounds: VecDeque<Round>,
    count: u32,
}

#[derive(Clone, Debug)]
struct Round {
    confirm: Confirmation,
    /// The commit mark when it began.
    index: Index,
    ids: Vec<RequestId>,
}

impl Reads {
    /// The most rounds under way: enough to keep a link busy, few enough that a burst of small
    /// drains does not become a burst of heartbeats.
    const ROUNDS_MAX: usize = 4;

    /// How many wait for a round to begin, and the rounds under way.
    pub(super) fn shape(&self) -> (usize, impl ExactSizeIterator<Item = (Confirmation, Index)>) {
        (self.waiting.len(), self.rounds.iter().map(|round| (round.confirm, round.index)))
    }

    /// Takes the oldest round out if it is confirmed.
    fn take_confirmed(&mut self, is_confirmed: impl Fn(Confirmation) -> bool) -> Option<Round> {
        if !self.rounds.front().is_some_and(|round| is_confirmed(round.confirm)) {
            return None;
        }
        let round = self.rounds.pop_front()?;
        self.count -= u32::try_from(round.ids.len()).unwrap_or(u32::MAX);
        Some(round)
    }

    /// All that wait, oldest first.
    fn into_ids(self) -> impl Iterator<Item = RequestId> {
        self.rounds.into_iter().flat_map(|round| round.ids).chain(self.waiting)
    }
}

impl<R: Rules> Raft<R> {
    /// A client's read.
    pub(super) fn on_read(&mut self, id: RequestId) {
        let is_member = self.members().contains(self.config.node);
        let leader = self.known_leader();
        let refusal = match &mut self.state {
            _ if !is_member => Refusal::Removed,
            State::Leader(leader) if leader.reads.count < self.config.reads_max => {
                leader.reads.count += 1;
                return leader.reads.waiting.push(id);
            }
            State::Leader(_) => Refusal::Overloaded { in_flight_max: self.config.reads_max },
            _ => Refusal::NotLeader { leader },
        };
        self.effects.outcomes.push(Outcome::Read { id, result: Err(refusal) });
    }

    /// Begins a confirmation for the reads that wait, unless the leader has not committed an entry
    /// of its own term: until then its commit mark may lie behind (etcd#7331), and they wait on.
    pub(super) fn start_read_round(&mut self) -> Option<Confirmation> {
        let can_serve = self.can_serve_reads() || self.rules.breaks(Rule::ReadBeforeOwnCommit);
        let State::Leader(leader) = &mut self.state else { return None };
        let reads = &mut leader.reads;
        if reads.waiting.is_empty() || !can_serve || Reads::ROUNDS_MAX <= reads.rounds.len() {
            return None;
        }
        let is_named = leader.confirm != Confirmation::default();
        if !(is_named && self.rules.breaks(Rule::ReuseConfirmation)) {
            leader.confirm = Confirmation(leader.confirm.0 + 1);
        }
        let confirm = leader.confirm;
        let ids = core::mem::take(&mut reads.waiting);
        reads.rounds.push_back(Round { confirm, index: self.log.committed(), ids });
        self.release_reads();
        let is_open =
            matches!(&self.state, State::Leader(leader) if !leader.reads.rounds.is_empty());
        is_open.then_some(confirm)
    }

    /// Whether this node leads and has committed an entry of its own term.
    pub(super) fn can_serve_reads(&self) -> bool {
        matches!(&self.state, State::Leader(leader) if leader.first_own <= self.log.committed())
    }

    /// Releases the reads whose confirmation a quorum has answered.
    pub(super) fn release_reads(&mut self) {
        while let Some(round) = self.take_confirmed_round() {
            self.trace(What::ReadsReleased { index: round.index }, Reason::Confirmed);
            self.effects.outcomes.extend(
                round.ids.into_iter().map(|id| Outcome::Read { id, result: Ok(round.index) }),
            );
        }
    }

    fn take_confirmed_round(&mut self) -> Option<Round> {
        let me = self.config.node;
        let is_unchecked = self.rules.breaks(Rule::ReadWithoutConfirmation);
        let State::Leader(leader) = &mut self.state else { return None };
        let peers = &leader.peers;
        let quorum = self.configurations.quorum();
        let has_confirmed = |node: NodeId, confirm| {
            node == me || peers.get(&node).is_some_and(|peer| confirm <= peer.confirmed)
        };
        leader.reads.take_confirmed(|confirm| {
            is_unchecked || quorum.is_reached(|node| has_confirmed(node, confirm))
        })
    }

    /// Refuses the reads of a leadership that ended.
    pub(super) fn refuse_reads(&mut self, reads: Reads, leader: Option<NodeId>) {
        let result = Err(Refusal::NotLeader { leader });
        self.effects.outcomes.extend(reads.into_ids().map(|id| Outcome::Read { id, result }));
    }
}
