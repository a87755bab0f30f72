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
use crate::ids::RequestId;
use crate::outcome::{Outcome, Refusal};
use crate::rules::{Rule, Rules};

impl<R: Rules> Paxos<R> {
    /// A client's read.
    pub(super) fn on_read(&mut self, id: RequestId) {
        if let Err(refusal) = self.admit_read(id) {
            self.effects.outcomes.push(Outcome::Read { id, result: Err(refusal) });
        }
    }

    fn admit_read(&mut self, id: RequestId) -> Result<(), Refusal> {
        if let Some(refusal) = self.standing().read_refusal() {
            return Err(refusal);
        }
        let State::Leader(leader) = &mut self.state else { unreachable!("only leaders stand so") };
        leader.tenure.admit_read(id, &self.config)
    }

    /// Begins a confirmation for the reads that wait, unless the chosen mark has not reached the
    /// barrier: until then it may lie behind what others have acknowledged, and they wait on.
    pub(super) fn start_read_round(&mut self) -> Option<Confirmation> {
        let can_serve = self.can_serve_reads() || self.rules.breaks(Rule::ReadBeforeBarrier);
        if !can_serve {
            return None;
        }
        let State::Leader(leader) = &mut self.state else { return None };
        let confirm = leader.tenure.begin_reads(self.slots.chosen(), &self.rules)?;
        self.release_reads();
        let is_open = matches!(&self.state, State::Leader(leader) if leader.tenure.reads.is_open());
        is_open.then_some(confirm)
    }

    /// Whether this node leads, and every slot recovered in phase 1 is chosen.
    pub(super) fn can_serve_reads(&self) -> bool {
        matches!(&self.state, State::Leader(leader) if leader.barrier <= self.slots.chosen())
    }

    /// Releases the reads whose confirmation a quorum has answered.
    pub(super) fn release_reads(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let quorum = self.configurations.phase2_at(self.slots.chosen().next());
        let me = self.config.node;
        leader.tenure.release_reads(quorum, me, &self.rules, &mut self.effects);
    }
}
