//! Many sequences on several pairs of servers, and what is told of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result};

use crate::compare::Finding;
use crate::draw::{self, Topic};
use crate::known::{Known, Met};
use crate::pair::{Pair, Programs, Run};
use crate::sequence::Step;

/// Findings that are shortened and told; others are counted.
const TOLD_MAX: usize = 10;

/// What to run.
pub(crate) struct Plan {
    /// What draws the sequences.
    pub(crate) seed: u64,
    /// The number of the first sequence.
    pub(crate) first: u64,
    /// How many there are.
    pub(crate) sequences: u64,
    /// What they are about.
    pub(crate) topics: Vec<Topic>,
    /// Differences that are meant.
    pub(crate) known: Known,
    /// What is compared.
    pub(crate) programs: Programs,
    /// The arguments that choose the engine in a replay.
    pub(crate) replay: String,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Requests sent to each server, without those of this tool.
    pub(crate) requests: u64,
    /// Sequences with each kind of difference that is not meant.
    pub(crate) findings: BTreeMap<String, u64>,
    /// What is told of the first of each kind.
    pub(crate) reports: Vec<String>,
    /// Sequences whose difference was not there a second time.
    pub(crate) unrepeated: Vec<String>,
    /// Differences that are meant and occurred.
    pub(crate) met: Met,
}

/// Runs the plan on so many pairs.
pub(crate) async fn run(plan: Plan, pairs: u64) -> Result<Outcome> {
    let plan = Arc::new(plan);
    let next = Arc::new(AtomicU64::new(0));
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let workers = (0..pairs.min(plan.sequences))
        .map(|_| tokio::spawn(Worker::work(plan.clone(), next.clone(), outcome.clone())));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.context("a worker panicked")??;
    }
    let outcome = Arc::into_inner(outcome).context("every worker has ended")?;
    outcome.into_inner().ok().context("no worker panicked")
}

/// One pair and what it works off.
struct Worker {
    plan: Arc<Plan>,
    outcome: Arc<Mutex<Outcome>>,
    pair: Pair,
}

impl Worker {
    async fn work(
        plan: Arc<Plan>,
        next: Arc<AtomicU64>,
        outcome: Arc<Mutex<Outcome>>,
    ) -> Result<()> {
        let pair = Pair::start(&plan.programs).await?;
        let mut worker = Self { plan, outcome, pair };
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if worker.plan.sequences <= place {
                return Ok(());
            }
            worker.judge(worker.plan.first + place).await?;
        }
    }

    async fn judge(&mut self, number: u64) -> Result<()> {
        let plan = self.plan.clone();
        let steps = draw::sequence(plan.seed, number, &plan.topics);
        let mut met = Met::new();
        let run = self.pair.run(&steps, &plan.known, &mut met).await?;
        {
            let mut outcome = self.outcome();
            outcome.requests += steps.len() as u64;
            outcome.met.append(&mut met);
        }
        match run.finding {
            Some(finding) => self.on_finding(number, steps, finding).await,
            None => Ok(()),
        }
    }

    async fn on_finding(&mut self, number: u64, steps: Vec<Step>, first: Finding) -> Result<()> {
        let plan = self.plan.clone();
        let again = self.pair.run(&steps, &plan.known, &mut Met::new()).await?;
        let signature = first.signature();
        if again.finding.is_none_or(|finding| finding.signature() != signature) {
            let what = format!("{} {}", first.request, first.differences[0]);
            self.outcome().unrepeated.push(format!("sequence {number}: {what}"));
            return Ok(());
        }
        let is_told = {
            let mut outcome = self.outcome();
            let kinds = outcome.findings.len();
            let count = outcome.findings.entry(signature.clone()).or_default();
            *count += 1;
            *count == 1 && kinds < TOLD_MAX
        };
        if is_told {
            let drawn = steps.len();
            let shortest = self.pair.shorten(steps, &signature, &plan.known).await?;
            let run = self.pair.run(&shortest, &plan.known, &mut Met::new()).await?;
            let report = report(&plan, number, drawn, &shortest, &run);
            self.outcome().reports.push(report);
        }
        Ok(())
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().expect("no worker panicked while it held this")
    }
}

fn report(plan: &Plan, number: u64, drawn: usize, steps: &[Step], run: &Run) -> String {
    let mut text = format!(
        "seed {}, sequence {number}, shortened from {drawn} requests to {}:\n",
        plan.seed,
        steps.len()
    );
    for (place, step) in steps.iter().enumerate() {
        push(&mut text, format_args!("  {}. {step}", place + 1));
    }
    match &run.finding {
        Some(finding) => push_finding(&mut text, finding, run),
        None => push(&mut text, format_args!("  the shortened sequence did not show it again")),
    }
    if let Some(ended) = &run.ended {
        push(&mut text, format_args!("  {ended}"));
    }
    push(
        &mut text,
        format_args!(
            "  again: cargo xtask versus-etcd --semantics --seed {} --first {number} \
             --sequences 1{}",
            plan.seed, plan.replay
        ),
    );
    text
}

fn push_finding(text: &mut String, finding: &Finding, run: &Run) {
    push(text, format_args!("  the answers to {} differ:", finding.step + 1));
    for difference in &finding.differences {
        push(text, format_args!("    {difference}"));
    }
    for (name, answers) in [("etcd", &run.etcd), ("quorate", &run.quorate)] {
        let Some(answer) = answers.get(finding.step) else { continue };
        let fields: Vec<String> =
            answer.0.iter().map(|field| format!("{}={}", field.path, field.value)).collect();
        push(text, format_args!("  {name} answers: {}", fields.join(" ")));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("text can be written");
}
