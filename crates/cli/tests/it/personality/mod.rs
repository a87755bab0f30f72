//! Called as `etcdctl`, the program prints and exits as etcdctl 3.4.23 does.
//!
//! The real etcdctl and ours run the same lines, each on an etcd of its own that nobody else uses,
//! so that revisions are equal. What names a cluster or measures time is not compared.

mod cases;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use self::cases::{CASES, Case, DIFFERENT, End};
use crate::support::{Cluster, Options, Program};

/// Stands for the lease that was granted last, in the arguments of a case.
const LEASE: &str = "LEASE";

/// Stands for a directory of this side's own.
const DIRECTORY: &str = "DIRECTORY";

/// One of the two programs, and the cluster it works on.
struct Side {
    program: PathBuf,
    cluster: Cluster,
    directory: TempDir,
    lease: String,
}

/// What is compared.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: Option<i32>,
    lines: Vec<String>,
}

impl Side {
    async fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            cluster: Cluster::ready(Options::new(Program::Etcd, 1)).await,
            directory: TempDir::new().expect("a temporary directory can be made"),
            lease: "0".to_owned(),
        }
    }

    fn run(&mut self, case: &Case) -> Outcome {
        let directory = self.directory.path().to_str().expect("the path is UTF-8");
        let line = case.line.replace(LEASE, &self.lease).replace(DIRECTORY, directory);
        let arguments = line.split_whitespace().map(|word| if word == "''" { "" } else { word });
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ETCD") {
                command.env_remove(name);
            }
        }
        command.env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", self.cluster.endpoints());
        let mut process = command.spawn().expect("the program starts");
        let input = process.stdin.take().expect("it is a pipe");
        let printed = match case.end {
            End::Itself => whole_output(&mut process, input, case.input),
            End::AfterLines(count) => first_lines(&mut process, input, case.input, count),
        };
        let status = process.wait().expect("it is ours to wait for");
        let printed = String::from_utf8_lossy(&printed);
        if let Some((lease, _)) = printed.split_once(" granted with TTL(") {
            lease.trim_start_matches("lease ").clone_into(&mut self.lease);
        }
        let lines = printed.lines().map(|line| normal(&line.replace(directory, DIRECTORY)));
        Outcome { code: status.code(), lines: lines.collect() }
    }
}

fn whole_output(process: &mut Child, mut input: impl Write, text: &str) -> Vec<u8> {
    // It may end before it has read everything.
    let _ = input.write_all(text.as_bytes());
    drop(input);
    let mut printed = Vec::new();
    let mut output = process.stdout.take().expect("it is a pipe");
    output.read_to_end(&mut printed).expect("what it prints can be read");
    printed
}

/// Gives it as long as it takes to print so many lines, and then tells it to end. Its input stays
/// open until then.
fn first_lines(
    process: &mut Child,
    mut input: impl Write + Send + 'static,
    text: &'static str,
    count: usize,
) -> Vec<u8> {
    let fed = thread::spawn(move || {
        // It may end before it has read everything.
        let _ = input.write_all(text.as_bytes());
        input
    });
    let mut printed = Vec::new();
    let mut output = BufReader::new(process.stdout.take().expect("it is a pipe"));
    for _ in 0..count {
        output.read_until(b'\n', &mut printed).expect("what it prints can be read");
    }
    let input = fed.join().expect("the feeder does not panic");
    kill_process(Pid::from_child(process), Signal::TERM).expect("it is still there");
    process.wait().expect("it is ours to wait for");
    drop(input);
    printed
}

/// Words that name a cluster, an address or a time become `#`; the widths of columns go.
fn normal(line: &str) -> String {
    let mut words = String::new();
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '\u{b5}');
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if !is_part(first) {
            words.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_port = words.ends_with("#:");
        words.push_str(if is_port || word.starts_with("127.") || is_individual(word) {
            "#"
        } else {
            word
        });
        rest = after;
    }
    if words.starts_with(['|', '+']) {
        let columns = words.split_whitespace().map(|word| word.replace("--", "").replace('-', ""));
        return columns.collect::<Vec<_>>().join(" ");
    }
    words
}

fn is_individual(word: &str) -> bool {
    /// Digits of an identifier, of which some may be zero and left out.
    const DIGITS_MIN: usize = 13;
    let is_hexadecimal = word.chars().all(|letter| letter.is_ascii_hexdigit());
    let is_time = ["ms", "\u{b5}s", "s"]
        .into_iter()
        .any(|unit| word.strip_suffix(unit).is_some_and(|number| number.parse::<f64>().is_ok()));
    is_time || (is_hexadecimal && DIGITS_MIN <= word.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_is_imitated() {
    assert!(Program::Etcd.is_installed(), "Debian has it as etcd-server");
    let links = TempDir::new().expect("a temporary directory can be made");
    let ours = links.path().join("etcdctl");
    symlink(env!("CARGO_BIN_EXE_quorate"), &ours).expect("a link can be made");
    let mut theirs = Side::new(Path::new("etcdctl")).await;
    let mut ours = Side::new(&ours).await;
    let mut problems = Vec::new();
    for case in CASES {
        let (expected, found) = (theirs.run(case), ours.run(case));
        let listed = DIFFERENT.iter().find(|(line, _)| *line == case.line);
        match (expected == found, listed) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => problems.push(format!("{}: listed, and equal", case.line)),
            (false, None) => {
                problems.push(format!("{}:\n  {expected:?}\n  {found:?}", case.line));
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn what_is_listed_as_different_is_run() {
    for (line, reason) in DIFFERENT {
        assert!(CASES.iter().any(|case| case.line == *line), "{line}");
        assert!(!reason.is_empty());
    }
}

#[test]
fn only_what_is_individual_is_left_out() {
    let line = r#""member_id":13668033151171901709,"revision":3,"key":"YQ==" 127.0.0.1:2379 1.5ms"#;
    let expected = r#""member_id":#,"revision":3,"key":"YQ==" #:# #"#;
    assert_eq!(normal(line), expected);
    assert_eq!(
        normal("| 127.0.0.1:1 |   true | 2.1ms |"),
        normal("| 127.0.0.1:22 |  true | 12.1ms |")
    );
}
