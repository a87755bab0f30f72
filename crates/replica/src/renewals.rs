//! Renewals of leases on their way into the log: all that wait at one drain share an entry.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_codec::encode_command;
use quorate_consensus::Instant;
use quorate_kv::{Command, LEASE_RENEW_MAX, LeaseId, LeaseRenewRequest};

use crate::request::{Ending, Ticket, Waiters};

/// The renewals of one node's clients.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    /// Not proposed yet.
    fresh: Vec<(Ticket, LeaseId)>,
    /// Proposed together, by the ticket under which: that of the first. In the order of the ids.
    batches: BTreeMap<Ticket, Batch>,
    /// Tickets in batches, but for the first of each.
    riders: usize,
}

#[derive(Debug)]
struct Batch {
    /// When it was made.
    since: Instant,
    tickets: Vec<Ticket>,
}

impl Renewals {
    /// How many wait, but for those that a proposal is known by.
    pub(crate) fn len(&self) -> usize {
        self.fresh.len() + self.riders
    }

    /// Takes a renewal that will wait for the next batch.
    pub(crate) fn admit(&mut self, ticket: Ticket, lease: LeaseId) {
        self.fresh.push((ticket, lease));
    }

    /// The next batch as a command, and the ticket to propose it under.
    pub(crate) fn next_batch(&mut self, now: Instant) -> Option<(Ticket, Bytes)> {
        let first = self.fresh.first()?.0;
        let count = self.fresh.len().min(LEASE_RENEW_MAX);
        let (tickets, ids): (Vec<_>, Vec<_>) = self.fresh.drain(..count).unzip();
        self.riders += tickets.len() - 1;
        self.batches.insert(first, Batch { since: now, tickets });
        let command = Command::LeaseRenew(LeaseRenewRequest { ids });
        Some((first, encode_command(&command)))
    }

    /// Who waits for the proposal of this ticket, which is committed.
    pub(crate) fn settle(&mut self, ticket: Ticket) -> Waiters {
        match self.take(ticket) {
            Some(Batch { since, tickets }) => Waiters::Renewals { since, all: tickets },
            None => Waiters::One(ticket),
        }
    }

    /// What ends a batch ends all who are in it.
    pub(crate) fn spread(&mut self, endings: Vec<(Ticket, Ending)>) -> Vec<(Ticket, Ending)> {
        if self.batches.is_empty() {
            return endings;
        }
        let mut all = Vec::with_capacity(endings.len());
        for (ticket, ending) in endings {
            let batch = self.take(ticket);
            let tickets = batch.map_or_else(|| vec![ticket], |batch| batch.tickets);
            all.extend(tickets.into_iter().map(|ticket| (ticket, ending)));
        }
        all
    }

    fn take(&mut self, ticket: Ticket) -> Option<Batch> {
        let batch = self.batches.remove(&ticket)?;
        self.riders -= batch.tickets.len() - 1;
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use quorate_codec::decode_command;

    use super::*;

    const NOW: Instant = Instant::from_micros(5);

    fn admitted(count: usize) -> Renewals {
        let mut renewals = Renewals::default();
        for number in 0..count as u64 {
            renewals.admit(Ticket(number), LeaseId(number.cast_signed() + 100));
        }
        renewals
    }

    fn ids(command: Bytes) -> Vec<i64> {
        match decode_command(command) {
            Ok(Command::LeaseRenew(request)) => request.ids.iter().map(|id| id.0).collect(),
            other => panic!("no renewal: {other:?}"),
        }
    }

    #[test]
    fn all_that_wait_share_a_command_in_order() {
        let mut renewals = admitted(3);
        let (first, command) = renewals.next_batch(NOW).expect("three wait");
        assert_eq!((first, ids(command)), (Ticket(0), vec![100, 101, 102]));
        assert_eq!((renewals.next_batch(NOW), renewals.len()), (None, 2));
        let all = vec![Ticket(0), Ticket(1), Ticket(2)];
        assert_eq!(renewals.settle(first), Waiters::Renewals { since: NOW, all });
        assert_eq!((renewals.settle(first), renewals.len()), (Waiters::One(first), 0));
    }

    #[test]
    fn a_large_batch_is_cut_so_that_no_command_is_too_large() {
        let mut renewals = admitted(LEASE_RENEW_MAX + 1);
        let lengths: Vec<usize> =
            std::iter::from_fn(|| renewals.next_batch(NOW)).map(|(_, it)| ids(it).len()).collect();
        assert_eq!(lengths, [LEASE_RENEW_MAX, 1]);
    }

    #[test]
    fn what_ends_a_batch_ends_all_in_it_and_nobody_else() {
        let mut renewals = admitted(2);
        renewals.next_batch(NOW).expect("two wait");
        let endings = vec![(Ticket(9), Ending::Unknown), (Ticket(0), Ending::NoLeader)];
        let spread = renewals.spread(endings);
        let expected = [(9, Ending::Unknown), (0, Ending::NoLeader), (1, Ending::NoLeader)];
        assert_eq!(spread, expected.map(|(ticket, ending)| (Ticket(ticket), ending)));
        assert_eq!(renewals.len(), 0);
    }
}
