//! `cargo xtask strangers`: test suites that nobody here wrote, run as published against a cluster
//! of three real processes.
//!
//! Each suite gets a cluster of its own, since they leave keys, leases and alarms behind. What a
//! suite asks of features that are not served yet is left out by name and with a reason; a suite
//! that passes fewer tests than it has fails, so that nothing is left out by accident.

mod python;
mod rust;
mod verdict;

use anyhow::{Context, Result};

use crate::cluster::{Cluster, Kind};
use crate::workspace::{Workspace, cargo};
use verdict::Verdict;

/// Which suites to run, and against what.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run this suite alone: aetcd, etcd3gw or etcd-client.
    #[arg(long, value_name = "SUITE")]
    only: Option<String>,
    /// The engine of the cluster.
    #[arg(long, default_value = "raft")]
    engine: String,
}

impl Default for Arguments {
    fn default() -> Self {
        Self { only: None, engine: "raft".to_owned() }
    }
}

/// One published test suite.
struct Suite {
    name: &'static str,
    /// How many of its tests must pass.
    passes: usize,
    /// What is not run.
    left_out: &'static [LeftOut],
    /// Fetches it, runs it, and tells how it went.
    run: fn(&Suite, &Site<'_>) -> Result<Verdict>,
}

/// A test that is not run.
struct LeftOut {
    test: &'static str,
    reason: &'static str,
}

/// Where a suite runs.
struct Site<'a> {
    workspace: &'a Workspace,
    cluster: &'a Cluster,
}

/// Every suite.
const SUITES: [Suite; 3] = [
    Suite { name: "aetcd", passes: 91, left_out: &python::AETCD_LEFT_OUT, run: python::aetcd },
    Suite { name: "etcd3gw", passes: 39, left_out: &[], run: python::etcd3gw },
    Suite { name: "etcd-client", passes: 26, left_out: &rust::LEFT_OUT, run: rust::etcd_client },
];

/// Runs the wanted suites on the release build.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let build = ["build", "--locked", "--release", "--package", "quorate-cli"];
    workspace.run(&cargo(), &build)?;
    let is_wanted = |suite: &&Suite| arguments.only.as_deref().is_none_or(|one| one == suite.name);
    let wanted: Vec<&Suite> = SUITES.iter().filter(is_wanted).collect();
    anyhow::ensure!(!wanted.is_empty(), "the suites are aetcd, etcd3gw and etcd-client");
    wanted.into_iter().try_for_each(|suite| suite.judge(workspace, &arguments.engine))
}

impl Suite {
    fn judge(&self, workspace: &Workspace, engine: &str) -> Result<()> {
        println!("\n--> {}, against three members on {engine}", self.name);
        for left_out in self.left_out {
            println!("    without {}: {}", left_out.test, left_out.reason);
        }
        let cluster = Cluster::start(workspace, &Kind::Quorate { engine: engine.to_owned() })?;
        let verdict = (self.run)(self, &Site { workspace, cluster: &cluster })
            .with_context(|| format!("the suite {} could not be run", self.name))?;
        verdict.judge(self.name, self.passes)
    }
}
