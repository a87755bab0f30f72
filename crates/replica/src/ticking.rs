//! When a leader has to move the cluster's clock, because leases depend on it and nothing else
//! does.
//!
//! Time exists only in the log, and what passes between its last entry and the next leader is
//! lost. So while there are leases, the clock is never left standing for long, and it is moved as
//! soon as a lease is over.

use core::time::Duration;

use quorate_consensus::{Ballot, ClusterTime, Index, Instant, ProposalId};

use crate::ordering_io::LeaseClock;
use crate::rules::{Rule, Rules};

/// How long the clock may stand while there are leases: by as much a change of leaders may
/// lengthen them at most, beside the time without a leader.
const STANDSTILL_MAX: Duration = Duration::from_millis(500);

/// Leases that end within this time of each other share a move of the clock.
const SPACING: Duration = Duration::from_millis(100);

/// The moves of the clock that this node proposes while it leads.
#[derive(Debug, Default)]
pub(crate) struct Ticking {
    clock: Option<LeaseClock>,
    under_way: Option<Move>,
    /// When the last one was proposed, and under which ballot.
    last: Option<(Ballot, Instant)>,
    /// Left in peace until then, after a refusal.
    pause: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Move {
    id: ProposalId,
    under: Ballot,
    /// Where it was committed, until that is applied.
    committed: Option<Index>,
}

impl Ticking {
    /// The applying half says how it is with leases.
    pub(crate) fn on_clock(&mut self, clock: Option<LeaseClock>) {
        self.clock = clock;
    }

    /// When to propose the next move, if this node leads under `leader` and its clock is `cluster`
    /// at `now`. At once, if it counts no time yet: it does once an entry of its own is applied.
    pub(crate) fn due(
        &self,
        now: Instant,
        leader: Ballot,
        cluster: Option<ClusterTime>,
        rules: &impl Rules,
    ) -> Option<Instant> {
        let clock = self.clock?;
        if self.under_way.is_some_and(|it| it.under == leader) {
            return None;
        }
        let stood = clock.now.after(STANDSTILL_MAX);
        let may_stand = rules.breaks(Rule::LetClockStand);
        let at = if may_stand { clock.next } else { clock.next.min(stood) };
        let left = cluster.map_or(0, |cluster| at.0.saturating_sub(cluster.0));
        let wait = Duration::from_micros(left);
        let mut due = now + wait;
        let is_behind = clock.next <= clock.now;
        if let Some((_, last)) = self.last.filter(|(ballot, _)| *ballot == leader && !is_behind) {
            due = due.max(last + SPACING);
        }
        Some(self.pause.map_or(due, |until| due.max(until)))
    }

    /// A move is proposed.
    pub(crate) fn on_proposed(&mut self, now: Instant, leader: Ballot, id: ProposalId) {
        self.under_way = Some(Move { id, under: leader, committed: None });
        self.last = Some((leader, now));
        self.pause = None;
    }

    /// A proposal was refused: if it is a move, the next one waits until then.
    pub(crate) fn on_refused(&mut self, id: ProposalId, until: Instant) {
        if self.under_way.take_if(|it| it.id == id).is_some() {
            self.pause = Some(until);
        }
    }

    /// An entry is committed, and handed to the applying half.
    pub(crate) fn on_committed(&mut self, id: ProposalId, index: Index) {
        if let Some(it) = self.under_way.as_mut().filter(|it| it.id == id) {
            it.committed = Some(index);
        }
    }

    /// The applying half has come this far, and has said before how it is with leases there.
    pub(crate) fn on_applied(&mut self, upto: Index) {
        self.under_way.take_if(|it| it.committed.is_some_and(|index| index <= upto));
    }
}

#[cfg(test)]
mod tests {
    use quorate_consensus::{Incarnation, NodeId};

    use super::*;
    use crate::rules::Strict;

    const LEADER: Ballot = Ballot { round: 3, node: NodeId(1) };
    const MILLI: u64 = 1_000;

    fn id(sequence: u64) -> ProposalId {
        ProposalId { node: NodeId(1), incarnation: Incarnation(1), sequence }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * MILLI)
    }

    fn cluster(millis: u64) -> ClusterTime {
        ClusterTime(millis * MILLI)
    }

    fn ticking(now: u64, next: u64) -> Ticking {
        let mut ticking = Ticking::default();
        ticking.on_clock(Some(LeaseClock { now: cluster(now), next: cluster(next) }));
        ticking
    }

    #[test]
    fn without_leases_the_clock_may_stand() {
        assert_eq!(Ticking::default().due(at(9), LEADER, Some(cluster(9)), &Strict), None);
    }

    #[test]
    fn a_move_is_due_when_a_lease_is_over_or_the_clock_stood_for_too_long() {
        let due = |ticking: Ticking| ticking.due(at(50), LEADER, Some(cluster(1_010)), &Strict);
        assert_eq!(due(ticking(1_000, 1_100)), Some(at(140)));
        assert_eq!(due(ticking(1_000, 99_000)), Some(at(540)));
        assert_eq!(due(ticking(1_000, 1_010)), Some(at(50)));
    }

    #[test]
    fn a_leader_that_counts_no_time_yet_moves_the_clock_at_once() {
        assert_eq!(ticking(1_000, 99_000).due(at(50), LEADER, None, &Strict), Some(at(50)));
        assert_eq!(Ticking::default().due(at(50), LEADER, None, &Strict), None, "for leases only");
    }

    #[test]
    fn one_move_is_under_way_until_it_is_applied() {
        let mut ticking = ticking(1_000, 1_010);
        ticking.on_proposed(at(50), LEADER, id(1));
        assert_eq!(ticking.due(at(51), LEADER, Some(cluster(1_011)), &Strict), None);
        ticking.on_committed(id(1), Index(7));
        ticking.on_applied(Index(6));
        assert_eq!(ticking.due(at(52), LEADER, Some(cluster(1_012)), &Strict), None);
        ticking.on_clock(Some(LeaseClock { now: cluster(1_010), next: cluster(1_020) }));
        ticking.on_applied(Index(7));
        assert_eq!(
            ticking.due(at(60), LEADER, Some(cluster(1_020)), &Strict),
            Some(at(150)),
            "spaced"
        );
        ticking.on_clock(Some(LeaseClock { now: cluster(1_010), next: cluster(1_009) }));
        assert_eq!(
            ticking.due(at(60), LEADER, Some(cluster(1_020)), &Strict),
            Some(at(60)),
            "some wait"
        );
    }

    #[test]
    fn a_refused_move_waits_and_one_of_an_older_ballot_is_forgotten() {
        let mut ticking = ticking(1_000, 1_000);
        ticking.on_proposed(at(50), LEADER, id(1));
        let newer = Ballot { round: 4, ..LEADER };
        assert_eq!(ticking.due(at(60), newer, Some(cluster(1_010)), &Strict), Some(at(60)));
        ticking.on_refused(id(1), at(99));
        assert_eq!(ticking.due(at(60), LEADER, Some(cluster(1_010)), &Strict), Some(at(99)));
    }
}
