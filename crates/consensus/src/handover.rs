//! Leadership on its way to another node.

use crate::ballot::Ballot;
use crate::ids::{NodeId, RequestId};
use crate::outcome::{Outcome, TransferError};
use crate::rules::{Rule, Rules};
use crate::time::Instant;

/// The handover under way, if any. Proposals are refused meanwhile, but never longer than an
/// election timeout, and only under the ballot it began in (hashicorp/raft#696).
///
/// It outlives the leadership until it is known who leads, so that the request ends with the truth.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Handover(Option<Attempt>);

/// A handover, and how far it has come.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// Who asked; nobody, when the disk is full.
    id: Option<RequestId>,
    to: NodeId,
    /// The leadership that is handed over.
    ballot: Ballot,
    deadline: Instant,
    is_told: bool,
}

impl Handover {
    /// Begins to hand the leadership of `ballot` over, instead of any other handover.
    pub(crate) fn begin(
        &mut self,
        id: Option<RequestId>,
        to: NodeId,
        ballot: Ballot,
        deadline: Instant,
        outcomes: &mut Vec<Outcome>,
    ) {
        self.end(Err(TransferError::TimedOut), outcomes);
        self.0 = Some(Attempt { id, to, ballot, deadline, is_told: false });
    }

    /// The node that the leadership of `ballot` is being handed to.
    pub(crate) fn to(&self, ballot: Ballot) -> Option<NodeId> {
        self.0.filter(|attempt| attempt.ballot == ballot).map(|attempt| attempt.to)
    }

    /// Takes note that the next leader is told now. Whether that is news.
    pub(crate) fn tell(&mut self) -> bool {
        self.0.as_mut().is_some_and(|attempt| !core::mem::replace(&mut attempt.is_told, true))
    }

    /// The next leader is to be told again: the first word may be lost.
    pub(crate) fn remind(&mut self) {
        if let Some(attempt) = &mut self.0 {
            attempt.is_told = false;
        }
    }

    /// Ends it once it is known who leads.
    pub(crate) fn settle(
        &mut self,
        me: NodeId,
        leader: Option<NodeId>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let (Some(attempt), Some(leader)) = (self.0, leader) else { return };
        let result = if leader == attempt.to {
            Ok(())
        } else if leader == me {
            Err(TransferError::TimedOut)
        } else {
            Err(TransferError::NotLeader { leader: Some(leader) })
        };
        self.end(result, outcomes);
    }

    fn end(&mut self, result: Result<(), TransferError>, outcomes: &mut Vec<Outcome>) {
        if let Some(id) = self.0.take().and_then(|attempt| attempt.id) {
            outcomes.push(Outcome::Transfer { id, result });
        }
    }

    /// When it is over.
    pub(crate) fn deadline(&self, rules: &impl Rules) -> Option<Instant> {
        if rules.breaks(Rule::EndlessTransfer) {
            return None;
        }
        self.0.map(|attempt| attempt.deadline)
    }

    /// Gives up if it takes too long. A leader goes on.
    pub(crate) fn expire(&mut self, now: Instant, rules: &impl Rules, outcomes: &mut Vec<Outcome>) {
        if self.deadline(rules).is_some_and(|deadline| deadline <= now) {
            self.end(Err(TransferError::TimedOut), outcomes);
        }
    }
}
