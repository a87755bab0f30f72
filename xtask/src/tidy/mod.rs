//! `cargo xtask tidy`: the house rules that no compiler knows.
//!
//! One file per check. A check takes what it judges as an argument and returns the problems it
//! found, so that its tests show it failing on a bad sample.

mod arrows;
mod columns;
mod headers;
mod licences;
mod metadata;
mod purity;
mod size;
mod source;
mod tests_discipline;
mod words;

use anyhow::{Result, bail};
use metadata::Metadata;
use source::Source;

use crate::workspace::Workspace;

/// Runs every check and fails if any of them found something.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let sources = source::all(workspace)?;
    let metadata = Metadata::read(workspace)?;
    let problems = problems(&sources, &metadata);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if !problems.is_empty() {
        bail!("tidy found {} problem(s); STYLE.md has the rules", problems.len());
    }
    println!("tidy: {} files and {} crates, no problem", sources.len(), metadata.packages.len());
    Ok(())
}

fn problems(sources: &[Source], metadata: &Metadata) -> Vec<String> {
    [
        headers::check(sources),
        size::check(sources),
        columns::check(sources),
        words::check(sources),
        tests_discipline::check(sources, tests_discipline::SLEEPERS),
        arrows::check_imports(sources),
        arrows::check_dependencies(metadata),
        purity::check(sources),
        licences::check(metadata),
    ]
    .concat()
}
