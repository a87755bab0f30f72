//! What the simulated disk promises.

use super::*;

fn path(name: &str) -> PathBuf {
    Path::new("/").join(name)
}

/// A disk with a durable file "a" of 2,000 ones.
fn disk() -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::new();
    let file = disk.open(&path("a"), OpenMode::Empty).expect("a healthy disk");
    file.write_at(0, &[1; 2000]).expect("a healthy disk");
    file.sync_data().expect("a healthy disk");
    disk.sync_directory(Path::new("/")).expect("a healthy disk");
    (disk, file)
}

fn contents(disk: &SimDisk, name: &str) -> Vec<u8> {
    disk.contents(&path(name)).expect("it exists")
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_loses_the_rest() {
    let (disk, file) = disk();
    file.write_at(100, &[2; 3000]).expect("a healthy disk");
    disk.crash(Survival::Lost);
    assert_eq!(contents(&disk, "a"), vec![1; 2000]);
    assert!(file.read_at(0, &mut [0]).is_err(), "the process has ended");
}

#[test]
fn a_power_cut_tears_at_sectors() {
    let (disk, file) = disk();
    file.write_at(100, &[2; 1800]).expect("a healthy disk");
    disk.crash_choosing(|unsynced| match unsynced {
        Unsynced::Sector { sector: 1, .. } => Keep::New,
        _ => Keep::Old,
    });
    let mut expected = vec![1; 2000];
    expected[512..1024].fill(2);
    assert_eq!(contents(&disk, "a"), expected);
}

#[test]
fn every_tear_happens_under_some_seed_and_the_same_under_the_same() {
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let torn = || {
            let (disk, file) = disk();
            file.write_at(0, &[2; 1536]).expect("a healthy disk");
            disk.crash(Survival::Torn(seed));
            contents(&disk, "a")
        };
        assert_eq!(torn(), torn());
        found.insert(torn());
    }
    assert_eq!(found.len(), 8, "three sectors, each old or new");
}

#[test]
fn names_are_durable_only_after_their_directory_is_synced() {
    let (disk, _) = disk();
    disk.rename(&path("a"), &path("b")).expect("a healthy disk");
    disk.open(&path("c"), OpenMode::Empty).expect("a healthy disk");
    let lost = disk.fork();
    lost.crash(Survival::Lost);
    assert_eq!(lost.files(), [path("a")]);
    let kept = disk.fork();
    kept.crash(Survival::Kept);
    assert_eq!(kept.files(), [path("b"), path("c")]);
    disk.sync_directory(Path::new("/")).expect("a healthy disk");
    disk.crash(Survival::Lost);
    assert_eq!(disk.files(), [path("b"), path("c")]);
}

#[test]
fn an_unlinked_file_comes_back_whole_if_its_name_was_not_synced() {
    let (disk, file) = disk();
    file.write_at(0, &[2; 10]).expect("a healthy disk");
    disk.unlink(&path("a")).expect("a healthy disk");
    disk.crash(Survival::Lost);
    assert_eq!(contents(&disk, "a"), vec![1; 2000]);
}

#[test]
fn after_a_failed_sync_the_cache_lies() {
    let (disk, file) = disk();
    file.write_at(0, &[2; 2000]).expect("a healthy disk");
    disk.fail_change(disk.changes(), Failure::Error);
    assert!(file.sync_data().is_err());
    file.sync_data().expect("the second one believes that all is clean");
    assert_eq!(contents(&disk, "a"), vec![2; 2000], "and shows what is not there");
    file.write_at(0, &[3; 10]).expect("a healthy disk");
    file.sync_data().expect("a healthy disk");
    disk.crash(Survival::Kept);
    let found = contents(&disk, "a");
    assert_eq!(found[..10], [3; 10]);
    assert_eq!(found[10..512], [2; 502], "the rewritten sector is whole");
    assert_eq!(found[512..], [1; 1488], "the others were never written");
}

#[test]
fn a_limited_disk_is_full_and_short_writes_are_short() {
    let (disk, file) = disk();
    disk.limit(Some(2100));
    let error = file.write_at(1999, &[2; 200]).expect_err("it is full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    file.write_at(0, &[2; 2000]).expect("nothing grows");
    disk.fail_change(disk.changes(), Failure::Short { bytes: 7 });
    assert!(file.write_at(0, &[3; 20]).is_err());
    assert_eq!(contents(&disk, "a")[..8], [3, 3, 3, 3, 3, 3, 3, 2]);
    disk.unlink(&path("a")).expect("a healthy disk");
    assert_eq!(disk.used_bytes(), 2000, "it is still open");
    drop(file);
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn a_stopped_process_does_nothing_more() {
    let (disk, file) = disk();
    disk.halt_before(disk.changes() + 1);
    file.write_at(0, &[2; 10]).expect("one more");
    assert!(!file.write_at(0, &[3; 10]).is_ok_and(|()| true));
    assert!(file.sync_data().is_err() && disk.exists(&path("a")).is_err() && disk.is_halted());
    disk.kill();
    assert_eq!(contents(&disk, "a")[..11], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
}
