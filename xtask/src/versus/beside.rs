//! Measures something on clusters of Quorate and of etcd in turns, and tells how they compare.
//!
//! Each turn has a cluster of its own, so that none finds what another left. Which of the two comes
//! first alternates, so that a machine that slows down slows both.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::figures::{Better, Figure, table};
use super::usage::Usage;
use crate::cluster::{Cluster, Kind, release_binary};
use crate::workspace::{Workspace, cargo, shown};

/// For how many seconds a client holds what it opened, and when in that time it is looked at.
const HOLD_SECONDS: u32 = 4;
const LOOK: Duration = Duration::from_secs(3);

/// What to measure.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// What its file of raw figures is called.
    pub(crate) name: &'static str,
    /// Starts what it is measured on.
    pub(crate) start: fn(&Workspace, &Kind) -> Result<Cluster>,
    /// Measures it once.
    pub(crate) measure: fn(&mut Turn<'_>) -> Result<()>,
}

/// How to measure.
pub(crate) struct Plan {
    /// Quorate's consensus protocol.
    pub(crate) engine: String,
    /// How often.
    pub(crate) rounds: u32,
    /// Where the figures of every round go.
    pub(crate) raw: Option<PathBuf>,
}

/// Measures a part in turns, prints the table, and keeps the raw figures if that is wanted.
pub(crate) fn measure(workspace: &Workspace, plan: &Plan, part: Part) -> Result<()> {
    let build = ["build", "--locked", "--release", "--package", "quorate-cli"];
    workspace.run(&cargo(), &build)?;
    let kinds = [Kind::Quorate { engine: plan.engine.clone() }, Kind::Etcd];
    let mut rounds: [Vec<Vec<Figure>>; 2] = Default::default();
    let mut raw = Vec::new();
    for round in 1..=plan.rounds {
        let order = if round % 2 == 1 { [0, 1] } else { [1, 0] };
        for place in order {
            let kind = &kinds[place];
            eprintln!("{}: round {round} of {}, {}", part.name, plan.rounds, kind.name());
            let mut cluster = (part.start)(workspace, kind)?;
            let mut turn = Turn::new(&mut cluster, release_binary(workspace)?);
            (part.measure)(&mut turn)?;
            raw.push(turn.raw(round, kind.name()));
            rounds[place].push(turn.figures);
        }
    }
    let [quorate, etcd] = rounds;
    println!("{}", table(&quorate, &etcd));
    let Some(directory) = &plan.raw else { return Ok(()) };
    let path = directory.join(format!("{}-{}.json", part.name, plan.engine));
    let lines: Vec<String> = raw.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}

/// One cluster, and what was measured on it.
pub(crate) struct Turn<'a> {
    pub(crate) cluster: &'a mut Cluster,
    program: PathBuf,
    figures: Vec<Figure>,
    reports: Vec<Value>,
}

impl<'a> Turn<'a> {
    fn new(cluster: &'a mut Cluster, program: PathBuf) -> Self {
        Self { cluster, program, figures: Vec::new(), reports: Vec::new() }
    }

    /// Notes a figure.
    pub(crate) fn note(&mut self, name: &str, better: Better, value: f64) {
        self.figures.push(Figure { name: name.to_owned(), better, value });
    }

    /// What a load on these members reports.
    pub(crate) fn bench_at(&mut self, places: &[usize], arguments: &str) -> Result<Value> {
        let report = self.ask(places, &format!("bench {arguments}"))?;
        self.reports.push(report.clone());
        Ok(report)
    }

    /// Runs `quorate bench` with these arguments on the cluster.
    pub(crate) fn bench(&mut self, arguments: &str) -> Result<Measured> {
        let before = self.usage()?;
        let mut client = self.client(arguments);
        let output = client.output().with_context(|| shown(&client))?;
        ensure!(output.status.success(), "`{}` failed", shown(&client));
        self.measured(&output.stdout, before, before)
    }

    /// The same, with a look at the servers when everything is open and nothing happens.
    pub(crate) fn held(&mut self, arguments: &str) -> Result<Measured> {
        let before = self.usage()?;
        let mut client = self.client(arguments);
        client.args(["--hold", &HOLD_SECONDS.to_string()]).stderr(Stdio::piped());
        let name = shown(&client);
        let mut client = client.spawn().with_context(|| name.clone())?;
        let mut said = BufReader::new(client.stderr.take().context("it is piped")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        thread::sleep(LOOK);
        let held = self.usage()?;
        said.read_to_string(&mut line)?;
        let output = client.wait_with_output()?;
        ensure!(output.status.success(), "`{name}` failed: {line}");
        self.measured(&output.stdout, before, held)
    }

    /// What `quorate` with these arguments says of some members.
    pub(crate) fn ask(&self, places: &[usize], arguments: &str) -> Result<Value> {
        let mut client = Command::new(&self.program);
        client.args(arguments.split_whitespace());
        client.args(["--endpoints", &self.cluster.urls_of(places), "--write-out", "json"]);
        let output = client.output().with_context(|| shown(&client))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{}` failed: {complaint}", shown(&client));
        serde_json::from_slice(&output.stdout).context("an answer is JSON")
    }

    fn client(&self, arguments: &str) -> Command {
        let mut client = Command::new(&self.program);
        client.arg("bench").args(arguments.split_whitespace());
        client.args(["--endpoints", &self.cluster.urls(), "--write-out", "json"]);
        client.stdin(Stdio::null()).stdout(Stdio::piped());
        client
    }

    fn measured(&mut self, report: &[u8], before: Usage, held: Usage) -> Result<Measured> {
        let after = self.usage()?;
        let report: Value = serde_json::from_slice(report).context("a report is JSON")?;
        ensure!(report["missing"] == 0, "something did not come: {report}");
        let spent = json!({
            "report": report,
            "server_bytes": held.bytes - before.bytes,
            "server_seconds": after.seconds - held.seconds,
        });
        self.reports.push(spent);
        Ok(Measured { report, before, held, after })
    }

    fn usage(&self) -> Result<Usage> {
        Usage::of(self.cluster.processes())
    }

    fn raw(&self, round: u32, system: &str) -> Value {
        let figures: Vec<Value> =
            self.figures.iter().map(|it| json!({ "name": it.name, "value": it.value })).collect();
        json!({ "round": round, "system": system, "figures": figures, "reports": self.reports })
    }
}

/// What a client reported, and what the servers took.
pub(crate) struct Measured {
    report: Value,
    before: Usage,
    /// While what was opened was held; before everything, if it was not.
    held: Usage,
    after: Usage,
}

impl Measured {
    /// A figure of the report.
    pub(crate) fn figure(&self, name: &str) -> Result<f64> {
        self.report[name].as_f64().with_context(|| format!("no {name} in {}", self.report))
    }

    /// Memory of all servers for each of so many things that were opened, in bytes.
    pub(crate) fn bytes_each(&self, count: f64) -> f64 {
        (self.held.bytes - self.before.bytes) / count
    }

    /// Processor time of all servers for each thing that was counted, in microseconds.
    pub(crate) fn micros_each(&self) -> Result<f64> {
        let seconds = self.after.seconds - self.held.seconds;
        Ok(seconds * 1e6 / self.figure("count")?.max(1.0))
    }
}
