//! Proposals on their way to the leader elsewhere: what comes from peers, and what comes back.

use bytes::Bytes;
use quorate_codec::peer::ForwardedProposal;
use quorate_consensus::{Ballot, Engine, Input, Instant, NodeId, ProposalId, Refusal};

use super::Ordering;
use crate::forwards::{Passage, is_command};
use crate::rules::Rules;

impl<E: Engine, R: Rules> Ordering<E, R> {
    pub(super) fn on_forward(
        &mut self,
        now: Instant,
        from: NodeId,
        ballot: Ballot,
        proposals: Vec<ForwardedProposal>,
    ) {
        let leading = self.engine.leader().filter(|ballot| ballot.node == self.node);
        for ForwardedProposal { id, payload } in proposals {
            if id.node != from {
                self.outbox.blame(from, "forwarded a proposal that is not its own");
                return;
            }
            match self.gate.judge(id, ballot, leading, &self.rules) {
                Passage::Drop => {}
                Passage::Refuse => {
                    let leader = self.engine.leader().map(|ballot| ballot.node);
                    self.outbox.refuse_forward(id, Refusal::NotLeader { leader });
                }
                Passage::Take => self.take_forwarded(now, from, id, payload),
            }
        }
    }

    fn take_forwarded(&mut self, now: Instant, from: NodeId, id: ProposalId, payload: Bytes) {
        if !is_command(&payload) {
            self.outbox.blame(from, "forwarded bytes that are no command");
            return;
        }
        match self.overload() {
            Some(refusal) => self.outbox.refuse_forward(id, refusal),
            None => self.engine.handle(now, Input::Propose { id, payload }),
        }
    }

    /// Only the node that an attempt was sent to can say that it did not take it.
    pub(super) fn on_forward_refused(
        &mut self,
        now: Instant,
        from: NodeId,
        refused: Vec<(ProposalId, Refusal)>,
    ) {
        for (id, refusal) in refused {
            if self.proposals.ballot_of(id).is_some_and(|ballot| ballot.node == from) {
                self.on_refused(now, id, refusal);
            }
        }
    }

    /// The node that an attempt was meant for cannot have taken it.
    pub(super) fn on_unsent(&mut self, now: Instant, to: NodeId, proposals: Vec<ProposalId>) {
        let refusal = Refusal::NotLeader { leader: None };
        let refused = proposals.into_iter().map(|id| (id, refusal)).collect();
        self.on_forward_refused(now, to, refused);
    }
}
