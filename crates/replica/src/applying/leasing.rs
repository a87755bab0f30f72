//! What leases ask of the applying half: answers to renewals, the cluster's clock, and the time
//! since.

use core::time::Duration;

use quorate_consensus::{ClusterTime, Entry, Instant};
use quorate_kv::{Context, LeaseId, LeaseRenewResponse, LogPosition};

use super::Applying;
use crate::applying_io::{Answer, Note};
use crate::meta::{clock_of, reign_of};
use crate::ordering_io::LeaseClock;
use crate::request::{KeptAlive, Ticket};
use crate::rules::{Rule, Rules};

/// Renewals of leases that have ended which are remembered beside those of leases there are.
const RENEWED_SLACK: usize = 1_000;

impl<R: quorate_kv::Rules, N: Rules> Applying<R, N> {
    /// Remembers that these leases were renewed, and since when that is certain: by the time of
    /// the proposal, which the stamp of its entry comes after.
    pub(super) fn note_renewals(
        &mut self,
        since: Instant,
        ids: &[LeaseId],
        renewal: &LeaseRenewResponse,
    ) {
        for (id, ttl) in ids.iter().zip(&renewal.renewed) {
            match ttl {
                Some(_) => self.renewed.insert(*id, since),
                None => self.renewed.remove(id),
            };
        }
        let leases = usize::try_from(self.store.sizes().leases).unwrap_or(usize::MAX);
        if leases.saturating_mul(2).saturating_add(RENEWED_SLACK) < self.renewed.len() {
            let store = &self.store;
            self.renewed.retain(|id, _| store.lease(*id).is_some());
        }
    }

    pub(super) fn answer_renewals(&mut self, tickets: Vec<Ticket>, renewal: LeaseRenewResponse) {
        let LeaseRenewResponse { revision, renewed } = renewal;
        assert!(tickets.len() == renewed.len(), "each lease has one who waits for it");
        for (ticket, ttl) in tickets.into_iter().zip(renewed) {
            self.answer(ticket, Answer::KeptAlive(KeptAlive { revision, ttl }));
        }
    }

    /// What the log says about the entry that is applied next. It moves the cluster's clock, if it
    /// is one that does.
    pub(super) fn begin_entry(&mut self, entry: &Entry) -> Context {
        let Entry { index, ballot, .. } = entry;
        let position = LogPosition { index: index.0, round: ballot.round, node: ballot.node.0 };
        let mut clock = clock_of(&self.store);
        clock.apply(entry);
        self.store.set_reign(reign_of(clock));
        let counts_all = self.rules.breaks(Rule::CountStampsOfAll);
        let time = if counts_all { entry.time } else { clock.time };
        Context { position, time: quorate_kv::ClusterTime(time.0) }
    }

    /// The cluster's time, as far as this node can tell: what has passed since the last entry that
    /// moved the state machine's clock counts, as it does where a leader is at work.
    pub(super) fn cluster_time(&self, now: Instant) -> quorate_kv::ClusterTime {
        let elapsed = self.clock_moved_at.map_or(Duration::ZERO, |at| now.since(at));
        let stamp = ClusterTime(self.store.now().0);
        quorate_kv::ClusterTime(stamp.after(elapsed).0)
    }

    /// Before the position is told at which it is so: see [`crate::ticking`].
    pub(super) fn tell_leases(&mut self) {
        let clock = self.store.next_lease_deadline().map(|next| LeaseClock {
            now: ClusterTime(self.store.now().0),
            next: ClusterTime(next.0),
        });
        if clock != self.leases_told {
            self.leases_told = clock;
            self.effects.notes.push(Note::Leases(clock));
        }
    }
}
