//! Phase 1, once for all slots: the candidate asks for promises and votes, acceptors answer, and
//! the candidate finds for each slot the value it must propose ("Paxos Made Simple", §2.2 and §3).

use std::collections::BTreeMap;

use super::Paxos;
use super::acceptor::Decision;
use super::message::{Message, PromisePart};
use super::role::{Candidate, Haste, State};
use crate::ballot::Ballot;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, NodeId, Span};
use crate::ranges::Coverage;
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};

/// The highest slot there can be: arithmetic on what is below never overflows.
pub(super) const SLOT_MAX: Index = Index(1 << 62);

/// What a node has told a candidate so far.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The slots it has told of. Only what covers them all counts: a vote in a part that is still
    /// on its way may be the one that matters.
    told: Coverage,
    /// Up to here it keeps votes back; these slots are chosen and must be learned.
    pub withheld_upto: Index,
}

impl Report {
    fn new(base: Index) -> Self {
        Self { told: Coverage::new(base.previous()), withheld_upto: Index::ZERO }
    }

    /// Whether it has told of every slot.
    pub(super) fn is_whole(&self) -> bool {
        SLOT_MAX <= self.told.upto()
    }
}

impl<R: Rules> Paxos<R> {
    /// Seeks promises for a ballot above all it knows. The ballot is durable before anyone hears of
    /// it: one that is used twice could be given two values.
    pub(super) fn become_candidate(&mut self, reason: Reason) {
        assert!(!matches!(self.state, State::Leader(_)), "a leader campaigns");
        let round = self.highest.round.max(self.acceptor.promised().round) + 1;
        let ballot = Ballot { round, node: self.config.node };
        let decision = self.acceptor.on_prepare(ballot);
        assert!(decision == Decision::Raised, "a new ballot is not above the promise");
        self.write_promise();
        let base = self.slots.chosen().next();
        let deadline = self.next_election();
        self.state = State::Candidate(Box::new(Candidate {
            base,
            reports: BTreeMap::new(),
            best: BTreeMap::new(),
            resend_at: self.now + self.config.heartbeat_interval,
            deadline,
        }));
        self.word = super::follow::Word::new(None);
        self.trace_role(reason);
        for peer in self.members().other_voters(self.config.node) {
            self.send_prepare(peer, ballot, base);
        }
    }

    fn send_prepare(&mut self, to: NodeId, ballot: Ballot, base: Index) {
        let message = Message::Prepare { ballot, base };
        if self.rules.breaks(Rule::ReuseBallot) {
            return self.send(to, message);
        }
        self.send_after(self.promise_write, to, message);
    }

    /// Asks those again whose answer is not whole.
    pub(super) fn resend_prepare(&mut self) {
        let ballot = self.acceptor.promised();
        let interval = self.config.heartbeat_interval;
        let is_durable = self.durability.is_persisted(self.promise_write);
        let State::Candidate(candidate) = &mut self.state else { return };
        candidate.resend_at = self.now + interval;
        let base = candidate.base;
        let silent: Vec<NodeId> = self
            .configurations
            .members()
            .nodes()
            .into_iter()
            .filter(|node| !candidate.reports.get(node).is_some_and(Report::is_whole))
            .collect();
        // What is not durable yet waits to be sent already.
        let peers = self
            .members()
            .other_voters(self.config.node)
            .into_iter()
            .filter(|peer| silent.contains(peer));
        for peer in peers.filter(|_| is_durable).collect::<Vec<_>>() {
            self.send_prepare(peer, ballot, base);
        }
        self.recover();
    }

    /// A candidate asks for a promise.
    pub(super) fn on_prepare(&mut self, from: NodeId, ballot: Ballot, base: Index) {
        match self.acceptor.on_prepare(ballot) {
            Decision::Refused { promised } => return self.refuse(from, ballot, promised),
            Decision::Kept => {}
            Decision::Raised => {
                self.write_promise();
                self.become_follower(None, Reason::HigherBallot);
                let deadline = self.next_election();
                self.set_election_deadline(deadline, Haste::Calm);
            }
        }
        self.effects.trace(What::Granted { to: from, round: ballot.round }, Reason::HigherBallot);
        for part in self.promise_parts(base) {
            let message = Message::Promise { ballot, part };
            if self.rules.breaks(Rule::PromiseBeforeDurable) {
                self.send(from, message);
            } else {
                // Votes told here are durable with it or before it, so a restart tells them again.
                self.send_after(self.durability.newest(), from, message);
            }
        }
    }

    /// Tells a peer whose ballot is too low which one is not.
    pub(super) fn refuse(&mut self, to: NodeId, ballot: Ballot, promised: Ballot) {
        self.effects.trace(What::Refused { to, round: ballot.round }, Reason::StaleBallot);
        self.send(to, Message::Nack { ballot, promised });
    }

    /// Up to where votes are not told to a candidate that asks from `base` on: what is no longer in
    /// memory, and decided slots whose votes would fill more than one message.
    fn withheld_upto(&self, base: Index) -> Index {
        let forgotten = self.slots.tail_first().previous();
        let chosen = self.slots.chosen();
        if chosen <= forgotten.max(base.previous()) {
            return forgotten;
        }
        let first = base.max(forgotten.next());
        let decided = self.slots.votes_from(first).take_while(|entry| entry.index <= chosen);
        let bytes_max = self.config.append_bytes_max;
        let mut bytes = 0;
        for entry in decided {
            bytes += entry.cost();
            if bytes_max < bytes {
                return chosen;
            }
        }
        forgotten
    }

