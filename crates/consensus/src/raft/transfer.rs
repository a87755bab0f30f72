//! Handing leadership over (dissertation §3.10): on request, when the disk is full, and as
//! a parting word when the disk has stalled.

use super::Raft;
use super::message::{Body, Cause};
use super::role::State;
use crate::config::Timers;
use crate::handover::Handover;
use crate::ids::{NodeId, RequestId};
use crate::input::StorageState;
use crate::outcome::{Outcome, TransferError};
use crate::rules::{Rule, Rules};
use crate::time::Instant;
use crate::trace::{Reason, What};

impl<R: Rules> Raft<R> {
    /// A client asks that `to` lead.
    pub(super) fn on_transfer(&mut self, id: RequestId, to: NodeId) {
        let refusal = if !matches!(self.state, State::Leader(_)) {
            Some(TransferError::NotLeader { leader: self.known_leader() })
        } else if to == self.config.node
            || !self.members().is_voter(to)
            || self.handing_over_to().is_some()
        {
            Some(TransferError::BadTarget)
        } else {
            None
        };
        match refusal {
            Some(error) => {
                self.effects.outcomes.push(Outcome::Transfer { id, result: Err(error) });
            }
            None => self.hand_over_to(Some(id), to, Reason::Requested),
        }
    }

    fn hand_over_to(&mut self, id: Option<RequestId>, to: NodeId, reason: Reason) {
        self.end_handover(Err(TransferError::TimedOut));
        let deadline = self.now + self.config.election_timeout;
        let ballot = self.term.ballot(self.config.node);
        self.handover = Some(Handover { id, to, ballot, deadline, is_told: false });
        self.trace(What::HandingOver { to }, reason);
        self.continue_handover();
    }

    /// The node that leadership is being handed to.
    pub(super) fn handing_over_to(&self) -> Option<NodeId> {
        let handover = self.handover.as_ref()?;
        let is_current =
            matches!(self.state, State::Leader(_)) && handover.ballot.round == self.term.0;
        is_current.then_some(handover.to)
    }

    /// Tells the next leader to campaign once its log is complete.
    pub(super) fn continue_handover(&mut self) {
        let Some(to) = self.handing_over_to() else { return };
        let Some(handover) = &mut self.handover else { return };
        let State::Leader(leader) = &self.state else { return };
        let is_complete = leader.peers.get(&to).is_some_and(|peer| peer.matched == self.log.last());
        if is_complete && !handover.is_told {
            handover.is_told = true;
            self.send(to, Body::TimeoutNow);
        }
    }

    /// Tells the next leader again: the first word may be lost.
    pub(super) fn remind_of_handover(&mut self) {
        if let Some(handover) = &mut self.handover {
            handover.is_told = false;
        }
        self.continue_handover();
    }

    /// Ends the handover once it is known who leads.
    pub(super) fn settle_handover(&mut self) {
        let (Some(handover), Some(leader)) = (self.handover, self.known_leader()) else { return };
        if leader == handover.to {
            return self.end_handover(Ok(()));
        }
        if leader == self.config.node {
            return self.end_handover(Err(TransferError::TimedOut));
        }
        self.end_handover(Err(TransferError::NotLeader { leader: Some(leader) }));
    }

    fn end_handover(&mut self, result: Result<(), TransferError>) {
        if let Some(id) = self.handover.take().and_then(|handover| handover.id) {
            self.effects.outcomes.push(Outcome::Transfer { id, result });
        }
    }

    /// When the handover is over.
    pub(super) fn handover_deadline(&self) -> Option<Instant> {
        if self.rules.breaks(Rule::EndlessTransfer) {
            return None;
        }
        self.handover.as_ref().map(|handover| handover.deadline)
    }

    /// Gives up on a handover that takes too long. A leader goes on.
    pub(super) fn expire_handover(&mut self) {
        if self.handover_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.end_handover(Err(TransferError::TimedOut));
        }
    }

    /// The leader asks this node to campaign.
    pub(super) fn on_timeout_now(&mut self, from: NodeId) {
        if self.accept_leader(from) && self.can_campaign() {
            self.become_candidate(Cause::Transfer, Reason::Transfer);
        }
    }

    /// When the oldest write will have been waiting for the disk for too long.
    pub(super) fn disk_stalled_at(&self) -> Option<Instant> {
        if self.rules.breaks(Rule::LeadWithStalledDisk) {
            return None;
        }
        self.durability.waiting_since().map(|since| since + self.config.disk_stall_timeout)
    }

    /// Whether the oldest write has been waiting for the disk for too long.
    pub(super) fn is_disk_stalled(&self) -> bool {
        let is_over = self.disk_stalled_at().is_some_and(|at| at <= self.now);
        is_over && self.config.timers == Timers::On
    }

    /// The log's disk ran full, or has room again.
    pub(super) fn on_storage(&mut self, storage: StorageState) {
        self.storage = storage;
        self.bytes_while_full = 0;
        self.shed_leadership();
    }

    /// Hands leadership to a peer with room, if this node has none.
    pub(super) fn shed_leadership(&mut self) {
        if self.storage == StorageState::Writable || self.handing_over_to().is_some() {
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
            self.trace(What::HandingOver { to }, Reason::DiskStalled);
            self.send(to, Body::TimeoutNow);
        }
        self.become_follower(self.term, None, Reason::DiskStalled);
    }

    /// The voter that has come furthest, among those heard of late whose log has room.
    fn best_peer(&self) -> Option<NodeId> {
        let State::Leader(leader) = &self.state else { return None };
        let timeout = self.config.election_timeout;
        leader
            .peers
            .iter()
            .filter(|&(&node, peer)| {
                self.members().is_voter(node)
                    && peer.storage == StorageState::Writable
                    && self.now < peer.heard_at + timeout
            })
            .max_by_key(|(_, peer)| peer.matched)
            .map(|(&node, _)| node)
    }
}
