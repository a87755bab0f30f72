//! What lies in a member's data directory, for people: whose it is, its log, its state machine,
//! and whether a server would start from it. Nothing is ever written.

mod record;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_consensus::{HardState, Members};
use quorate_kv::{
    COMPACTED_NEVER, Lease, LeaseId, MapError, RecordKind, Records, Revision, ScanLimit, Store,
    Strict,
};
use quorate_storage::{
    Cut, Identity, OpenError, Opened, RecordView, SegmentView, View, log_bounds,
};

use crate::member::{MemberAttributes, MemberDetails};

pub use record::RecordLine;

/// How much of the state machine's file is read at a time.
const SCAN_LIMIT: ScanLimit = ScanLimit { records: 4096, bytes: 4 << 20 };

/// How many leases are read at a time.
const LEASES_AT_A_TIME: usize = 4096;

/// How often a directory that a server writes is read before it is told to be unreadable.
const ATTEMPTS: usize = 3;

/// Which records of the log are wanted one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Those of this index and above; of none, the last ones.
    pub from: Option<u64>,
    /// At most so many.
    pub count_max: usize,
}

/// What lies in a data directory.
#[derive(Debug)]
pub struct DirectoryView {
    /// Where it is.
    pub directory: PathBuf,
    /// Whose it is.
    pub identity: Identity,
    /// Whether a server has it open: then what is said of the newest bytes may be wrong.
    pub is_in_use: bool,
    /// The files of the log.
    pub segments: Vec<SegmentView>,
    /// How many records of each kind they have.
    pub kinds: BTreeMap<String, u64>,
    /// The records that were wanted.
    pub records: Vec<RecordLine>,
    /// What a server would start from; or why it would not.
    pub start: Result<StartView, OpenError>,
}

/// What a server would start from.
#[derive(Debug)]
pub struct StartView {
    /// The vote or promise, and the position known to be committed.
    pub hard: HardState,
    /// The position behind which the log begins.
    pub base: u64,
    /// The last position of the log.
    pub last: u64,
    /// The torn tail that would be cut.
    pub cut: Option<Cut>,
    /// Who the members are, by the log.
    pub members: Vec<MemberView>,
    /// The state machine; or what is wrong with its file.
    pub store: Result<StoreView, quorate_kv::OpenError>,
}

/// One member of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where peers reach it.
    pub peer_urls: Vec<String>,
    /// Where it told clients to go.
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    pub is_learner: bool,
}

/// The state machine as its file has it. The log's tail comes on top of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreView {
    /// The last applied position.
    pub applied: u64,
    /// The newest revision.
    pub revision: i64,
    /// The revision up to which history is gone, if any is.
    pub compacted: Option<i64>,
    /// Keys that exist.
    pub keys: u64,
    /// Records of puts.
    pub puts: u64,
    /// Records of deletions.
    pub tombstones: u64,
    /// Bytes of keys in all records, and of values.
    pub bytes: (u64, u64),
    /// Leases.
    pub leases: Vec<Lease>,
    /// What the quota counts, and the quota.
    pub quota: (u64, u64),
}

/// Reads a directory. Fails only if there is none, or nothing tells whose it is.
pub fn look(directory: &Path, wanted: Wanted) -> Result<DirectoryView, OpenError> {
    let view = View::of(directory)?;
    let mut gathered = Gathered::new(wanted);
    let is_in_use = view.is_in_use();
    let walked = view.walk(|record| gathered.take(record));
    let segments = walked.map_err(|error| failed(directory, error))?;
    let mut start = start_of(&view);
    for _ in 1..ATTEMPTS {
        if start.is_ok() || !is_in_use {
            break;
        }
        start = start_of(&view);
    }
    Ok(DirectoryView {
        directory: directory.to_owned(),
        identity: view.identity,
        is_in_use,
        segments,
        kinds: gathered.kinds,
        records: gathered.records.into(),
        start,
    })
}

fn failed(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), error }
}

/// What is kept of the records while the log is read.
struct Gathered {
    wanted: Wanted,
    kinds: BTreeMap<String, u64>,
    records: VecDeque<RecordLine>,
}

