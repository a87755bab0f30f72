//! What clients asked, when, and what they were told: the simulator's types, and a real clock.

use std::time::Instant;

pub(crate) use quorate_sim::check::history::observed::{
    Call, Consistency, NEVER, Nanos, Operation, Outcome, Record, Truth, Value,
};

/// The clock that operations are timed by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins at 0.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since it began.
    pub(crate) fn now(self) -> Nanos {
        u64::try_from(self.0.elapsed().as_nanos()).expect("the test takes less than 500 years")
    }
}
