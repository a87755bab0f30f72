//! The log read back: every bit of it flipped, and anything else in its place.

use std::path::Path;
use std::sync::RwLock;

use proptest::prelude::*;
use quorate_consensus::{
    Ballot, ClusterTime, Entry, HardState, Incarnation, Meta, NodeId, WriteBatch, WriteId,
};

use super::*;
use crate::identity::Identity;
use crate::ledger::Horizon;
use crate::reader::LogReader;
use crate::rules::Strict;
use crate::segment::StoreId;
use crate::wal::{Found, Settings, Wal, begin_segment};
use crate::{ClusterId, DiskLock, Options, SimDisk};

struct NoLock;

impl DiskLock for NoLock {}

fn directory() -> &'static Path {
    Path::new("/wal")
}

fn owner(engine: EngineKind) -> Owner {
    Owner::of(&Identity {
        cluster: ClusterId(1),
        node: NodeId(2),
        engine,
        incarnation: Incarnation(3),
        boots: 1,
    })
}

fn disk_with_log(engine: EngineKind) -> SimDisk {
    let disk = SimDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    shared.create_directory(directory()).expect("a healthy disk");
    let head = Head {
        sequence: 1,
        length: Options::SEGMENT_BYTES_MIN,
        salt: 4,
        owner: owner(engine),
        previous: Link::default(),
        highest_before: Index::ZERO,
        last: Index::ZERO,
        store: StoreId::default(),
        hard: HardState::default(),
        meta: meta(0),
    };
    let reserved = reserve::make(&shared, directory(), 0, head.length).expect("a healthy disk");
    begin_segment(&shared, directory(), &head, reserved, &Strict).expect("a healthy disk");
    disk
}

fn wal(disk: &SimDisk, engine: EngineKind) -> Wal {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = recover(&disk, directory(), owner(engine), &Strict).expect("a sound log");
    let settings = Settings {
        directory: directory().to_owned(),
        owner: owner(engine),
        segment_bytes: Options::SEGMENT_BYTES_MIN,
        spare_segments_max: 0,
        entropy: 5,
    };
    let Log { ledger, catalog, segments, link, .. } = log;
    let catalog = Arc::new(RwLock::new(catalog));
    let horizon = Arc::new(Horizon::default());
    horizon.map_reaches(Index(u64::MAX));
    let found = Found { ledger, catalog, horizon, segments, link };
    Wal::new(disk, settings, found, Arc::new(NoLock), Strict)
}

fn meta(index: u64) -> Meta {
    let members = Members::of_voters([NodeId(1), NodeId(2)]);
    Meta { index: Index(index), ballot: Ballot::ZERO, time: ClusterTime(index), members }
}

fn put(index: u64, round: u64, length: usize) -> Write {
    Write::Put(
        Entry {
            index: Index(index),
            ballot: Ballot { round, node: NodeId(1) },
            born: Ballot { round, node: NodeId(1) },
            id: None,
            time: ClusterTime(index),
            payload: Payload::Command(vec![index as u8; length].into()),
        }
        .into(),
    )
}

fn append(wal: &mut Wal, id: u64, writes: Vec<Write>) {
    wal.append(&[WriteBatch { id: WriteId(id), writes }]).expect("a healthy disk");
}

/// What a log says, or why it is refused.
type Answer = Result<(Ledger, Vec<Entry>), OpenError>;

fn read(disk: &SimDisk, engine: EngineKind) -> Answer {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = recover(&disk, directory(), owner(engine), &Strict)?;
    let reader = LogReader::new(Arc::new(RwLock::new(log.catalog)));
    let mut entries = Vec::new();
    for run in &log.ballots {
        while entries.last().is_none_or(|entry: &Entry| entry.index < run.last) {
            let next = entries.last().map_or(run.first, |entry| entry.index.next()).max(run.first);
            entries.extend(reader.read(next, run.last, u64::MAX).expect("recovery has read it"));
        }
    }
    Ok((log.ledger, entries))
}

/// Two segments of a few batches each, the same without the last batch, and without the last two.
fn two_segments() -> (SimDisk, SimDisk, SimDisk) {
    let disk = disk_with_log(EngineKind::Raft);
    let mut wal = wal(&disk, EngineKind::Raft);
    append(&mut wal, 1, vec![put(1, 1, 40), put(2, 1, 40)]);
    append(&mut wal, 2, vec![put(3, 1, 3000)]);
    append(&mut wal, 3, vec![Write::CompactTo(meta(1)), Write::Hard(HardState::default())]);
    let long_before = disk.fork();
    append(&mut wal, 4, vec![put(4, 2, 60), put(5, 2, 10)]);
    let before = disk.fork();
    append(&mut wal, 5, vec![Write::TruncateFrom(Index(5)), put(5, 3, 30)]);
    (disk, before, long_before)
}