impl Gathered {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, kinds: BTreeMap::new(), records: VecDeque::new() }
    }

    fn take(&mut self, record: RecordView) {
        let line = RecordLine::of(record);
        *self.kinds.entry(line.kind.to_owned()).or_default() += 1;
        let is_full = self.records.len() == self.wanted.count_max;
        match self.wanted.from {
            Some(from) if is_full || line.index.is_none_or(|index| index < from) => return,
            None if is_full => {
                self.records.pop_front();
            }
            _ => {}
        }
        if 0 < self.wanted.count_max {
            self.records.push_back(line);
        }
    }
}

fn start_of(view: &View) -> Result<StartView, OpenError> {
    let opened = view.open()?;
    let (meta, last) = log_bounds(&opened);
    let recovered = &opened.recovered;
    let newest = recovered.configurations.iter().max_by_key(|(index, _)| *index);
    let members = newest.map_or(&meta.members, |(_, members)| members);
    let attributes = attributes_of(&opened);
    Ok(StartView {
        hard: recovered.hard,
        base: meta.index.0,
        last: last.0,
        cut: opened.cut.clone(),
        members: members_of(members, &attributes),
        store: store_of(&opened.records),
    })
}

/// What members told of themselves, as far as the file has it.
fn attributes_of(opened: &Opened) -> BTreeMap<u64, MemberAttributes> {
    let checkpoint = opened.records.checkpoint().ok().flatten();
    let told = checkpoint.map(|checkpoint| checkpoint.attributes).unwrap_or_default();
    let decoded = told.into_iter().filter_map(|(member, bytes)| {
        MemberAttributes::decode(bytes).ok().map(|attributes| (member, attributes))
    });
    decoded.collect()
}

fn members_of(members: &Members, attributes: &BTreeMap<u64, MemberAttributes>) -> Vec<MemberView> {
    let texts = |urls: &[crate::url::HttpUrl]| urls.iter().map(ToString::to_string).collect();
    let each = members.details.iter().map(|(node, details)| {
        let details = MemberDetails::decode(details.clone());
        let (name, peer_urls) =
            details.map(|details| (details.name, texts(&details.peer_urls))).unwrap_or_default();
        let told = attributes.get(&node.0);
        MemberView {
            id: node.0,
            name,
            peer_urls,
            client_urls: told.map(|told| texts(&told.client_urls)).unwrap_or_default(),
            is_learner: members.is_learner(*node),
        }
    });
    each.collect()
}

/// Reads all of the state machine's file, and proves that it has what its checkpoint says.
fn store_of(records: &Arc<dyn Records>) -> Result<StoreView, quorate_kv::OpenError> {
    let store = Store::open(Arc::clone(records), quorate_kv::Config::default(), Strict)?;
    let Some(checkpoint) = records.checkpoint()? else { return Ok(StoreView::default()) };
    let sizes = store.sizes();
    let mut view = StoreView {
        applied: checkpoint.position.index,
        revision: checkpoint.revision,
        compacted: Some(checkpoint.compacted).filter(|it| *it != COMPACTED_NEVER),
        keys: sizes.keys,
        leases: leases_of(&**records)?,
        quota: (sizes.logical_bytes, sizes.quota_bytes),
        ..StoreView::default()
    };
    count(&**records, &mut view)?;
    Ok(view)
}

fn count(records: &dyn Records, view: &mut StoreView) -> Result<(), MapError> {
    let mut next = Revision::FIRST;
    loop {
        let found = records.scan(next, SCAN_LIMIT)?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        next = last.next();
        for (_, record) in &found {
            match record.kind {
                RecordKind::Put => view.puts += 1,
                RecordKind::Tombstone => view.tombstones += 1,
            }
            view.bytes.0 += record.key.len() as u64;
            view.bytes.1 += record.value.len() as u64;
        }
    }
}

fn leases_of(records: &dyn Records) -> Result<Vec<Lease>, MapError> {
    let mut leases: Vec<Lease> = Vec::new();
    let mut from = LeaseId(i64::MIN);
    loop {
        let found = records.leases(from, LEASES_AT_A_TIME)?;
        let Some(last) = found.last() else { return Ok(leases) };
        let next = last.id.0.checked_add(1);
        leases.extend(&found);
        let Some(next) = next else { return Ok(leases) };
        from = LeaseId(next);
    }
}
