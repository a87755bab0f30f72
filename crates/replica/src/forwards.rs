//! Which forwarded proposals a leader takes, so that none is ever taken twice.
//!
//! An origin sends each proposal once, in increasing order. What arrives at or below the highest
//! sequence seen from that origin is a duplicate or came late, and cannot be told apart: it is
//! dropped without an answer, because "refused" would be a lie if the first copy was taken.

use std::collections::BTreeMap;

use quorate_consensus::{Ballot, Incarnation, NodeId, ProposalId};

/// The highest sequence seen from each origin since this node started.
#[derive(Debug)]
pub(crate) struct ForwardGate {
    node: NodeId,
    /// Rounds above this one began in this life of the node.
    round_at_start: u64,
    seen: BTreeMap<(NodeId, Incarnation), u64>,
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
    ) -> Passage {
        if ballot.node != self.node {
            return Passage::Refuse;
        }
        if ballot.round <= self.round_at_start {
            return Passage::Drop;
        }
        let seen = self.seen.entry((id.node, id.incarnation)).or_default();
        if id.sequence <= *seen {
            return Passage::Drop;
        }
        *seen = id.sequence;
        if leading == Some(ballot) { Passage::Take } else { Passage::Refuse }
    }
}
