//! Linearizable reads without a log entry: the `ReadIndex` of the literature (dissertation §6.4).
//!
//! A read is released at the commit mark of a moment after it arrived, once a quorum has confirmed,
//! after that moment, that this node still leads. One confirmation serves all reads that wait; its
//! number is made here and never again in this term, so a delayed answer confirms nothing later.

use super::Raft;
use super::message::Confirmation;
use super::role::State;
use crate::ids::RequestId;
use crate::outcome::{Outcome, Refusal};
use crate::rules::{Rule, Rules};

impl<R: Rules> Raft<R> {
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

    /// Begins a confirmation for the reads that wait, unless the leader has not committed an entry
    /// of its own term: until then its commit mark may lie behind (etcd#7331), and they wait on.
    pub(super) fn start_read_round(&mut self) -> Option<Confirmation> {
        let can_serve = self.can_serve_reads() || self.rules.breaks(Rule::ReadBeforeOwnCommit);
        if !can_serve {
            return None;
        }
        let State::Leader(leader) = &mut self.state else { return None };
        let confirm = leader.tenure.begin_reads(self.log.committed(), &self.rules)?;
        self.release_reads();
        let is_open = matches!(&self.state, State::Leader(leader) if leader.tenure.reads.is_open());
        is_open.then_some(confirm)
    }

    /// Whether this node leads and has committed an entry of its own term.
    pub(super) fn can_serve_reads(&self) -> bool {
        matches!(&self.state, State::Leader(leader) if leader.first_own <= self.log.committed())
    }

    /// Releases the reads whose confirmation a quorum has answered.
    pub(super) fn release_reads(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        let (quorum, me) = (self.configurations.quorum(), self.config.node);
        leader.tenure.release_reads(quorum, me, &self.rules, &mut self.effects);
    }
}
