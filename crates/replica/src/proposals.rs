//! The writes of this node's clients: from arrival to the committed entry that carries their id.
//!
//! A proposal is attempted under one ballot at a time and never sent twice. It is attempted anew,
//! under a new id, only once it is certain that the earlier attempt can never happen.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use quorate_consensus::{Ballot, Incarnation, Instant, NodeId, ProposalId};

use crate::request::Ticket;

/// The pending writes of one node.
#[derive(Debug)]
pub(crate) struct Proposals {
    node: NodeId,
    incarnation: Incarnation,
    next_sequence: u64,
    requests: BTreeMap<Ticket, Request>,
    /// Requests without a live attempt, oldest first.
    waiting: VecDeque<Ticket>,
    /// Attempts under way, by sequence number.
    attempts: BTreeMap<u64, Attempt>,
    /// The bytes of those above [`Proposals::uncounted`].
    attempted_bytes: u64,
    /// What was attempted up to this sequence number does not count any more: it may be lost.
    uncounted: u64,
    /// Arrival order; all requests have the same timeout, so this is deadline order too.
    deadlines: VecDeque<(Instant, Ticket)>,
}

#[derive(Debug)]
struct Request {
    payload: Bytes,
    sequence: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    ticket: Ticket,
    under: Ballot,
    bytes: u64,
}

/// A write whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// No attempt of it is under way: it did not happen.
    Unattempted(Ticket),
    /// An attempt is under way: it may happen.
    Attempted(Ticket),
}

impl Proposals {
    /// No proposals yet. Sequence numbers start above `first_sequence`, which must exceed all that
    /// this incarnation has used before.
    pub(crate) fn new(node: NodeId, incarnation: Incarnation, first_sequence: u64) -> Self {
        Self {
            node,
            incarnation,
            next_sequence: first_sequence,
            requests: BTreeMap::new(),
            waiting: VecDeque::new(),
            attempts: BTreeMap::new(),
            attempted_bytes: 0,
            uncounted: first_sequence,
            deadlines: VecDeque::new(),
        }
    }

    /// How many writes have not ended.
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether a write waits for a leader.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a write that will wait until it is attempted.
    pub(crate) fn admit(&mut self, ticket: Ticket, payload: Bytes, deadline: Instant) {
        let earlier = self.requests.insert(ticket, Request { payload, sequence: None });
        assert!(earlier.is_none(), "a ticket was used twice");
        self.waiting.push_back(ticket);
        self.deadlines.push_back((deadline, ticket));
    }

    /// Starts an attempt of the oldest waiting write.
    pub(crate) fn attempt_next(&mut self, under: Ballot) -> Option<(ProposalId, Bytes)> {
        loop {
            let ticket = self.waiting.pop_front()?;
            let Some(request) = self.requests.get_mut(&ticket) else {
                continue;
            };
            self.next_sequence += 1;
            let sequence = self.next_sequence;
            request.sequence = Some(sequence);
            let payload = request.payload.clone();
            let bytes = payload.len() as u64;
            self.attempts.insert(sequence, Attempt { ticket, under, bytes });
            self.attempted_bytes += bytes;
            return Some((self.id_of(sequence), payload));
        }
    }

    /// An id for a proposal that nobody waits for.
    pub(crate) fn unwatched_id(&mut self) -> ProposalId {
        self.next_sequence += 1;
        self.id_of(self.next_sequence)
    }

    fn id_of(&self, sequence: u64) -> ProposalId {
        ProposalId { node: self.node, incarnation: self.incarnation, sequence }
    }

    /// Whether the id was issued by this incarnation of this node.
    pub(crate) fn is_own(&self, id: ProposalId) -> bool {
        id.node == self.node && id.incarnation == self.incarnation
    }

    /// Ends the write whose attempt is committed; `None` if nobody waits for it any more.
    pub(crate) fn settle(&mut self, id: ProposalId) -> Option<Ticket> {
        let ticket = self.end_attempt(id)?;
        self.requests.remove(&ticket);
        Some(ticket)
    }

