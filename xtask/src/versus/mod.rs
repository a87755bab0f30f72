//! `cargo xtask versus-etcd`: Quorate beside a real etcd.
//!
//! What both answer is compared by `crates/versus`. How fast they are is measured here: [`beside`]
//! takes turns with clusters of three, [`watches`], [`leases`] and [`slow`] say what is measured on
//! one, [`speed`] is about keys, and is what is measured unless something else is named; [`usage`]
//! looks at its processes, [`figures`] compares.

mod beside;
mod figures;
mod leases;
mod slow;
mod speed;
mod usage;
mod watches;

use std::path::PathBuf;

use anyhow::Result;

use self::beside::{Part, Plan};
use crate::cluster::release_binary;
use crate::workspace::{Workspace, cargo};

/// Sequences of each seed that the gate runs on each engine.
const GATE_SEQUENCES: &str = "250";

/// How to compare. What follows is for `crates/versus`, whose `--help` says more.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Arguments {
    /// Send both the same random sequences of requests and compare every answer.
    #[arg(long, conflicts_with_all = ["watches", "leases", "lease_ends", "slow_follower"])]
    semantics: bool,
    #[command(flatten)]
    speed: speed::Arguments,
    /// Measure how soon and how fast watchers are told, and what one takes.
    #[arg(long)]
    watches: bool,
    /// Measure how fast leases are kept alive, and what one takes.
    #[arg(long)]
    leases: bool,
    /// Measure when many leases have ended whose leader is killed.
    #[arg(long)]
    lease_ends: bool,
    /// Measure what a follower that is two seconds late costs writes.
    #[arg(long)]
    slow_follower: bool,
    /// How often everything is measured [default: 7, and 5 of watches and leases].
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Where the figures of every round go, as JSON.
    #[arg(long, value_name = "DIRECTORY")]
    raw: Option<PathBuf>,
    /// What the sequences are drawn from [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The number of the first sequence [default: 0].
    #[arg(long, value_name = "N")]
    first: Option<u64>,
    /// How many sequences [default: 10000].
    #[arg(long, value_name = "N")]
    sequences: Option<u64>,
    /// The consensus protocol of Quorate: raft or paxos [default: raft].
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// What the sequences are about: kv, txn, compact, lease, watch, lock, large [default: all].
    #[arg(long, value_name = "LIST")]
    topics: Option<String>,
    /// Members of each cluster, asked in turn: 1 or 3 [default: 1].
    #[arg(long, value_name = "N")]
    members: Option<u64>,
    /// Pairs of clusters that work side by side [default: 4].
    #[arg(long, value_name = "N")]
    pairs: Option<u64>,
}

impl Arguments {
    fn flags(&self) -> Vec<String> {
        let number = |name: &str, value: Option<u64>| value.map(|it| format!("--{name}={it}"));
        let text =
            |name: &str, value: &Option<String>| value.as_ref().map(|it| format!("--{name}={it}"));
        let flags = [
            number("seed", self.seed),
            number("first", self.first),
            number("sequences", self.sequences),
            text("engine", &self.engine),
            text("topics", &self.topics),
            number("members", self.members),
            number("pairs", self.pairs),
        ];
        flags.into_iter().flatten().collect()
    }
}

/// Runs the comparison that is asked for.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let parts = [
        (arguments.watches, watches::PART),
        (arguments.leases, leases::PART),
        (arguments.lease_ends, leases::ENDS),
        (arguments.slow_follower, slow::PART),
    ];
    if !arguments.semantics && parts.iter().all(|(is_wanted, _)| !is_wanted) {
        return measure_speed(workspace, arguments);
    }
    let plan = Plan {
        engine: arguments.engine.clone().unwrap_or_else(|| "raft".to_owned()),
        rounds: arguments.rounds.unwrap_or(5),
        raw: arguments.raw.clone(),
    };
    let is_wanted = |(is_wanted, part): (bool, Part)| is_wanted.then_some(part);
    for part in parts.into_iter().filter_map(is_wanted) {
        beside::measure(workspace, &plan, part)?;
    }
    if !arguments.semantics {
        return Ok(());
    }
    let flags = arguments.flags();
    compare(workspace, &flags.iter().map(String::as_str).collect::<Vec<_>>())
}

fn measure_speed(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let plan = speed::Plan {
        engine: arguments.engine.as_deref().unwrap_or("raft"),
        rounds: arguments.rounds.unwrap_or(7),
        raw: arguments.raw.clone(),
    };
    speed::run(workspace, &plan, &arguments.speed)
}

/// The gate's part: a fixed seed, and one that only this commit runs, so that one commit has one
/// verdict.
pub(crate) fn gate(workspace: &Workspace, fresh: u64) -> Result<()> {
    for engine in ["raft", "paxos"] {
        for seed in [1, fresh] {
            let seed = seed.to_string();
            let flags = ["--engine", engine, "--seed", &seed, "--sequences", GATE_SEQUENCES];
            compare(workspace, &flags)?;
        }
    }
    Ok(())
}

/// Both programs are release builds, so that a run takes minutes; of one build, since what each
/// alone wants of the libraries would be built twice.
fn compare(workspace: &Workspace, flags: &[&str]) -> Result<()> {
    let packages = ["--package", "quorate-cli", "--package", "quorate-versus"];
    workspace.run(&cargo(), &[&["build", "--locked", "--release"][..], &packages].concat())?;
    let versus = release_binary(workspace)?.with_file_name("versus");
    let differences = ["--differences", "docs/etcd-differences.toml"];
    workspace.run(&versus.to_string_lossy(), &[&differences, flags].concat())
}
