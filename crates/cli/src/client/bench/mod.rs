//! `bench`: what a cluster takes and how fast, Quorate's or etcd's, by the same client.

mod lease;
mod load;
mod watch;

use std::future::Future;
use std::io::{Write, stderr};
use std::time::Duration;

use clap::Subcommand;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime;

use self::lease::LeaseBenchFlags;
use self::load::{MixedFlags, PutFlags, RangeFlags, TxnFlags};
use self::watch::WatchBenchFlags;
use crate::client_flags::Context;
use crate::exit::Failure;
use crate::output::{Answer, Json, Object, Table, Text};

/// The end of the help of `bench`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate bench put --clients 64 --duration 10s
  quorate bench range --consistency s --clients 512
  quorate bench put --rate 2000 -w json      latency at a load that is given
  quorate bench watch --watchers 1000 --rate 100
  quorate bench watch --watchers 10000 --rate 0

They write below the key `bench/`, and work on any etcd. Measure two systems in
turn, on a machine that does nothing else.";

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// How many writes are taken, and how soon each is acknowledged
    Put(PutFlags),
    /// How many reads are answered, and how soon
    Range(RangeFlags),
    /// Reads and writes together
    Mixed(MixedFlags),
    /// Transactions: a comparison, and puts
    Txn(TxnFlags),
    /// How soon changes reach those who watch
    Watch(WatchBenchFlags),
    /// How many leases are renewed
    Lease(LeaseBenchFlags),
}

/// Measures.
pub(crate) fn run(command: BenchCommand, context: &Context) -> Result<(), Failure> {
    let load = match command {
        BenchCommand::Put(flags) => flags.into(),
        BenchCommand::Range(flags) => flags.into(),
        BenchCommand::Mixed(flags) => flags.into(),
        BenchCommand::Txn(flags) => flags.into(),
        BenchCommand::Watch(flags) => {
            return context.printer.print(&on_threads(watch::measure(flags, context))?);
        }
        BenchCommand::Lease(flags) => {
            return context.printer.print(&on_threads(lease::measure(flags, context))?);
        }
    };
    context.printer.print(&load::measure(load, context)?)
}

/// Clients share two threads, so that they are not what is slow.
fn on_threads<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    const THREADS: usize = 2;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    runtime.map_err(Failure::error)?.block_on(work)
}

/// A number for people, in groups of three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().flat_map(str::from_utf8).collect();
    groups.join(",")
}

/// Says on standard error that everything stands, and leaves it alone for so many seconds, in which
/// what it takes can be looked at.
async fn hold(what: &str, seconds: u32) {
    if 0 < seconds {
        // It is for who looks; nobody need look.
        let _ = writeln!(stderr(), "{what}");
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was counted, in the plural.
    what: &'static str,
    /// How many there were.
    count: u64,
    /// How many were expected and did not come.
    missing: u64,
    /// Within which time.
    elapsed: Duration,
    /// Processor time of this client, in seconds.
    client_seconds: f64,
    /// How long each took, sorted.
    latencies: Vec<Duration>,
}

impl Report {
    fn new(
        what: &'static str,
        expected: u64,
        elapsed: Duration,
        mut latencies: Vec<Duration>,
    ) -> Self {
        latencies.sort_unstable();
        let count = u64::try_from(latencies.len()).expect("they fit into memory");
        let missing = expected.saturating_sub(count);
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used = Duration::try_from(used).unwrap_or_default();
        Self { what, count, missing, elapsed, client_seconds: used.as_secs_f64(), latencies }
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn rate(&self) -> f64 {
        let rate = self.count as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        (rate * 10.0).round() / 10.0
    }

    /// The latency in milliseconds that this many of a thousand do not exceed.
    fn latency(&self, of_a_thousand: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let place = (self.latencies.len() * of_a_thousand / 1000).min(last);
        let latency = self.latencies.get(place).copied().unwrap_or_default();
        (latency.as_secs_f64() * 1e6).round() / 1e3
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Count", self.count.to_string()),
            ("Missing", self.missing.to_string()),
            ("PerSecond", format!("{:.1}", self.rate())),
            ("P50ms", format!("{:.3}", self.latency(500))),
            ("P99ms", format!("{:.3}", self.latency(990))),
            ("P999ms", format!("{:.3}", self.latency(999))),
        ]
    }
}

impl Answer for Report {
    fn simple(&self, text: &mut Text) {
        let line = format!(
            "{} {}, {} missing: {:.1}/s, p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms",
            self.count,
            self.what,
            self.missing,
            self.rate(),
            self.latency(500),
            self.latency(990),
            self.latency(999),
        );
        text.line(line.as_bytes());
    }

    fn json(&self) -> Json {
        Object::new()
            .with("what", self.what)
            .with("count", self.count)
            .with("missing", self.missing)
            .with("per_second", self.rate())
            .with("seconds", self.elapsed.as_secs_f64())
            .with("client_seconds", self.client_seconds)
            .with("p50_ms", self.latency(500))
            .with("p99_ms", self.latency(990))
            .with("p999_ms", self.latency(999))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        for (name, value) in self.rows() {
            text.field(name, value);
        }
    }

    fn table(&self) -> Option<Table> {
        let rows = self.rows();
        let titles: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        Some(Table::new(&titles, vec![rows.iter().map(|(_, value)| value.clone()).collect()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_what_came_and_what_did_not() {
        let latencies = (1..=1000).rev().map(Duration::from_millis).collect();
        let report = Report::new("events", 1001, Duration::from_secs(2), latencies);
        assert_eq!((report.count, report.missing), (1000, 1));
        assert!((report.rate() - 500.0).abs() < 1e-9);
        let at = |of_a_thousand| report.latency(of_a_thousand);
        assert!((at(500) - 501.0).abs() < 1e-9 && (at(999) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn long_numbers_are_in_groups() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn a_report_of_nothing_is_a_report() {
        let report = Report::new("events", 3, Duration::ZERO, Vec::new());
        assert_eq!((report.count, report.missing), (0, 3));
        assert!(report.latency(990).abs() < 1e-9);
    }
}
