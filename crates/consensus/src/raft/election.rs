//! Elections: randomised timeouts, pre-votes, votes, and stickiness to a living leader
//! (Raft paper §5.2 and §5.4.1, dissertation §4.2.3 and §9.6).

use std::collections::BTreeMap;

use super::Raft;
use super::message::{Body, Cause, Term, Verdict};
use super::role::{Attempt, Candidate, Haste, PreCandidate, State};
use crate::config::Timers;
use crate::ids::{NodeId, WriteId};
use crate::log::Position;
use crate::quorum::Tally;
use crate::rules::{Rule, Rules};
use crate::time::Instant;
use crate::trace::{Reason, What};

impl<R: Rules> Raft<R> {
    /// A fresh election deadline, uniform in one to two election timeouts. A node whose log is
    /// full waits one more, so that those with room win.
    pub(super) fn next_election(&mut self) -> Instant {
        self.now + self.patience.for_leader(&self.config, self.room.state())
    }

    /// The first election deadline after a start.
    pub(super) fn first_election(&mut self) -> Instant {
        self.now + self.patience.for_start(&self.config, self.configurations.members())
    }

    /// When to ask again after a pre-vote that was not won. Asking disturbs nobody.
    fn next_pre_vote(&mut self, haste: Haste) -> Instant {
        let pause = match haste {
            Haste::Calm => self.config.election_timeout / 2,
            Haste::Hurried | Haste::Yielded => self.config.election_timeout / 10,
        };
        self.now + self.patience.between(pause, pause)
    }

