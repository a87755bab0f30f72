//! Client commands on a cluster of Quorate: what they print, and what they hold.

use std::process::Stdio;

use rustix::process::Signal;

use crate::cli::{Running, output_of, quorate, run, stdout};
use crate::support::{Cluster, Options, Program};

/// The output of a command that succeeds.
fn ask(cluster: &Cluster, arguments: &[&str]) -> String {
    let endpoints = format!("--endpoints={}", cluster.endpoints());
    let output = run(&[arguments, &[endpoints.as_str()]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    stdout(&output).to_owned()
}

fn start(cluster: &Cluster, arguments: &[&str]) -> Running {
    let mut command = quorate(arguments);
    command.env("ETCDCTL_ENDPOINTS", cluster.endpoints()).stdout(Stdio::piped());
    Running::start(&mut command, output_of)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_held_through_the_death_of_the_leader() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    let mut holder = start(&cluster, &["lock", "name"]);
    let held = holder.line_with("name/");
    let mut waiter = start(&cluster, &["lock", "name", "echo", "mine"]);
    let leader = cluster.wait_leader().await;
    cluster.kill(leader);
    cluster.wait_leader().await;
    // Written after the change: whoever waits had its chance.
    ask(&cluster, &["put", "other", "1"]);
    assert_eq!(waiter.try_line(), None, "two hold the lock");
    assert_eq!(ask(&cluster, &["get", &held, "--keys-only"]), format!("{held}\n\n"));
    holder.signal(Signal::TERM);
    assert_eq!(holder.exit_code(), Some(0));
    waiter.line_with("mine");
    assert_eq!(waiter.exit_code(), Some(0));
    assert_eq!(ask(&cluster, &["get", "--prefix", "name/"]), "", "nothing is left of either");
    assert_eq!(ask(&cluster, &["lease", "list"]), "found 0 leases\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_where_it_was_when_its_member_dies() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    ask(&cluster, &["put", "w", "first"]);
    let watch = start(&cluster, &["watch", "--prefix", "w", "--rev=1"]);
    watch.line_with("first");
    cluster.kill(0);
    cluster.wait_leader().await;
    ask(&cluster, &["put", "w", "second"]);
    ask(&cluster, &["put", "w2", "third"]);
    watch.line_with("second");
    watch.line_with("third");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_elected_is_told_and_the_next_follows() {
    let cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let observer = start(&cluster, &["elect", "-l", "e"]);
    let mut first = start(&cluster, &["elect", "e", "one"]);
    first.line_with("one");
    observer.line_with("one");
    let mut second = start(&cluster, &["elect", "e", "two"]);
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), Some(0));
    second.line_with("two");
    observer.line_with("two");
    second.signal(Signal::INT);
    assert_eq!(second.exit_code(), Some(0));
    assert_eq!(ask(&cluster, &["lease", "list"]), "found 0 leases\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_is_reported() {
    let cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let watch = ["bench", "watch", "--watchers=6", "--per-stream=4", "--rate=20", "--seconds=1"];
    let report = ask(&cluster, &[&watch[..], &["-w", "json"]].concat());
    assert!(report.starts_with(r#"{"what":"events","count":120,"missing":0,"#), "{report}");
    let lease = ["bench", "lease", "--leases=5", "--clients=3", "--seconds=1", "-w", "fields"];
    let report = ask(&cluster, &lease);
    assert!(report.contains("\"Missing\" : 0\n"), "{report}");
    assert_eq!(ask(&cluster, &["lease", "list"]), "found 0 leases\n");
}

/// A field of what `bench` says as JSON.
fn figure(report: &str, path: &str) -> f64 {
    let report: serde_json::Value = serde_json::from_str(report).expect("it is JSON");
    let figure = report.pointer(path).and_then(serde_json::Value::as_f64);
    figure.unwrap_or_else(|| panic!("no number {path} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn loads_of_a_number_of_requests_make_that_many() {
    let cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let common = ["--total=50", "--clients=3", "--connections=2", "--keys=20", "--warm-up=0s"];
    let measure = |work: &[&str]| {
        let report = ask(&cluster, &[&["bench"], work, &common[..], &["-w", "json"]].concat());
        assert!(figure(&report, "/errors").abs() < 1e-9, "{report}");
        assert!((figure(&report, "/count") - 50.0).abs() < 1e-9, "{report}");
        assert!((figure(&report, "/latency_ms/count") - 50.0).abs() < 1e-9, "{report}");
        assert!(0.0 < figure(&report, "/per_second"), "{report}");
        assert!((figure(&report, "/servers/processes") - 1.0).abs() < 1e-9, "{report}");
    };
    measure(&["put", "--sequential", "--target-leader"]);
    assert_eq!(ask(&cluster, &["get", "--prefix", "bench/", "--keys-only"]).lines().count(), 40);
    measure(&["range", "--consistency=s", "--span=5"]);
    measure(&["mixed", "--read-ratio=0.5", "--seed=7"]);
    measure(&["txn", "--txn-ops=3", "--rate=1000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_outlives_members_that_are_not_there() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    cluster.kill(1);
    let load = ["bench", "mixed", "--total=60", "--clients=6", "--connections=6", "-w", "json"];
    let report = ask(&cluster, &load);
    let (done, errors) = (figure(&report, "/count"), figure(&report, "/errors"));
    assert!((done + errors - 60.0).abs() < 1e-9 && 50.0 < done, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_nobody_answers_is_a_failure_that_says_why() {
    let cluster = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let endpoints = format!("--endpoints={}", cluster.endpoints());
    let load = ["bench", "put", "--value-size=2000000", "--total=4", "--warm-up=0s", &endpoints];
    let output = run(&load);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("4 x invalid_argument etcdserver: request is too large"), "{text}");
}
