//! The search against histories with known verdicts: those that ship with the published crate
//! `todc-utils`, recorded by Jepsen on an early etcd and judged by others, and what that crate's
//! own checker says of random ones. They are read from the crate's source, and not copied here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_consensus::Seed;
use quorate_sim::check::history::search::{Action, Event, Verdict, search};
use quorate_sim::{Draws, Site};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action as Point, History};
use todc_utils::specifications::register::{RegisterOperation, RegisterSpecification};

const STEPS_MAX: usize = 20_000_000;

/// What Jepsen's clients did to one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    Read(Option<u32>),
    Write(u32),
    /// It had the first value, and got the second.
    Swap(u32, u32),
    /// It did not have this value.
    Kept(u32),
}

impl Action for Register {
    type State = Option<u32>;

    fn step(&self, state: &Option<u32>) -> Option<Option<u32>> {
        match *self {
            Self::Read(seen) => (*state == seen).then_some(seen),
            Self::Write(value) => Some(Some(value)),
            Self::Swap(expected, value) => (*state == Some(expected)).then_some(Some(value)),
            Self::Kept(expected) => (*state != Some(expected)).then_some(*state),
        }
    }
}

/// Where the source of `todc-utils` is.
fn source() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo built this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let package = packages.iter().find(|package| package["name"] == "todc-utils");
    let manifest = package.expect("it is a dependency")["manifest_path"].as_str();
    let manifest = Path::new(manifest.expect("it is a path"));
    manifest.parent().expect("a manifest is in a directory").to_owned()
}

/// The verdicts, in lines like `test_002: ("002", true),`.
fn verdicts(source: &Path) -> BTreeMap<String, bool> {
    let path = source.join("tests/linearizability/etcd.rs");
    let text = std::fs::read_to_string(path).expect("it ships with the crate");
    let lines = text.lines().map(str::trim).filter(|line| line.starts_with("test_"));
    let verdict = |line: &str| {
        let (_, values) = line.split_once("(\"")?;
        let (number, verdict) = values.split_once("\", ")?;
        Some((number.to_owned(), verdict.starts_with("true")))
    };
    lines.filter_map(verdict).collect()
}

/// The events of a log whose lines name a process, what became of an operation, which, and its
/// values.
fn events(log: &str) -> Vec<Event<Register>> {
    let mut events: Vec<Event<Register>> = Vec::new();
    let mut open: BTreeMap<&str, (u64, Vec<&str>)> = BTreeMap::new();
    for (time, line) in log.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "jepsen.util", _, process, state, operation @ ..] = &words[..] else { continue };
        if *process == ":nemesis" || operation.len() < 2 {
            continue;
        }
        let time = time as u64;
        if *state == ":invoke" {
            open.insert(process, (time, operation.to_vec()));
            continue;
        }
        let (invoked, asked) = open.remove(process).expect("it was invoked");
        let returned = (*state != ":info").then_some(time);
        let action = match (*state, operation[0]) {
            (":ok", ":read") => Register::Read(operation[1].parse().ok()),
            // A read that failed, or a write that did, has told nothing and done nothing.
            (":fail", ":read" | ":write") => continue,
            (_, ":write") => Register::Write(number(asked[1])),
            (":fail", ":cas") => Register::Kept(number(asked[1])),
            (_, ":cas") => Register::Swap(number(asked[1]), number(asked[2])),
            (state, operation) => unreachable!("{state} {operation}"),
        };
        events.push(Event { invoked, returned, action });
    }
    events
}

/// A number, maybe in brackets.
fn number(word: &str) -> u32 {
    word.trim_matches(['[', ']']).parse().expect("it is a number")
}

#[test]
fn histories_of_jepsen_are_judged_as_by_others() {
    let source = source();
    let verdicts = verdicts(&source);
    let good = verdicts.values().filter(|verdict| **verdict).count();
    assert!(102 <= verdicts.len() && 20 <= good, "{good} of {} are good", verdicts.len());
    for (number, is_linearizable) in verdicts {
        let path = source.join(format!("tests/linearizability/etcd/etcd_{number}.log"));
        let log = std::fs::read_to_string(path).expect("it ships with the crate");
        let events = events(&log);
        assert!(50 < events.len(), "{number} has {} events", events.len());
        let expected = if is_linearizable { Verdict::Linearizable } else { Verdict::Impossible };
        assert_eq!(search(None, &events, STEPS_MAX), expected, "history {number}");
    }
}

/// A register that begins with 0, as that crate knows it.
#[derive(Clone, Copy, Debug)]
enum Plain {
    Read(u32),
    Write(u32),
}

impl Action for Plain {
    type State = u32;

    fn step(&self, state: &u32) -> Option<u32> {
        match *self {
            Self::Read(seen) => (*state == seen).then_some(seen),
            Self::Write(value) => Some(value),
        }
    }
}

fn random_events(draws: Draws, round: u64) -> Vec<Event<Plain>> {
    const SITE: Site = Site::new("test/known");
    let mut free_at = [0_u64; 4];
    let length = draws.between(SITE, [round], 1, 14);
    let event = |number| {
        let draw = |what, bound| draws.below(SITE, [round, number, what], bound);
        let client = draw(0, 4) as usize;
        // No two points of time are the same, so that both checkers see one order.
        let invoked = (free_at[client] + draw(1, 4)) * 100 + number;
        let returned = invoked + draw(2, 9) * 100 + 50;
        free_at[client] = returned / 100 + 1;
        let value = draw(3, 3) as u32;
        let action = if draw(4, 2) == 0 { Plain::Write(value) } else { Plain::Read(value) };
        Event { invoked, returned: Some(returned), action }
    };
    (0..length).map(event).collect()
}

/// The same events as that crate wants them: calls and responses in order, each of a process. Its
/// processes are numbered by event, for what one process does must not overlap.
fn as_history(events: &[Event<Plain>]) -> History<RegisterOperation<u32>> {
    let mut points = Vec::new();
    for (process, event) in events.iter().enumerate() {
        let (call, response) = match event.action {
            Plain::Write(value) => {
                (RegisterOperation::Write(value), RegisterOperation::Write(value))
            }
            Plain::Read(seen) => {
                (RegisterOperation::Read(None), RegisterOperation::Read(Some(seen)))
            }
        };
        let returned = event.returned.expect("all return");
        points.push((event.invoked, process, Point::Call(call)));
        points.push((returned, process, Point::Response(response)));
    }
    points.sort_by_key(|(time, ..)| *time);
    History::from_actions(points.into_iter().map(|(_, process, point)| (process, point)).collect())
}

#[test]
fn random_histories_are_judged_as_by_another_checker() {
    let draws = Draws::new(Seed(11));
    let mut good = 0;
    for round in 0..3_000 {
        let events = random_events(draws, round);
        let theirs = WGLChecker::<RegisterSpecification<u32>>::is_linearizable(as_history(&events));
        let ours = search(0, &events, STEPS_MAX);
        assert_eq!(ours == Verdict::Linearizable, theirs, "round {round}: {events:?}");
        assert_ne!(ours, Verdict::Undecided);
        good += usize::from(theirs);
    }
    assert!((300..2_700).contains(&good), "{good} of 3000 histories are linearizable");
}
