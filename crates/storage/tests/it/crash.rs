//! The power is cut at every call that changes the disk.

use quorate_consensus::{Write, WriteBatch, WriteId};
use quorate_storage::{Rules, SimDisk, Strict, Survival};

use crate::model::{Model, hard};
use crate::script::{User, open_by, script};

/// How the cut at this change goes: two seeds of tears each, others at the next.
fn survivals(change: u64) -> [Survival; 4] {
    let torn = |seed| Survival::Torn(change * 2 + seed);
    [Survival::Lost, Survival::Kept, torn(0), torn(1)]
}

fn changes_of_the_script() -> u64 {
    let disk = SimDisk::new();
    let mut user = User::new(disk.clone());
    user.run(&script()).expect("nothing fails");
    user.stop();
    disk.changes()
}

#[test]
fn the_script_runs_through() {
    let changes = changes_of_the_script();
    assert!(300 < changes, "the script reaches {changes} points where the power can be cut");
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_every_change() {
    cut_the_power_at_every_change(Strict);
}

/// Panics where something acknowledged is lost.
pub(crate) fn cut_the_power_at_every_change<R: Rules>(rules: R) {
    for change in 0..=changes_of_the_script() {
        let disk = SimDisk::new();
        disk.halt_before(change);
        let mut user = User::breaking(disk.clone(), rules.clone());
        drop(user.run(&script()));
        user.stop();
        for survival in survivals(change) {
            check_reopening(&user, &disk.fork(), survival, change);
        }
    }
}

fn check_reopening<R: Rules>(user: &User<R>, disk: &SimDisk, survival: Survival, change: u64) {
    let context = format!("cut before change {change}, {survival:?}");
    disk.crash(survival);
    let open = || open_by(disk, user.rules.clone());
    let mut opened = open().unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(user.boots < opened.identity.boots, "{context}: a start is counted twice");
    let found = Model::of(&opened);
    user.check(&found, &context);

    // What was reported is durable, and the log goes on.
    let vote = WriteBatch { id: WriteId(1), writes: vec![hard(99, 0)] };
    opened.wal.append(&[vote]).expect("a healthy disk takes it");
    drop(opened);
    disk.crash(Survival::Lost);
    let opened = open().unwrap_or_else(|error| panic!("{context}, again: {error}"));
    let mut expected = found;
    let Write::Hard(vote) = hard(99, 0) else { unreachable!("it is one") };
    expected.hard = vote;
    assert_eq!(Model::of(&opened), expected, "{context}: what was reported was not durable");
}
