//! The table is whole, and its words are right.

use std::collections::BTreeSet;

use super::*;

/// Every rule of every part, with the engine that it is broken under.
fn lessons() -> BTreeSet<(EngineKind, Lesson)> {
    let raft = quorate_consensus::Rule::RAFT.map(Lesson::Engine);
    let paxos = quorate_consensus::Rule::PAXOS.map(Lesson::Engine);
    let store = quorate_kv::Rule::ALL.map(Lesson::Store);
    let log = quorate_storage::Rule::ALL.map(Lesson::Log);
    let node = quorate_replica::Rule::ALL.map(Lesson::Node);
    let under_raft = raft.into_iter().chain(store).chain(log).chain(node);
    let under_raft = under_raft.map(|lesson| (EngineKind::Raft, lesson));
    under_raft.chain(paxos.map(|lesson| (EngineKind::Paxos, lesson))).collect()
}

#[test]
fn every_rule_is_in_the_gallery_once() {
    let shown: Vec<(EngineKind, Lesson)> =
        exhibits().into_iter().map(|exhibit| (exhibit.engine, exhibit.lesson)).collect();
    let unique: BTreeSet<(EngineKind, Lesson)> = shown.iter().copied().collect();
    assert_eq!(shown.len(), unique.len(), "a rule is shown twice");
    let missing: Vec<_> = lessons().difference(&unique).copied().collect();
    assert!(missing.is_empty(), "{missing:?} are not shown");
}

#[test]
fn every_mutant_names_what_must_notice_it() {
    for exhibit in exhibits() {
        let is_tested = matches!(exhibit.hunt, Hunt::Test(_));
        assert!(is_tested || !exhibit.invariants.is_empty(), "{}", exhibit.name());
    }
}

#[test]
fn names_are_the_rules_in_words() {
    let exhibit = Exhibit {
        lesson: Lesson::Engine(quorate_consensus::Rule::SkipNoop),
        engine: EngineKind::Raft,
        invariants: &[],
        sight: Sight::UnderFaults,
        hunt: Hunt::Test("a test"),
    };
    assert_eq!((exhibit.part(), exhibit.name()), ("raft", "skip-noop".to_owned()));
}

#[test]
fn the_happy_path_is_happy_and_says_so_where_it_is_not() {
    assert_eq!(happy::path(EngineKind::Raft, Broken::NOTHING), Ok(()));
    let rule = quorate_consensus::Rule::DropReads;
    assert_eq!(happy::path(EngineKind::Raft, Broken(Some(Lesson::Engine(rule)))), Ok(()));
}

#[test]
fn a_survivor_is_no_success() {
    let exhibit = exhibits()[0];
    let row = |health, outcome| Row { exhibit, health, outcome, took: Duration::ZERO };
    let caught = Outcome::Caught { invariant: "an-invariant", seed: Some(7), runs: 3 };
    let survived = Outcome::Survived { runs: 9, otherwise: None };
    let serves = Health::Serves { runs: 100 };
    let fails = Health::Fails { why: "it does not serve".to_owned() };
    assert!(row(serves.clone(), caught.clone()).is_good());
    assert!(!row(serves.clone(), survived.clone()).is_good());
    assert!(!row(fails, caught.clone()).is_good());
    let page = table_of(&[row(serves.clone(), caught), row(serves, survived)]);
    assert!(page.contains("`an-invariant`") && page.contains("**survived**"), "{page}");
    assert!(
        page.ends_with("\nOf 2 mutants, 1 are caught here and 0 by a test of their part.\n"),
        "{page}"
    );
}
