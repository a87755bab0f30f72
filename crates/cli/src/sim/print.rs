//! What a campaign or a run came to, in words.

use std::fmt::Write;
use std::time::Duration;

use quorate_sim::campaign::{Items, Smaller, Totals};
use quorate_sim::world::Report;
use serde_json::{Value, json};

use super::campaign::Outcome;
use super::engine::Kind;
use super::{Format, SimFlags};
use crate::exit::Failure;
use crate::output;

/// How many of a failed run's last lines are shown.
const LINES_SHOWN: usize = 40;

/// How many columns of names a table has.
const COLUMNS: usize = 2;

/// How far a campaign has come.
pub(super) fn progress(totals: &Totals, seeds: u64, elapsed: Duration) -> String {
    format!(
        "{} of {seeds} seeds, {} events, {} events/s, {} s",
        grouped(totals.runs),
        grouped(totals.events),
        grouped(each_second(totals.events, elapsed)),
        elapsed.as_secs(),
    )
}

/// What a campaign came to.
pub(super) fn outcome(flags: &SimFlags, kind: Kind, outcome: &Outcome) -> Result<(), Failure> {
    let text = match flags.format {
        Format::Table => table(kind, outcome),
        Format::Json => format!("{}\n", as_json(kind, outcome)),
    };
    output::flush(text.as_bytes())
}

fn table(kind: Kind, outcome: &Outcome) -> String {
    let Outcome { totals, elapsed, threads, .. } = outcome;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let engine = kind.engine.name();
    line("runs", format!("{} of {engine}, profile {}", grouped(totals.runs), kind.named));
    let each = each_second(totals.events, *elapsed * u32::try_from(*threads).unwrap_or(1));
    let rate = format!("{} a second on each of {threads} threads", grouped(each));
    line("events", format!("{}, {rate}", grouped(totals.events)));
    let (simulated, seconds) = (totals.simulated, elapsed.as_secs_f64());
    let ratio = format!("{:.0} times real time", simulated.as_secs_f64() / seconds);
    let simulated = grouped(simulated.as_secs());
    line("simulated", format!("{simulated} s in {seconds:.1} s, {ratio}"));
    line("committed", format!("{} entries", grouped(totals.commits)));
    line("elections", grouped(totals.elections));
    line("answers", format!("{} compared with the model", grouped(totals.tally.compared())));
    line("watched", format!("{} changes compared with the log", grouped(totals.tally.told)));
    line("unknown", format!("{} writes, settled from the log", grouped(totals.tally.unknown)));
    if 0 < totals.excused() {
        line("excused", format!("{:?}", totals.excused));
    }
    if 0 < outcome.verified {
        line("repeated", format!("{} runs in other processes: all the same", outcome.verified));
    }
    section(&mut text, "faults", totals.faults.iter().map(|(kind, n)| (format!("{kind:?}"), *n)));
    let shapes = totals.shapes.iter().map(|(shape, n)| (shape.name().to_owned(), *n));
    section(&mut text, "shapes of the network", shapes);
    section(&mut text, "checks", totals.checks.iter().map(|(name, n)| ((*name).to_owned(), *n)));
    let marks = totals.marks.counts();
    section(&mut text, "marks", marks.into_iter().map(|(mark, n)| (mark.name(), n)));
    for gap in &outcome.gaps {
        // Writing to a string does not fail.
        let _ = writeln!(text, "not tested: {gap}");
    }
    text
}

/// Names with counts, in columns.
fn section(text: &mut String, title: &str, counts: impl Iterator<Item = (String, u64)>) {
    let cells: Vec<String> =
        counts.map(|(name, count)| format!("{name:<32}{:>12}", grouped(count))).collect();
    if cells.is_empty() {
        return;
    }
    // Writing to a string does not fail.
    let _ = writeln!(text, "\n{title}");
    for row in cells.chunks(COLUMNS) {
        let _ = writeln!(text, "  {}", row.join("    "));
    }
}

fn as_json(kind: Kind, outcome: &Outcome) -> Value {
    let totals = &outcome.totals;
    let named = |counts: Vec<(String, u64)>| {
        let pairs = counts.into_iter().map(|(name, count)| (name, Value::from(count)));
        Value::Object(pairs.collect())
    };
    json!({
        "engine": kind.engine.name(),
        "profile": kind.named.name(),
        "runs": totals.runs,
        "events": totals.events,
        "seconds": outcome.elapsed.as_secs_f64(),
        "threads": outcome.threads,
        "simulated_seconds": totals.simulated.as_secs_f64(),
        "commits": totals.commits,
        "elections": totals.elections,
        "compared": totals.tally.compared(),
        "watched": totals.tally.told,
        "unknown": totals.tally.unknown,
        "excused": totals.excused(),
        "verified": outcome.verified,
        "faults": named(totals.faults.iter().map(|(it, n)| (format!("{it:?}"), *n)).collect()),
        "shapes": named(totals.shapes.iter().map(|(it, n)| (it.name().to_owned(), *n)).collect()),
        "checks": named(totals.checks.iter().map(|(it, n)| ((*it).to_owned(), *n)).collect()),
        "marks": named(totals.marks.counts().into_iter().map(|(it, n)| (it.name(), n)).collect()),
        "gaps": outcome.gaps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "failed": outcome.failed.as_ref().map(|report| report.seed.0),
    })
}

/// A run in which something did not hold: what, how it came about, and how to see it again.
pub(super) fn failure(flags: &SimFlags, kind: Kind, failed: &Report) -> Failure {
    if flags.shrink
        && let Some(smaller) = kind.smaller(failed)
    {
        return Failure::error(told_smaller(kind, failed, &smaller));
    }
    Failure::error(told(kind, failed, &Items::default()))
}

fn told(kind: Kind, failed: &Report, without: &Items) -> String {
    let Some(found) = &failed.found else { return "nothing was found".to_owned() };
    let mut text = format!(
        "seed {}, step {}, {} ms: {}\n\n",
        failed.seed.0, found.step, found.at, found.violation
    );
    for line in failed.lines.iter().rev().take(LINES_SHOWN).rev() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "\nreplay it with\n  {}", command(kind, failed, found.step, without));
    text
}

fn told_smaller(kind: Kind, failed: &Report, smaller: &Smaller) -> String {
    let Smaller { without, faults, operations, attempts, report } = smaller;
    let what = format!("{faults} faults and {operations} operations of {}", failed.seed.0);
    format!("{}\n\n({what} are enough, found in {attempts} runs)", told(kind, report, without))
}

/// The one command that shows it again.
fn command(kind: Kind, failed: &Report, step: u64, without: &Items) -> String {
    let (engine, named, seed) = (kind.engine.name(), kind.named, failed.seed.0);
    let mut command = format!(
        "quorate sim --engine {engine} --profile {named} --seed {seed} --until {step} --trace"
    );
    if !without.is_empty() {
        // Writing to a string does not fail.
        let _ = write!(command, " --without {without}");
    }
    command
}

/// How many of `count` fall on each second.
fn each_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1 000");
        assert_eq!(grouped(12_345_678), "12 345 678");
    }
}