    /// All votes from `base` on, in parts that fit a message, at least one.
    fn promise_parts(&self, base: Index) -> Vec<PromisePart> {
        let withheld_upto = self.withheld_upto(base);
        let chosen_upto = self.slots.chosen();
        let mut first = base.max(withheld_upto.next());
        let mut parts = Vec::new();
        let (mut votes, mut bytes) = (Vec::new(), 0);
        let part = |first, last, votes| PromisePart {
            first,
            last,
            votes: Entries::from(votes),
            chosen_upto,
            withheld_upto,
        };
        for entry in self.slots.votes_from(first) {
            if !votes.is_empty() && self.config.append_bytes_max < bytes + entry.cost() {
                parts.push(part(first, Some(entry.index.previous()), core::mem::take(&mut votes)));
                (first, bytes) = (entry.index, 0);
            }
            bytes += entry.cost();
            votes.push(entry.clone());
        }
        parts.push(part(first, None, votes));
        parts
    }

    /// An acceptor promised, and told some of its votes.
    pub(super) fn on_promise(&mut self, from: NodeId, ballot: Ballot, part: &PromisePart) {
        if ballot != self.acceptor.promised() {
            return;
        }
        let counts_parts = self.rules.breaks(Rule::CountPromiseParts);
        let State::Candidate(candidate) = &mut self.state else { return };
        let base = candidate.base;
        let report = candidate.reports.entry(from).or_insert_with(|| Report::new(base));
        report.withheld_upto = report.withheld_upto.max(part.withheld_upto);
        report.told.raise(part.withheld_upto.max(base.previous()));
        let last = part.last.unwrap_or(SLOT_MAX);
        report.told.insert(Span { first: part.first, last });
        if counts_parts {
            report.told.raise(SLOT_MAX);
        }
        for vote in &part.votes {
            self.consider(vote);
        }
        self.recover();
    }

    /// Keeps the vote of the highest ballot for each slot: if a value can have been chosen there,
    /// it is that one (P2c).
    fn consider(&mut self, vote: &Entry) {
        let adopts_any = self.rules.breaks(Rule::AdoptAnyVote);
        let State::Candidate(candidate) = &mut self.state else { return };
        match candidate.best.get_mut(&vote.index) {
            None => {
                candidate.best.insert(vote.index, vote.clone());
            }
            Some(best) if best.ballot < vote.ballot && !adopts_any => *best = vote.clone(),
            Some(_) => {}
        }
    }

    /// Counts the candidate's own promise, once it is durable.
    pub(super) fn count_own_promise(&mut self) {
        let is_durable = self.durability.is_persisted(self.promise_write);
        let me = self.config.node;
        let State::Candidate(candidate) = &mut self.state else { return };
        if !is_durable || candidate.reports.contains_key(&me) {
            return;
        }
        let mut report = Report::new(candidate.base);
        report.told.raise(SLOT_MAX);
        candidate.reports.insert(me, report);
        let own: Vec<Entry> = self.slots.votes_from(candidate.base).cloned().collect();
        for vote in &own {
            self.consider(vote);
        }
        self.recover();
    }

    /// Leads once a whole phase-1 quorum has promised and told, and everything is known that one of
    /// them kept back: what is compacted is not empty.
    pub(super) fn recover(&mut self) {
        let State::Candidate(candidate) = &self.state else { return };
        let is_whole = |node| candidate.reports.get(&node).is_some_and(Report::is_whole);
        if !self.configurations.phase1_is_reached(candidate.base, is_whole) {
            return;
        }
        let whole = candidate.reports.iter().filter(|(_, report)| report.is_whole());
        let Some((&teacher, report)) = whole.max_by_key(|(_, report)| report.withheld_upto) else {
            return;
        };
        let withheld_upto = report.withheld_upto;
        let takes_for_empty = self.rules.breaks(Rule::CompactedIsEmpty);
        if self.slots.chosen() < withheld_upto && !takes_for_empty {
            return self.want(teacher, withheld_upto);
        }
        if self.installing.is_none() {
            self.become_leader();
        }
    }

    /// A peer has promised a higher ballot: whoever seeks or holds the lower one gives up.
    pub(super) fn on_nack(&mut self, from: NodeId, ballot: Ballot, promised: Ballot) {
        self.highest = self.highest.max(promised);
        let is_current = ballot == self.acceptor.promised() && ballot.node == self.config.node;
        let is_active = matches!(self.state, State::Candidate(_) | State::Leader(_));
        if !is_current || !is_active {
            return self.effects.trace(What::Ignored { from }, Reason::Duplicate);
        }
        self.become_follower(None, Reason::HigherBallot);
        let soon = self.config.election_timeout / 10;
        let deadline = self.now + self.patience.between(soon, self.config.election_timeout / 2);
        self.set_election_deadline(deadline, Haste::Calm);
    }
}
