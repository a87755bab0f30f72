//! The gallery of mutants: would the checks notice a broken rule?

use std::fs;
use std::time::Instant;

use quorate_sim::mutants::{Effort, Health, Outcome, Row, gallery, table_of};

use super::SimFlags;
use crate::exit::Failure;
use crate::output;

/// Looks at each mutant, and tells how it fared.
pub(super) fn run(flags: &SimFlags) -> Result<(), Failure> {
    let effort =
        if flags.gallery.recorded { Effort::RECORDED } else { Effort::campaign(flags.first_seed) };
    let begun = Instant::now();
    let wanted = flags.gallery.only.clone();
    let is_wanted =
        move |name: &str| wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str()));
    let mut told = Ok(());
    let rows = gallery(
        effort,
        &|exhibit| is_wanted(&exhibit.name()),
        &mut || begun.elapsed(),
        &mut |row| told = output::flush(line(row).as_bytes()),
    );
    told?;
    let bad = rows.iter().filter(|row| !row.is_good()).count();
    let summary = format!(
        "{} mutants, {bad} not caught, {:.0} s\n",
        rows.len(),
        begun.elapsed().as_secs_f64()
    );
    output::flush(summary.as_bytes())?;
    if let Some(path) = &flags.gallery.write {
        fs::write(path, table_of(&rows))
            .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
    }
    if bad == 0 { Ok(()) } else { Err(Failure::error("a broken rule went unnoticed")) }
}

fn line(row: &Row) -> String {
    let Row { exhibit, health, outcome, took } = row;
    let outcome = match (health, outcome) {
        (Health::Fails { why }, _) => format!("PROVES NOTHING: it serves nobody: {why}"),
        (_, Outcome::Caught { invariant, seed: Some(seed), runs }) => {
            format!("caught by {invariant}, seed {seed}, {runs} runs")
        }
        (_, Outcome::Caught { invariant, seed: None, .. }) => {
            format!("caught by {invariant}, in a scenario")
        }
        (_, Outcome::LeftToTest) => "caught by a test of its part".to_owned(),
        (_, Outcome::Survived { runs, otherwise: None }) => format!("SURVIVED {runs} runs"),
        (_, Outcome::Survived { runs, otherwise: Some(otherwise) }) => {
            format!("SURVIVED {runs} runs, though something was noticed: {otherwise}")
        }
    };
    let (part, name) = (exhibit.part(), exhibit.name());
    format!("{part:<8} {name:<32} {outcome}, {:.1} s\n", took.as_secs_f64())
}
