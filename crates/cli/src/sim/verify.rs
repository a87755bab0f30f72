//! Whether a seed gives the same run in another process.

use std::process::Command;

use quorate_sim::Seed;
use quorate_sim::world::Options;

use super::SimFlags;
use super::engine::Kind;
use crate::exit::Failure;

/// One seed of this many is run again.
const ONE_IN: usize = 20;

/// Runs some of the seeds here and in processes of their own. How many, if all ended alike.
pub(super) fn run(flags: &SimFlags, kind: Kind) -> Result<usize, Failure> {
    let program = std::env::current_exe().map_err(Failure::error)?;
    let mut verified = 0;
    for number in (0..flags.seeds).step_by(ONE_IN) {
        let seed = Seed(flags.first_seed.wrapping_add(number));
        let here = kind.run(seed, Options::default());
        let there = Command::new(&program)
            .args(["sim", "--engine", kind.engine.name(), "--profile", kind.named.name()])
            .args(["--seed", &seed.0.to_string()])
            .output()
            .map_err(Failure::error)?;
        let expected = format!("trace {:016x}", here.trace_hash);
        if !String::from_utf8_lossy(&there.stdout).contains(&expected) {
            let seed = seed.0;
            return Err(Failure::error(format!("seed {seed} ends otherwise in another process")));
        }
        verified += 1;
    }
    Ok(verified)
}
