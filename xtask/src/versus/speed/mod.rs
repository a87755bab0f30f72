//! How fast, how soon again after a kill, and how large: two systems in turns, with one client.
//!
//! Only one cluster runs at any time, three members of it on this machine, with their default
//! timeouts and their syncs, and data on the same disk. A turn of loads has a fresh cluster.

mod disk;
mod faults;
mod load;
mod system;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::{Value, json};

use self::load::{Cell, Echo, Operation};
pub(super) use self::system::number;
use self::system::{Programs, System};
use self::table::{Raw, Results, Turns};
use super::figures::{Better, Figure, median, shown};
use crate::cluster::{Cluster, target};
use crate::workspace::Workspace;

/// Kills of one cluster before it is the turn of the other.
const KILLS_EACH: u32 = 5;

/// Turns with many keys: they take long and vary little.
const LARGE_ROUNDS_MAX: u32 = 3;

/// Seconds until a cluster serves.
const START_SECONDS: u32 = 4;

/// Keys that a slow cluster is given in a second. For the estimate alone.
const FILL_RATE: u64 = 20_000;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Writes.
    Put,
    /// Reads, linearizable and serializable.
    Range,
    /// From the death of the leader to the next acknowledged write.
    Failover,
    /// From the start of killed members until they serve.
    Restart,
    /// What keys take.
    Memory,
}

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Measure these parts alone: put, range, failover, restart, memory.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    only: Vec<Part>,
    /// Compare Quorate on Raft with Quorate on Multi-Paxos instead of with etcd.
    #[arg(long, conflicts_with_all = ["engine", "semantics", "watches", "leases"])]
    engines: bool,
    /// Clients of each load.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [1, 64, 512])]
    clients: Vec<u32>,
    /// Seconds that each load is measured.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Kills of the leader of each system.
    #[arg(long, value_name = "N", default_value_t = 20)]
    kills: u32,
    /// Keys that are written before memory is looked at and members are restarted.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    keys: u64,
}

/// What is common to all measurements.
pub(crate) struct Plan<'a> {
    /// Quorate's consensus protocol.
    pub(crate) engine: &'a str,
    /// How often both systems have their turn.
    pub(crate) rounds: u32,
    /// Where everything that was measured is kept; below the target directory if nowhere is named.
    pub(crate) raw: Option<PathBuf>,
}

/// Measures, prints the table, and keeps what it was made of.
pub(crate) fn run(workspace: &Workspace, plan: &Plan<'_>, arguments: &Arguments) -> Result<()> {
    let programs = Programs::build(workspace)?;
    let (name, systems) = systems(plan.engine, arguments);
    let directory = match &plan.raw {
        Some(directory) => directory.clone(),
        None => target(workspace)?.join("versus-etcd"),
    };
    let raw = Raw::create(&directory, &name)?;
    let results =
        Results { names: systems.each_ref().map(|it| it.name.clone()), ..Results::default() };
    let (rounds, arguments) = (plan.rounds, arguments.clone());
    let run =
        Run { workspace, programs, systems, rounds, arguments, raw, results, syncs: Vec::new() };
    run.measure()
}

/// Who takes turns, and what the files of their figures are called.
fn systems(engine: &str, arguments: &Arguments) -> (String, [System; 2]) {
    if arguments.engines {
        let systems = [System::quorate("Raft", "raft"), System::quorate("Paxos", "paxos")];
        return ("speed-engines".to_owned(), systems);
    }
    (format!("speed-{engine}"), [System::quorate("Quorate", engine), System::etcd()])
}

/// A comparison that goes on.
struct Run<'a> {
    workspace: &'a Workspace,
    programs: Programs,
    systems: [System; 2],
    rounds: u32,
    arguments: Arguments,
    raw: Raw,
    results: Results,
    /// What the disk takes, looked at in each round.
    syncs: Vec<[f64; 2]>,
}

