//! A run from beginning to end, and what it came to.

use core::any::Any;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use quorate_consensus::{NodeId, Seed};

use super::World;
use super::clock::SimTime;
use super::faults::{FaultId, FaultKind};
use super::liveness::Excuse;
use super::topology::Topology;
use super::trace::{Line, Listener};
use crate::broken::Broken;
use crate::check::Violation;
use crate::check::history::Tally;
use crate::clients::OperationId;
use crate::marks::Marks;
use crate::profile::Profile;
use crate::protocol::Protocol;

/// What a run is to leave out, and where it ends.
#[derive(Default)]
pub struct Options {
    /// Items of the schedule that do not happen.
    pub without_faults: BTreeSet<FaultId>,
    /// Operations of clients that do not happen.
    pub without_operations: BTreeSet<OperationId>,
    /// The last step; the whole run if there is none.
    pub until: Option<u64>,
    /// Where each line of the trace goes as well.
    pub listener: Option<Listener>,
}

/// An invariant that did not hold, and where in the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which, and what was seen.
    pub violation: Violation,
    /// After this event.
    pub step: u64,
    /// At this time.
    pub at: SimTime,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: Seed,
    /// How many events did something.
    pub events: u64,
    /// How much time passed in the world.
    pub simulated: Duration,
    /// How many faults of each kind have struck.
    pub faults: BTreeMap<FaultKind, u64>,
    /// How often the network was cut into each shape.
    pub shapes: BTreeMap<Topology, u64>,
    /// The faults that were scheduled, for a shrinker to leave out.
    pub schedule: Vec<FaultId>,
    /// How often each check was made.
    pub checks: BTreeMap<&'static str, u64>,
    /// The marks it came by.
    pub marks: Marks,
    /// The last position committed.
    pub commits: u64,
    /// Rounds that had a leader.
    pub elections: u64,
    /// What clients asked and were told.
    pub tally: Tally,
    /// Over everything that happened.
    pub trace_hash: u64,
    /// What did not hold, if anything.
    pub found: Option<Found>,
    /// Why it need not come to rest, if so.
    pub excuse: Option<Excuse>,
    /// The last lines of the trace, oldest first.
    pub lines: Vec<Line>,
}

/// Runs a seed from beginning to end.
pub fn run<P: Protocol>(seed: Seed, profile: Profile, broken: Broken, options: Options) -> Report {
    let mut world = World::<P>::new(seed, profile, broken).without(&options.without_faults);
    world.leave_out(options.without_operations);
    if let Some(listener) = options.listener {
        world.listen(listener);
    }
    let schedule = world.schedule().map(|fault| fault.id).collect();
    world.until = options.until;
    let excuse = world.run_to_rest();
    world.report(seed, schedule, excuse)
}

/// The invariant that a broken assertion of the product stands for.
pub(super) const ASSERTION: &str = "assertion";

impl<P: Protocol> World<P> {
    fn run_to_rest(&mut self) -> Option<Excuse> {
        let duration = self.profile.duration;
        self.run_for(duration);
        if self.violation().is_some() || self.is_over() {
            return None;
        }
        self.come_to_rest()
    }

    /// Whether the step at which the run is to end is reached.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= self.steps)
    }

    /// Does something in which an assertion of the product may break: that is a finding too.
    pub(super) fn guarded(&mut self, deed: impl FnOnce(&mut Self)) {
        let done = catch_unwind(AssertUnwindSafe(|| deed(self)));
        if let Err(panic) = done {
            self.checks.violate(ASSERTION, NodeId(0), message_of(&*panic));
        }
    }

    fn report(mut self, seed: Seed, schedule: Vec<FaultId>, excuse: Option<Excuse>) -> Report {
        self.checks.finish();
        let found = self.violation().cloned().map(|violation| Found {
            violation,
            step: self.steps,
            at: self.now,
        });
        let report = Report {
            seed,
            events: self.steps,
            simulated: self.now.since(SimTime::default()),
            faults: core::mem::take(&mut self.struck),
            shapes: core::mem::take(&mut self.shapes),
            schedule,
            checks: self.checks.counts(),
            marks: core::mem::take(&mut self.marks),
            commits: self.checks.committed().0,
            elections: self.checks.elections(),
            tally: self.checks.tally(),
            trace_hash: self.trace.hash(),
            found,
            excuse,
            lines: self.trace.lines(),
        };
        // Closing what a broken assertion has left behind may break others.
        drop(catch_unwind(AssertUnwindSafe(move || drop(self))));
        report
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
