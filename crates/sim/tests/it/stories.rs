//! Every story ends as it says, in the words that were reviewed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quorate_consensus::Seed;
use quorate_sim::story::{self, COLUMNS_MAX, Language, width};

/// The seed of the pages in the repository.
const SEED: Seed = Seed(1);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stories")
}

fn file_name(name: &str, language: Language) -> String {
    format!("{name}.{}.txt", language.tag())
}

/// Compares each story's pages with `crates/sim/stories`; `REWRITE=1` writes them instead.
#[test]
#[expect(clippy::disallowed_methods, reason = "the tests keep pages, the crate keeps no files")]
fn every_story_is_told_as_reviewed_and_holds() {
    let rewrites = std::env::var_os("REWRITE").is_some();
    let mut differing = Vec::new();
    for story in story::all() {
        let tale = story.tell(SEED);
        for language in Language::ALL {
            let page = story.page(&tale, language);
            let file = file_name(story.name, language);
            let is_narrow = page.lines().all(|line| width(line) <= COLUMNS_MAX);
            assert!(is_narrow, "{file} is wider than {COLUMNS_MAX} columns");
            if rewrites {
                fs::write(folder().join(&file), &page).expect("the folder is writable");
            } else if fs::read_to_string(folder().join(&file)).ok().as_deref() != Some(&page[..]) {
                differing.push(format!("{file} differs; it is now:\n{page}"));
            }
        }
        if !tale.holds() {
            differing.push(format!("{} does not hold", story.name));
        }
    }
    assert!(differing.is_empty(), "{}\nREWRITE=1 refreshes them", differing.join("\n"));
}

#[test]
fn no_page_is_left_of_a_story_that_is_gone() {
    let expected: BTreeSet<String> = story::all()
        .iter()
        .flat_map(|story| Language::ALL.map(|language| file_name(story.name, language)))
        .collect();
    let files = fs::read_dir(folder()).expect("the folder exists");
    let found: BTreeSet<String> = files
        .map(|file| file.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn stories_hold_for_other_seeds() {
    for story in story::all() {
        for seed in 2..=3 {
            let tale = story.tell(Seed(seed));
            let page = story.page(&tale, Language::English);
            assert!(tale.holds(), "{} with seed {seed}:\n{page}", story.name);
        }
    }
}

/// The text is made of what the engine did: without the rule, the same script tells otherwise.
#[test]
fn a_broken_rule_tells_another_story() {
    for (name, strict, broken) in [
        ("disrupt", "S3 follows S1, the leader of term 1", "S3 ignores what S1 says"),
        ("figure-8", "S2, S3 refuse S5 a vote", "S5 is the leader of term 4"),
        ("read-stale", "get x, whatever you have gives 1", "S1 → client: get x gives 1"),
    ] {
        let story = story::find(name).expect("it is told");
        let page = story.page(&story.tell(SEED), Language::English);
        let again = page.find("with the rule broken").or_else(|| page.find("raises the term, as"));
        let (first, second) = page.split_at(again.expect("it is told twice"));
        assert!(first.contains(strict), "{name}:\n{page}");
        assert!(!first.contains(broken) && second.contains(broken), "{name}:\n{page}");
    }
}

#[test]
fn names_are_unique() {
    let names: Vec<&str> = story::all().iter().map(|story| story.name).collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), unique.len(), "{names:?}");
}