    /// The attempt will never happen: its write waits for another.
    pub(crate) fn retry(&mut self, id: ProposalId) {
        let Some(ticket) = self.end_attempt(id) else { return };
        let request = self.requests.get_mut(&ticket).expect("an attempt has a request");
        request.sequence = None;
        self.waiting.push_back(ticket);
    }

    /// Retries every attempt that `is_excluded` from ever happening.
    pub(crate) fn retry_excluded(&mut self, is_excluded: impl Fn(Ballot) -> bool) {
        let excluded: Vec<u64> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| is_excluded(attempt.under))
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in excluded {
            self.retry(self.id_of(sequence));
        }
    }

    /// The ballot under which an attempt is under way.
    pub(crate) fn ballot_of(&self, id: ProposalId) -> Option<Ballot> {
        if !self.is_own(id) {
            return None;
        }
        self.attempts.get(&id.sequence).map(|attempt| attempt.under)
    }

    fn end_attempt(&mut self, id: ProposalId) -> Option<Ticket> {
        if !self.is_own(id) {
            return None;
        }
        self.remove_attempt(id.sequence).map(|attempt| attempt.ticket)
    }

    fn remove_attempt(&mut self, sequence: u64) -> Option<Attempt> {
        let attempt = self.attempts.remove(&sequence)?;
        if self.uncounted < sequence {
            self.attempted_bytes -= attempt.bytes;
        }
        Some(attempt)
    }

    /// The bytes of attempts under way, as far as they are not taken to be lost.
    pub(crate) fn attempted_bytes(&self) -> u64 {
        self.attempted_bytes
    }

    /// What is under way may be lost on its way: it does not count any more, and stays.
    pub(crate) fn stop_counting(&mut self) {
        self.uncounted = self.next_sequence;
        self.attempted_bytes = 0;
    }

    /// Ends every write with an attempt under way: its fate can no longer be observed here.
    pub(crate) fn abandon_attempts(&mut self) -> Vec<Ticket> {
        let attempts = core::mem::take(&mut self.attempts);
        self.attempted_bytes = 0;
        let tickets: Vec<Ticket> = attempts.into_values().map(|attempt| attempt.ticket).collect();
        for ticket in &tickets {
            self.requests.remove(ticket);
        }
        tickets
    }

    /// Ends and returns the oldest write whose deadline has passed.
    pub(crate) fn expire_next(&mut self, now: Instant) -> Option<Expired> {
        loop {
            let (deadline, ticket) = *self.deadlines.front()?;
            let Some(request) = self.requests.get(&ticket) else {
                self.deadlines.pop_front();
                continue;
            };
            if now < deadline {
                return None;
            }
            let sequence = request.sequence;
            self.deadlines.pop_front();
            self.requests.remove(&ticket);
            let Some(sequence) = sequence else {
                return Some(Expired::Unattempted(ticket));
            };
            self.remove_attempt(sequence);
            return Some(Expired::Attempted(ticket));
        }
    }

    /// When the oldest write expires. May name one that has ended: waking early does no harm.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);
    const INCARNATION: Incarnation = Incarnation(7);

    fn ballot(round: u64) -> Ballot {
        Ballot { round, node: NodeId(2) }
    }

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn admitted(count: u64) -> Proposals {
        let mut proposals = Proposals::new(NODE, INCARNATION, 100);
        for ticket in 0..count {
            proposals.admit(Ticket(ticket), Bytes::from_static(b"x"), at(10 + ticket));
        }
        proposals
    }

    fn attempt(proposals: &mut Proposals, round: u64) -> ProposalId {
        proposals.attempt_next(ballot(round)).expect("one waits").0
    }

    #[test]
    fn each_attempt_has_an_id_of_its_own_in_increasing_order() {
        let mut proposals = admitted(2);
        let first = attempt(&mut proposals, 1);
        assert_eq!(first, ProposalId { node: NODE, incarnation: INCARNATION, sequence: 101 });
        proposals.retry(first);
        let (second, again) = (attempt(&mut proposals, 1), attempt(&mut proposals, 1));
        assert!(first < second && second < again);
        assert_eq!(proposals.settle(first), None, "that attempt is over");
        assert_eq!(proposals.settle(second), Some(Ticket(1)));
        assert_eq!(proposals.settle(again), Some(Ticket(0)));
        assert_eq!((proposals.settle(again), proposals.len()), (None, 0));
    }

    #[test]
    fn only_what_is_excluded_is_retried() {
        let mut proposals = admitted(2);
        let (old, new) = (attempt(&mut proposals, 1), attempt(&mut proposals, 2));
        proposals.retry_excluded(|under| under.round < 2);
        assert_eq!((proposals.ballot_of(old), proposals.ballot_of(new)), (None, Some(ballot(2))));
        attempt(&mut proposals, 2);
        assert!(!proposals.has_waiting());
    }

    #[test]
    fn the_ids_of_others_settle_nothing() {
        let mut proposals = admitted(1);
        let id = attempt(&mut proposals, 1);
        let others = [
            ProposalId { node: NodeId(2), ..id },
            ProposalId { incarnation: Incarnation(8), ..id },
            ProposalId { sequence: id.sequence + 1, ..id },
        ];
        for other in others {
            proposals.retry(other);
            assert_eq!((proposals.settle(other), proposals.ballot_of(other)), (None, None));
        }
        assert_eq!(proposals.settle(id), Some(Ticket(0)));
    }

    #[test]
    fn a_deadline_tells_what_may_have_happened_from_what_did_not() {
        let mut proposals = admitted(4);
        let first = attempt(&mut proposals, 1);
        let second = attempt(&mut proposals, 1);
        proposals.retry(second);
        let third = attempt(&mut proposals, 1);
        assert_eq!(proposals.settle(third), Some(Ticket(2)));
        assert_eq!(proposals.expire_next(at(9)), None);
        assert_eq!(proposals.deadline(), Some(at(10)));
        assert_eq!(proposals.expire_next(at(13)), Some(Expired::Attempted(Ticket(0))));
        assert_eq!(proposals.expire_next(at(13)), Some(Expired::Unattempted(Ticket(1))));
        assert_eq!(proposals.expire_next(at(13)), Some(Expired::Unattempted(Ticket(3))));
        assert_eq!((proposals.expire_next(at(99)), proposals.len()), (None, 0));
        assert_eq!(proposals.settle(first), None, "nobody waits any more");
        assert!(proposals.attempt_next(ballot(1)).is_none(), "nobody waits any more");
    }

    #[test]
    fn the_bytes_of_attempts_count_until_these_end_or_may_be_lost() {
        let mut proposals = Proposals::new(NodeId(1), Incarnation(7), 0);
        for ticket in 0..6 {
            proposals.admit(Ticket(ticket), Bytes::from_static(b"four"), at(10));
        }
        let ids = [(); 3].map(|()| attempt(&mut proposals, 1));
        assert_eq!(proposals.attempted_bytes(), 12);
        proposals.settle(ids[0]);
        proposals.retry(ids[1]);
        assert_eq!(proposals.attempted_bytes(), 4);
        proposals.stop_counting();
        let later = attempt(&mut proposals, 1);
        assert_eq!(proposals.attempted_bytes(), 4);
        assert!(proposals.settle(ids[2]).is_some(), "it stays");
        assert_eq!(proposals.attempted_bytes(), 4);
        proposals.settle(later);
        attempt(&mut proposals, 1);
        while proposals.expire_next(at(10)).is_some() {}
        assert_eq!(proposals.attempted_bytes(), 0);
    }

    #[test]
    fn what_was_attempted_is_abandoned_and_what_waits_is_not() {
        let mut proposals = admitted(2);
        attempt(&mut proposals, 1);
        assert_eq!(proposals.abandon_attempts(), [Ticket(0)]);
        assert_eq!((proposals.len(), proposals.has_waiting()), (1, true));
    }
}
