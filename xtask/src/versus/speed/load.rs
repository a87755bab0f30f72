//! Puts and reads at several numbers of clients, and the same reads of servers that do nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::system::{Programs, number};
use crate::versus::figures::{Better, Figure};

/// Requests that begin before the time that counts, and until the last is answered, in seconds.
pub(super) const AROUND_SECONDS: u32 = 2;

/// The flags that all loads have.
const COMMON: &str = "--keys 10000 --key-size 16 --value-size 256 --warm-up 1s";

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A write.
    Put,
    /// A linearizable read.
    Range,
    /// A serializable read.
    Stale,
}

impl Operation {
    /// What tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Range => "linearizable range",
            Self::Stale => "serializable range",
        }
    }

    fn arguments(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Range => "range --skip-fill --consistency l",
            Self::Stale => "range --skip-fill --consistency s",
        }
    }
}

/// One load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) operation: Operation,
    pub(super) clients: u32,
    pub(super) seconds: u32,
}

impl Cell {
    /// What tables call it.
    pub(super) fn name(self) -> String {
        let ending = if self.clients == 1 { "" } else { "s" };
        format!("{}, {} client{ending}", self.operation.name(), self.clients)
    }

    /// Makes the load on members of a cluster. A client alone asks the leader: else chance would
    /// decide whether its requests are passed on.
    pub(super) fn measure(self, programs: &Programs, urls: &str) -> Result<Value> {
        let aim = if self.clients == 1 { "--target-leader" } else { "" };
        programs.measure(urls, &format!("{} {aim}", self.arguments()))
    }

    /// Makes it on a server that is no cluster.
    pub(super) fn measure_echo(self, programs: &Programs, echo: &Echo) -> Result<Value> {
        programs.measure(&echo.address, &self.arguments())
    }

    fn arguments(self) -> String {
        let Self { operation, clients, seconds } = self;
        let operation = operation.arguments();
        format!("{operation} --clients {clients} --duration {seconds}s {COMMON}")
    }

    /// What is told of its report.
    pub(super) fn figures(self, report: &Value) -> Result<Vec<Figure>> {
        let figures = [
            ("a second", Better::More, "/per_second"),
            ("p50 ms", Better::Less, "/latency_ms/p50"),
            ("p99 ms", Better::Less, "/latency_ms/p99"),
            ("server CPU us", Better::Less, "/servers/cpu_us_each"),
        ];
        let figure = |(unit, better, path)| {
            let name = format!("{}: {unit}", self.name());
            Ok(Figure { name, better, value: number(report, path)? })
        };
        figures.into_iter().map(figure).collect()
    }
}

/// Writes every key that reads ask for.
pub(super) fn fill(programs: &Programs, urls: &str) -> Result<Value> {
    programs.measure(urls, &format!("range --total 64 {COMMON}"))
}

/// A server that does nothing. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Echo {
    process: Child,
    address: String,
}

impl Echo {
    /// Starts one through this library.
    pub(super) fn start(programs: &Programs, library: &str) -> Result<Self> {
        let mut command = programs.echo(library);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().context("the echo did not start")?;
        let output = process.stdout.take().context("it is piped")?;
        let mut echo = Self { process, address: String::new() };
        BufReader::new(output).read_line(&mut echo.address)?;
        echo.address.truncate(echo.address.trim_end().len());
        Ok(echo)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It keeps nothing.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_figures_are_those_of_the_report() {
        let cell = Cell { operation: Operation::Range, clients: 1, seconds: 3 };
        let report = json!({
            "per_second": 7.0,
            "latency_ms": { "p50": 1.0, "p99": 2.0 },
            "servers": { "cpu_us_each": 3.0 },
        });
        let figures = cell.figures(&report).unwrap();
        let found: Vec<(&str, f64)> =
            figures.iter().map(|figure| (figure.name.as_str(), figure.value)).collect();
        let expected = [
            ("linearizable range, 1 client: a second", 7.0),
            ("linearizable range, 1 client: p50 ms", 1.0),
            ("linearizable range, 1 client: p99 ms", 2.0),
            ("linearizable range, 1 client: server CPU us", 3.0),
        ];
        assert_eq!(found, expected);
        assert!(cell.figures(&json!({})).is_err());
    }
}
