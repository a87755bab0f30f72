//! Linearizable reads: rounds of tickets, each confirmed once by the leader.
//!
//! All reads that arrive between two drains share a round. A round's id is never used again, so a
//! late answer cannot release a read that began after it (etcd issue 20418 was that mistake).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quorate_consensus::{Ballot, Instant, NodeId, RequestId};

use crate::request::Ticket;
use crate::rules::{Rule, Rules};

/// The reads of one node's clients, and those it confirms for its peers.
#[derive(Debug)]
pub(crate) struct Reads {
    /// The number below all of this life, which names no round.
    first_round: RequestId,
    next_round: u64,
    /// Tickets in no round.
    fresh: Vec<Ticket>,
    rounds: BTreeMap<RequestId, Round>,
    /// Rounds of this node's engine that peers asked for: who, and under which id.
    remote: BTreeMap<RequestId, (NodeId, RequestId)>,
    alive: BTreeSet<Ticket>,
    deadlines: VecDeque<(Instant, Ticket)>,
}

#[derive(Debug)]
struct Round {
    tickets: Vec<Ticket>,
    under: Ballot,
    retry_at: Instant,
}

impl Reads {
    /// No reads yet. Rounds are numbered above `first_round`, which must exceed all that this node
    /// has used before.
    pub(crate) fn new(first_round: u64) -> Self {
        Self {
            first_round: RequestId(first_round),
            next_round: first_round,
            fresh: Vec::new(),
            rounds: BTreeMap::new(),
            remote: BTreeMap::new(),
            alive: BTreeSet::new(),
            deadlines: VecDeque::new(),
        }
    }

    /// How many reads have not ended.
    pub(crate) fn len(&self) -> usize {
        self.alive.len()
    }

    /// Whether a read waits for a round.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Takes a read.
    pub(crate) fn admit(&mut self, ticket: Ticket, deadline: Instant) {
        assert!(self.alive.insert(ticket), "a ticket was used twice");
        self.fresh.push(ticket);
        self.deadlines.push_back((deadline, ticket));
    }

    /// Puts all fresh reads into one round, to be confirmed under this ballot.
    pub(crate) fn begin_round(
        &mut self,
        under: Ballot,
        retry_at: Instant,
        rules: &impl Rules,
    ) -> Option<RequestId> {
        let alive = &self.alive;
        self.fresh.retain(|ticket| alive.contains(ticket));
        if self.fresh.is_empty() {
            return None;
        }
        let tickets = core::mem::take(&mut self.fresh);
        let can_reuse = self.rounds.is_empty() && rules.breaks(Rule::ReuseRound);
        let id = if can_reuse { self.first_round } else { self.next_id() };
        self.rounds.insert(id, Round { tickets, under, retry_at });
        Some(id)
    }

    /// Names a round that a peer asked this leader for.
    pub(crate) fn begin_remote(&mut self, origin: NodeId, id: RequestId) -> RequestId {
        let own = self.next_id();
        self.remote.insert(own, (origin, id));
        own
    }

    fn next_id(&mut self) -> RequestId {
        self.next_round += 1;
        RequestId(self.next_round)
    }

    /// Ends a round that a peer asked for: who to answer, and under which id.
    pub(crate) fn end_remote(&mut self, own: RequestId) -> Option<(NodeId, RequestId)> {
        self.remote.remove(&own)
    }

    /// The ballot a round waits under, if it still waits.
    pub(crate) fn ballot_of(&self, id: RequestId) -> Option<Ballot> {
        self.rounds.get(&id).map(|round| round.under)
    }

    /// Ends a round: its reads that still wait.
    pub(crate) fn end_round(&mut self, id: RequestId) -> Vec<Ticket> {
        let Some(round) = self.rounds.remove(&id) else { return Vec::new() };
        round.tickets.into_iter().filter(|ticket| self.alive.remove(ticket)).collect()
    }

    /// The round was refused without an answer: its reads wait for another.
    pub(crate) fn retry_round(&mut self, id: RequestId) {
        let Some(round) = self.rounds.remove(&id) else { return };
        self.fresh.extend(round.tickets);
    }

