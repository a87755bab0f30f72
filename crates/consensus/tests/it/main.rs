//! The engines run golden scripts, and broken engines fail them.

mod chaos;
mod cluster;
mod commands;
mod dice;
mod disk;
mod expect;
mod fault;
mod host;
mod journal;
mod machine;
mod mutants;
mod network;
mod options;
mod paxos;
mod paxos_mutants;
mod protocol;
mod raft;
mod requests;
mod schedule;
mod script;
mod words;

use std::path::Path;

use quorate_consensus::Strict;
use quorate_consensus::paxos::Paxos;
use quorate_consensus::raft::Raft;

use fault::Fault;
use protocol::Protocol;
use script::{Golden, Script};

/// Where the scripts are.
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

/// What the person running the tests asks for: `REWRITE=1` or `SCRIPT=part_of_a_name`.
#[expect(clippy::disallowed_methods, reason = "the crate takes no switches, its tests do")]
fn switch(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Runs a folder of scripts under an engine that keeps every rule.
fn run_folder<P: Protocol<Rules = Strict>>(folder: &str) {
    let golden = if switch("REWRITE").is_some() { Golden::Rewrite } else { Golden::Compare };
    let only = switch("SCRIPT").unwrap_or_default();
    let scripts = Script::read_folder(&Path::new(SCRIPTS).join(folder)).expect("scripts are there");
    assert!(!scripts.is_empty(), "{folder} holds no scripts");
    let mut faults = Vec::new();
    for script in scripts.iter().filter(|script| script.path.to_string_lossy().contains(&only)) {
        let result =
            script.run::<P>(Strict).and_then(|rendered| script.compare(P::NAME, &rendered, golden));
        faults.extend(result.err());
    }
    let list: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(list.is_empty(), "{} scripts failed:\n\n{}", list.len(), list.join("\n\n"));
}

#[test]
fn raft_passes_the_scripts_of_every_engine() {
    run_folder::<Raft>("shared");
}

#[test]
fn raft_passes_its_own_scripts() {
    run_folder::<Raft>(Raft::<Strict>::NAME);
}

#[test]
fn paxos_passes_the_scripts_of_every_engine() {
    run_folder::<Paxos>("shared");
}

#[test]
fn paxos_passes_its_own_scripts() {
    run_folder::<Paxos>(Paxos::<Strict>::NAME);
}

fn fault_of(text: &str) -> String {
    let script = Script::parse(Path::new("script.txt"), text);
    script.run::<Raft>(Strict).expect_err("the script must fail").to_string()
}

#[test]
fn a_script_without_expectations_fails() {
    assert!(fault_of("cluster n1..n3\nrun 1s\n").contains("checks nothing"));
}

#[test]
fn an_unknown_command_fails_with_its_place() {
    let fault = fault_of("cluster n1..n3\n\n# a comment\nfly n1\nexpect no leader\n");
    assert!(fault.starts_with("script.txt:4: fly n1"), "{fault}");
}

#[test]
fn an_expectation_that_does_not_hold_fails_with_what_is_the_case() {
    let fault = fault_of("cluster n1..n3 timers=off\nexpect n1 leader\n");
    assert!(fault.contains("script.txt:2") && fault.contains("n1 follower"), "{fault}");
}

#[test]
fn a_word_that_means_nothing_fails() {
    for line in
        ["expect n1 lofty", "expect n1 height=3", "expect nonsense", "tick soon", "crash n9"]
    {
        let fault = fault_of(&format!("cluster n1..n3\n{line}\nexpect no leader\n"));
        assert!(fault.starts_with("script.txt:2"), "{line}: {fault}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the test harness keeps files, the crate does not")]
#[test]
fn the_rewrite_switch_keeps_what_is_above_the_line() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let path = folder.path().join("script.txt");
    let commands = "# kept, to the byte \ncluster n1..n3 timers=off\n\nexpect  no leader # kept\n";
    std::fs::write(&path, format!("{commands}--- raft\nold\n--- other\nkept too\n"))
        .expect("writable");
    let script = Script::read(&path).expect("it is there");
    let rendered = script.run::<Raft>(Strict).expect("it holds");

    assert!(script.compare("raft", &rendered, Golden::Compare).is_err());
    script.compare("raft", &rendered, Golden::Rewrite).expect("writable");

    let script = Script::read(&path).expect("it is there");
    script.compare("raft", &rendered, Golden::Compare).expect("just rewritten");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(text.starts_with(commands), "{text}");
    assert!(text.contains("--- other\nkept too\n") && !text.contains("old"), "{text}");
}
