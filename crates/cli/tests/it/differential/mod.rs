//! Is it etcd? The same requests to a real etcd and to Quorate, compared field by field.
//!
//! - [`cases`] are the requests, [`rules`] what they show; [`script`] builds them.
//! - [`runner`] and [`leasing`] send them, [`answer`] and [`normalise`] make answers comparable.
//! - [`differences`] judges by the list in `docs/etcd-differences.toml`.
//! - [`coverage`] writes `docs/etcd-coverage.md`.
//! - [`etcdctl`] does the same with etcd's own command, [`gateway`] with JSON over HTTP,
//!   [`websocket`] with conversations on the same paths.

mod answer;
mod cases;
mod coverage;
mod differences;
mod etcdctl;
mod gateway;
mod leasing;
mod normalise;
mod rules;
mod runner;
mod script;
mod websocket;

use std::path::{Path, PathBuf};

use self::differences::{Difference, Listed, compare};
use self::runner::Runner;
use crate::support::Program;

/// A file below `docs/`.
fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// What the names of cases begin with that are judged elsewhere.
const APART: [&str; 3] = ["etcdctl ", "gateway ", "websocket "];

fn listed() -> Listed {
    let path = document("etcd-differences.toml");
    let text = std::fs::read_to_string(&path);
    Listed::parse(&text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Fails, naming the package, if a program of etcd is missing.
fn installed(program: Program) {
    assert!(
        program.is_installed(),
        "etcd and etcdctl are needed here: apt-get install etcd-server etcd-client"
    );
}

async fn run_all(mut first: Runner, mut second: Runner) -> Vec<Difference> {
    let mut found = Vec::new();
    for case in cases::all() {
        let (first, second) = (first.run(case).await, second.run(case).await);
        found.extend(compare(case.name, &first, &second));
    }
    second.finish();
    found
}

#[tokio::test]
async fn quorate_answers_as_etcd_does() {
    assert_answers_as_etcd(Program::Quorate).await;
}

#[tokio::test]
async fn quorate_on_paxos_answers_as_etcd_does() {
    assert_answers_as_etcd(Program::QuoratePaxos).await;
}

async fn assert_answers_as_etcd(program: Program) {
    installed(Program::Etcd);
    let etcd = Runner::start(Program::Etcd, 1).await;
    let quorate = Runner::start(program, 3).await;
    let found = run_all(etcd, quorate).await;
    let problems =
        listed().about(|case| !APART.iter().any(|other| case.starts_with(other))).judge(&found);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Else a difference could come from chance, or from what was not normalised.
///
/// Both are single members: members of one etcd 3.4 may disagree after a transaction whose range
/// fails (etcd issue 18667).
#[tokio::test]
async fn etcd_answers_as_etcd_does() {
    installed(Program::Etcd);
    let first = Runner::start(Program::Etcd, 1).await;
    let second = Runner::start(Program::Etcd, 1).await;
    let found = run_all(first, second).await;
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn the_table_of_rules_is_current() {
    let path = document("etcd-coverage.md");
    let table = coverage::table(&listed(), &etcdctl::command_lines());
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&path, &table).expect("the table can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == table, "{} is stale: run the test with REWRITE=1", path.display());
}
