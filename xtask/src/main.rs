//! `cargo xtask`: the habits of this repository as commands.
//!
//! Everything that a person or the gate does to the tree beyond plain cargo lives here, in Rust, so
//! that there are no shell scripts to keep in step.

// A command line tool talks to its terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod ci;
mod cluster;
mod codegen;
mod link;
mod readme;
mod seeds;
mod strangers;
mod tidy;
mod tools;
mod versus;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use workspace::Workspace;

/// The repository's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the gate.
    Ci(ci::Arguments),
    /// Compile proto/ into crates/etcdapi/src/gen.
    Codegen(codegen::Arguments),
    /// Check the house rules that no compiler knows.
    Tidy,
    /// Run every command block of README.md.
    Readme,
    /// Run test suites of published clients against three members.
    Strangers(strangers::Arguments),
    /// Compare Quorate with a real etcd.
    VersusEtcd(versus::Arguments),
}

fn main() -> ExitCode {
    let workspace = Workspace::of_this_build();
    match run(&workspace, &Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(workspace: &Workspace, task: &Task) -> Result<()> {
    match task {
        Task::Ci(arguments) => ci::run(workspace, arguments),
        Task::Codegen(arguments) => codegen::run(workspace, arguments),
        Task::Tidy => tidy::run(workspace),
        Task::Readme => readme::run(workspace),
        Task::Strangers(arguments) => strangers::run(workspace, arguments),
        Task::VersusEtcd(arguments) => versus::run(workspace, arguments),
    }
}
