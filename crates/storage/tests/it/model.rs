//! What a data directory should hold, step by step.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_consensus::{
    Ballot, BallotRun, ClusterTime, Entry, HardState, Incarnation, Index, Members, Meta, NodeId,
    Payload, Promise, ProposalId, Write,
};
use quorate_kv::{
    Checkpoint, Commit, CommitId, ContentHash, LeaseId, LogPosition, Record, RecordKind, Records,
    Revision, ScanLimit, StateHash,
};
use quorate_storage::{Opened, Rules};

/// Everything durable, as a user sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) hard: HardState,
    pub(crate) meta: Meta,
    pub(crate) entries: BTreeMap<u64, Entry>,
    pub(crate) applied: u64,
    pub(crate) records: BTreeMap<Revision, Record>,
}

/// One thing that a user does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Appends these batches in one go.
    Append(Vec<Vec<Write>>),
    /// Commits the map at this position, with these records more.
    Commit(u64, Vec<(Revision, Record)>),
    /// Receives a snapshot at this position, with exactly these records, and installs it.
    Install(Meta, Vec<(Revision, Record)>),
    /// Runs the log's reservation, if it has one.
    Reserve,
    /// Closes everything and opens it again.
    Restart,
}

impl Model {
    pub(crate) fn new(members: &Members) -> Self {
        Self {
            hard: HardState::default(),
            meta: Meta {
                index: Index::ZERO,
                ballot: Ballot::ZERO,
                time: ClusterTime(0),
                members: members.clone(),
            },
            entries: BTreeMap::new(),
            applied: 0,
            records: BTreeMap::new(),
        }
    }

    /// What is there after the step.
    pub(crate) fn after(&self, step: &Step) -> Self {
        let mut next = self.clone();
        match step {
            Step::Append(batches) => {
                for write in batches.iter().flatten() {
                    next.write(write);
                }
            }
            Step::Commit(applied, puts) => {
                next.applied = *applied;
                next.records.extend(puts.iter().cloned());
            }
            Step::Install(meta, records) => {
                next.write(&Write::Install(meta.clone()));
                next.applied = meta.index.0;
                next.records = records.iter().cloned().collect();
            }
            Step::Reserve | Step::Restart => {}
        }
        next
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Hard(hard) => self.hard = *hard,
            Write::Put(entries) => {
                self.entries.extend(entries.iter().map(|entry| (entry.index.0, entry.clone())));
            }
            Write::TruncateFrom(index) => drop(self.entries.split_off(&index.0)),
            Write::CompactTo(meta) | Write::Install(meta) => {
                self.meta = meta.clone();
                self.entries = self.entries.split_off(&(meta.index.0 + 1));
            }
        }
    }

    /// What an opened directory holds.
    pub(crate) fn of<R: Rules>(opened: &Opened<R>) -> Self {
        let recovered = &opened.recovered;
        let ballots = &recovered.ballots;
        let last = ballots.last().map_or(recovered.meta.index, |run| run.last);
        let mut entries = BTreeMap::new();
        for BallotRun { first, last, ballot } in ballots {
            let mut next = *first;
            while next <= *last {
                let read = opened.reader.read(next, *last, 3000).expect("a live entry is read");
                for entry in read {
                    assert_eq!(entry.index, next, "in order, without holes");
                    assert_eq!(entry.ballot, *ballot, "as its run says");
                    next = next.next();
                    entries.insert(entry.index.0, entry);
                }
            }
        }
        assert!(opened.reader.read(last.next(), Index(u64::MAX), 1).is_err(), "nothing follows");
        for entry in &recovered.tail {
            assert_eq!(entries.get(&entry.index.0), Some(entry), "the tail is what is read");
        }
        assert_eq!(
            recovered.tail.last().map(|entry| entry.index.0),
            entries.keys().last().copied()
        );
        let configurations: Vec<_> = entries
            .values()
            .filter_map(|entry| match &entry.payload {
                Payload::Members(members) => Some((entry.index, Members::clone(members))),
                _ => None,
            })
            .collect();
        assert_eq!(recovered.configurations, configurations);
        let records = records_of(&*opened.records);
        Self {
            hard: recovered.hard,
            meta: recovered.meta.clone(),
            entries,
            applied: recovered.applied.0,
            records,
        }
    }
}