impl Run<'_> {
    fn measure(mut self) -> Result<()> {
        let minutes = self.seconds().div_ceil(60);
        eprintln!("this takes about {minutes} minutes; leave the machine alone meanwhile");
        self.loads()?;
        self.failovers()?;
        self.large()?;
        let text = format!("{}{}", self.results.table(), self.disk());
        let path = self.raw.keep_table(&text)?;
        println!("{text}\nkept in {} with the raw figures", path.display());
        Ok(())
    }

    /// What the disk takes, if that was looked at.
    fn disk(&self) -> String {
        if self.syncs.is_empty() {
            return String::new();
        }
        let median_of = |at: usize| shown(median(self.syncs.iter().map(|it| it[at]).collect()));
        let (half, most) = (median_of(0), median_of(1));
        format!("\nThe disk's fdatasync of 4 KiB: p50 {half} ms, p99 {most} ms.\n")
    }

    /// About how long it takes, in seconds.
    fn seconds(&self) -> u64 {
        let rounds = u64::from(self.rounds);
        let large = u64::from(self.large_rounds());
        let load = u64::from(self.arguments.seconds + load::AROUND_SECONDS);
        let start = u64::from(START_SECONDS);
        let cells = u64::try_from(self.cells().len()).expect("there are few");
        let echoes = u64::try_from(self.arguments.clients.len() * 2 * 2).expect("there are few");
        let mut seconds = 0;
        if 0 < cells {
            seconds += rounds * (2 * (start + cells * load) + echoes * load);
        }
        if self.wants(Part::Failover) {
            let kills = u64::from(self.arguments.kills);
            seconds += 2 * (kills * u64::from(faults::KILL_SECONDS));
        }
        if self.wants(Part::Memory) || self.wants(Part::Restart) {
            seconds += large * 2 * (start + self.arguments.keys / FILL_RATE);
        }
        if self.wants(Part::Restart) {
            seconds += large * 2 * u64::from(faults::RESTART_SECONDS);
        }
        seconds
    }

    fn wants(&self, part: Part) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.contains(&part)
    }

    fn large_rounds(&self) -> u32 {
        self.rounds.min(LARGE_ROUNDS_MAX)
    }

    fn operations(&self) -> Vec<Operation> {
        let puts = self.wants(Part::Put).then_some(Operation::Put);
        let reads = [Operation::Range, Operation::Stale];
        let reads = reads.into_iter().filter(|_| self.wants(Part::Range));
        puts.into_iter().chain(reads).collect()
    }

    /// Every load of a turn.
    fn cells(&self) -> Vec<Cell> {
        let seconds = self.arguments.seconds;
        let cells = self.operations().into_iter().flat_map(|operation| {
            let cell = move |clients: &u32| Cell { operation, clients: *clients, seconds };
            self.arguments.clients.iter().map(cell)
        });
        cells.collect()
    }

    fn loads(&mut self) -> Result<()> {
        let cells = self.cells();
        if cells.is_empty() {
            return Ok(());
        }
        for library in ["tonic", "h2"] {
            self.results.ceilings.push((format!("a bare {library} echo"), Turns::new()));
        }
        for round in 1..=self.rounds {
            let sync = disk::sync_milliseconds()?;
            self.raw.keep(&json!({ "round": round, "fdatasync_ms": sync }))?;
            self.syncs.push(sync);
            for place in turns(round) {
                self.say("loads", round, self.rounds, place);
                let figures = self.load_turn(&cells, round, place)?;
                self.results.systems[place].push(figures);
            }
            for (place, library) in ["tonic", "h2"].into_iter().enumerate() {
                let figures = self.echo_turn(&cells, round, library)?;
                self.results.ceilings[place].1.push(figures);
            }
        }
        Ok(())
    }

    fn load_turn(&mut self, cells: &[Cell], round: u32, place: usize) -> Result<Vec<Figure>> {
        let cluster = Cluster::start(self.workspace, &self.systems[place].kind)?;
        load::fill(&self.programs, &cluster.urls())?;
        let mut figures = Vec::new();
        for cell in cells {
            let report = cell.measure(&self.programs, &cluster.urls())?;
            figures.extend(cell.figures(&report).with_context(|| cell.name())?);
            self.keep(round, place, &cell.name(), report)?;
        }
        Ok(figures)
    }

    /// The same requests of a server that keeps nothing. How fresh a read is asked to be is all one
    /// to it.
    fn echo_turn(&mut self, cells: &[Cell], round: u32, library: &str) -> Result<Vec<Figure>> {
        let echo = Echo::start(&self.programs, library)?;
        let mut figures = Vec::new();
        let mut reads = BTreeMap::new();
        for cell in cells.iter().copied() {
            let known = reads.get(&cell.clients).filter(|_| cell.operation == Operation::Stale);
            let report = match known {
                Some(report) => Value::clone(report),
                None => cell.measure_echo(&self.programs, &echo)?,
            };
            if cell.operation == Operation::Range {
                reads.insert(cell.clients, report.clone());
            }
            let is_cost = |figure: &Figure| {
                figure.better == Better::More || figure.name.ends_with("server CPU us")
            };
            figures.extend(cell.figures(&report)?.into_iter().filter(is_cost));
            let echo = format!("a bare {library} echo");
            self.raw.keep(&json!({
                "round": round, "system": echo, "what": cell.name(), "report": report,
            }))?;
        }
        Ok(figures)
    }

    fn failovers(&mut self) -> Result<()> {
        if !self.wants(Part::Failover) {
            return Ok(());
        }
        let rounds = self.arguments.kills.div_ceil(KILLS_EACH);
        for round in 1..=rounds {
            let kills = KILLS_EACH.min(self.arguments.kills - (round - 1) * KILLS_EACH);
            for place in turns(round) {
                self.say("failover", round, rounds, place);
                let mut cluster = Cluster::start(self.workspace, &self.systems[place].kind)?;
                for _ in 0..kills {
                    let (report, figure) = faults::failover(&self.programs, &mut cluster)?;
                    self.keep(round, place, &figure.name.clone(), report)?;
                    self.results.systems[place].push(vec![figure]);
                }
            }
        }
        Ok(())
    }

    fn large(&mut self) -> Result<()> {
        if !self.wants(Part::Memory) && !self.wants(Part::Restart) {
            return Ok(());
        }
        for round in 1..=self.large_rounds() {
            for place in turns(round) {
                self.say("memory and restart", round, self.large_rounds(), place);
                let mut cluster = Cluster::start(self.workspace, &self.systems[place].kind)?;
                let keys = self.arguments.keys;
                let (report, mut figures) = faults::memory_of(&self.programs, &cluster, keys)?;
                self.keep(round, place, "memory", report)?;
                if !self.wants(Part::Memory) {
                    figures.clear();
                }
                if self.wants(Part::Restart) {
                    figures.extend(faults::restart(&self.programs, &mut cluster)?);
                }
                for figure in &figures {
                    self.keep(round, place, &figure.name, json!(figure.value))?;
                }
                self.results.systems[place].push(figures);
            }
        }
        Ok(())
    }

    fn say(&self, what: &str, round: u32, rounds: u32, place: usize) {
        eprintln!("{what}: round {round} of {rounds}, {}", self.systems[place].name);
    }

    fn keep(&mut self, round: u32, place: usize, what: &str, report: Value) -> Result<()> {
        let system = &self.systems[place].name;
        self.raw.keep(&json!({ "round": round, "system": system, "what": what, "report": report }))
    }
}

/// Who comes first alternates, so that a machine that slows down slows both.
fn turns(round: u32) -> [usize; 2] {
    if round % 2 == 1 { [0, 1] } else { [1, 0] }
}
