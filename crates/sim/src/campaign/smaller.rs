//! Making a run that failed smaller: without the faults and operations that the failure does not
//! need.

use core::marker::PhantomData;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use quorate_consensus::Seed;

use super::Items;
use crate::broken::Broken;
use crate::clients::OperationId;
use crate::profile::Profile;
use crate::protocol::Protocol;
use crate::shrink::shrink;
use crate::world::trace::{Fact, Line};
use crate::world::{Options, Report, run};

/// A smaller run that breaks the same invariant.
#[derive(Clone, Debug)]
pub struct Smaller {
    /// What it leaves out.
    pub without: Items,
    /// How many faults it keeps.
    pub faults: usize,
    /// How many operations it keeps.
    pub operations: usize,
    /// How many runs it took to find it.
    pub attempts: usize,
    /// What it comes to.
    pub report: Report,
}

/// Looks for a smaller run that breaks the same invariant as `failed`, in at most about these many
/// runs. None if that is not reproducible.
pub fn smaller<P: Protocol>(
    seed: Seed,
    profile: &Profile,
    broken: Broken,
    failed: &Report,
    attempts_max: usize,
) -> Option<Smaller> {
    let mut search = Search::<P> {
        seed,
        profile,
        broken,
        invariant: failed.found.as_ref()?.violation.invariant,
        attempts: 0,
        best: None,
        protocol: PhantomData,
    };
    let all_faults = failed.schedule.clone();
    let all_operations = search.operations()?;
    let mut without = Items::default();
    let faults = shrink(&all_faults, attempts_max / 2, |kept| {
        search.fails(Items { faults: minus(&all_faults, kept), ..Items::default() })
    });
    without.faults = minus(&all_faults, &faults);
    let operations = shrink(&all_operations, attempts_max / 2, |kept| {
        search.fails(Items { operations: minus(&all_operations, kept), ..without.clone() })
    });
    without.operations = minus(&all_operations, &operations);
    let (faults, operations) = (faults.len(), operations.len());
    let report = search.best.take()?;
    Some(Smaller { without, faults, operations, attempts: search.attempts, report })
}

fn minus<T: Copy + Ord>(all: &[T], kept: &[T]) -> BTreeSet<T> {
    let kept: BTreeSet<T> = kept.iter().copied().collect();
    all.iter().copied().filter(|item| !kept.contains(item)).collect()
}

struct Search<'a, P> {
    seed: Seed,
    profile: &'a Profile,
    broken: Broken,
    invariant: &'static str,
    attempts: usize,
    /// What the smallest run so far that fails comes to.
    best: Option<Report>,
    protocol: PhantomData<P>,
}

impl<P: Protocol> Search<'_, P> {
    /// The operations that happen before the failure; none if it does not happen again.
    fn operations(&mut self) -> Option<Vec<OperationId>> {
        let seen = Rc::new(RefCell::new(BTreeSet::new()));
        let listener = {
            let seen = Rc::clone(&seen);
            Box::new(move |line: &Line| {
                if let Fact::Asked { ticket, .. } = line.fact
                    && let Some(operation) = OperationId::of(ticket)
                {
                    seen.borrow_mut().insert(operation);
                }
            })
        };
        let options = Options { listener: Some(listener), ..Options::default() };
        self.try_with(options).then(|| seen.borrow().iter().copied().collect())
    }

    /// Whether it still fails without these.
    fn fails(&mut self, without: Items) -> bool {
        let Items { faults, operations } = without;
        let options = Options {
            without_faults: faults,
            without_operations: operations,
            ..Options::default()
        };
        self.try_with(options)
    }

    /// Whether it fails like this, and then what it comes to is kept.
    fn try_with(&mut self, options: Options) -> bool {
        self.attempts += 1;
        let report = run::<P>(self.seed, self.profile.clone(), self.broken, options);
        let found = report.found.as_ref().map(|found| found.violation.invariant);
        let fails = found == Some(self.invariant);
        if fails {
            self.best = Some(report);
        }
        fails
    }
}
