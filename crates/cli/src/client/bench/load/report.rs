//! What a run has shown, in each form of output.

use std::time::Duration;

use super::super::thousands;
use super::tally::{Latencies, Tally, Troubles};
use crate::output::{Answer, Json, Object, Table, Text};

/// How a run was set up, as it is told with its figures.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The subcommand.
    pub(super) operation: &'static str,
    /// The members that were asked.
    pub(super) endpoints: Vec<String>,
    pub(super) clients: usize,
    pub(super) connections: usize,
    pub(super) threads: usize,
    /// Requests a second, in an open loop.
    pub(super) rate: Option<u32>,
    pub(super) keys: u64,
    pub(super) key_size: usize,
    pub(super) value_size: usize,
    pub(super) seed: u64,
    pub(super) warm_up: Duration,
}

/// Processor time, and of how many processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    pub(super) processes: usize,
    pub(super) used: Duration,
}

/// What was measured.
#[derive(Debug)]
pub(in super::super) struct LoadReport {
    pub(super) setting: Setting,
    pub(super) elapsed: Duration,
    pub(super) tally: Tally,
    pub(super) longest_pause: Duration,
    /// Of the servers that run on this machine.
    pub(super) servers: Cpu,
    pub(super) client: Cpu,
}

impl LoadReport {
    /// Answers in a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn rate(&self) -> f64 {
        let rate = self.tally.done as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        rounded(rate, 10.0)
    }

    /// Microseconds of processor time for an answer, if any is known.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn micros_each(&self, cpu: Cpu) -> Option<f64> {
        let is_known = 0 < cpu.processes && 0 < self.tally.done;
        is_known.then(|| rounded(cpu.used.as_secs_f64() * 1e6 / self.tally.done as f64, 10.0))
    }

    fn all(&self) -> Latencies {
        let mut all = Latencies::new();
        all.add(&self.tally.reads);
        all.add(&self.tally.writes);
        all
    }

    fn heading(&self) -> String {
        let Setting { operation, clients, connections, .. } = self.setting;
        let pace = match self.setting.rate {
            None => "closed loop".to_owned(),
            Some(rate) => format!("open loop at {}/s", thousands(rate.into())),
        };
        format!(
            "{operation}: {}, {}, {}, {pace}, {:.1} s",
            counted(clients, "client"),
            counted(connections, "connection"),
            counted(self.setting.endpoints.len(), "endpoint"),
            self.elapsed.as_secs_f64()
        )
    }

    /// Latencies with their name, those of reads and writes apart if there are both.
    fn kinds(&self) -> Vec<(&'static str, &Latencies)> {
        let (reads, writes) = (&self.tally.reads, &self.tally.writes);
        if reads.count() == 0 || writes.count() == 0 {
            return Vec::new();
        }
        vec![("reads", reads), ("writes", writes)]
    }

    fn cpu_line(&self) -> String {
        let client = self.micros_each(self.client).unwrap_or_default();
        let servers = match self.micros_each(self.servers) {
            Some(each) => {
                format!("servers {each:.1} us ({})", counted(self.servers.processes, "process"))
            }
            None => "servers unknown (none on this machine)".to_owned(),
        };
        format!("  CPU an answer {servers}   client {client:.1} us")
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let all = self.all();
        let mut rows = vec![
            ("Done", self.tally.done.to_string()),
            ("Errors", self.tally.troubles.count().to_string()),
            ("PerSecond", format!("{:.1}", self.rate())),
        ];
        rows.extend(
            QUANTILES.map(|(_, title, share)| (title, format!("{:.3}", all.quantile(share)))),
        );
        rows.push(("MaxMs", format!("{:.3}", all.max())));
        let cpu =
            self.micros_each(self.servers).map_or("-".to_owned(), |each| format!("{each:.1}"));
        rows.push(("ServerUs", cpu));
        rows
    }
}

/// The quantiles that are told: for JSON, for people, and the share.
const QUANTILES: [(&str, &str, f64); 4] = [
    ("p50", "P50Ms", 0.5),
    ("p90", "P90Ms", 0.9),
    ("p99", "P99Ms", 0.99),
    ("p999", "P999Ms", 0.999),
];

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn counted(count: usize, name: &str) -> String {
    let ending = match (count, name.ends_with('s')) {
        (1, _) => "",
        (_, false) => "s",
        (_, true) => "es",
    };
    format!("{count} {name}{ending}")
}

