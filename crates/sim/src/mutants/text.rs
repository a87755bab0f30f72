//! The gallery as a page.

use std::fmt::Write as _;

use super::{Health, Hunt, Outcome, Row};

/// What stands above the table.
const HEAD: &str = "\
# Mutants: would the checks notice?

Each row is one rule of the real code, broken on purpose. The rules are described where they are
listed: `rules.rs` of `consensus`, `kv`, `storage` and `replica`. A mutant first serves its clients
where nothing goes wrong: on the happy path, and in runs without faults, unless its invariant looks
at each promise as it is given and so sees it in any run (*at once*). Then it is hunted. A run only
counts if it passes without the mutant.

*Seed* names a run of `quorate sim`; *scenario* a scripted run, where random search takes too long;
*test* a test of the part itself, where a run of whole nodes cannot show the mistake soon.

This page is written by `quorate sim --mutants --write docs/mutants.md`.

| part | mutant | caught by | in | runs | without faults |
|---|---|---|---|---:|---|
";

/// The rows as a page of Markdown. Seconds are left out, so that equal galleries are equal pages.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(HEAD);
    for row in rows {
        let (part, name) = (row.exhibit.part(), row.exhibit.name());
        let (by, place, runs) = outcome(row);
        let health = health(row);
        writeln!(text, "| {part} | {name} | {by} | {place} | {runs} | {health} |")
            .expect("a string takes all");
    }
    let is_caught = |row: &&Row| matches!(row.outcome, Outcome::Caught { .. });
    let is_left = |row: &&Row| row.outcome == Outcome::LeftToTest;
    let (caught, left) =
        (rows.iter().filter(is_caught).count(), rows.iter().filter(is_left).count());
    writeln!(
        text,
        "\nOf {} mutants, {caught} are caught here and {left} by a test of their part.",
        rows.len()
    )
    .expect("a string takes all");
    text
}

fn outcome(row: &Row) -> (String, String, String) {
    let place = match (row.exhibit.hunt, &row.outcome) {
        (Hunt::Seeds { family, .. }, Outcome::Caught { seed: Some(seed), .. }) => {
            format!("{family} seed {seed}")
        }
        (Hunt::Seeds { family, .. }, _) => format!("{family}"),
        (Hunt::Scenario { name, .. }, _) => format!("scenario {name}"),
        (Hunt::Test(name), _) => format!("test `{name}`"),
    };
    match &row.outcome {
        Outcome::Caught { invariant, runs, .. } => {
            (format!("`{invariant}`"), place, runs.to_string())
        }
        Outcome::LeftToTest => ("its test".to_owned(), place, "–".to_owned()),
        Outcome::Survived { runs, .. } => ("**survived**".to_owned(), place, runs.to_string()),
    }
}

fn health(row: &Row) -> String {
    match &row.health {
        Health::Serves { runs: 0 } => "serves".to_owned(),
        Health::Serves { runs } => format!("passes {runs} runs"),
        Health::NotLookedAt => "–".to_owned(),
        Health::ServesSeen => "serves; seen at once".to_owned(),
        Health::Fails { why } => format!("**fails**: {why}"),
    }
}
