//! etcd's own command, run against both: what it prints, what it complains of, how it exits.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::answer::ERROR;
use super::differences::{Difference, compare};
use super::runner::Answers;
use super::{installed, listed};
use crate::support::{Cluster, Options, Program};

/// A run of etcdctl.
struct Run {
    /// Its arguments, separated by spaces; `''` is an empty one.
    line: &'static str,
    /// What it reads.
    input: &'static str,
    /// What is left of what it prints before it is compared.
    keep: Keep,
}

/// What is left of an output.
#[derive(Clone, Copy)]
enum Keep {
    /// Everything.
    All,
    /// Each field of the JSON, the presence alone of what names or measures a cluster.
    Json,
    /// Each distinct line, with `#` for every word that has a digit in it.
    Shape,
    /// Lines of `"Name" : value`, the presence alone of what names or measures a cluster.
    Fields,
}

const fn run(line: &'static str) -> Run {
    Run { line, input: "", keep: Keep::All }
}

const fn fed(line: &'static str, input: &'static str) -> Run {
    Run { line, input, keep: Keep::All }
}

const fn json(line: &'static str) -> Run {
    Run { line, input: "", keep: Keep::Json }
}

const fn fields(line: &'static str) -> Run {
    Run { line, input: "", keep: Keep::Fields }
}

const fn shape(line: &'static str) -> Run {
    Run { line, input: "", keep: Keep::Shape }
}

/// The runs, in order, on a cluster that had no change before; so revisions are equal.
const RUNS: &[Run] = &[
    run("get missing"),
    run("put a 1"),
    run("put b 2"),
    run("put a 3 --prev-kv"),
    run("put c 4 --prev-kv"),
    fed("put from-stdin", "a value of\ntwo lines"),
    run("put a --ignore-value"),
    run("put a --ignore-value --prev-kv"),
    run("put a 5 --ignore-lease"),
    run("put missing --ignore-value"),
    run("put missing 1 --ignore-lease"),
    run("put a 1 --lease=1234abcd"),
    run("put '' 1"),
    json("put d 6 -w json"),
    json("put d 7 --prev-kv -w json"),
    fields("put d 8 --prev-kv -w fields"),
    run("get a"),
    run("get a c"),
    run("get a z --limit=2"),
    run("get --prefix from"),
    run("get --prefix ''"),
    run("get --from-key c"),
    run("get --from-key ''"),
    run("get '' "),
    run("get --prefix '' --keys-only"),
    run("get a --print-value-only"),
    run("get a z --print-value-only"),
    run("get a --consistency=s"),
    run("get a --consistency=l"),
    run("get a --consistency=x"),
    run("get a --rev=2"),
    run("get a z --rev=3"),
    run("get a --rev=1000"),
    run("get a --rev=-1"),
    run("get a z --order=ASCEND"),
    run("get a z --order=DESCEND"),
    run("get a z --order=DESCEND --limit=1"),
    run("get a z --order=SIDEWAYS"),
    run("get a z --sort-by=CREATE"),
    run("get a z --sort-by=KEY"),
    run("get a z --sort-by=MODIFY"),
    run("get a z --sort-by=VALUE"),
    run("get a z --sort-by=VERSION"),
    run("get a z --sort-by=MODIFY --order=DESCEND --limit=2"),
    run("get a z --sort-by=VERSION --order=ASCEND --keys-only"),
    run("get a z --sort-by=COLOUR"),
    run("get a z --hex"),
    json("get a z -w json"),
    json("get a --rev=2 -w json"),
    json("get missing -w json"),
    fields("get a z -w fields"),
    run("del missing"),
    run("del d"),
    run("del a --prev-kv"),
    run("del a z --prev-kv"),
    run("put a 1"),
    run("put ab 2"),
    run("put abc 3"),
    run("put b 4"),
    json("del ab --prefix --prev-kv -w json"),
    run("del b --from-key"),
    run("del ''"),
    fields("del a -w fields"),
    fed("txn", "version(\"a\") = \"0\"\n\nput a 1\nput b 2\n\nget a\n\n"),
    fed("txn", "version(\"a\") = \"0\"\n\nput a 1\n\nget a\nget b\n\n"),
    fed("txn", "value(\"a\") = \"1\"\nmod(\"b\") > \"1\"\n\ndel a\nget b\n\n\n"),
    fed("txn", "create(\"b\") < \"1000\"\n\nput a 1\nput a 2\n\n\n"),
    fed("txn", "lease(\"b\") = \"0\"\n\nget b\n\n\n"),
    fed("txn", "\n\n\n"),
    Run {
        line: "txn -w json",
        input: "value(\"b\") != \"9\"\n\nput a 7\nget a\ndel b\n\nget a\n\n",
        keep: Keep::Json,
    },
    fed("txn", "colour(\"b\") = \"9\"\n\n\n\n"),
    run("compaction 1000"),
    run("compaction 5"),
    run("compaction 5"),
    run("compaction 6 --physical"),
    run("compaction"),
    run("get a --rev=5"),
    run("get a --rev=6"),
    json("compaction 7 -w json"),
    shape("endpoint status"),
    shape("endpoint status -w table"),
    json("endpoint status -w json"),
    shape("endpoint health"),
    json("endpoint health -w json"),
    shape("endpoint health --cluster"),
    shape("endpoint hashkv"),
    json("endpoint hashkv -w json"),
    json("endpoint hashkv --rev=7 -w json"),
    shape("endpoint hashkv --rev=2"),
    shape("endpoint hashkv --rev=1000"),
    shape("member list"),
    shape("member list -w table"),
    json("member list -w json"),
    run("alarm list"),
    shape("defrag"),
    run("get --prefix ''"),
];

