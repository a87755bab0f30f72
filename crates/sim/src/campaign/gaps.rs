//! Whether runs tested what they claim to have tested.

use core::fmt;

use quorate_codec::EngineKind;

use super::Totals;
use crate::marks::Mark;
use crate::profile::Named;
use crate::world::faults::FaultKind;
use crate::world::topology::Topology;

/// A campaign of this many runs must have met everything.
pub const SEEDS_JUDGED: u64 = 10_000;

/// What each run must come to on the average, or clients and faults were mostly asleep.
const COMMITS_PER_RUN_MIN: u64 = 50;
const ELECTIONS_PER_RUN_MIN: u64 = 1;
const COMPARED_PER_RUN_MIN: u64 = 50;

/// One run in this many may be excused from coming to rest.
const EXCUSED_ONE_IN: u64 = 100;

/// Something that a campaign did not test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// No run came by the mark.
    Unmarked(Mark),
    /// No fault of this kind struck.
    NoFault(FaultKind),
    /// No network was cut into this shape.
    NoShape(Topology),
    /// Runs committed too little.
    FewCommits(u64),
    /// Runs elected too seldom.
    FewElections(u64),
    /// Too few answers were compared with the model.
    FewCompared(u64),
    /// Too many runs were excused from coming to rest.
    ManyExcused(u64),
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmarked(mark) => write!(formatter, "no run came by {}", mark.name()),
            Self::NoFault(kind) => write!(formatter, "no fault struck of the kind {kind:?}"),
            Self::NoShape(shape) => write!(formatter, "no network was cut into {}", shape.name()),
            Self::FewCommits(count) => write!(formatter, "only {count} entries were committed"),
            Self::FewElections(count) => write!(formatter, "only {count} elections were won"),
            Self::FewCompared(count) => write!(formatter, "only {count} answers were compared"),
            Self::ManyExcused(count) => {
                write!(formatter, "{count} runs were excused from coming to rest")
            }
        }
    }
}

impl Totals {
    /// What these runs did not test. Of marks and faults, those that the engine and the profile
    /// can meet.
    pub fn gaps(&self, engine: EngineKind, named: Named) -> Vec<Gap> {
        let mut gaps = self.amounts();
        let can_strike = |kind: &FaultKind| named.has(*kind);
        let unstruck = FaultKind::ALL.into_iter().filter(can_strike);
        let has_struck = |kind: &FaultKind| self.faults.get(kind).is_some_and(|count| 0 < *count);
        gaps.extend(unstruck.filter(|kind| !has_struck(kind)).map(Gap::NoFault));
        if named.has(FaultKind::Partition) {
            let unshaped = Topology::ALL.into_iter();
            gaps.extend(
                unshaped.filter(|shape| !self.shapes.contains_key(shape)).map(Gap::NoShape),
            );
        }
        if named == Named::Default {
            let unmarked = Mark::ALL.into_iter().filter(|mark| mark.is_met_by(engine));
            gaps.extend(unmarked.filter(|mark| self.marks.of(*mark) == 0).map(Gap::Unmarked));
        }
        gaps
    }

    fn amounts(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        if self.commits < self.runs * COMMITS_PER_RUN_MIN {
            gaps.push(Gap::FewCommits(self.commits));
        }
        if self.elections < self.runs * ELECTIONS_PER_RUN_MIN {
            gaps.push(Gap::FewElections(self.elections));
        }
        if self.tally.compared() < self.runs * COMPARED_PER_RUN_MIN {
            gaps.push(Gap::FewCompared(self.tally.compared()));
        }
        if self.runs < self.excused() * EXCUSED_ONE_IN {
            gaps.push(Gap::ManyExcused(self.excused()));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that met everything.
    fn full() -> Totals {
        let mut totals = Totals { runs: 10, commits: 500, elections: 10, ..Totals::default() };
        totals.tally.acknowledged = 500;
        totals.faults = FaultKind::ALL.into_iter().map(|kind| (kind, 1)).collect();
        totals.shapes = Topology::ALL.into_iter().map(|shape| (shape, 1)).collect();
        for mark in Mark::ALL {
            totals.marks.hit(mark);
        }
        totals
    }

    fn gaps(totals: &Totals) -> Vec<Gap> {
        totals.gaps(EngineKind::Raft, Named::Default)
    }

    #[test]
    fn runs_that_met_everything_leave_no_gap() {
        assert_eq!(gaps(&full()), []);
    }

    #[test]
    fn each_fault_shape_and_mark_that_was_not_met_is_a_gap() {
        let mut totals = full();
        totals.faults.remove(&FaultKind::Rot);
        totals.shapes.remove(&Topology::Ring);
        assert_eq!(gaps(&totals), [Gap::NoFault(FaultKind::Rot), Gap::NoShape(Topology::Ring)]);
        let totals = Totals { marks: Totals::default().marks, ..full() };
        let met = Mark::ALL.into_iter().filter(|mark| mark.is_met_by(EngineKind::Raft));
        assert_eq!(gaps(&totals).len(), met.count());
    }

    #[test]
    fn what_a_profile_cannot_meet_is_no_gap() {
        let totals = Totals { faults: Totals::default().faults, ..full() };
        let calm = totals.gaps(EngineKind::Raft, Named::Calm);
        assert_eq!(calm, []);
    }

    #[test]
    fn sleepy_runs_are_a_gap() {
        let mut totals = Totals { commits: 499, elections: 9, ..full() };
        totals.tally.acknowledged = 499;
        let sleepy = [Gap::FewCommits(499), Gap::FewElections(9), Gap::FewCompared(499)];
        assert_eq!(gaps(&totals), sleepy);
    }

    #[test]
    fn many_excuses_are_a_gap() {
        let mut totals = full();
        totals.excused.insert(crate::world::Excuse::MajorityLost, 1);
        assert_eq!(gaps(&totals), [Gap::ManyExcused(1)]);
    }
}
