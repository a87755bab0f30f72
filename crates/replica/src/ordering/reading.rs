//! The reads of the ordering half: asked of the leader in rounds, confirmed for peers.

use quorate_codec::peer::PeerMessage;
use quorate_consensus::{Ballot, Engine, Index, Input, Instant, NodeId, Refusal, RequestId};

use super::Ordering;
use crate::request::{Ending, Ticket};
use crate::rules::{Rule, Rules};

impl<E: Engine, R: Rules> Ordering<E, R> {
    pub(super) fn on_read(&mut self, now: Instant, ticket: Ticket) {
        if self.reads.len() >= self.limits.pending_max {
            let refusal = Refusal::Overloaded { in_flight_max: self.pending_max() };
            self.outbox.end(ticket, Ending::Refused(refusal));
            return;
        }
        self.reads.admit(ticket, now + self.limits.request_timeout);
    }

    pub(super) fn on_peer_read(
        &mut self,
        now: Instant,
        from: NodeId,
        ballot: Ballot,
        id: RequestId,
    ) {
        let leading = self.engine.leader().filter(|leader| leader.node == self.node);
        let is_asked = leading == Some(ballot) || self.rules.breaks(Rule::ServeAnyBallot);
        if leading.is_none() || !is_asked {
            let leader = self.engine.leader().map(|ballot| ballot.node);
            let refusal = Refusal::NotLeader { leader };
            self.outbox.send(from, PeerMessage::ReadRefused { id, refusal });
            return;
        }
        let own = self.reads.begin_remote(from, id);
        self.engine.handle(now, Input::Read { id: own });
    }

    pub(super) fn on_read_released(&mut self, from: NodeId, id: RequestId, index: Index) {
        if self.reads.ballot_of(id).is_some_and(|ballot| ballot.node == from) {
            let tickets = self.reads.end_round(id);
            self.outbox.release(tickets, index);
        }
    }

    pub(super) fn on_read_refused(
        &mut self,
        now: Instant,
        from: NodeId,
        id: RequestId,
        refusal: Refusal,
    ) {
        if self.reads.ballot_of(id).is_some_and(|ballot| ballot.node == from) {
            self.refuse_round(now, id, refusal);
        }
    }

    pub(super) fn refuse_round(&mut self, now: Instant, id: RequestId, refusal: Refusal) {
        match refusal {
            Refusal::NotLeader { .. } | Refusal::Transferring { .. } => {
                self.reads.retry_round(id);
                self.hold_leader(now);
            }
            Refusal::Overloaded { .. }
            | Refusal::StorageFull
            | Refusal::Removed
            | Refusal::Unsupported => {
                for ticket in self.reads.end_round(id) {
                    self.outbox.end(ticket, Ending::Refused(refusal));
                }
            }
        }
    }

    pub(super) fn on_engine_read(
        &mut self,
        now: Instant,
        id: RequestId,
        result: Result<Index, Refusal>,
    ) {
        if let Some((origin, id)) = self.reads.end_remote(id) {
            let answer = match result {
                Ok(index) => PeerMessage::ReadReleased { id, index },
                Err(refusal) => PeerMessage::ReadRefused { id, refusal },
            };
            self.outbox.send(origin, answer);
            return;
        }
        match result {
            Ok(index) => {
                let tickets = self.reads.end_round(id);
                self.outbox.release(tickets, index);
            }
            Err(refusal) => self.refuse_round(now, id, refusal),
        }
    }
}