    /// The deadline of a node that does not lead.
    pub(super) fn election_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Follower(follower) => Some(follower.deadline),
            State::PreCandidate(candidate) => Some(candidate.deadline),
            State::Candidate(candidate) => Some(candidate.deadline),
            State::Leader(_) => None,
        }
    }

    /// Whether this node may seek to lead: a voter with a working disk and a whole log.
    pub(super) fn can_campaign(&self) -> bool {
        let has_vote = self.members().is_voter(self.config.node);
        (has_vote || self.rules.breaks(Rule::LearnerCampaigns))
            && self.installing.is_none()
            && !self.is_disk_stalled()
            && self.term < Term::MAX
    }

    /// The election deadline has passed.
    pub(super) fn on_election_timeout(&mut self) {
        let (haste, reason) = match &self.state {
            State::Follower(follower) if follower.haste != Haste::Calm => {
                (Haste::Hurried, Reason::LeaderDisconnected)
            }
            State::PreCandidate(candidate) => (candidate.haste, Reason::LostElection),
            _ => (Haste::Calm, Reason::ElectionTimeout),
        };
        if self.can_campaign() {
            return self.become_pre_candidate(haste, reason);
        }
        self.wait_for_leader();
    }

    /// Gives up on the leader without campaigning.
    fn wait_for_leader(&mut self) {
        let deadline = self.next_election();
        if !matches!(&self.state, State::Follower(follower) if follower.leader.is_none()) {
            self.become_follower(self.term, None, Reason::ElectionTimeout);
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
        if !leads && self.can_campaign() {
            self.become_pre_candidate(Haste::Calm, Reason::Requested);
        }
    }

    /// The connection to a peer broke. If it leads, it has probably died: look soon, at a random
    /// moment so that the others look at another.
    pub(super) fn on_disconnected(&mut self, peer: NodeId) {
        self.pause_peer(peer);
        let soon = self.now + self.patience.for_disconnected(&self.config, self.room.state());
        if let State::Follower(follower) = &mut self.state
            && follower.leader == Some(peer)
        {
            follower.haste = Haste::Hurried;
            follower.deadline = follower.deadline.min(soon);
        }
    }

    fn become_pre_candidate(&mut self, haste: Haste, reason: Reason) {
        let deadline = self.next_pre_vote(haste);
        let votes = BTreeMap::from([(self.config.node, true)]);
        if self.rules.breaks(Rule::RaiseTermByPreVote) {
            self.promise(self.term.next(), None);
        }
        let attempt = match reason {
            Reason::LostElection => Attempt::Again,
            _ => Attempt::First,
        };
        self.state = State::PreCandidate(PreCandidate { votes, deadline, haste, attempt });
        self.trace_role(reason);
        let last = self.log.last_position();
        for peer in self.members().other_voters(self.config.node) {
            self.send(peer, Body::PreVote { last });
        }
        self.count_pre_votes();
    }

    /// Seeks votes in the next term. The requests wait until the term and the node's own vote are
    /// durable: a term that could be campaigned in twice would count votes that were given to
    /// a longer log.
    pub(super) fn become_candidate(&mut self, cause: Cause, reason: Reason) {
        assert!(!matches!(self.state, State::Leader(_)), "a leader campaigns");
        self.promise(self.term.next(), Some(self.config.node));
        let deadline = self.next_election();
        self.state = State::Candidate(Candidate { votes: BTreeMap::new(), deadline, cause });
        self.trace_role(reason);
        let last = self.log.last_position();
        let is_hasty = self.rules.breaks(Rule::CampaignBeforeDurable);
        let after = if is_hasty { WriteId(0) } else { self.promise_write() };
        for peer in self.members().other_voters(self.config.node) {
            self.send_after(after, peer, Body::Vote { last, cause });
        }
    }

    /// Whether a leader is alive as far as this node can tell. Then nobody else gets its vote.
    fn hears_leader(&self) -> bool {
        if self.config.timers == Timers::Off || self.rules.breaks(Rule::VoteDespiteLeader) {
            return false;
        }
        match &self.state {
            State::Leader(_) => true,
            State::Follower(follower) => {
                follower.leader.is_some()
                    && follower.haste == Haste::Calm
                    && self.now < follower.heard_at + self.config.election_timeout
            }
            State::PreCandidate(_) | State::Candidate(_) => false,
        }
    }

    /// A peer asks whether it could win the term after its own.
    pub(super) fn on_pre_vote(&mut self, from: NodeId, asked: Term, last: Position) {
        let verdict = if let Some(reason) = self.pre_vote_refusal(from, last) {
            self.on_hopeless_request();
            self.effects.trace(What::Refused { to: from, round: asked.0 }, reason);
            Verdict::Refused
        } else {
            self.make_way();
            Verdict::Granted
        };
        self.send(from, Body::PreVoteReply { asked, verdict });
    }

    /// A request for a vote that is refused says nothing about a leader, and moves no deadline.
    fn on_hopeless_request(&mut self) {
        if self.rules.breaks(Rule::AnyRequestResetsTimer) {
            let deadline = self.next_election();
            self.set_election_deadline(deadline, Haste::Calm);
        }
    }

    fn pre_vote_refusal(&self, from: NodeId, last: Position) -> Option<Reason> {
        if self.hears_leader() {
            return Some(Reason::LeaderAlive);
        }
        let own = self.log.last_position();
        if last < own {
            return Some(Reason::LogBehind);
        }
        // Of two that ask each other at the same time, the same one gives way at both ends, so that
        // they do not go on to split the votes. But one that has asked in vain stands in nobody's
        // way: where links are missing, another may be the only one who can win.
        let asks_too = matches!(
            &self.state,
            State::PreCandidate(candidate) if candidate.attempt == Attempt::First
        );
        let gives_way = !self.rules.breaks(Rule::NoSpread);
        if gives_way && asks_too && (last, from) < (own, self.config.node) {
            return Some(Reason::Outranked);
        }
        None
    }

    /// Puts off a hurried campaign of its own: two that start at once split the votes. The
    /// deadline of a calm one stays, else a peer that wins pre-votes and no votes blocks all.
    fn make_way(&mut self) {
        let later = self.now + self.config.election_timeout / 4;
        if let State::Follower(follower) = &mut self.state
            && follower.haste == Haste::Hurried
        {
            follower.deadline = follower.deadline.max(later);
            follower.haste = Haste::Yielded;
        }
    }

    /// A peer answered a pre-vote.
    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, asked: Term, verdict: Verdict) {
        if asked != self.term.next() {
            return;
        }
        if let State::PreCandidate(candidate) = &mut self.state {
            candidate.votes.insert(from, verdict == Verdict::Granted);
            self.count_pre_votes();
        }
    }

    fn count_pre_votes(&mut self) {
        let State::PreCandidate(candidate) = &self.state else { return };
        match self.configurations.quorum().tally(&candidate.votes) {
            Tally::Pending => {}
            Tally::Won => self.become_candidate(Cause::LeaderLost, Reason::WonElection),
            Tally::Lost => {
                let haste = candidate.haste;
                let deadline = self.next_pre_vote(haste);
                self.become_follower(self.term, None, Reason::LostElection);
                self.set_election_deadline(deadline, haste);
            }
        }
    }

    /// A peer asks for a vote in a newer term. Whether this node enters that term: not while its
    /// leader is alive, unless that leader hands over.
    pub(super) fn is_vote_considered(&self, cause: Cause) -> bool {
        cause == Cause::Transfer || !self.hears_leader()
    }

    /// Refuses a vote without a look at it.
    pub(super) fn refuse_vote(&mut self, from: NodeId, asked: Term, reason: Reason) {
        self.on_hopeless_request();
        self.effects.trace(What::Refused { to: from, round: asked.0 }, reason);
        self.send(from, Body::VoteReply { asked, verdict: Verdict::Refused });
    }

    /// A peer asks for a vote in this node's term.
    pub(super) fn on_vote(&mut self, from: NodeId, last: Position) {
        if let Some(reason) = self.vote_refusal(from, last) {
            return self.refuse_vote(from, self.term, reason);
        }
        if self.vote != Some(from) {
            if matches!(self.state, State::PreCandidate(_)) {
                self.become_follower(self.term, None, Reason::LogUpToDate);
            }
            self.promise(self.term, Some(from));
            let deadline = self.next_election();
            self.set_election_deadline(deadline, Haste::Calm);
        }
        self.effects.trace(What::Granted { to: from, round: self.term.0 }, Reason::LogUpToDate);
        let body = Body::VoteReply { asked: self.term, verdict: Verdict::Granted };
        if self.rules.breaks(Rule::VoteBeforeDurable) {
            return self.send(from, body);
        }
        self.send_after(self.promise_write(), from, body);
    }

    fn vote_refusal(&self, from: NodeId, last: Position) -> Option<Reason> {
        if !self.rules.breaks(Rule::VoteTwice) {
            if self.vote.is_some_and(|voted| voted != from) {
                return Some(Reason::AlreadyVoted);
            }
            if self.term_leader.is_some_and(|leader| leader != from) {
                return Some(Reason::LeaderExists);
            }
        }
        let is_behind = last < self.log.last_position();
        if is_behind && !self.rules.breaks(Rule::VoteForShorterLog) {
            return Some(Reason::LogBehind);
        }
        None
    }

    /// A peer answered a request for its vote.
    pub(super) fn on_vote_reply(&mut self, from: NodeId, asked: Term, verdict: Verdict) {
        if asked != self.term && !self.rules.breaks(Rule::CountLateVotes) {
            return;
        }
        let is_granted = verdict == Verdict::Granted || self.rules.breaks(Rule::CountRefusedVotes);
        if let State::Candidate(candidate) = &mut self.state {
            candidate.votes.insert(from, is_granted);
            self.count_votes();
        }
    }

    /// Counts the candidate's own vote, once it is durable.
    pub(super) fn count_own_vote(&mut self) {
        let is_durable = self.durability.is_persisted(self.promise_write);
        if let State::Candidate(candidate) = &mut self.state
            && is_durable
        {
            candidate.votes.insert(self.config.node, true);
            self.count_votes();
        }
    }

    fn count_votes(&mut self) {
        let State::Candidate(candidate) = &self.state else { return };
        match self.configurations.quorum().tally(&candidate.votes) {
            Tally::Pending => {}
            Tally::Won => self.become_leader(),
            Tally::Lost => self.become_follower(self.term, None, Reason::LostElection),
        }
    }
}
