//! The simulator's part of the gate: fixed seeds, fresh ones, the gallery of mutants and small
//! worlds explored to their end.

use anyhow::Result;

use crate::workspace::{Workspace, cargo};

/// Seeds that every commit runs, for each engine.
const FIXED: &str = "150";

/// Seeds that only this commit runs, for each engine.
const FRESH: &str = "150";

/// Runs all of it on the release build. `fresh` is the first fresh seed: one commit has one
/// verdict.
pub(crate) fn run(workspace: &Workspace, fresh: u64) -> Result<()> {
    let fresh = fresh.to_string();
    for engine in ["raft", "paxos"] {
        sim(workspace, &["--engine", engine, "--seeds", FIXED])?;
        sim(workspace, &["--engine", engine, "--seeds", FRESH, "--first-seed", &fresh])?;
    }
    sim(workspace, &["--seeds", "40", "--first-seed", &fresh, "--verify"])?;
    sim(workspace, &["--mutants", "--recorded"])?;
    sim(workspace, &["--explore", "small"])?;
    sim(workspace, &["--explore", "rounds"])?;
    sim(workspace, &["--explore", "small", "--engine", "paxos"])?;
    sim(workspace, &["--explore", "rounds", "--engine", "paxos"])
}

fn sim(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let run = ["run", "--locked", "--release", "--package", "quorate-cli", "--", "sim"];
    workspace.run(&cargo(), &[&run[..], arguments].concat())
}
