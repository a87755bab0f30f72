//! Would the tests notice? Each broken rule must be caught by the check that is named for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use quorate_consensus::{Write, WriteBatch, WriteId};
use quorate_kv::Revision;
use quorate_storage::{InstallError, Mutant, Rule, Rules, SimDisk, Strict};

use crate::crash::cut_the_power_at_every_change;
use crate::failures::fail_at_every_change;
use crate::model::{Step, checkpoint_of, commit_of, hard, meta, put, record};
use crate::script::{User, open_by, script};

/// A check that panics if it finds what it looks for.
type Check = fn(Mutant);

/// The check that catches a broken rule.
fn catcher(rule: Rule) -> Check {
    match rule {
        Rule::AcknowledgeBeforeSync
        | Rule::DirectoryUnsynced
        | Rule::TrustBadBatch
        | Rule::SkipTruncation
        | Rule::CommitUnsynced
        | Rule::PublishUnsynced => cut_the_power_at_every_change,
        Rule::RetryFailedSync | Rule::ReportUnsettled => fail_at_every_change,
        Rule::DropNeeded | Rule::ForgetStarts => run_the_script,
        Rule::StaleHard => a_vote_outlives_its_segment,
        Rule::CutAtFirstBad => damage_in_the_middle_is_refused,
        Rule::TrustBadRecord => rot_in_a_record_is_noticed,
        Rule::TrustReceived => an_incomplete_snapshot_is_refused,
    }
}

#[test]
fn every_broken_rule_is_caught() {
    for rule in Rule::ALL {
        let check = catcher(rule);
        let result = catch_unwind(AssertUnwindSafe(|| check(Mutant(rule))));
        assert!(result.is_err(), "{rule:?} went unnoticed");
    }
}

#[test]
fn a_broken_rule_shows_only_where_it_matters() {
    for rule in Rule::ALL {
        let mut user = User::breaking(SimDisk::new(), Mutant(rule));
        let steps = [
            Step::Append(vec![vec![put(1, 1, 30), put(2, 1, 40)]]),
            Step::Commit(1, vec![record(2, 50)]),
            Step::Append(vec![vec![put(3, 1, 20)]]),
        ];
        user.run(&steps).expect("nothing fails");
        user.stop();
        let opened = open_by(&user.disk, Mutant(rule)).expect("a sound directory");
        assert_eq!(opened.recovered.tail.len(), 3, "{rule:?}");
    }
}

#[test]
fn the_checks_for_single_rules_find_nothing_else() {
    run_the_script(Strict);
    a_vote_outlives_its_segment(Strict);
    damage_in_the_middle_is_refused(Strict);
    rot_in_a_record_is_noticed(Strict);
    an_incomplete_snapshot_is_refused(Strict);
}

fn run_the_script<R: Rules>(rules: R) {
    let mut user = User::breaking(SimDisk::new(), rules);
    user.run(&script()).expect("nothing fails");
}

fn a_vote_outlives_its_segment<R: Rules>(rules: R) {
    let entries = (2..=8).map(|index| Step::Append(vec![vec![put(index, 1, 2000)]]));
    let mut steps = vec![Step::Append(vec![vec![hard(7, 0), put(1, 1, 10)]])];
    steps.extend(entries);
    steps.extend([
        Step::Commit(6, vec![record(2, 10)]),
        Step::Append(vec![vec![Write::CompactTo(meta(6, 1))]]),
        Step::Reserve,
        Step::Restart,
    ]);
    let mut user = User::breaking(SimDisk::new(), rules);
    user.run(&steps).expect("nothing fails");
}

fn file(disk: &SimDisk, suffix: &str) -> PathBuf {
    let is_it = |path: &PathBuf| path.extension().is_some_and(|found| found == suffix);
    disk.files().into_iter().find(is_it).expect("there is one")
}

/// Where these bytes are in a file.
fn find(disk: &SimDisk, path: &Path, wanted: &[u8]) -> u64 {
    let contents = disk.contents(path).expect("it exists");
    let at = contents.windows(wanted.len()).position(|found| found == wanted);
    at.expect("they are there") as u64
}

fn damage_in_the_middle_is_refused<R: Rules>(rules: R) {
    let disk = SimDisk::new();
    let mut opened = open_by(&disk, rules.clone()).expect("an empty disk");
    for id in 1..=3 {
        let writes = vec![put(id, 1, 100)];
        opened.wal.append(&[WriteBatch { id: WriteId(id), writes }]).expect("a healthy disk");
    }
    drop(opened);
    let log = file(&disk, "wal");
    let batch = find(&disk, &log, b"QBAT");
    disk.flip(&log, (batch + 40) * 8);
    assert!(open_by(&disk, rules).is_err(), "what was acknowledged is cut off");
}

fn rot_in_a_record_is_noticed<R: Rules>(rules: R) {
    let disk = SimDisk::new();
    let mut opened = open_by(&disk, rules.clone()).expect("an empty disk");
    let entry = WriteBatch { id: WriteId(1), writes: vec![put(1, 1, 10)] };
    opened.wal.append(&[entry]).expect("a healthy disk");
    let puts = [record(2, 100)];
    let commit = commit_of(1, &puts, &puts.iter().cloned().collect());
    opened.records.commit(&commit).expect("a healthy disk");
    drop(opened);
    let map = file(&disk, "redb");
    let value = find(&disk, &map, &puts[0].1.value);
    let opened = open_by(&disk, rules).expect("a sound directory");
    disk.flip(&map, (value + 50) * 8);
    let found = opened.records.get(Revision::new(2, 0));
    assert!(found != Ok(None), "a record is not taken away by rot");
    assert!(found.is_err(), "rot is read as data");
}

fn an_incomplete_snapshot_is_refused<R: Rules>(rules: R) {
    let disk = SimDisk::new();
    let opened = open_by(&disk, rules).expect("an empty disk");
    let records = [record(2, 10), record(3, 10)];
    let mut staging = opened.installer.begin(&meta(5, 1)).expect("a healthy disk");
    staging.add(&records[..1]).expect("in order");
    let checkpoint = checkpoint_of(5, &records.iter().cloned().collect());
    let refused = staging.finish(&checkpoint);
    assert!(matches!(refused, Err(InstallError::Mismatch(_))), "a part passes for the whole");
}
