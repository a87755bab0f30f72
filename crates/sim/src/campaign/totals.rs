//! What runs came to together.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::check::history::Tally;
use crate::marks::Marks;
use crate::world::Excuse;
use crate::world::Report;
use crate::world::faults::FaultKind;
use crate::world::topology::Topology;

/// The sums over many runs. The order in which they are added does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many runs there were.
    pub runs: u64,
    /// Events that did something.
    pub events: u64,
    /// Time that passed in the worlds.
    pub simulated: Duration,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<FaultKind, u64>,
    /// Shapes that networks were cut into.
    pub shapes: BTreeMap<Topology, u64>,
    /// Checks made, by name.
    pub checks: BTreeMap<&'static str, u64>,
    /// Marks that runs came by.
    pub marks: Marks,
    /// Entries committed.
    pub commits: u64,
    /// Rounds that had a leader.
    pub elections: u64,
    /// What clients asked and were told.
    pub tally: Tally,
    /// Runs that need not come to rest, by reason.
    pub excused: BTreeMap<Excuse, u64>,
    /// Runs in which something did not hold.
    pub failed: u64,
}

impl Totals {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.events += report.events;
        self.simulated += report.simulated;
        add_all(&mut self.faults, &report.faults);
        add_all(&mut self.shapes, &report.shapes);
        add_all(&mut self.checks, &report.checks);
        self.marks.add(&report.marks);
        self.commits += report.commits;
        self.elections += report.elections;
        self.tally.add(&report.tally);
        if let Some(excuse) = report.excuse {
            *self.excused.entry(excuse).or_default() += 1;
        }
        self.failed += u64::from(report.found.is_some());
    }

    /// Runs that need not come to rest.
    pub fn excused(&self) -> u64 {
        self.excused.values().sum()
    }
}

fn add_all<K: Copy + Ord>(sums: &mut BTreeMap<K, u64>, counts: &BTreeMap<K, u64>) {
    for (kind, count) in counts {
        *sums.entry(*kind).or_default() += count;
    }
}