    /// Retries the rounds that wait under another ballot than `leader`, or for too long.
    pub(crate) fn retry_stale(&mut self, leader: Option<Ballot>, now: Instant) {
        let stale: Vec<RequestId> = self
            .rounds
            .iter()
            .filter(|(_, round)| Some(round.under) != leader || round.retry_at <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in stale {
            self.retry_round(id);
        }
    }

    /// Ends and returns the oldest read whose deadline has passed.
    pub(crate) fn expire_next(&mut self, now: Instant) -> Option<Ticket> {
        loop {
            let (deadline, ticket) = *self.deadlines.front()?;
            if !self.alive.contains(&ticket) {
                self.deadlines.pop_front();
                continue;
            }
            if now < deadline {
                return None;
            }
            self.deadlines.pop_front();
            self.alive.remove(&ticket);
            return Some(ticket);
        }
    }

    /// When something here is next due. May be early: waking early does no harm.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let retry = self.rounds.values().map(|round| round.retry_at).min();
        let expiry = self.deadlines.front().map(|(deadline, _)| *deadline);
        [retry, expiry].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Strict;

    const BALLOT: Ballot = Ballot { round: 3, node: NodeId(2) };

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn admitted(tickets: &[u64]) -> Reads {
        let mut reads = Reads::new(100);
        for ticket in tickets {
            reads.admit(Ticket(*ticket), at(50));
        }
        reads
    }

    #[test]
    fn reads_that_wait_share_a_round_and_later_ones_have_another() {
        let mut reads = admitted(&[1, 2]);
        let first = reads.begin_round(BALLOT, at(9), &Strict).expect("two wait");
        assert_eq!(reads.begin_round(BALLOT, at(9), &Strict), None);
        reads.admit(Ticket(3), at(60));
        let second = reads.begin_round(BALLOT, at(9), &Strict).expect("one waits");
        assert_eq!(reads.end_round(first), [Ticket(1), Ticket(2)]);
        assert_eq!(reads.end_round(first), []);
        assert_eq!(reads.end_round(second), [Ticket(3)]);
        assert_eq!(reads.len(), 0);
    }

    #[test]
    fn a_round_that_is_asked_anew_has_a_new_name() {
        let mut reads = admitted(&[1]);
        let first = reads.begin_round(BALLOT, at(9), &Strict).expect("one waits");
        reads.retry_stale(Some(BALLOT), at(8));
        assert_eq!(reads.ballot_of(first), Some(BALLOT));
        reads.retry_stale(Some(BALLOT), at(9));
        let second = reads.begin_round(BALLOT, at(20), &Strict).expect("it waits again");
        assert!(first < second);
        assert_eq!((reads.end_round(first), reads.ballot_of(first)), (vec![], None));
        reads.retry_stale(None, at(10));
        assert!(reads.has_fresh(), "its leader is gone");
    }

    #[test]
    fn a_read_past_its_deadline_is_in_no_round() {
        let mut reads = admitted(&[1, 2]);
        let round = reads.begin_round(BALLOT, at(9), &Strict).expect("two wait");
        assert_eq!(reads.expire_next(at(49)), None);
        assert_eq!(reads.expire_next(at(50)), Some(Ticket(1)));
        assert_eq!(reads.end_round(round), [Ticket(2)]);
        assert_eq!(reads.expire_next(at(50)), None);
        let mut reads = admitted(&[1]);
        assert_eq!(reads.expire_next(at(50)), Some(Ticket(1)));
        assert_eq!(reads.begin_round(BALLOT, at(60), &Strict), None, "nobody waits for it");
    }

    #[test]
    fn a_peers_round_is_answered_once_under_its_own_name() {
        let mut reads = Reads::new(100);
        let own = reads.begin_remote(NodeId(3), RequestId(8));
        assert_eq!(reads.end_round(own), []);
        assert_eq!(reads.end_remote(own), Some((NodeId(3), RequestId(8))));
        assert_eq!(reads.end_remote(own), None);
    }
}
