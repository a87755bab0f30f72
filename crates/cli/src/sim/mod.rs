//! `quorate sim`: simulated clusters, each from a seed, on networks, disks and clocks that fail.
//!
//! The simulator itself reads no clock and starts no thread; this is where runs are spread over
//! threads, timed, and told of.

mod campaign;
mod engine;
mod explore;
mod mutants;
mod print;
mod replay;
mod verify;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use quorate_sim::campaign::Items;
use quorate_sim::{Named, Seed};

use crate::exit::Failure;
use crate::serve_flags::EngineName;

/// The flags of `sim`.
#[derive(Args, Debug)]
pub(crate) struct SimFlags {
    /// How the simulated members agree
    #[arg(long, default_value = "raft")]
    engine: EngineName,
    /// What may go wrong: calm, default, crashes, network, disks, clocks, partial
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = named)]
    profile: Named,
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value = "1000", conflicts_with = "seed")]
    seeds: u64,
    /// The first of them
    #[arg(long, value_name = "SEED", default_value = "1", conflicts_with = "seed")]
    first_seed: u64,
    /// Begin no run after this many minutes
    #[arg(long, value_name = "M", conflicts_with = "seed")]
    minutes: Option<u64>,
    /// How many threads run seeds [default: one for each core]
    #[arg(long, value_name = "N", conflicts_with = "seed")]
    threads: Option<NonZeroUsize>,
    /// Run one seed of twenty once more, in a process of its own, and compare
    #[arg(long, conflicts_with = "seed")]
    verify: bool,
    /// Make the run that fails smaller before it is told
    #[arg(long)]
    shrink: bool,
    #[command(flatten)]
    gallery: GalleryFlags,
    /// Explore every order of events in a world of this size
    #[arg(long, value_name = "SIZE", conflicts_with = "seed", help_heading = "Small worlds")]
    explore: Option<explore::Size>,
    #[command(flatten)]
    one: OneFlags,
    /// How the result is printed
    #[arg(short = 'w', long = "write-out", value_name = "FORMAT", default_value = "table")]
    format: Format,
}

/// The flags of the gallery of mutants.
#[derive(Args, Debug)]
struct GalleryFlags {
    /// Break each rule in turn, and see whether the checks notice
    #[arg(long, conflicts_with_all = ["seed", "explore"], help_heading = "Mutants")]
    mutants: bool,
    /// Replay what is recorded of each, instead of searching anew
    #[arg(long, requires = "mutants", help_heading = "Mutants")]
    recorded: bool,
    /// Only mutants with this in their name
    #[arg(long, value_name = "NAME", requires = "mutants", help_heading = "Mutants")]
    only: Option<String>,
    /// Write the table to this file as well
    #[arg(long, value_name = "FILE", requires = "mutants", help_heading = "Mutants")]
    write: Option<PathBuf>,
}

/// The flags of one run alone.
#[derive(Args, Debug)]
struct OneFlags {
    /// Run this seed alone
    #[arg(long, value_name = "SEED", help_heading = "One run")]
    seed: Option<u64>,
    /// Print everything that happens in it
    #[arg(long, requires = "seed", help_heading = "One run")]
    trace: bool,
    /// End it behind this step
    #[arg(long, value_name = "STEP", requires = "seed", help_heading = "One run")]
    until: Option<u64>,
    /// Leave out these faults and operations, as in f3,f5-f9,c1.2
    #[arg(long, value_name = "ITEMS", requires = "seed", help_heading = "One run")]
    #[arg(default_value = "", hide_default_value = true)]
    without: Items,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// What `sim --help` opens with.
pub(crate) const EXAMPLES: &str = "\
Examples:
  quorate sim --seeds 100              a hundred clusters, everything goes wrong
  quorate sim --seeds 100 --engine paxos
  quorate sim --seed 7 --trace         one of them, line by line
  quorate sim --mutants --recorded     would the checks notice a broken rule?
  quorate sim --explore small          every order of events in a small world

It ends with exit code 1 if something did not hold, and prints the command that
replays the run to the byte. A campaign of 10,000 seeds or more must also have
met every kind of fault and every rare path that it knows of.";

/// Runs what the flags say.
pub(crate) fn run(flags: &SimFlags) -> Result<(), Failure> {
    // An assertion that breaks in a simulated node is a finding, and told as one.
    std::panic::set_hook(Box::new(|_| {}));
    if flags.gallery.mutants {
        return mutants::run(flags);
    }
    match (flags.explore, flags.one.seed) {
        (Some(size), _) => explore::run(flags, size),
        (None, Some(seed)) => replay::run(flags, Seed(seed)),
        (None, None) => campaign::run(flags),
    }
}

impl SimFlags {
    /// How long runs may begin, if that is bounded.
    fn time_max(&self) -> Option<Duration> {
        self.minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)))
    }
}

fn named(text: &str) -> Result<Named, String> {
    let names = || Named::ALL.map(Named::name).join(", ");
    text.parse().map_err(|_| format!("there are {}", names()))
}
