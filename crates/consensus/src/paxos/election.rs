//! Who may lead: a ballot election among nodes that reach a quorum.
//!
//! Modelled on the ballot leader election of Omni-Paxos (Ng, Haridi, Carbone: "Omni-Paxos",
//! `EuroSys` 2023, §4), with rounds only while someone lacks a leader. A node that hears no leader
//! asks all others whom they follow. If a whole phase-1 quorum, the node among them, hears no
//! leader, then no leader reaches a phase-2 quorum, since the two would share a node: to campaign
//! disturbs nobody. And the node reaches the quorum that it needs, so it will not depose others in
//! vain. Logs are not compared: phase 1 brings whoever leads all that it lacks, so one node that
//! reaches a quorum is enough, whatever the state of its log and of the other links.
//!
//! A leader that reaches no phase-2 quorum for an election timeout gives up by itself. So those
//! whose only link is to such a leader, or to nodes that still hear it, are free two timeouts
//! later.

use std::collections::BTreeMap;

use super::Paxos;
use super::message::{ElectionRound, Message};
use super::role::{Haste, Seeker, State};
use crate::ballot::Ballot;
use crate::config::Timers;
use crate::ids::NodeId;
use crate::quorum::Tally;
use crate::rules::Rules;
use crate::time::Instant;
use crate::trace::{Reason, What};

impl<R: Rules> Paxos<R> {
    /// A fresh election deadline, uniform in one to two election timeouts. A node whose log is
    /// full waits one more, so that those with room win.
    pub(super) fn next_election(&mut self) -> Instant {
        self.now + self.patience.for_leader(&self.config, self.room.state())
    }

    /// The first election deadline after a start.
    pub(super) fn first_election(&mut self) -> Instant {
        self.now + self.patience.for_start(&self.config, self.configurations.members())
    }

    /// When to ask again after a round that was not won. Asking disturbs nobody.
    fn next_round(&mut self, haste: Haste) -> Instant {
        let pause = match haste {
            Haste::Calm => self.config.election_timeout / 2,
            Haste::Hurried => self.config.election_timeout / 10,
        };
        self.now + self.patience.between(pause, pause)
    }

