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
fn every_story_is_told_as_reviewed_and_holds() {
    let rewrites = std::env::var_os("REWRITE").is_some();
    let mut differing = Vec::new();
    for story in story::all() {
        let tale = story.tell(SEED);
        for language in Language::ALL {
            let page = story.page(&tale, language);
            let file = file_name(story.name, language);
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
        for seed in 2..=6 {
            let tale = story.tell(Seed(seed));
            let page = story.page(&tale, Language::English);
            assert!(tale.holds(), "{} with seed {seed}:\n{page}", story.name);
        }
    }
}

#[test]
fn a_story_told_twice_is_the_same() {
    for story in story::all() {
        assert_eq!(story.tell(Seed(7)), story.tell(Seed(7)), "{}", story.name);
    }
}

#[test]
fn pages_fit_their_width() {
    for story in story::all() {
        let tale = story.tell(SEED);
        for language in Language::ALL {
            for line in story.page(&tale, language).lines() {
                assert!(width(line) <= COLUMNS_MAX, "{}: {line}", story.name);
            }
        }
    }
}

#[test]
fn names_are_unique() {
    let names: Vec<&str> = story::all().iter().map(|story| story.name).collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), unique.len(), "{names:?}");
}
