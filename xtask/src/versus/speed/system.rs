//! The two systems that take turns, and how they are asked.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::{Cluster, Kind, target};
use crate::workspace::{Workspace, cargo, shown};

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct System {
    /// What tables call it.
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl System {
    /// Quorate on this engine.
    pub(super) fn quorate(name: &str, engine: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Quorate { engine: engine.to_owned() } }
    }

    /// The etcd of this machine.
    pub(super) fn etcd() -> Self {
        Self { name: "etcd".to_owned(), kind: Kind::Etcd }
    }
}

/// The programs that are run beside the servers.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    quorate: PathBuf,
    echo: PathBuf,
}

impl Programs {
    /// Builds them.
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let build = ["build", "--locked", "--release", "--package", "quorate-cli"];
        let targets = ["--bin", "quorate", "--example", "echo"];
        workspace.run(&cargo(), &[&build[..], &targets].concat())?;
        let release = target(workspace)?.join("release");
        Ok(Self { quorate: release.join("quorate"), echo: release.join("examples/echo") })
    }

    /// A bare echo through this library.
    pub(super) fn echo(&self, library: &str) -> Command {
        let mut command = Command::new(&self.echo);
        command.args(["--library", library]);
        command
    }

    /// A load on these members, to be started.
    pub(super) fn load(&self, urls: &str, arguments: &str) -> Command {
        let mut command = self.quorate(urls, arguments);
        command.args(["--write-out", "json"]).stdout(Stdio::piped());
        command
    }

    /// The report of a load.
    pub(super) fn measure(&self, urls: &str, arguments: &str) -> Result<Value> {
        let mut command = self.load(urls, &format!("bench {arguments}"));
        report(&shown(&command), &command.output()?)
    }

    /// Whether a member or a cluster has a key that every load writes.
    pub(super) fn has_first_key(&self, urls: &str, consistency: &str) -> bool {
        let first = "get bench/0000000000 --command-timeout 1s --dial-timeout 1s --consistency";
        let mut command = self.quorate(urls, &format!("{first} {consistency}"));
        let output = command.stderr(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
    }

    fn quorate(&self, urls: &str, arguments: &str) -> Command {
        let mut command = Command::new(&self.quorate);
        command.args(arguments.split_whitespace()).args(["--endpoints", urls]);
        command.stdin(Stdio::null());
        command
    }
}

/// What a load has printed.
pub(super) fn report(name: &str, output: &std::process::Output) -> Result<Value> {
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{name}` failed: {complaint}");
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{name}` printed no JSON"))
}

/// A number of a report.
pub(in crate::versus) fn number(report: &Value, path: &str) -> Result<f64> {
    let value = report.pointer(path).and_then(Value::as_f64);
    value.with_context(|| format!("no {path} in {report}"))
}

/// Resident memory of all members, in bytes: all of it, and what no file is behind.
pub(super) fn memory(cluster: &Cluster) -> Result<[f64; 2]> {
    let mut sums = [0.0; 2];
    for process in cluster.processes() {
        let path = format!("/proc/{process}/status");
        let status = std::fs::read_to_string(&path).context(path)?;
        for (sum, name) in sums.iter_mut().zip(["VmRSS:", "RssAnon:"]) {
            *sum += kibibytes(&status, name).context("the system tells it")? * 1024.0;
        }
    }
    Ok(sums)
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_by_name() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     12 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(900.0));
        assert_eq!(kibibytes(status, "RssAnon:"), Some(12.0));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[test]
    fn a_number_is_found_or_missed_by_name() {
        let report = serde_json::json!({ "latency_ms": { "p99": 1.5 }, "servers": null });
        assert!((number(&report, "/latency_ms/p99").unwrap() - 1.5).abs() < 1e-9);
        let missing = number(&report, "/servers/cpu_us_each").unwrap_err();
        assert!(missing.to_string().contains("/servers/cpu_us_each"));
    }
}
