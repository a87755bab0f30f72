//! Handing leadership over (dissertation §3.10): on request, when the disk is full, and as
//! a parting word when the disk has stalled.

use super::Raft;
use super::message::{Body, Cause};
use super::role::State;
use crate::ids::{NodeId, RequestId};
use crate::input::StorageState;
use crate::outcome::Outcome;
use crate::rules::Rules;
use crate::trace::{Reason, What};

impl<R: Rules> Raft<R> {
    /// A client asks that `to` lead.
    pub(super) fn on_transfer(&mut self, id: RequestId, to: NodeId) {
        match self.standing().transfer_refusal(to) {
            Some(error) => {
                self.effects.outcomes.push(Outcome::Transfer { id, result: Err(error) });
            }
            None => self.hand_over_to(Some(id), to, Reason::Requested),
        }
    }

    fn hand_over_to(&mut self, id: Option<RequestId>, to: NodeId, reason: Reason) {
        let deadline = self.now + self.config.election_timeout;
        let ballot = self.term.ballot(self.config.node);
        self.handover.begin(id, to, ballot, deadline, &mut self.effects.outcomes);
        self.effects.trace(What::HandingOver { to }, reason);
        self.continue_handover();
    }

    /// The node that leadership is being handed to.
    pub(super) fn handing_over_to(&self) -> Option<NodeId> {
        matches!(self.state, State::Leader(_)).then_some(())?;
        self.handover.to(self.term.ballot(self.config.node))
    }

    /// Tells the next leader to campaign once its log is complete.
    pub(super) fn continue_handover(&mut self) {
        let Some(to) = self.handing_over_to() else { return };
        let State::Leader(leader) = &self.state else { return };
        let is_complete =
            leader.tenure.peers.get(&to).is_some_and(|peer| peer.matched == self.log.last());
        if is_complete && self.handover.tell() {
            self.send(to, Body::TimeoutNow);
        }
    }

    /// Tells the next leader again: the first word may be lost.
    pub(super) fn remind_of_handover(&mut self) {
        self.handover.remind();
        self.continue_handover();
    }

    /// Ends the handover once it is known who leads.
    pub(super) fn settle_handover(&mut self) {
        let leader = self.known_leader();
        self.handover.settle(self.config.node, leader, &mut self.effects.outcomes);
    }

    /// The leader asks this node to campaign.
    pub(super) fn on_timeout_now(&mut self, from: NodeId) {
        if self.accept_leader(from) && self.can_campaign() {
            self.become_candidate(Cause::Transfer, Reason::Transfer);
        }
    }

    /// Whether the disk has made nothing durable for too long, though something awaits it.
    pub(super) fn is_disk_stalled(&self) -> bool {
        let stalled_at = self.durability.stalled_at(&self.config, &self.rules);
        stalled_at.is_some_and(|at| at <= self.now)
    }

    /// The log's disk ran full, or has room again.
    pub(super) fn on_storage(&mut self, storage: StorageState) {
        self.room.set(storage);
        self.shed_leadership();
    }

    /// Hands leadership to a peer with room, if this node has none.
    pub(super) fn shed_leadership(&mut self) {
        if self.room.state() == StorageState::Writable || self.handing_over_to().is_some() {
            return;
        }
        if let Some(to) = self.best_peer() {
            self.hand_over_to(None, to, Reason::StorageFull);
        }
    }

    /// Steps down because the disk has stalled, and asks the best peer to take over at once: the
    /// others would wait for an election timeout, since this leader is alive.
    pub(super) fn yield_to_best(&mut self) {
        if let Some(to) = self.best_peer() {
            self.effects.trace(What::HandingOver { to }, Reason::DiskStalled);
            self.send(to, Body::TimeoutNow);
        }
        self.become_follower(self.term, None, Reason::DiskStalled);
    }

    /// The voter that has come furthest, among those heard of late whose log has room.
    fn best_peer(&self) -> Option<NodeId> {
        let State::Leader(leader) = &self.state else { return None };
        leader.tenure.best_peer(self.members(), self.now, &self.config)
    }
}