    /// The deadline of a node that does not lead.
    pub(super) fn election_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Follower(follower) => Some(follower.deadline),
            State::Seeker(seeker) => Some(seeker.deadline),
            State::Candidate(candidate) => Some(candidate.deadline.min(candidate.resend_at)),
            State::Leader(_) => None,
        }
    }

    /// Whether this node may seek to lead: a voter with a working disk and a whole log.
    pub(super) fn can_campaign(&self) -> bool {
        self.members().is_voter(self.config.node)
            && self.installing.is_none()
            && self.loading.is_empty()
            && !self.is_disk_stalled()
            && self.highest.round < Message::ROUND_MAX
    }

    /// The deadline of a node that does not lead has passed.
    pub(super) fn on_election_wake(&mut self) {
        if let State::Candidate(candidate) = &self.state
            && self.now < candidate.deadline
        {
            return self.resend_prepare();
        }
        self.on_election_timeout();
    }

    fn on_election_timeout(&mut self) {
        let (haste, reason) = match &self.state {
            State::Follower(follower) if follower.haste == Haste::Hurried => {
                (Haste::Hurried, Reason::LeaderDisconnected)
            }
            State::Seeker(seeker) => (seeker.haste, Reason::LostElection),
            _ => (Haste::Calm, Reason::ElectionTimeout),
        };
        if self.can_campaign() {
            return self.become_seeker(haste, reason);
        }
        self.wait_for_leader();
    }

    /// Gives up on the leader without campaigning.
    fn wait_for_leader(&mut self) {
        let deadline = self.next_election();
        if !matches!(&self.state, State::Follower(follower) if follower.leader.is_none()) {
            self.become_follower(None, Reason::ElectionTimeout);
        }
        self.set_election_deadline(deadline, Haste::Calm);
    }

    pub(super) fn set_election_deadline(&mut self, deadline: Instant, haste: Haste) {
        if let State::Follower(follower) = &mut self.state {
            follower.deadline = deadline;
            follower.haste = haste;
        }
    }

    /// The host asks for a campaign.
    pub(super) fn on_campaign(&mut self) {
        let leads = matches!(self.state, State::Leader(_));
        if leads || !self.can_campaign() {
            return;
        }
        match self.config.timers {
            Timers::On => self.become_seeker(Haste::Calm, Reason::Requested),
            Timers::Off => self.become_candidate(Reason::Requested),
        }
    }

    /// The connection to a peer broke. If it leads, it has probably died: look soon, at a random
    /// moment so that the others look at another.
    pub(super) fn on_disconnected(&mut self, peer: NodeId) {
        self.pause_peer(peer);
        let soon = self.now + self.patience.for_disconnected(&self.config, self.room.state());
        if let State::Follower(follower) = &mut self.state
            && follower.leader.is_some_and(|ballot| ballot.node == peer)
        {
            follower.haste = Haste::Hurried;
            follower.deadline = follower.deadline.min(soon);
        }
    }

    fn become_seeker(&mut self, haste: Haste, reason: Reason) {
        assert!(!matches!(self.state, State::Leader(_)), "a leader seeks to lead");
        self.round = ElectionRound(self.round.0 + 1);
        let (round, deadline) = (self.round, self.next_round(haste));
        let answers = BTreeMap::from([(self.config.node, true)]);
        self.state = State::Seeker(Seeker { round, answers, deadline, haste });
        self.word = super::follow::Word::new(None);
        self.trace_role(reason);
        for peer in self.members().other_voters(self.config.node) {
            self.send(peer, Message::Elect { round });
        }
        self.count_answers();
    }

    /// The leader that is alive as far as this node can tell.
    fn heard_leader(&self) -> Option<Ballot> {
        if self.config.timers == Timers::Off {
            return None;
        }
        match &self.state {
            State::Leader(leader) => Some(leader.ballot),
            State::Follower(follower) => follower.leader.filter(|_| {
                follower.haste == Haste::Calm
                    && self.now < follower.heard_at + self.config.election_timeout
            }),
            State::Seeker(_) | State::Candidate(_) => None,
        }
    }

    /// A peer asks whom this node follows.
    pub(super) fn on_elect(&mut self, from: NodeId, round: ElectionRound) {
        let leader = self.heard_leader();
        let asked = self.highest.round;
        if leader.is_some() {
            self.effects.trace(What::Refused { to: from, round: asked }, Reason::LeaderAlive);
        } else {
            self.effects.trace(What::Granted { to: from, round: asked }, Reason::NoLeader);
            self.make_way();
        }
        self.send(from, Message::ElectReply { round, highest: self.highest, leader });
    }

    /// Puts off a hurried round of its own: two that start at once depose each other. It does so
    /// once, and is calm from then on. The deadline of a calm one stays, else peers that never win
    /// block all.
    fn make_way(&mut self) {
        let later = self.now + self.config.election_timeout / 4;
        if let State::Follower(follower) = &mut self.state
            && follower.haste == Haste::Hurried
        {
            follower.deadline = follower.deadline.max(later);
            follower.haste = Haste::Calm;
            follower.leader = None;
        }
    }

    /// A peer answered a question.
    pub(super) fn on_elect_reply(
        &mut self,
        from: NodeId,
        round: ElectionRound,
        highest: Ballot,
        leader: Option<Ballot>,
    ) {
        self.highest = self.highest.max(highest);
        let me = self.config.node;
        // Whoever follows this node's own former leadership follows nobody else.
        let would_follow = leader.is_none_or(|ballot| ballot.node == me);
        if let State::Seeker(seeker) = &mut self.state
            && seeker.round == round
        {
            seeker.answers.insert(from, would_follow);
            self.count_answers();
        }
    }

    fn count_answers(&mut self) {
        let State::Seeker(seeker) = &self.state else { return };
        let first = self.slots.chosen().next();
        match self.configurations.phase1_tally(first, &seeker.answers) {
            Tally::Pending => {}
            Tally::Won => self.become_candidate(Reason::NoLeader),
            Tally::Lost => {
                let haste = seeker.haste;
                let deadline = self.next_round(haste);
                self.become_follower(None, Reason::LeaderAlive);
                self.set_election_deadline(deadline, haste);
            }
        }
    }
}
