//! `cargo xtask ci`: the gate. What people run before they push is what the machine runs.
//!
//! Steps run in order and the first failure ends the run. The order follows cost, and what is built
//! once is used again: clippy and the documentation share one set of check artefacts, all tests
//! share the dev build, and whatever runs real processes uses the release build.
//!
//! To add a step, write a function and give it a line in [`STEPS`].

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::workspace::{Workspace, cargo};
use crate::{codegen, readme, seeds, strangers, tidy, tools, versus};

/// One step of the gate.
struct Step {
    /// How `--only` and `--from` name it.
    name: &'static str,
    /// What it establishes, for `--list`.
    purpose: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// The gate, in order.
const STEPS: &[Step] = &[
    Step { name: "tools", purpose: "what the gate needs is installed", run: tools::ensure },
    Step { name: "fmt", purpose: "the code is formatted", run: fmt },
    Step { name: "tidy", purpose: "the house rules hold", run: tidy::run },
    Step { name: "codegen", purpose: "generated code is what proto/ says", run: codegen::check },
    Step { name: "clippy", purpose: "no lint complains, tests included", run: clippy },
    Step { name: "docs", purpose: "the documentation builds without a warning", run: docs },
    Step { name: "test", purpose: "unit, property and integration tests", run: test },
    Step { name: "doctest", purpose: "the examples in the documentation", run: doctest },
    Step { name: "release", purpose: "the binary that people run builds", run: release },
    Step {
        name: "sim",
        purpose: "simulated clusters, fixed seeds and fresh ones; mutants; a small world",
        run: sim,
    },
    Step {
        name: "processes",
        purpose: "real processes: etcd's answers, kills, power cuts",
        run: processes,
    },
    Step {
        name: "semantics",
        purpose: "random sequences of requests, answered as etcd answers them",
        run: semantics,
    },
    Step {
        name: "strangers",
        purpose: "test suites of published clients against three members",
        run: |workspace| strangers::run(workspace, &strangers::Arguments::default()),
    },
    Step { name: "readme", purpose: "every command of README.md works", run: readme::run },
];

/// Which part of the gate to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run this step alone.
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    only: Option<String>,
    /// Run this step and those after it.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// Name the steps and do nothing.
    #[arg(long)]
    list: bool,
}

/// How long a step took.
struct Timing {
    name: &'static str,
    took: Duration,
}

/// Runs the gate, or the wanted part of it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let steps = select(STEPS, arguments)?;
    if arguments.list {
        for step in steps {
            println!("{:10} {}", step.name, step.purpose);
        }
        return Ok(());
    }
    let mut timings = Vec::new();
    let result = steps.iter().try_for_each(|step| timed(workspace, step, &mut timings));
    println!("\n{}", report(&timings));
    result?;
    println!("gate: {} of {} steps run, all passed", steps.len(), STEPS.len());
    Ok(())
}

/// The steps that the arguments ask for.
fn select<'a>(steps: &'a [Step], arguments: &Arguments) -> Result<&'a [Step]> {
    if let Some(name) = &arguments.only {
        let at = position(steps, name)?;
        return Ok(&steps[at..=at]);
    }
    match &arguments.from {
        Some(name) => Ok(&steps[position(steps, name)?..]),
        None => Ok(steps),
    }
}

fn position(steps: &[Step], name: &str) -> Result<usize> {
    let known: Vec<&str> = steps.iter().map(|step| step.name).collect();
    let position = known.iter().position(|known| *known == name);
    position.with_context(|| format!("no step `{name}`; there are {}", known.join(", ")))
}

fn timed(workspace: &Workspace, step: &Step, timings: &mut Vec<Timing>) -> Result<()> {
    println!("\n==> {}: {}", step.name, step.purpose);
    let begun = Instant::now();
    let result = (step.run)(workspace);
    timings.push(Timing { name: step.name, took: begun.elapsed() });
    result.with_context(|| format!("step `{0}` failed; repeat it with --only {0}", step.name))
}

/// One line for each step, and the sum.
fn report(timings: &[Timing]) -> String {
    let line = |name: &str, took: Duration| format!("{name:10} {:7.1} s", took.as_secs_f64());
    let total = timings.iter().map(|timing| timing.took).sum();
    let mut lines: Vec<String> =
        timings.iter().map(|timing| line(timing.name, timing.took)).collect();
    lines.push(line("total", total));
    lines.join("\n")
}

fn fmt(workspace: &Workspace) -> Result<()> {
    workspace.run(&cargo(), &["fmt", "--all", "--check"])
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let lint = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    workspace.run(&cargo(), &lint)
}

fn docs(workspace: &Workspace) -> Result<()> {
    let build = ["doc", "--locked", "--workspace", "--no-deps"];
    let mut command = workspace.command(&cargo(), &build);
    command.env("RUSTDOCFLAGS", "-D warnings");
    crate::workspace::run(&mut command)
}

