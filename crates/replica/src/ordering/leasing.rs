//! What leases ask of the ordering half: renewals in batches, and a clock that moves.

use quorate_codec::encode_command;
use quorate_consensus::{Ballot, Engine, Input, Instant, ProposalId};
use quorate_kv::{Command, LeaseId};

use super::Ordering;
use crate::request::{Ending, Ticket, Waiters};
use crate::rules::Rules;

impl<E: Engine, R: Rules> Ordering<E, R> {
    pub(super) fn on_renew(&mut self, ticket: Ticket, lease: LeaseId) {
        match self.overload() {
            Some(refusal) => self.outbox.end(ticket, Ending::Refused(refusal)),
            None => self.renewals.admit(ticket, lease),
        }
    }

    /// Makes proposals of the renewals that came since the last drain.
    pub(super) fn batch_renewals(&mut self, now: Instant) {
        while let Some((ticket, command)) = self.renewals.next_batch(now) {
            self.proposals.admit(ticket, command, now + self.limits.request_timeout);
        }
    }

    /// Who waits for the proposal of this id, if it is of this node.
    pub(super) fn settle(&mut self, id: Option<ProposalId>) -> Waiters {
        let ticket = id.and_then(|id| self.proposals.settle(id));
        ticket.map_or(Waiters::Nobody, |ticket| self.renewals.settle(ticket))
    }

    /// Moves the cluster's clock, if it is time.
    pub(super) fn offer_tick(&mut self, now: Instant, leader: Ballot) {
        if self.tick_due(now).is_none_or(|due| now < due) {
            return;
        }
        let id = self.proposals.unwatched_id();
        self.ticking.on_proposed(now, leader, id);
        let payload = encode_command(&Command::Advance);
        self.engine.handle(now, Input::Propose { id, payload });
    }

    /// When to move the cluster's clock, while this node leads.
    pub(super) fn tick_due(&self, now: Instant) -> Option<Instant> {
        let leader = self.engine.leader().filter(|leader| leader.node == self.node)?;
        self.ticking.due(now, leader, self.engine.cluster_time(now), &self.rules)
    }
}
