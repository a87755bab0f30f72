//! What the ordering half has to say, gathered between two drains.

use std::collections::BTreeMap;

use quorate_codec::COMMAND_BYTES_MAX;
use quorate_codec::peer::{ForwardedProposal, PeerMessage};
use quorate_consensus::{Ballot, Index, Misbehaved, NodeId, ProposalId, Refusal};

use crate::request::{Ending, Ticket};

/// Most bytes of proposals in one message, beyond the first: every message fits its frame.
const FORWARD_BYTES_MAX: usize = COMMAND_BYTES_MAX;

/// What a forwarded proposal costs beside its payload.
const PROPOSAL_OVERHEAD_BYTES: usize = 64;

/// Cuts a batch into pieces that each fit a message, in order.
fn split(proposals: Vec<ForwardedProposal>) -> Vec<Vec<ForwardedProposal>> {
    let mut pieces: Vec<Vec<ForwardedProposal>> = Vec::new();
    let mut bytes = usize::MAX;
    for proposal in proposals {
        let cost = proposal.payload.len() + PROPOSAL_OVERHEAD_BYTES;
        bytes = bytes.saturating_add(cost);
        if FORWARD_BYTES_MAX < bytes {
            pieces.push(Vec::new());
            bytes = cost;
        }
        pieces.last_mut().expect("the first proposal starts a piece").push(proposal);
    }
    pieces
}

/// Messages, endings and releases, batched per receiver.
#[derive(Debug)]
pub(crate) struct Outbox<M> {
    messages: Vec<(NodeId, PeerMessage<M>)>,
    forwards: BTreeMap<Ballot, Vec<ForwardedProposal>>,
    refusals: BTreeMap<NodeId, Vec<(ProposalId, Refusal)>>,
    released: Vec<(Ticket, Index)>,
    endings: Vec<(Ticket, Ending)>,
    blamed: Vec<Misbehaved>,
}

impl<M> Default for Outbox<M> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            forwards: BTreeMap::new(),
            refusals: BTreeMap::new(),
            released: Vec::new(),
            endings: Vec::new(),
            blamed: Vec::new(),
        }
    }
}

impl<M> Outbox<M> {
    /// Sends one message.
    pub(crate) fn send(&mut self, to: NodeId, message: PeerMessage<M>) {
        self.messages.push((to, message));
    }

    /// Forwards a proposal to the leader of this ballot, together with others.
    pub(crate) fn forward(&mut self, to: Ballot, proposal: ForwardedProposal) {
        self.forwards.entry(to).or_default().push(proposal);
    }

    /// Tells a proposal's origin that it was not taken.
    pub(crate) fn refuse_forward(&mut self, id: ProposalId, refusal: Refusal) {
        self.refusals.entry(id.node).or_default().push((id, refusal));
    }

    /// Releases reads at a position.
    pub(crate) fn release(&mut self, tickets: Vec<Ticket>, index: Index) {
        self.released.extend(tickets.into_iter().map(|ticket| (ticket, index)));
    }

    /// Ends a request.
    pub(crate) fn end(&mut self, ticket: Ticket, ending: Ending) {
        self.endings.push((ticket, ending));
    }

    /// Names a peer that broke the protocol.
    pub(crate) fn blame(&mut self, peer: NodeId, reason: &'static str) {
        self.blamed.push(Misbehaved { peer, reason });
    }

    /// Whether nothing is left to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.forwards.is_empty()
            && self.refusals.is_empty()
            && self.released.is_empty()
            && self.endings.is_empty()
            && self.blamed.is_empty()
    }

    /// All messages, those that batch included.
    pub(crate) fn take_messages(&mut self) -> Vec<(NodeId, PeerMessage<M>)> {
        let mut messages = core::mem::take(&mut self.messages);
        for (ballot, proposals) in core::mem::take(&mut self.forwards) {
            for proposals in split(proposals) {
                messages.push((ballot.node, PeerMessage::Forward { ballot, proposals }));
            }
        }
        for (origin, refused) in core::mem::take(&mut self.refusals) {
            messages.push((origin, PeerMessage::ForwardRefused { refused }));
        }
        messages
    }

    /// All releases.
    pub(crate) fn take_released(&mut self) -> Vec<(Ticket, Index)> {
        core::mem::take(&mut self.released)
    }

    /// All endings.
    pub(crate) fn take_endings(&mut self) -> Vec<(Ticket, Ending)> {
        core::mem::take(&mut self.endings)
    }

    /// All peers that broke the protocol.
    pub(crate) fn take_blamed(&mut self) -> Vec<Misbehaved> {
        core::mem::take(&mut self.blamed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quorate_consensus::Incarnation;

    use super::*;

    fn proposal(sequence: u64, bytes: usize) -> ForwardedProposal {
        let id = ProposalId { node: NodeId(2), incarnation: Incarnation(1), sequence };
        ForwardedProposal { id, payload: Bytes::from(vec![0; bytes]) }
    }

    #[test]
    fn a_batch_is_cut_in_order_so_that_every_piece_fits() {
        let max = COMMAND_BYTES_MAX;
        let sizes = [10, max, 20, max / 2, max / 2, 30];
        let proposals = (1..).zip(sizes).map(|(sequence, bytes)| proposal(sequence, bytes));
        let pieces = split(proposals.collect());
        let sequences = |piece: &Vec<ForwardedProposal>| {
            piece.iter().map(|proposal| proposal.id.sequence).collect::<Vec<u64>>()
        };
        let sequences: Vec<Vec<u64>> = pieces.iter().map(sequences).collect();
        assert_eq!(sequences, [vec![1], vec![2], vec![3, 4], vec![5, 6]]);
        assert!(split(Vec::new()).is_empty());
    }

    #[test]
    fn what_is_said_to_one_receiver_goes_in_one_message() {
        let mut outbox = Outbox::<()>::default();
        assert!(outbox.is_empty());
        let ballot = Ballot { round: 1, node: NodeId(3) };
        (1..4).for_each(|sequence| outbox.forward(ballot, proposal(sequence, 5)));
        outbox.refuse_forward(proposal(7, 0).id, Refusal::StorageFull);
        outbox.refuse_forward(proposal(8, 0).id, Refusal::Removed);
        assert!(!outbox.is_empty());
        let messages = outbox.take_messages();
        assert!(matches!(
            &messages[..],
            [
                (NodeId(3), PeerMessage::Forward { proposals, .. }),
                (NodeId(2), PeerMessage::ForwardRefused { refused }),
            ] if proposals.len() == 3 && refused.len() == 2
        ));
        assert!(outbox.is_empty());
    }
}
