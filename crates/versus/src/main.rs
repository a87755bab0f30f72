//! `versus`: random sequences of requests, sent to a real etcd and to Quorate, and every field of
//! every answer compared. `cargo xtask versus-etcd --semantics` runs it.
//!
//! - [`draw`] makes [`sequence`]s from a seed; [`relative`] names revisions before they exist.
//! - [`session`] runs one on a [`server`], with its [`clients`]; [`stream`] and [`delivery`] are
//!   about watches, [`holding`] is about locks and elections.
//! - [`answer`] and [`flatten`] make answers comparable, [`compare`] and [`known`] judge.
//! - [`pair`] runs both sides and makes what differs shorter, by [`simplify`]; [`campaign`] does
//!   that for many sequences and reports.

// A command line tool talks to its terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod answer;
mod campaign;
mod clients;
mod compare;
mod delivery;
mod draw;
mod flatten;
mod holding;
mod known;
mod pair;
mod random;
mod relative;
mod sequence;
mod server;
mod session;
mod simplify;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;

use crate::campaign::{Outcome, Plan};
use crate::draw::{TOPICS, Topic};
use crate::known::Known;
use crate::pair::Programs;
use crate::server::Program;

/// So many sequences meet every difference that is meant, or it is none any more.
const SEQUENCES_THAT_MEET_ALL: u64 = 5_000;

/// Compares Quorate with a real etcd.
#[derive(Parser)]
struct Arguments {
    /// The quorate command [default: the one built beside this].
    #[arg(long, value_name = "FILE")]
    quorate: Option<PathBuf>,
    /// The etcd command.
    #[arg(long, value_name = "FILE", default_value = "etcd")]
    etcd: PathBuf,
    /// The list of differences that are meant.
    #[arg(long, value_name = "FILE")]
    differences: PathBuf,
    /// The consensus protocol of Quorate.
    #[arg(long, value_name = "NAME", default_value = "raft")]
    engine: String,
    /// What the sequences are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The number of the first sequence.
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// How many sequences.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sequences: u64,
    /// What they are about; one sequence differs by the topics that others may have.
    #[arg(long, value_delimiter = ',', default_values_t = TOPICS, value_enum)]
    topics: Vec<Topic>,
    /// Members of each cluster, asked in turn: 1 or 3.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=3))]
    members: u16,
    /// Pairs of clusters that work side by side.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pairs: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match compare_all(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether there was no difference but those that are meant.
async fn compare_all(arguments: Arguments) -> Result<bool> {
    let text = std::fs::read_to_string(&arguments.differences);
    let text = text.with_context(|| arguments.differences.display().to_string())?;
    let known = Known::parse(&text)?;
    let plan = Plan {
        seed: arguments.seed,
        first: arguments.first,
        sequences: arguments.sequences,
        replay: replay(&arguments),
        programs: programs(&arguments)?,
        topics: arguments.topics,
        known: known.clone(),
    };
    let has_all_topics = plan.topics.len() == TOPICS.len();
    let begun = Instant::now();
    let outcome = campaign::run(plan, arguments.pairs).await?;
    for report in &outcome.reports {
        println!("{report}");
    }
    println!(
        "{} sequences of seed {} ({}), {} requests to each, {:.0} s: {}",
        arguments.sequences,
        arguments.seed,
        arguments.engine,
        outcome.requests,
        begun.elapsed().as_secs_f64(),
        verdict(&outcome)
    );
    if has_all_topics && SEQUENCES_THAT_MEET_ALL <= arguments.sequences {
        for kind in known.unmet(&outcome.met, arguments.members) {
            println!("listed, but did not occur: {kind:?}");
        }
    }
    Ok(outcome.findings.is_empty())
}

fn programs(arguments: &Arguments) -> Result<Programs> {
    let beside = std::env::current_exe().context("this program has no path")?;
    let beside = beside.with_file_name("quorate");
    let serve = ["serve".to_owned(), format!("--engine={}", arguments.engine)];
    Ok(Programs {
        members: arguments.members.into(),
        etcd: Program { name: "etcd", path: arguments.etcd.clone(), arguments: Vec::new() },
        quorate: Program {
            name: "quorate",
            path: arguments.quorate.clone().unwrap_or(beside),
            arguments: serve.to_vec(),
        },
    })
}

/// What a replay has to be told beside seed and number.
fn replay(arguments: &Arguments) -> String {
    let mut text = String::new();
    if arguments.engine != "raft" {
        text.push_str(" --engine ");
        text.push_str(&arguments.engine);
    }
    if arguments.members != 1 {
        text.push_str(" --members ");
        text.push_str(&arguments.members.to_string());
    }
    if arguments.topics != TOPICS {
        let names: Vec<String> =
            arguments.topics.iter().map(|topic| format!("{topic:?}").to_lowercase()).collect();
        text.push_str(" --topics ");
        text.push_str(&names.join(","));
    }
    text
}

fn verdict(outcome: &Outcome) -> String {
    let mut text = if outcome.findings.is_empty() {
        "no difference but those that are meant".to_owned()
    } else {
        let kinds: Vec<String> =
            outcome.findings.iter().map(|(kind, count)| format!("\n  {count} x {kind}")).collect();
        format!("differences{}", kinds.concat())
    };
    if !outcome.unrepeated.is_empty() {
        text.push_str("\nnot seen a second time:\n  ");
        text.push_str(&outcome.unrepeated.join("\n  "));
    }
    text
}
