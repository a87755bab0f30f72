//! Bits flip at rest: right data or a refusal, never anything else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use quorate_kv::{Config, Store, Strict};
use quorate_storage::{OpenError, SimDisk};

use crate::model::{Model, Step, put, record};
use crate::script::{DIRECTORY, User, open_on};

/// A small directory, and what it holds.
pub(crate) fn small() -> (SimDisk, Model) {
    let disk = SimDisk::new();
    let mut user = User::new(disk.clone());
    let steps = [
        Step::Append(vec![vec![put(1, 1, 30), put(2, 1, 40)]]),
        Step::Commit(1, vec![record(2, 50), record(3, 2000), record(4, 10)]),
        Step::Append(vec![vec![put(3, 1, 20)]]),
        Step::Commit(2, (5..40).map(|main| record(main, 100)).collect()),
    ];
    user.run(&steps).expect("nothing fails");
    let model = user.acknowledged.clone().expect("it ran");
    user.stop();
    (disk, model)
}

fn map_of(disk: &SimDisk) -> PathBuf {
    let is_map = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "redb");
    disk.files().into_iter().find(is_map).expect("there is a map")
}

#[test]
fn every_bit_of_the_identity_counts() {
    let (disk, _) = small();
    let identity = Path::new(DIRECTORY).join("identity");
    let bits = disk.contents(&identity).expect("it exists").len() as u64 * 8;
    for bit in 0..bits {
        let rotten = disk.fork();
        rotten.flip(&identity, bit);
        match open_on(&rotten) {
            Ok(_) => panic!("bit {bit} was not missed"),
            Err(OpenError::Damaged(_) | OpenError::Newer { .. }) => {}
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
}

/// Reads everything as the state machine does at its start: all records, compared with the
/// checkpoint. `None` is a refusal.
fn read_everything(disk: &SimDisk) -> Option<Model> {
    let opened = open_on(disk).ok()?;
    let records = Arc::clone(&opened.records);
    Store::open(records, Config::default(), Strict).ok()?;
    Some(Model::of(&opened))
}

/// Whether the state machine would stand where it stood at one of its commits, with the log that
/// leads on from there.
fn is_right(found: &Model, expected: &Model) -> bool {
    let mut expected = expected.clone();
    if found.applied < expected.applied {
        expected.applied = found.applied;
        expected.records = found.records.clone();
    }
    *found == expected
}

#[test]
fn rot_in_the_map_is_never_read_as_data() {
    let (disk, model) = small();
    let map = map_of(&disk);
    let bytes = disk.contents(&map).expect("it exists");
    assert_eq!(read_everything(&disk.fork()), Some(model.clone()), "it is sound");
    let (mut right, mut refused) = (0, 0);
    // Every byte that is not zero, and one of some that are; a bit of each.
    let places = bytes.iter().enumerate().filter(|(at, byte)| **byte != 0 || at % 1009 == 0);
    for (at, _) in places.step_by(29) {
        let rotten = disk.fork();
        rotten.flip(&map, at as u64 * 8 + (at % 8) as u64);
        match read_everything(&rotten) {
            Some(found) => {
                assert!(is_right(&found, &model), "byte {at}: wrong data");
                right += 1;
            }
            None => refused += 1,
        }
    }
    assert!(30 < right && 30 < refused, "{right} right, {refused} refused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_any_file_end_in_an_answer(
        which in 0_usize..3,
        at in 0_usize..9000,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cut in any::<bool>(),
    ) {
        let (disk, model) = small();
        let file = disk.files()[which].clone();
        let mut contents = disk.contents(&file).expect("it was listed");
        let at = at % (contents.len() + 1);
        let end = contents.len().min(at + bytes.len());
        contents[at..end].copy_from_slice(&bytes[..end - at]);
        if cut {
            contents.truncate(end);
        }
        disk.replace(&file, &contents);
        if let Some(found) = read_everything(&disk) {
            // In the last batch, rot looks like a tear.
            let mut torn = model.clone();
            torn.entries.remove(&3);
            prop_assert!(is_right(&found, &model) || is_right(&found, &torn));
        }
    }
}