/// What is not compared, only whether it is there, in JSON and in fields.
const PRESENT: &[&str] = &[
    "cluster_id",
    "member_id",
    "raft_term",
    "raftTerm",
    "raftIndex",
    "raftAppliedIndex",
    "dbSize",
    "dbSizeInUse",
    "leader",
    "version",
    "hash",
    "Endpoint",
    "endpoint",
    "took",
    "ID",
    "name",
    "peerURLs",
    "clientURLs",
    "ClusterID",
    "MemberID",
    "RaftTerm",
];

/// Where a key's own version stands, which is compared.
const OF_A_KEY: &[&str] = &["kvs", "kv", "prev_kv", "prev_kvs"];

/// The runs, as a reader would type them.
pub(super) fn command_lines() -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    RUNS.iter().map(|run| run.line.trim()).filter(|line| seen.insert(*line)).collect()
}

fn arguments(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().map(|word| if word == "''" { "" } else { word })
}

/// Everything that a run shows, as named fields.
fn outcome(run: &Run, endpoints: &str) -> Answers {
    let mut command = Command::new("etcdctl");
    command.args(arguments(run.line)).env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", endpoints);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("etcdctl can be started");
    let mut input = process.stdin.take().expect("it is a pipe");
    // It may end before it has read everything.
    let _ = input.write_all(run.input.as_bytes());
    drop(input);
    let output = process.wait_with_output().expect("etcdctl ends");
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let mut lines = numbered("stdout", kept(&printed, run.keep));
    if !output.status.success() {
        // The client also logs each failed attempt, with addresses and times.
        let complaints = complaints.lines().filter(|line| line.starts_with("Error:"));
        let complaints: Vec<String> = complaints.map(without_addresses).collect();
        let exit = format!("exit {:?}: {}", output.status.code(), complaints.join("; "));
        lines.push((ERROR.to_owned(), exit));
    }
    Answers::from([(1, lines.into_iter().collect())])
}

fn numbered(name: &str, lines: Vec<String>) -> Vec<(String, String)> {
    let numbered = lines.into_iter().enumerate();
    numbered.map(|(place, line)| (format!("{name}[{place:03}]"), line)).collect()
}