fn without_last_batch(disk: &SimDisk) -> Answer {
    read(disk, EngineKind::Raft)
}

#[test]
fn every_bit_of_the_log_counts() {
    let (disk, before, _) = two_segments();
    let (whole, cut) = (read(&disk, EngineKind::Raft), without_last_batch(&before));
    let (whole, cut) = (whole.expect("it is sound"), cut.expect("it is sound"));
    assert_ne!(whole, cut);
    let files = disk.files();
    assert_eq!(files.len(), 2, "two segments");
    let last_batch = difference(&disk, &before, &files[1]);
    let (mut right, mut torn, mut refused) = (0, 0, 0);
    for file in &files {
        for bit in 0..Options::SEGMENT_BYTES_MIN * 8 {
            disk.flip(file, bit);
            let is_in_last_batch = *file == files[1] && last_batch.contains(&(bit / 8));
            match read(&disk, EngineKind::Raft) {
                Ok(found) if found == whole => right += 1,
                Ok(found) => {
                    assert!(is_in_last_batch && found == cut, "bit {bit} of {}", file.display());
                    torn += 1;
                }
                Err(OpenError::Damaged(_) | OpenError::Newer { .. }) => refused += 1,
                Err(error) => panic!("bit {bit} of {}: {error}", file.display()),
            }
            disk.flip(file, bit);
        }
    }
    // The last batch, exactly; what is written of the rest; and zeros that nobody reads.
    assert!((last_batch.end - last_batch.start) * 8 - torn < 64, "but for its padding");
    assert!(8 * 3500 < refused && 8 * 8000 < right, "{right} right, {refused} refused");
}

/// Where two versions of a file differ.
fn difference(one: &SimDisk, other: &SimDisk, file: &Path) -> core::ops::Range<u64> {
    let (one, other) = (one.contents(file), other.contents(file));
    let (one, other) = (one.expect("it exists"), other.expect("it exists"));
    let differs = |at: &usize| one[*at] != other[*at];
    let first = (0..one.len()).find(differs).expect("they differ");
    let last = (0..one.len()).rfind(differs).expect("they differ");
    first as u64..last as u64 + 1
}

#[test]
fn a_hole_torn_in_the_middle_is_damage_and_not_a_tear() {
    let (disk, _, _) = two_segments();
    let last = disk.files()[1].clone();
    let mut bytes = disk.contents(&last).expect("it exists");
    let first_batch = 4096..4096 + 64;
    bytes[first_batch].fill(0);
    disk.replace(&last, &bytes);
    match read(&disk, EngineKind::Raft) {
        Err(OpenError::Damaged(damage)) => {
            assert_eq!(damage, Damage { path: last, offset: 4096, problem: Problem::Batch });
            let text = damage.to_string();
            assert!(text.contains("0000000000000002.wal") && text.contains("byte 4096"), "{text}");
        }
        answer => panic!("not taken for damage: {answer:?}"),
    }
}

#[test]
fn a_batch_that_was_written_over_and_comes_back_is_damage() {
    let disk = disk_with_log(EngineKind::Raft);
    let other = disk.fork();
    append(&mut wal(&other, EngineKind::Raft), 1, vec![put(1, 1, 40)]);
    let stale = other.contents(&disk.files()[0]).expect("it exists");

    let mut wal = wal(&disk, EngineKind::Raft);
    append(&mut wal, 1, vec![put(1, 2, 40)]);
    let end = wal.link.end as usize;
    append(&mut wal, 2, vec![put(2, 2, 40)]);
    let file = disk.files()[0].clone();
    let mut bytes = disk.contents(&file).expect("it exists");
    bytes[..end].copy_from_slice(&stale[..end]);
    disk.replace(&file, &bytes);
    match read(&disk, EngineKind::Raft) {
        Err(OpenError::Damaged(damage)) => {
            assert_eq!((damage.offset, damage.problem), (end as u64, Problem::Batch));
        }
        answer => panic!("each batch is sound, the chain is not: {answer:?}"),
    }
}

