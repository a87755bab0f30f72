//! A script that does everything storage can do, and the user that runs it.

use std::path::Path;
use std::sync::Arc;

use quorate_consensus::{Index, NodeId, StorageState, Write, WriteBatch, WriteId};
use quorate_kv::{MapError, Records};
use quorate_storage::{
    ClusterId, Disk, EngineKind, InstallError, OpenError, Opened, Options, Progress, Rules,
    SimDisk, Strict, WalError,
};

use crate::model::{
    Model, Step, checkpoint_of, commit_of, hard, members, meta, put, put_members, record,
};

pub(crate) const DIRECTORY: &str = "/data/n1";

pub(crate) fn options() -> Options {
    let mut options = Options::new(ClusterId(11), NodeId(1), EngineKind::Raft, members());
    options.segment_bytes = Options::SEGMENT_BYTES_MIN;
    options.spare_segments_max = 1;
    options.tail_bytes_max = 4000;
    options.map_cache_bytes = 1 << 20;
    options.entropy = 0x5eed;
    options
}

pub(crate) fn open_on(disk: &SimDisk) -> Result<Opened, OpenError> {
    open_with(disk, options())
}

pub(crate) fn open_with(disk: &SimDisk, options: Options) -> Result<Opened, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    quorate_storage::open(disk, Path::new(DIRECTORY), options)
}

/// Opens by rules of which one may be broken.
pub(crate) fn open_by<R: Rules>(disk: &SimDisk, rules: R) -> Result<Opened<R>, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    quorate_storage::open_with(disk, Path::new(DIRECTORY), options(), rules)
}

/// Appends, truncates, rotates, reserves, commits, compacts, recycles, installs and restarts.
pub(crate) fn script() -> Vec<Step> {
    let append = |writes: Vec<Write>| Step::Append(vec![writes]);
    vec![
        append(vec![hard(1, 0), put(1, 1, 100)]),
        Step::Append(vec![vec![put(2, 1, 700)], vec![put_members(3, 1), hard(1, 2)]]),
        Step::Reserve,
        append(vec![put(4, 1, 1500), put(5, 1, 10), put(6, 1, 0)]),
        append(vec![Write::TruncateFrom(Index(5)), hard(2, 3), put(5, 2, 900)]),
        Step::Commit(3, vec![record(2, 300), record(3, 30)]),
        append(vec![put(6, 2, 1800), put(7, 2, 600)]),
        append(vec![hard(2, 7)]),
        append(vec![put(8, 2, 1400)]),
        Step::Reserve,
        Step::Commit(7, vec![record(4, 20), record(5, 5000)]),
        append(vec![Write::CompactTo(meta(6, 2))]),
        Step::Reserve,
        append(vec![put(9, 2, 2000)]),
        append(vec![put(10, 2, 2100)]),
        Step::Reserve,
        Step::Restart,
        append(vec![put(11, 2, 20_000)]),
        append(vec![put(12, 2, 200)]),
        Step::Append(vec![vec![Write::TruncateFrom(Index(12))], vec![put(12, 3, 800), hard(3, 9)]]),
        Step::Install(meta(20, 3), (2..9).map(|main| record(main, 100)).collect()),
        append(vec![put(21, 3, 50), put(22, 4, 60)]),
        Step::Reserve,
        Step::Commit(21, vec![record(9, 10)]),
        append(vec![Write::CompactTo(meta(21, 3)), put(23, 4, 2500)]),
        Step::Reserve,
        append(vec![put(24, 4, 2500), put_members(25, 4)]),
        Step::Restart,
        append(vec![put(26, 4, 2500)]),
        append(vec![put(27, 4, 2600)]),
        Step::Commit(27, vec![record(10, 10)]),
    ]
}

/// A user, and what it knows.
pub(crate) struct User<R: Rules = Strict> {
    pub(crate) disk: SimDisk,
    pub(crate) rules: R,
    node: Option<Node<R>>,
    /// What was acknowledged; nothing before the first opening.
    pub(crate) acknowledged: Option<Model>,
    /// What was issued last, maybe not acknowledged.
    pub(crate) issued: Option<Model>,
    pub(crate) boots: u64,
    /// How often the disk was full on the way.
    pub(crate) full: u64,
}

struct Node<R: Rules> {
    opened: Opened<R>,
    records: Arc<dyn Records>,
    writes: u64,
}

/// Why a script ended early.
#[derive(Debug)]
pub(crate) enum End {
    /// The directory was not opened.
    Open(OpenError),
    /// The log is poisoned.
    Log,
    /// The map is poisoned, or the installation failed.
    Map,
}

/// How often the same thing is tried while the disk is full.
const ATTEMPTS: usize = 3;

impl User {
    pub(crate) fn new(disk: SimDisk) -> Self {
        Self::breaking(disk, Strict)
    }
}