fn kept(printed: &str, keep: Keep) -> Vec<String> {
    match keep {
        Keep::All => printed.lines().map(str::to_owned).collect(),
        Keep::Shape => printed.lines().map(shape_of).collect::<BTreeSet<_>>().into_iter().collect(),
        Keep::Fields => printed.lines().map(field_of).collect(),
        Keep::Json => match serde_json::from_str(printed) {
            Ok(value) => json_lines(&value),
            Err(_) => printed.lines().map(str::to_owned).collect(),
        },
    }
}

fn without_addresses(line: &str) -> String {
    let words = line.split(' ');
    let words = words.map(|word| if word.contains("127.") { "<address>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Words with a digit become `#`, with their unit; the widths of columns go.
fn shape_of(line: &str) -> String {
    let spaced = line.replace(',', " , ").replace('|', " | ").replace('+', " + ");
    let words = spaced.split_whitespace().filter(|word| !matches!(*word, "B" | "kB" | "MB" | "GB"));
    let words = words.map(|word| match word {
        word if word.chars().any(|letter| letter.is_ascii_digit()) => "#",
        word if word.chars().all(|letter| letter == '-') => "-",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn field_of(line: &str) -> String {
    let Some((name, value)) = line.split_once(" : ") else { return line.to_owned() };
    if PRESENT.contains(&name.trim_matches('"')) && value != "0" {
        return format!("{name} : present");
    }
    line.to_owned()
}

/// One line for each value; members of the outermost list, one for each endpoint, are one set.
pub(super) fn json_lines(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    match value {
        Value::Array(elements) => {
            let count = elements.len();
            lines.push(format!("elements: {count}"));
            for element in elements {
                push_json("[each]", element, &mut lines);
            }
        }
        other => push_json("", other, &mut lines),
    }
    let distinct: BTreeSet<String> = lines.into_iter().collect();
    distinct.into_iter().collect()
}

fn push_json(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_of_a_key = OF_A_KEY.iter().any(|holder| path.contains(holder));
                if PRESENT.contains(&name.as_str()) && !is_of_a_key {
                    lines.push(format!("{path}.{name}: present"));
                } else {
                    push_json(&format!("{path}.{name}"), value, lines);
                }
            }
        }
        Value::Array(elements) => {
            let each = path.ends_with("members");
            for (place, element) in elements.iter().enumerate() {
                let place = if each { "each".to_owned() } else { place.to_string() };
                push_json(&format!("{path}[{place}]"), element, lines);
            }
        }
        other => lines.push(format!("{path}: {other}")),
    }
}

#[tokio::test]
async fn etcdctl_sees_no_difference() {
    installed(Program::Etcd);
    let etcd = Cluster::ready(Options::new(Program::Etcd, 3)).await;
    let quorate = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    let mut found: Vec<Difference> = Vec::new();
    for (place, run) in RUNS.iter().enumerate() {
        let (etcd, quorate) = (outcome(run, &etcd.endpoints()), outcome(run, &quorate.endpoints()));
        let case = format!("etcdctl {}", run.line.trim());
        let differences = compare(&case, &etcd, &quorate);
        let at = |difference: Difference| Difference { step: place + 1, ..difference };
        found.extend(differences.into_iter().map(at));
    }
    quorate.assert_no_panic();
    let problems = listed().about(|case| case.starts_with("etcdctl ")).judge(&found);
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn what_measures_a_cluster_is_not_compared_and_a_keys_version_is() {
    let value = serde_json::json!({"header": {"member_id": 5}, "kvs": [{"version": 3}]});
    assert_eq!(json_lines(&value), [".header.member_id: present", ".kvs[0].version: 3"]);
}

#[test]
fn a_table_keeps_its_words() {
    assert_eq!(shape_of("| 127.0.0.1:2379 |  25 kB | true |"), "| # | # | true |");
}
