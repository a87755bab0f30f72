//! Reading the log back at start: every record in order, refusing what cannot have been written.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use quorate_codec::{EngineKind, decode_write};
use quorate_consensus::{BallotRun, Entry, Index, Members, Payload, Write};

use crate::batch::Salt;
use crate::disk::{Disk, OpenMode};
use crate::error::{Damage, OpenError, Problem};
use crate::index::{Catalog, Location};
use crate::ledger::{Bounds, Ledger};
use crate::open::Cut;
use crate::reserve;
use crate::rules::{Rule, Rules};
use crate::runs::BallotRuns;
use crate::scan::{Ending, Scanned, scan};
use crate::segment::{
    self, Head, HeadError, Link, Owner, SEGMENT_VERSION, Segment, detached_members, detached_meta,
};

/// A log that was read back.
pub(crate) struct Log {
    pub(crate) ledger: Ledger,
    pub(crate) catalog: Catalog,
    /// All segments, oldest first; the last is in use.
    pub(crate) segments: VecDeque<Segment>,
    /// Where the next batch goes.
    pub(crate) link: Link,
    pub(crate) ballots: Vec<BallotRun>,
    pub(crate) configurations: Vec<(Index, Members)>,
    pub(crate) cut: Option<Cut>,
    /// Files that are not part of the log: of interrupted steps.
    pub(crate) leftovers: Vec<PathBuf>,
}

/// A segment's file in memory.
struct Loaded {
    bytes: Bytes,
    head: Head,
    first: Link,
    segment: Segment,
}

/// The state that grows as records are read.
struct Replay {
    ledger: Ledger,
    catalog: Catalog,
    ballots: BallotRuns,
    configurations: BTreeMap<Index, Members>,
}

/// Reads the log in `directory`. Makes durable what it reports, and changes nothing else.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    owner: Owner,
    rules: &impl Rules,
) -> Result<Log, OpenError> {
    disk.sync_directory(directory).map_err(|error| failed(directory, error))?;
    let names = disk.list(directory).map_err(|error| failed(directory, error))?;
    let (sequences, leftovers) = newest_run(directory, &names)?;

    let mut current = load(disk, directory, sequences[0], owner)?;
    let mut replay = Replay::begin(&current.head, owner.engine);
    let missing_before = (current.head.sequence, current.head.highest_before);
    let mut segments = VecDeque::new();
    for sequence in &sequences[1..] {
        let next = load(disk, directory, *sequence, owner)?;
        replay.segment(&mut current, Ending::At(next.head.previous), rules)?;
        replay.check_head(&next, rules)?;
        segments.push_back(core::mem::replace(&mut current, next).segment);
    }
    let scanned = replay.segment(&mut current, Ending::Open, rules)?;
    settle(&current, scanned, rules)?;
    replay.check_front(directory, missing_before)?;
    let cut = scanned
        .is_torn
        .then(|| Cut { path: current.segment.path.to_path_buf(), offset: scanned.link.end });
    replay.catalog.add(current.segment.clone());
    segments.push_back(current.segment);
    replay.into_log(directory, segments, scanned.link, cut, leftovers)
}

/// The newest segments without a gap, and what else of ours lies there. Those before a gap were
/// dropped and came back with a crash: [`Replay::check_front`] proves it.
fn newest_run(directory: &Path, names: &[String]) -> Result<(Vec<u64>, Vec<PathBuf>), OpenError> {
    let mut sequences: Vec<u64> =
        names.iter().filter_map(|name| segment::sequence_of(name)).collect();
    sequences.sort_unstable();
    let gap = sequences.windows(2).rposition(|pair| pair[0].checked_add(1) != Some(pair[1]));
    let run = sequences.split_off(gap.map_or(0, |before| before + 1));
    if run.is_empty() {
        return Err(damaged(directory, 0, Problem::Missing));
    }
    let reserved = names.iter().filter(|name| name.ends_with(reserve::SUFFIX));
    let stale = sequences.iter().map(|sequence| segment::path(directory, *sequence));
    Ok((run, reserved.map(|name| directory.join(name)).chain(stale).collect()))
}

fn load(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    sequence: u64,
    owner: Owner,
) -> Result<Loaded, OpenError> {
    let path = segment::path(directory, sequence);
    let read = || {
        let file = disk.open(&path, OpenMode::Existing)?;
        let mut bytes = vec![0; file.len()? as usize];
        file.read_at(0, &mut bytes)?;
        io::Result::Ok((file, Bytes::from(bytes)))
    };
    let (file, bytes) = read().map_err(|error| failed(&path, error))?;
    let (head, first) = Head::decode(&bytes).map_err(|error| match error {
        HeadError::Newer(found) => {
            OpenError::Newer { path: path.clone(), found, newest: SEGMENT_VERSION }
        }
        HeadError::Bad => damaged(&path, 0, Problem::Head),
    })?;
    let length = bytes.len() as u64;
    if head.sequence != sequence || head.owner != owner || head.length != length {
        return Err(damaged(&path, 0, Problem::Place));
    }
    let segment = Segment {
        sequence,
        salt: Salt::new(head.salt),
        path: Arc::new(path),
        file,
        length,
        highest: Index::ZERO,
    };
    Ok(Loaded { bytes, head, first, segment })
}

impl Replay {
    fn begin(head: &Head, engine: EngineKind) -> Self {
        let bounds = Bounds { base: head.meta.index, last: head.last };
        let ledger = Ledger {
            engine,
            bounds,
            hard: head.hard,
            meta: head.meta.clone(),
            store: head.store,
            highest: head.highest_before,
        };
        let catalog = Catalog { base: head.meta.index, ..Catalog::default() };
        let (ballots, configurations) = (BallotRuns::default(), BTreeMap::new());
        Self { ledger, catalog, ballots, configurations }
    }

