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
