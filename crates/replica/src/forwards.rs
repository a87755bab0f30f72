//! Which forwarded proposals a leader takes, so that none is ever taken twice.
//!
//! An origin sends each proposal once, in increasing order. What arrives at or below the highest
//! sequence seen from that origin is a duplicate or came late, and cannot be told apart: it is
//! dropped without an answer, because "refused" would be a lie if the first copy was taken.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_codec::{COMMAND_BYTES_MAX, decode_command};
use quorate_consensus::{Ballot, Incarnation, NodeId, ProposalId};
use quorate_kv::{Limits, validate};

use crate::rules::{Rule, Rules};

/// The highest sequence seen from each origin since this node started: one number per peer, since a
/// node has one incarnation for as long as it is a member.
#[derive(Debug)]
pub(crate) struct ForwardGate {
    node: NodeId,
    /// Rounds above this one began in this life of the node.
    round_at_start: u64,
    seen: BTreeMap<NodeId, (Incarnation, u64)>,
}

/// What to do with a forwarded proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Propose it.
    Take,
    /// It was certainly never taken here: say so.
    Refuse,
    /// It may have been taken before: say nothing.
    Drop,
}

impl ForwardGate {
    /// Nothing seen. `round_at_start` is the highest round this node had taken part in before.
    pub(crate) fn new(node: NodeId, round_at_start: u64) -> Self {
        Self { node, round_at_start, seen: BTreeMap::new() }
    }

    /// Judges one proposal that names the ballot it was sent to.
    pub(crate) fn judge(
        &mut self,
        id: ProposalId,
        ballot: Ballot,
        leading: Option<Ballot>,
        rules: &impl Rules,
    ) -> Passage {
        if ballot.node != self.node {
            return Passage::Refuse;
        }
        if ballot.round <= self.round_at_start {
            return Passage::Drop;
        }
        let (incarnation, seen) = self.seen.entry(id.node).or_insert((id.incarnation, 0));
        let is_late = id.sequence <= *seen && !rules.breaks(Rule::TakeTwice);
        if *incarnation != id.incarnation || is_late {
            return Passage::Drop;
        }
        *seen = id.sequence;
        let takes_any = leading.is_some() && rules.breaks(Rule::TakeAnyBallot);
        if leading == Some(ballot) || takes_any { Passage::Take } else { Passage::Refuse }
    }
}

/// Whether a peer's bytes are what a client may propose: anything else must not reach the log,
/// where every replica would meet it. What a request may cost is for the node that took it to say.
pub(crate) fn is_command(payload: &Bytes) -> bool {
    let limits = Limits { txn_ops_max: usize::MAX, request_bytes_max: usize::MAX };
    payload.len() <= COMMAND_BYTES_MAX
        && decode_command(payload.clone()).is_ok_and(|command| validate(&command, &limits).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Strict;

    const OWN: NodeId = NodeId(1);
    const LEADING: Ballot = Ballot { round: 6, node: OWN };

    fn id(sequence: u64) -> ProposalId {
        ProposalId { node: NodeId(2), incarnation: Incarnation(5), sequence }
    }

    fn judge(gate: &mut ForwardGate, id: ProposalId, ballot: Ballot) -> Passage {
        gate.judge(id, ballot, Some(LEADING), &Strict)
    }

    #[test]
    fn each_sequence_is_taken_once_and_none_below_it() {
        let mut gate = ForwardGate::new(OWN, 4);
        assert_eq!(judge(&mut gate, id(7), LEADING), Passage::Take);
        assert_eq!(judge(&mut gate, id(7), LEADING), Passage::Drop);
        assert_eq!(judge(&mut gate, id(6), LEADING), Passage::Drop);
        assert_eq!(judge(&mut gate, id(8), LEADING), Passage::Take);
        let other = ProposalId { node: NodeId(3), ..id(7) };
        assert_eq!(judge(&mut gate, other, LEADING), Passage::Take);
        let stranger = ProposalId { incarnation: Incarnation(6), ..id(9) };
        assert_eq!(judge(&mut gate, stranger, LEADING), Passage::Drop);
    }

    #[test]
    fn only_what_was_certainly_never_taken_is_refused() {
        let mut gate = ForwardGate::new(OWN, 4);
        let of_another = Ballot { node: NodeId(3), ..LEADING };
        assert_eq!(judge(&mut gate, id(1), of_another), Passage::Refuse);
        let before_the_start = Ballot { round: 4, ..LEADING };
        assert_eq!(judge(&mut gate, id(2), before_the_start), Passage::Drop);
        let lost_since = Ballot { round: 5, ..LEADING };
        assert_eq!(judge(&mut gate, id(3), lost_since), Passage::Refuse);
        assert_eq!(judge(&mut gate, id(3), lost_since), Passage::Drop);
        assert_eq!(gate.judge(id(4), LEADING, None, &Strict), Passage::Refuse);
        assert_eq!(judge(&mut gate, id(4), LEADING), Passage::Drop);
    }
}