    /// Reads one segment's records.
    fn segment(
        &mut self,
        loaded: &mut Loaded,
        ending: Ending,
        rules: &impl Rules,
    ) -> Result<Scanned, OpenError> {
        let mut highest = Index::ZERO;
        let sequence = loaded.segment.sequence;
        let on_record = |offset, bytes: Bytes| {
            let location = Location {
                segment: sequence as u32,
                offset: u32::try_from(offset).map_err(|_| Problem::Record)?,
                length: bytes.len() as u32,
            };
            let write = self.record(bytes, location, rules)?;
            highest = write.entries().iter().map(|entry| entry.index).fold(highest, Index::max);
            Ok(())
        };
        let file = &loaded.bytes;
        let scanned = scan(file, &loaded.segment, loaded.first, ending, rules, on_record)
            .map_err(|(offset, problem)| damaged(&loaded.segment.path, offset, problem))?;
        loaded.segment.highest = highest;
        if ending != Ending::Open {
            self.catalog.add(loaded.segment.clone());
        }
        Ok(scanned)
    }

    fn record(
        &mut self,
        mut bytes: Bytes,
        location: Location,
        rules: &impl Rules,
    ) -> Result<Write, Problem> {
        let write = decode_write(&mut bytes).map_err(|_| Problem::Record)?;
        if !bytes.is_empty() {
            return Err(Problem::Record);
        }
        if matches!(write, Write::TruncateFrom(_)) && rules.breaks(Rule::SkipTruncation) {
            return Ok(write);
        }
        self.ledger.apply(&write).map_err(|_| Problem::Record)?;
        self.catalog.follow(&write);
        match &write {
            Write::Hard(_) => {}
            Write::Put(entries) => entries.iter().for_each(|entry| self.entry(entry, location)),
            Write::TruncateFrom(index) => {
                self.ballots.truncate_from(*index);
                self.configurations.split_off(index);
            }
            Write::CompactTo(meta) | Write::Install(meta) => {
                self.ledger.meta = detached_meta(meta.clone());
                self.ballots.drop_upto(meta.index);
                self.configurations = self.configurations.split_off(&meta.index.next());
            }
        }
        Ok(write)
    }

    fn entry(&mut self, entry: &Entry, location: Location) {
        if entry.index <= self.ledger.bounds.base {
            return;
        }
        self.catalog.put(entry.index, location);
        self.ballots.put(entry.index, entry.ballot);
        self.configurations.remove(&entry.index);
        if let Payload::Members(members) = &entry.payload {
            let members = detached_members(Members::clone(members));
            self.configurations.insert(entry.index, members);
        }
    }

    /// Checks what a segment's head repeats against the records of those before it.
    fn check_head(&self, next: &Loaded, rules: &impl Rules) -> Result<(), OpenError> {
        let Head { highest_before, last, store, hard, meta, .. } = &next.head;
        let ledger = &self.ledger;
        let agrees = *highest_before == ledger.highest
            && *last == ledger.bounds.last
            && *store == ledger.store
            && (*hard == ledger.hard || rules.breaks(Rule::StaleHard))
            && *meta == ledger.meta;
        if agrees {
            return Ok(());
        }
        Err(damaged(&next.segment.path, 0, Problem::Place))
    }

    /// Checks that no live entry was in a segment that is gone.
    fn check_front(&self, directory: &Path, front: (u64, Index)) -> Result<(), OpenError> {
        let (sequence, highest_before) = front;
        if highest_before <= self.ledger.bounds.base {
            return Ok(());
        }
        let path = segment::path(directory, sequence.saturating_sub(1));
        Err(damaged(&path, 0, Problem::Missing))
    }

    fn into_log(
        self,
        directory: &Path,
        segments: VecDeque<Segment>,
        link: Link,
        cut: Option<Cut>,
        leftovers: Vec<PathBuf>,
    ) -> Result<Log, OpenError> {
        let ballots = self.ballots.into_runs();
        if self.ledger.engine == EngineKind::Raft
            && let Some(hole) = first_hole(self.ledger.bounds, &ballots)
        {
            return Err(damaged(directory, 0, Problem::Hole(hole)));
        }
        Ok(Log {
            ledger: self.ledger,
            catalog: self.catalog,
            segments,
            link,
            ballots,
            configurations: self.configurations.into_iter().collect(),
            cut,
            leftovers,
        })
    }
}

/// The first position within the bounds that has no entry.
fn first_hole(bounds: Bounds, ballots: &[BallotRun]) -> Option<Index> {
    let mut next = bounds.base.next();
    for run in ballots {
        if run.first != next {
            return Some(next);
        }
        next = run.last.next();
    }
    (next <= bounds.last).then_some(next)
}

/// Makes the last batch durable. Only that one may not be: the process may have been killed, or
/// its sync may have failed, between its write and its acknowledgement. It is written again,
/// because after a failed sync the system takes its pages for clean and would not write them.
fn settle(last: &Loaded, scanned: Scanned, rules: &impl Rules) -> Result<(), OpenError> {
    if rules.breaks(Rule::ReportUnsettled) {
        return Ok(());
    }
    let write = || {
        if let Some(start) = scanned.last_batch {
            let batch = &last.bytes[start as usize..scanned.link.end as usize];
            last.segment.file.write_at(start, batch)?;
        }
        last.segment.file.sync_data()
    };
    write().map_err(|error| failed(&last.segment.path, error))
}

pub(crate) fn failed(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), error }
}

pub(crate) fn damaged(path: &Path, offset: u64, problem: Problem) -> OpenError {
    OpenError::Damaged(Damage { path: path.to_owned(), offset, problem })
}

#[cfg(test)]
mod tests;