#[test]
fn a_tear_is_cut_and_written_over() {
    let (disk, before, _) = two_segments();
    let last = disk.files()[1].clone();
    let torn = difference(&disk, &before, &last);
    let mut bytes = disk.contents(&last).expect("it exists");
    bytes[torn.end as usize - 4] ^= 1;
    disk.replace(&last, &bytes);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = recover(&shared, directory(), owner(EngineKind::Raft), &Strict).expect("it is cut");
    assert_eq!(log.cut, Some(Cut { path: last, offset: torn.start }));

    let mut wal = wal(&disk, EngineKind::Raft);
    append(&mut wal, 1, vec![put(6, 4, 1)]);
    let (_, entries) = read(&disk, EngineKind::Raft).expect("it is sound");
    assert_eq!(entries.iter().map(|entry| entry.index.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
}

#[test]
fn paxos_slots_arrive_out_of_order_and_are_replaced_without_a_cut() {
    let engine = EngineKind::Paxos;
    let disk = disk_with_log(engine);
    let mut wal = wal(&disk, engine);
    append(&mut wal, 1, vec![put(5, 1, 10), put(2, 1, 10)]);
    append(&mut wal, 2, vec![put(900, 2, 10), put(2, 2, 20)]);
    append(&mut wal, 3, vec![Write::CompactTo(meta(1)), put(1, 3, 10)]);
    let (ledger, entries) = read(&disk, engine).expect("holes are legal");
    let found: Vec<_> = entries.iter().map(|entry| (entry.index.0, entry.ballot.round)).collect();
    assert_eq!(found, [(2, 2), (5, 1), (900, 2)], "the late slot 1 is below the base");
    assert_eq!(ledger.bounds, Bounds { base: Index(1), last: Index(900) });

    match read(&disk, EngineKind::Raft) {
        Err(OpenError::Damaged(damage)) => assert_eq!(damage.problem, Problem::Place),
        answer => panic!("another engine's log: {answer:?}"),
    }
}

#[test]
fn a_batch_longer_than_a_segment_gets_one_of_its_own() {
    let disk = disk_with_log(EngineKind::Raft);
    let mut wal = wal(&disk, EngineKind::Raft);
    append(&mut wal, 1, vec![put(1, 1, 3 << 20)]);
    append(&mut wal, 2, vec![put(2, 1, 10)]);
    append(&mut wal, 3, vec![put(3, 1, 5000)]);
    let (_, entries) = read(&disk, EngineKind::Raft).expect("it is sound");
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0].cost(), (3 << 20) + Entry::OVERHEAD_BYTES);
}

#[test]
fn a_kept_old_segment_behind_a_gap_is_a_leftover_only_if_it_is_compacted() {
    let disk = disk_with_log(EngineKind::Raft);
    let mut wal = wal(&disk, EngineKind::Raft);
    for index in 1..=6 {
        append(&mut wal, index, vec![put(index, 1, 3000)]);
    }
    let files = disk.files();
    let middle = disk.contents(&files[2]).expect("it exists");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    shared.unlink(&files[2]).expect("a healthy disk");
    match read(&disk, EngineKind::Raft) {
        Err(OpenError::Damaged(damage)) => {
            assert_eq!((damage.path, damage.problem), (files[2].clone(), Problem::Missing));
        }
        answer => panic!("live entries are gone: {answer:?}"),
    }

    disk.replace(&files[2], &middle);
    append(&mut wal, 7, vec![Write::CompactTo(meta(4))]);
    shared.unlink(&files[2]).expect("a healthy disk");
    let log =
        recover(&shared, directory(), owner(EngineKind::Raft), &Strict).expect("none is missed");
    assert_eq!(log.leftovers, files[..2]);
    let (_, entries) = read(&disk, EngineKind::Raft).expect("none is missed");
    assert_eq!(entries.iter().map(|entry| entry.index.0).collect::<Vec<_>>(), [5, 6]);
}

fn damage() -> impl Strategy<Value = Vec<(usize, usize, Vec<u8>)>> {
    let patch = (0_usize..2, 0_usize..8192, prop::collection::vec(any::<u8>(), 1..300));
    prop::collection::vec(patch, 1..4)
}

proptest! {
    #[test]
    fn random_files_are_refused_or_empty(
        files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 1..3),
    ) {
        let disk = SimDisk::new();
        disk.create_directory(directory()).expect("a healthy disk");
        for (bytes, sequence) in files.iter().zip(1..) {
            disk.replace(&segment::path(directory(), sequence), bytes);
        }
        prop_assert!(read(&disk, EngineKind::Raft).is_err());
    }

    #[test]
    fn patched_files_are_right_torn_or_refused(patches in damage()) {
        let (disk, before, long_before) = two_segments();
        let whole = read(&disk, EngineKind::Raft).expect("it is sound");
        let cut = without_last_batch(&before).expect("it is sound");
        // Without its last two batches the second segment is empty.
        let emptied = read(&long_before, EngineKind::Raft).expect("it is sound");
        for (which, at, bytes) in patches {
            let file = disk.files()[which].clone();
            let mut contents = disk.contents(&file).expect("it exists");
            let end = contents.len().min(at + bytes.len());
            contents[at..end].copy_from_slice(&bytes[..end - at]);
            disk.replace(&file, &contents);
        }
        if let Ok(found) = read(&disk, EngineKind::Raft) {
            // Destroying everything from some batch to the end looks like a longer tear.
            prop_assert!(found == whole || found == cut || found == emptied);
        }
    }
}
