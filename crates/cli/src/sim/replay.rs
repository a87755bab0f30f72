//! One run, with everything that happens in it.

use std::io::{BufWriter, Write, stdout};

use quorate_sim::Seed;
use quorate_sim::world::Options;

use super::engine::Kind;
use super::{SimFlags, print};
use crate::exit::Failure;
use crate::output;

/// Runs the seed, and tells what it came to.
pub(super) fn run(flags: &SimFlags, seed: Seed) -> Result<(), Failure> {
    let kind = Kind { engine: flags.engine, named: flags.profile };
    let mut options = Options {
        without_faults: flags.one.without.faults.clone(),
        without_operations: flags.one.without.operations.clone(),
        until: flags.one.until,
        ..Options::default()
    };
    if flags.one.trace {
        let mut output = BufWriter::new(stdout());
        options.listener = Some(Box::new(move |line| {
            // A reader that has left is no failure of the run.
            let _ = writeln!(output, "{line}");
        }));
    }
    let report = kind.run(seed, options);
    if report.found.is_some() {
        return Err(print::failure(flags, kind, &report));
    }
    let hash = report.trace_hash;
    let said = format!("seed {}: {} events, trace {hash:016x}, all held\n", seed.0, report.events);
    output::flush(said.as_bytes())
}
