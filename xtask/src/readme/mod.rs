//! `cargo xtask readme`: runs every command block of README.md, so that it stays true.
//!
//! How README.md is read:
//!
//! - A fenced block whose language is `sh` holds commands. Other names for the same, such as
//!   `bash` or `console`, are refused, so that no command escapes.
//! - The blocks run in order in one shell, at the root of the repository, with an empty temporary
//!   `HOME` and nothing to read. What a block sets or changes stays so for those after it. A
//!   command that fails fails the run, and so does a block that takes more than 15 minutes.
//! - `<!-- run: demo until TEXT -->` before a block: its one command is started beside the others,
//!   with `--no-keys` added to it and its input closed. The next block begins as soon as a line it
//!   prints contains TEXT. Lines it printed until then that begin with `export ` are given to the
//!   shell, as a reader would paste them. It is ended, by its process id, after the last block.
//! - `<!-- run: skip REASON -->` before a block: it is not run. The reason is for the reviewer.
//! - `<!-- expect -->` before a `text` block: each of its lines occurs, in this order, in what the
//!   command block before it printed; a line matches where it is part of a printed one.

mod demo;
mod lines;
mod parse;
mod shell;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use demo::Demo;
use parse::{Block, How};
use shell::Shell;

use crate::workspace::Workspace;

/// Runs the command blocks of README.md.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let text = fs::read_to_string(workspace.path("README.md")).context("README.md")?;
    let blocks = parse::blocks(&text)?;
    run_blocks(workspace.root(), &blocks)?;
    println!("readme: {} command blocks hold", blocks.len());
    Ok(())
}

/// Runs the blocks in one shell, in a directory.
fn run_blocks(directory: &Path, blocks: &[Block]) -> Result<()> {
    let home = tempfile::tempdir()?;
    let place = Place { directory, environment: environment(home.path()) };
    let mut shell = Shell::start(&place)?;
    let mut demos = Vec::new();
    for block in blocks {
        run_block(&place, &mut shell, &mut demos, block)
            .with_context(|| format!("README.md:{}", block.line))?;
    }
    Ok(())
}

fn run_block(place: &Place, shell: &mut Shell, demos: &mut Vec<Demo>, block: &Block) -> Result<()> {
    match &block.how {
        How::Skip { reason } => {
            println!("README.md:{}: skipped: {reason}", block.line);
            Ok(())
        }
        How::Demo { until } => {
            let (demo, printed) = Demo::start(place, &block.commands, until)?;
            demos.push(demo);
            let exports: Vec<&str> =
                printed.iter().map(|line| line.trim()).filter(|line| is_export(line)).collect();
            shell.run(&exports.join("\n"))?;
            expect(&block.expected, &printed)
        }
        How::Run => expect(&block.expected, &shell.run(&block.commands)?),
    }
}

fn is_export(line: &str) -> bool {
    line.starts_with("export ")
}

/// Fails unless the expected lines occur in this order.
fn expect(expected: &[String], printed: &[String]) -> Result<()> {
    let mut rest = printed.iter();
    for line in expected {
        if !rest.any(|printed| printed.contains(line.as_str())) {
            bail!("`{line}` was expected and not printed");
        }
    }
    Ok(())
}

/// Where commands run, and what they find there.
struct Place<'a> {
    directory: &'a Path,
    environment: BTreeMap<&'static str, PathBuf>,
}

/// An empty home; but the toolchain that is installed, which lives in the real one.
fn environment(home: &Path) -> BTreeMap<&'static str, PathBuf> {
    let mut environment = BTreeMap::from([("HOME", home.to_owned())]);
    for (variable, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let given = std::env::var_os(variable).map(PathBuf::from);
        let usual = std::env::var_os("HOME").map(|home| Path::new(&home).join(default));
        if let Some(path) = given.or(usual).filter(|path| path.is_dir()) {
            environment.insert(variable, path);
        }
    }
    environment
}

#[cfg(test)]
mod tests;