/// All records of a map, checked against its checkpoint.
pub(crate) fn records_of(map: &dyn Records) -> BTreeMap<Revision, Record> {
    let limit = ScanLimit { records: 7, bytes: usize::MAX };
    let mut records = BTreeMap::new();
    let mut from = Revision::FIRST;
    loop {
        let found = map.scan(from, limit).expect("a sound map is scanned");
        let Some((last, _)) = found.last() else { break };
        from = last.next();
        records.extend(found);
    }
    if let Some(checkpoint) = map.checkpoint().expect("a sound map has a sound checkpoint") {
        let expected = checkpoint_of(checkpoint.position.index, &records);
        assert_eq!(checkpoint, expected, "the checkpoint speaks of the records");
    }
    records
}

pub(crate) fn checkpoint_of(index: u64, records: &BTreeMap<Revision, Record>) -> Checkpoint {
    let mut content_hash = ContentHash::default();
    for (revision, record) in records {
        content_hash = content_hash.plus(record.hash(*revision));
    }
    Checkpoint {
        position: LogPosition { index, round: 1, node: 1 },
        time: quorate_kv::ClusterTime(index),
        reign: quorate_kv::Reign::default(),
        members: Bytes::from_static(b"members"),
        state_hash: StateHash(u128::from(index)),
        revision: records.keys().last().map_or(1, |revision| revision.main),
        compacted: -1,
        records: records.len() as u64,
        content_hash,
        logical_bytes: records.values().map(Record::logical_bytes).sum(),
        quota_bytes: 1 << 30,
        space_alarm: None,
        attributes: BTreeMap::new(),
        leases: 0,
        lease_hash: ContentHash::default(),
        alarms: [].into(),
    }
}

/// The commit that leads to these records.
pub(crate) fn commit_of(
    index: u64,
    puts: &[(Revision, Record)],
    records: &BTreeMap<Revision, Record>,
) -> Commit {
    Commit {
        id: CommitId(index),
        puts: puts.to_vec(),
        removes: Vec::new(),
        leases: Vec::new(),
        checkpoint: checkpoint_of(index, records),
    }
}

pub(crate) fn members() -> Members {
    let mut members = Members::of_voters([NodeId(1), NodeId(2), NodeId(3)]);
    members.details.insert(NodeId(2), Bytes::from_static(b"http://two"));
    members
}

pub(crate) fn ballot(round: u64) -> Ballot {
    Ballot { round, node: NodeId(1) }
}

pub(crate) fn meta(index: u64, round: u64) -> Meta {
    Meta {
        index: Index(index),
        ballot: ballot(round),
        time: ClusterTime(index),
        members: members(),
    }
}

pub(crate) fn hard(round: u64, committed: u64) -> Write {
    let promise = Promise { round, to: Some(NodeId(1)) };
    Write::Hard(HardState { promise, committed: Index(committed) })
}

/// An entry whose bytes are its own: no two of another index, round or length share any.
pub(crate) fn put(index: u64, round: u64, length: usize) -> Write {
    let byte = |at: usize| (index as usize * 31 + round as usize * 7 + at * 13) as u8;
    let payload: Vec<u8> = (0..length).map(byte).collect();
    Write::Put(entry(index, round, Payload::Command(payload.into())).into())
}

pub(crate) fn put_members(index: u64, round: u64) -> Write {
    Write::Put(entry(index, round, Payload::Members(Box::new(members()))).into())
}

fn entry(index: u64, round: u64, payload: Payload) -> Entry {
    let id = ProposalId { node: NodeId(1), incarnation: Incarnation(7), sequence: index };
    Entry {
        index: Index(index),
        ballot: ballot(round),
        born: ballot(round),
        id: Some(id),
        time: ClusterTime(index),
        payload,
    }
}

pub(crate) fn record(main: i64, length: usize) -> (Revision, Record) {
    let record = Record {
        key: Bytes::from(format!("key {main}")),
        value: Bytes::from(vec![main.to_le_bytes()[0]; length]),
        create_revision: main,
        version: 1,
        lease: LeaseId::NONE,
        kind: RecordKind::Put,
    };
    (Revision::new(main, 0), record)
}
