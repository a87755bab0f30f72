//! `cargo xtask`: the habits of this repository as commands.
//!
//! Everything that a person or the gate does to the tree beyond plain cargo lives here, in Rust, so
//! that there are no shell scripts to keep in step.

// A command line tool talks to its terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod codegen;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use workspace::Workspace;

/// The repository's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compile proto/ into crates/etcdapi/src/gen.
    Codegen(codegen::Arguments),
}

fn main() -> Result<()> {
    let workspace = Workspace::of_this_build();
    match Arguments::parse().task {
        Task::Codegen(arguments) => codegen::run(&workspace, &arguments),
    }
}