fn latency_line(name: &str, latencies: &Latencies) -> String {
    format!(
        "  {name:<13} p50 {:.3}   p99 {:.3}   p99.9 {:.3}   max {:.3}",
        latencies.quantile(0.5),
        latencies.quantile(0.99),
        latencies.quantile(0.999),
        latencies.max()
    )
}

fn latency_object(latencies: &Latencies) -> Object {
    let object =
        Object::new().with("count", latencies.count()).with("mean", rounded(latencies.mean(), 1e3));
    let object = QUANTILES
        .iter()
        .fold(object, |object, (name, _, share)| object.with(name, latencies.quantile(*share)));
    object.with("max", latencies.max())
}

fn troubles_list(troubles: &Troubles) -> Json {
    let each = |(trouble, count): (&super::trouble::Trouble, u64)| {
        Object::new()
            .with("kind", trouble.kind())
            .with("text", trouble.text())
            .with("count", count)
            .into()
    };
    Json::List(troubles.iter().map(each).collect())
}

impl Answer for LoadReport {
    fn simple(&self, text: &mut Text) {
        text.line(self.heading().as_bytes());
        let done = thousands(self.tally.done);
        let errors = thousands(self.tally.troubles.count());
        let line = format!("  {done} done   {:.1}/s   {errors} errors", self.rate());
        text.line(line.as_bytes());
        text.line(latency_line("latency ms", &self.all()).as_bytes());
        for (name, latencies) in self.kinds() {
            text.line(latency_line(name, latencies).as_bytes());
        }
        let pause = self.longest_pause.as_secs_f64() * 1e3;
        text.line(format!("  longest time without an answer {pause:.1} ms").as_bytes());
        text.line(self.cpu_line().as_bytes());
        for (trouble, count) in self.tally.troubles.iter() {
            let line = format!("  {count} x {} {}", trouble.kind(), trouble.text());
            text.line(line.trim_end().as_bytes());
        }
    }

    fn json(&self) -> Json {
        let setting = &self.setting;
        let size = |size: usize| u64::try_from(size).expect("sizes are small");
        let each = |cpu| self.micros_each(cpu).map_or(Json::Null, Json::Real);
        let seconds = |duration: Duration| rounded(duration.as_secs_f64(), 1e6);
        let cpu = |cpu: Cpu| {
            Object::new()
                .with("processes", size(cpu.processes))
                .with("cpu_seconds", seconds(cpu.used))
                .with("cpu_us_each", each(cpu))
        };
        let object = Object::new()
            .with("operation", setting.operation)
            .with("endpoints", &setting.endpoints[..])
            .with("clients", size(setting.clients))
            .with("connections", size(setting.connections))
            .with("threads", size(setting.threads))
            .with("loop", if setting.rate.is_some() { "open" } else { "closed" })
            .with("rate", setting.rate.map_or(Json::Null, Json::from))
            .with("keys", setting.keys)
            .with("key_size", size(setting.key_size))
            .with("value_size", size(setting.value_size))
            .with("seed", setting.seed)
            .with("warm_up_seconds", seconds(setting.warm_up))
            .with("seconds", seconds(self.elapsed))
            .with("count", self.tally.done)
            .with("per_second", self.rate())
            .with("errors", self.tally.troubles.count())
            .with("error_kinds", troubles_list(&self.tally.troubles))
            .with("latency_ms", latency_object(&self.all()));
        let object = self.kinds().into_iter().fold(object, |object, (name, latencies)| {
            object.with(
                if name == "reads" { "reads_ms" } else { "writes_ms" },
                latency_object(latencies),
            )
        });
        object
            .with("longest_pause_ms", rounded(self.longest_pause.as_secs_f64() * 1e3, 1e3))
            .with("servers", cpu(self.servers))
            .with("client", cpu(self.client))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        for (name, value) in self.rows() {
            text.field(name, value);
        }
        for (trouble, count) in self.tally.troubles.iter() {
            text.field("Error", format!("{count} {} {}", trouble.kind(), trouble.text()));
        }
    }

    fn table(&self) -> Option<Table> {
        let rows = self.rows();
        let titles: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        Some(Table::new(&titles, vec![rows.into_iter().map(|(_, value)| value).collect()]))
    }
}
