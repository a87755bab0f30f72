//! Linearizable reads without a slot: the `ReadIndex` of the literature, behind the barrier of
//! phase 1.
//!
//! What any earlier leader may have acknowledged was told by the phase-1 quorum, so once every slot
//! recovered there is chosen the chosen mark covers it all. A phase-2 quorum that has promised
//! nothing above the ballot then shows that no later leader had finished its phase 1 when it was
//! asked, for the two quorums share a node.

use super::Paxos;
use super::message::Confirmation;
use super::role::State;
use crate::ids::{NodeId, RequestId};
use crate::outcome::{Outcome, Refusal};
use crate::reads::Round;
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};

impl<R: Rules> Paxos<R> {
    /// A client's read.
    pub(super) fn on_read(&mut self, id: RequestId) {
        let is_member = self.members().contains(self.config.node);
        let leader = self.known_leader().map(|ballot| ballot.node);
        let refusal = match &mut self.state {
            _ if !is_member => Refusal::Removed,
            State::Leader(leader) if leader.reads.count() < self.config.reads_max => {
                return leader.reads.wait(id);
            }
            State::Leader(_) => Refusal::Overloaded { in_flight_max: self.config.reads_max },
            _ => Refusal::NotLeader { leader },
        };
        self.effects.outcomes.push(Outcome::Read { id, result: Err(refusal) });
    }

    /// Begins a confirmation for the reads that wait, unless the chosen mark has not reached the
    /// barrier: until then it may lie behind what others have acknowledged, and they wait on.
    pub(super) fn start_read_round(&mut self) -> Option<Confirmation> {
        let can_serve = self.can_serve_reads() || self.rules.breaks(Rule::ReadBeforeBarrier);
        let State::Leader(leader) = &mut self.state else { return None };
        if !leader.reads.can_begin() || !can_serve {
            return None;
        }
        let is_named = leader.confirm != Confirmation::default();
        if !(is_named && self.rules.breaks(Rule::ReuseConfirmation)) {
            leader.confirm = Confirmation(leader.confirm.0 + 1);
        }
        let confirm = leader.confirm;
        leader.reads.begin(confirm, self.slots.chosen());
        self.release_reads();
        let is_open = matches!(&self.state, State::Leader(leader) if leader.reads.is_open());
        is_open.then_some(confirm)
    }

    /// Whether this node leads, and every slot recovered in phase 1 is chosen.
    pub(super) fn can_serve_reads(&self) -> bool {
        matches!(&self.state, State::Leader(leader) if leader.barrier <= self.slots.chosen())
    }

    /// Releases the reads whose confirmation a quorum has answered.
    pub(super) fn release_reads(&mut self) {
        while let Some(round) = self.take_confirmed_round() {
            self.trace(What::ReadsReleased { index: round.index }, Reason::Confirmed);
            self.effects.outcomes.extend(round.into_outcomes());
        }
    }

    fn take_confirmed_round(&mut self) -> Option<Round> {
        let me = self.config.node;
        let is_unchecked = self.rules.breaks(Rule::ReadWithoutConfirmation);
        let State::Leader(leader) = &mut self.state else { return None };
        let peers = &leader.peers;
        let quorum = &self.configurations.quorums().phase2;
        let has_confirmed = |node: NodeId, confirm| {
            node == me || peers.get(&node).is_some_and(|peer| confirm <= peer.confirmed)
        };
        leader.reads.take_confirmed(|confirm| {
            is_unchecked || quorum.is_reached(|node| has_confirmed(node, confirm))
        })
    }
}