/// Every test but the doctests and those of the binary, by nextest where it is installed.
fn test(workspace: &Workspace) -> Result<()> {
    let runner: &[&str] = if has_nextest(workspace) { &["nextest", "run"] } else { &["test"] };
    let which =
        ["--locked", "--workspace", "--exclude", "quorate-cli", "--lib", "--bins", "--tests"];
    let arguments = [runner, &which].concat();
    let mut command = workspace.command(&cargo(), &arguments);
    command.env("PROPTEST_RNG_SEED", property_seed(workspace)?.to_string());
    crate::workspace::run(&mut command)
}

fn has_nextest(workspace: &Workspace) -> bool {
    let version = workspace.command(&cargo(), &["nextest", "--version"]).output();
    version.is_ok_and(|output| output.status.success())
}

/// The seed of property tests comes from the commit: each commit tries new cases, and one commit
/// has one verdict.
fn property_seed(workspace: &Workspace) -> Result<u64> {
    let commit = workspace.output("git", &["rev-parse", "HEAD"])?;
    seed_of(commit.trim())
}

fn seed_of(commit: &str) -> Result<u64> {
    let digits = commit.get(..16).context("a commit has at least 16 digits")?;
    u64::from_str_radix(digits, 16).with_context(|| format!("{commit} is not a commit"))
}

fn doctest(workspace: &Workspace) -> Result<()> {
    workspace.run(&cargo(), &["test", "--locked", "--workspace", "--doc"])
}

fn release(workspace: &Workspace) -> Result<()> {
    workspace.run(&cargo(), &["build", "--locked", "--release", "--package", "quorate-cli"])
}

/// Fresh seeds come from the commit, as those of property tests do.
fn sim(workspace: &Workspace) -> Result<()> {
    seeds::run(workspace, property_seed(workspace)?)
}

/// The binary's tests start real processes and measure time, so they run on the release build and,
/// where nothing schedules them better (`.config/nextest.toml`), one after another.
fn processes(workspace: &Workspace) -> Result<()> {
    let with_nextest = ["nextest", "run", "--cargo-profile", "release", "--profile", "processes"];
    let (runner, after): (&[&str], &[&str]) = if has_nextest(workspace) {
        (&with_nextest, &[])
    } else {
        (&["test", "--release"], &["--", "--test-threads=1", "--nocapture"])
    };
    let which = ["--locked", "--package", "quorate-cli"];
    workspace.run(&cargo(), &[runner, &which, after].concat())
}

/// Half of the sequences are drawn from the commit.
fn semantics(workspace: &Workspace) -> Result<()> {
    versus::gate(workspace, property_seed(workspace)?)
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    /// A step that passes where the repository is, and one that fails there.
    fn passing(workspace: &Workspace) -> Result<()> {
        ensure!(workspace.path("Cargo.toml").is_file(), "no workspace");
        Ok(())
    }

    fn failing(workspace: &Workspace) -> Result<()> {
        ensure!(!workspace.path("Cargo.toml").is_file(), "it broke");
        Ok(())
    }

    const SAMPLES: &[Step] = &[
        Step { name: "one", purpose: "", run: passing },
        Step { name: "two", purpose: "", run: failing },
        Step { name: "three", purpose: "", run: passing },
    ];

    fn names(only: Option<&str>, from: Option<&str>) -> Result<Vec<&'static str>> {
        let (only, from) = (only.map(str::to_owned), from.map(str::to_owned));
        let steps = select(SAMPLES, &Arguments { only, from, list: false })?;
        Ok(steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn the_wanted_part_is_selected() -> Result<()> {
        assert_eq!(names(None, None)?, ["one", "two", "three"]);
        assert_eq!(names(Some("two"), None)?, ["two"]);
        assert_eq!(names(None, Some("two"))?, ["two", "three"]);
        Ok(())
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let error = names(Some("four"), None).expect_err("there is no step four");
        assert_eq!(error.to_string(), "no step `four`; there are one, two, three");
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        for (index, step) in STEPS.iter().enumerate() {
            assert_eq!(position(STEPS, step.name).ok(), Some(index), "{}", step.name);
        }
    }

    #[test]
    fn a_failing_step_is_named_and_timed() {
        let workspace = Workspace::of_this_build();
        let mut timings = Vec::new();
        let failed = SAMPLES.iter().try_for_each(|step| timed(&workspace, step, &mut timings));
        let error = format!("{:#}", failed.expect_err("step two fails"));
        assert_eq!(error, "step `two` failed; repeat it with --only two: it broke");
        assert_eq!(timings.len(), 2, "step three did not run");
    }

    #[test]
    fn the_report_has_a_line_for_each_step_and_the_sum() {
        let timing = |name, took| Timing { name, took: Duration::from_millis(took) };
        let text = report(&[timing("one", 1_500), timing("two", 61_000)]);
        assert_eq!(text, "one            1.5 s\ntwo           61.0 s\ntotal         62.5 s");
    }

    #[test]
    fn the_seed_is_the_head_of_the_commit() {
        let seed = seed_of("00000000000000ff0000000000000000deadbeef").ok();
        assert_eq!(seed, Some(255));
        assert!(seed_of("short").is_err());
        assert!(seed_of("not a commit at all").is_err());
    }
}