impl<R: Rules> User<R> {
    pub(crate) fn breaking(disk: SimDisk, rules: R) -> Self {
        Self { disk, rules, node: None, acknowledged: None, issued: None, boots: 0, full: 0 }
    }

    pub(crate) fn run(&mut self, steps: &[Step]) -> Result<(), End> {
        self.start()?;
        for step in steps {
            let next = self.acknowledged.as_ref().expect("it was opened").after(step);
            self.issued = Some(next.clone());
            self.step(step, &next)?;
            self.acknowledged = Some(next);
        }
        Ok(())
    }

    pub(crate) fn opened(&mut self) -> &mut Opened<R> {
        &mut self.node.as_mut().expect("it was opened").opened
    }

    /// Lets go of everything.
    pub(crate) fn stop(&mut self) {
        self.node = None;
    }

    fn start(&mut self) -> Result<(), End> {
        self.node = None;
        let opened = open_by(&self.disk, self.rules.clone()).map_err(End::Open)?;
        assert!(self.boots < opened.identity.boots, "each start has a number of its own");
        self.boots = opened.identity.boots;
        let found = Model::of(&opened);
        let expected = self.acknowledged.get_or_insert_with(|| Model::new(&members()));
        assert_eq!(&found, expected, "what was acknowledged is there");
        let records = Arc::clone(&opened.records);
        self.node = Some(Node { opened, records, writes: 0 });
        Ok(())
    }

    fn step(&mut self, step: &Step, next: &Model) -> Result<(), End> {
        match step {
            Step::Append(batches) => self.append(batches),
            Step::Commit(applied, puts) => {
                let commit = commit_of(*applied, puts, &next.records);
                self.patiently(|node| match node.records.commit(&commit) {
                    Ok(()) => Ok(true),
                    Err(MapError::Io(std::io::ErrorKind::StorageFull)) => Ok(false),
                    Err(_) => Err(End::Map),
                })
            }
            Step::Install(meta, records) => {
                self.patiently(|node| {
                    let received = node.opened.installer.begin(meta).and_then(|mut staging| {
                        for chunk in records.chunks(3) {
                            staging.add(chunk)?;
                        }
                        staging.finish(&checkpoint_of(meta.index.0, &next.records))
                    });
                    match received {
                        Ok(()) => Ok(true),
                        Err(InstallError::Full) => Ok(false),
                        Err(_) => Err(End::Map),
                    }
                })?;
                self.append(&[vec![Write::Install(meta.clone())]])?;
                self.patiently(|node| match node.opened.installer.activate(meta) {
                    Ok(records) => {
                        node.records = records;
                        Ok(true)
                    }
                    Err(InstallError::Full) => Ok(false),
                    Err(_) => Err(End::Map),
                })
            }
            Step::Reserve => {
                self.reserve();
                Ok(())
            }
            Step::Restart => self.start(),
        }
    }

    fn append(&mut self, batches: &[Vec<Write>]) -> Result<(), End> {
        let node = self.node.as_mut().expect("it was opened");
        let first = node.writes;
        node.writes += batches.len() as u64;
        let batches: Vec<WriteBatch> = batches
            .iter()
            .zip(first + 1..)
            .map(|(writes, id)| WriteBatch { id: WriteId(id), writes: writes.clone() })
            .collect();
        self.patiently(|node| match node.opened.wal.append(&batches) {
            Ok(id) => {
                assert_eq!(id, batches.last().expect("an append has batches").id);
                Ok(true)
            }
            Err(WalError::Full { .. }) => {
                assert_eq!(node.opened.wal.storage_state(), StorageState::Full);
                Ok(false)
            }
            Err(WalError::Poisoned(_)) => {
                let again = node.opened.wal.append(&batches);
                assert!(matches!(again, Err(WalError::Poisoned(_))), "poisoned for good");
                Err(End::Log)
            }
        })
    }

    /// Does it, and while the disk is full does it again.
    fn patiently(
        &mut self,
        mut call: impl FnMut(&mut Node<R>) -> Result<bool, End>,
    ) -> Result<(), End> {
        for _ in 0..ATTEMPTS {
            if call(self.node.as_mut().expect("it was opened"))? {
                return Ok(());
            }
            self.full += 1;
            self.reserve();
        }
        panic!("the disk stays full after {} changes", self.disk.changes());
    }

    pub(crate) fn reserve(&mut self) {
        let wal = &mut self.opened().wal;
        if let Some(mut reservation) = wal.reservation() {
            while reservation.step() == Progress::More {}
            wal.reserved(reservation);
        }
    }

    /// Whether this is what must be there after a crash: what was acknowledged, or what was
    /// issued after it.
    pub(crate) fn check(&self, found: &Model, context: &str) {
        let fresh = Model::new(&members());
        let acknowledged = self.acknowledged.as_ref().unwrap_or(&fresh);
        let issued = self.issued.as_ref().unwrap_or(&fresh);
        if found != acknowledged {
            assert_eq!(found, issued, "{context}: neither acknowledged nor issued");
        }
    }
}
