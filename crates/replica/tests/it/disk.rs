//! The durable side of a node: its log with the batches on their way to it, and its maps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_consensus::{
    Ballot, BallotRun, ClusterTime, Entry, Fetch, HardState, Index, Members, Meta, Payload,
    Recovered, Write, WriteBatch, WriteId,
};
use quorate_kv::{Checkpoint, Commit, CommitId, Lease, MemoryMap, Record, Records, Revision};

/// The content of a log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) hard: HardState,
    pub(crate) meta: Meta,
    pub(crate) entries: BTreeMap<Index, Entry>,
    /// The snapshot that replaced the state machine last.
    installed: Option<Meta>,
}

impl Log {
    fn new(members: Members) -> Self {
        let (index, ballot, time) = (Index::ZERO, Ballot::ZERO, ClusterTime::default());
        let meta = Meta { index, ballot, time, members };
        Self { hard: HardState::default(), meta, entries: BTreeMap::new(), installed: None }
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Hard(hard) => self.hard = hard,
            Write::Put(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            Write::TruncateFrom(index) => self.entries.retain(|at, _| *at < index),
            Write::CompactTo(meta) => self.begin_after(meta),
            Write::Install(meta) => {
                self.installed = Some(meta.clone());
                self.begin_after(meta);
            }
        }
    }

    fn begin_after(&mut self, meta: Meta) {
        self.entries.retain(|at, _| meta.index < *at);
        self.meta = meta;
    }

    fn recovered(&self, applied: Index, tail_max: usize) -> Recovered {
        let mut ballots: Vec<BallotRun> = Vec::new();
        for (&index, entry) in &self.entries {
            match ballots.last_mut() {
                Some(run) if run.ballot == entry.ballot => run.last = index,
                _ => ballots.push(BallotRun { first: index, last: index, ballot: entry.ballot }),
            }
        }
        let configurations = self.entries.values().filter_map(|entry| match &entry.payload {
            Payload::Members(members) => Some((entry.index, Members::clone(members))),
            Payload::Noop | Payload::Command(_) => None,
        });
        let skipped = self.entries.len().saturating_sub(tail_max);
        Recovered {
            hard: self.hard,
            meta: self.meta.clone(),
            ballots,
            tail: self.entries.values().skip(skipped).cloned().collect(),
            configurations: configurations.collect(),
            applied,
            time: self.entries.values().next_back().map_or(self.meta.time, |entry| entry.time),
        }
    }
}

/// The disk of one node. What is in it survives a crash, except `pending`.
pub(crate) struct Disk {
    pub(crate) log: Log,
    pending: VecDeque<WriteBatch>,
    pub(crate) map: Arc<MemoryMap>,
    /// Whole snapshots that were not installed.
    finished: BTreeMap<(Index, Ballot), Arc<MemoryMap>>,
    staging: Option<(Meta, Staging)>,
}

#[derive(Default)]
struct Staging {
    map: MemoryMap,
    records: Vec<(Revision, Record)>,
    leases: Vec<Lease>,
}

impl Disk {
    pub(crate) fn new(members: Members) -> Self {
        Self {
            log: Log::new(members),
            pending: VecDeque::new(),
            map: Arc::new(MemoryMap::new()),
            finished: BTreeMap::new(),
            staging: None,
        }
    }

    pub(crate) fn push(&mut self, batch: WriteBatch) {
        self.pending.push_back(batch);
    }

    /// Makes the oldest batch durable.
    pub(crate) fn sync(&mut self) -> Option<WriteId> {
        let batch = self.pending.pop_front()?;
        batch.writes.into_iter().for_each(|write| self.log.apply(write));
        Some(batch.id)
    }

    /// The entries asked for, none if they are compacted.
    pub(crate) fn fetch(&self, fetch: &Fetch) -> Vec<Entry> {
        if fetch.first <= self.log.meta.index {
            return Vec::new();
        }
        let mut bytes = 0;
        let entries = self.log.entries.range(fetch.first..=fetch.last).map(|(_, entry)| entry);
        let fits = |entry: &&Entry| {
            let is_first = bytes == 0;
            bytes += entry.cost();
            is_first || bytes <= fetch.bytes_max
        };
        let entries: Vec<Entry> = entries.take_while(fits).cloned().collect();
        assert!(!entries.is_empty(), "{:?} was fetched and is not durable", fetch.first);
        entries
    }

    pub(crate) fn commit(&self, commit: &Commit) {
        let position = Index(commit.checkpoint.position.index);
        let last = self.log.entries.keys().next_back().copied().unwrap_or(self.log.meta.index);
        assert!(position <= last, "the map runs ahead of the log");
        self.map.commit(commit).expect("memory does not fail");
    }

    pub(crate) fn begin_staging(&mut self, meta: Meta) {
        let is_current =
            self.log.installed.as_ref().is_some_and(|installed| installed.index == meta.index);
        assert!(!is_current, "a snapshot is installed once");
        self.staging = Some((meta, Staging::default()));
    }

    /// False if the records cannot follow those that are there.
    pub(crate) fn stage(&mut self, records: Vec<(Revision, Record)>) -> bool {
        let (_, staging) = self.staging.as_mut().expect("records are staged after a begin");
        staging.records.extend(records);
        staging.records.is_sorted_by(|one, next| one.0 < next.0)
    }

    /// False if the leases cannot follow those that are there.
    pub(crate) fn stage_leases(&mut self, leases: Vec<Lease>) -> bool {
        let (_, staging) = self.staging.as_mut().expect("leases are staged after a begin");
        staging.leases.extend(leases);
        staging.leases.is_sorted_by(|one, next| one.id < next.id)
    }

    /// False if the whole is not what the checkpoint says.
    pub(crate) fn finish_staging(&mut self, checkpoint: Checkpoint) -> bool {
        let (meta, staging) = self.staging.take().expect("a finish follows a begin");
        let said = (Index(checkpoint.position.index), checkpoint.records, checkpoint.leases);
        if said != (meta.index, staging.records.len() as u64, staging.leases.len() as u64) {
            return false;
        }
        let (puts, removes) = (staging.records, Vec::new());
        let leases = staging.leases.iter().map(|lease| (lease.id, Some(*lease))).collect();
        let commit = Commit { id: CommitId(0), puts, removes, leases, checkpoint };
        staging.map.commit(&commit).expect("memory does not fail");
        self.finished.insert((meta.index, meta.ballot), Arc::new(staging.map));
        true
    }

    pub(crate) fn holds_a_whole_snapshot(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Puts a whole snapshot in the place of the map, once the log says so.
    pub(crate) fn activate(&mut self, meta: &Meta) {
        assert!(self.log.installed.as_ref() == Some(meta), "installed before the log says so");
        let map = self.finished.remove(&(meta.index, meta.ballot));
        self.map = map.expect("a snapshot is installed where it is held whole");
    }

    /// Loses what is not durable, and settles which map counts.
    pub(crate) fn crash(&mut self) {
        self.pending.clear();
        if let Some(meta) = self.log.installed.clone() {
            let position = self.map.checkpoint().expect("memory does not fail");
            if position.is_none_or(|checkpoint| checkpoint.position.index < meta.index.0) {
                self.activate(&meta);
            }
        }
        self.finished.clear();
        self.staging = None;
    }

    pub(crate) fn recovered(&self, applied: Index, tail_max: usize) -> Recovered {
        self.log.recovered(applied, tail_max)
    }
}
