//! A map for simulations: all records in memory, and a file of commits, replayed at the start.
//!
//! ```text
//! commit   u32 crc32c of what follows its length, u32 length, then
//!          u32 count, count times (16 bytes key, u32 length, record as `codec` encodes it)
//!          u32 count, count times 16 bytes key of a removed record
//!          u32 count, count times (8 bytes key of a lease, u32 length, the lease as `codec`
//!          encodes it; empty for one that has ended)
//!          u32 length, checkpoint as `codec` encodes it; empty while a snapshot is received
//! ```
//! Little-endian; keys as in the tree. It promises what the tree promises: a commit is there whole
//! or not at all, and survives a power cut once it is reported; a full disk changes nothing. It is
//! a hundred times as fast for small data, and its file only grows: no server uses it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, RwLock};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_codec::{
    decode_checkpoint, decode_lease, decode_record, encode_checkpoint, encode_lease, encode_record,
};
use quorate_kv::{
    Checkpoint, Commit, Lease, LeaseId, MapError, Record, Records, Revision, ScanLimit,
};

use crate::disk::{Disk, DiskFile, OpenMode, is_full};
use crate::map::{key_of, lease_key_of, revision_of};
use crate::rules::{Rule, Rules};

const HEAD_BYTES: usize = 8;
const KEY_BYTES: usize = 16;

/// [`Records`] in memory, durable by a file of commits.
pub(crate) struct JournalMap<R: Rules> {
    file: Arc<dyn DiskFile>,
    rules: R,
    state: RwLock<State>,
}

/// One commit.
#[derive(Clone, Copy, Default)]
struct Change<'a> {
    puts: &'a [(Revision, Record)],
    removes: &'a [Revision],
    leases: &'a [(LeaseId, Option<Lease>)],
    checkpoint: Option<&'a Checkpoint>,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Revision, Record>,
    leases: BTreeMap<LeaseId, Lease>,
    checkpoint: Option<Checkpoint>,
    /// Where the next commit goes.
    end: u64,
    poison: Option<MapError>,
}

impl<R: Rules> JournalMap<R> {
    /// Makes an empty map in an empty file.
    pub(crate) fn create(disk: &Arc<dyn Disk>, path: &Path, rules: R) -> Result<Self, MapError> {
        let file = disk.open(path, OpenMode::Empty).map_err(|error| failed(&error))?;
        file.sync_data().map_err(|error| failed(&error))?;
        Ok(Self { file, rules, state: RwLock::default() })
    }

    /// Opens a map that is in use.
    pub(crate) fn open(disk: &Arc<dyn Disk>, path: &Path, rules: R) -> Result<Self, MapError> {
        let file = disk.open(path, OpenMode::Existing).map_err(|error| failed(&error))?;
        file.sync_data().map_err(|error| failed(&error))?;
        file.drop_cache().map_err(|error| failed(&error))?;
        let length = usize::try_from(file.len().map_err(|error| failed(&error))?)
            .map_err(|_| MapError::BadStructure)?;
        let mut bytes = vec![0; length];
        file.read_at(0, &mut bytes).map_err(|error| failed(&error))?;
        let mut state = State::default();
        let mut rest = Bytes::from(bytes);
        while let Some(body) = next_commit(&mut rest) {
            state.end += (HEAD_BYTES + body.len()) as u64;
            replay(body, &mut state).ok_or(MapError::BadStructure)?;
        }
        Ok(Self { file, rules, state: RwLock::new(state) })
    }

    /// Stores records without a checkpoint, durably: part of a snapshot that is being received.
    pub(crate) fn stage(&self, records: &[(Revision, Record)]) -> Result<(), MapError> {
        self.write(Change { puts: records, ..Change::default() })
    }

    /// The same with leases.
    pub(crate) fn stage_leases(&self, leases: &[Lease]) -> Result<(), MapError> {
        let leases: Vec<_> = leases.iter().map(|lease| (lease.id, Some(*lease))).collect();
        self.write(Change { leases: &leases, ..Change::default() })
    }

    fn write(&self, change: Change<'_>) -> Result<(), MapError> {
        let mut state = self.state.write().expect("nothing panics while it holds the lock");
        if let Some(error) = state.poison {
            return Err(error);
        }
        let bytes = encode(&change);
        if let Err(error) = self.append(state.end, &bytes) {
            if error != MapError::Io(io::ErrorKind::StorageFull) {
                state.poison = Some(error);
            }
            return Err(error);
        }
        state.end += bytes.len() as u64;
        state.records.extend(change.puts.iter().cloned());
        for revision in change.removes {
            state.records.remove(revision);
        }
        for (id, lease) in change.leases {
            state.set_lease(*id, *lease);
        }
        if change.checkpoint.is_some() {
            state.checkpoint = change.checkpoint.cloned();
        }
        Ok(())
    }

    fn append(&self, end: u64, bytes: &[u8]) -> Result<(), MapError> {
        self.file.write_at(end, bytes).map_err(|error| failed(&error))?;
        if self.rules.breaks(Rule::CommitUnsynced) {
            return Ok(());
        }
        // Not even a sync that speaks of a full disk is harmless.
        self.file.sync_data().map_err(|_| MapError::Io(io::ErrorKind::Other))
    }

    fn read<T>(&self, question: impl FnOnce(&State) -> T) -> Result<T, MapError> {
        let state = self.state.read().expect("nothing panics while it holds the lock");
        match state.poison {
            Some(error) => Err(error),
            None => Ok(question(&state)),
        }
    }
}

impl<R: Rules> Records for JournalMap<R> {
    fn get(&self, revision: Revision) -> Result<Option<Record>, MapError> {
        self.read(|state| state.records.get(&revision).cloned())
    }

    fn scan(&self, from: Revision, limit: ScanLimit) -> Result<Vec<(Revision, Record)>, MapError> {
        assert!(0 < limit.records, "a scan of nothing would look like the end of the map");
        self.read(|state| {
            let mut found = Vec::new();
            let mut bytes = 0;
            for (revision, record) in state.records.range(from..) {
                bytes += record.key.len() + record.value.len();
                found.push((*revision, record.clone()));
                if limit.records <= found.len() || limit.bytes <= bytes {
                    break;
                }
            }
            found
        })
    }

    fn leases(&self, from: LeaseId, count_max: usize) -> Result<Vec<Lease>, MapError> {
        assert!(0 < count_max, "a look at nothing would look like the end of the map");
        self.read(|state| state.leases.range(from..).take(count_max).map(|it| *it.1).collect())
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, MapError> {
        self.read(|state| state.checkpoint.clone())
    }

    fn commit(&self, commit: &Commit) -> Result<(), MapError> {
        let Commit { puts, removes, leases, checkpoint, .. } = commit;
        self.write(Change { puts, removes, leases, checkpoint: Some(checkpoint) })
    }
}

impl State {
    fn set_lease(&mut self, id: LeaseId, lease: Option<Lease>) {
        match lease {
            Some(lease) => self.leases.insert(id, lease),
            None => self.leases.remove(&id),
        };
    }
}

fn failed(error: &io::Error) -> MapError {
    if is_full(error) {
        return MapError::Io(io::ErrorKind::StorageFull);
    }
    MapError::Io(error.kind())
}

fn encode(change: &Change<'_>) -> BytesMut {
    let Change { puts, removes, leases, checkpoint } = *change;
    let mut out = BytesMut::new();
    out.put_bytes(0, HEAD_BYTES);
    out.put_u32_le(puts.len() as u32);
    for (revision, record) in puts {
        out.put_slice(&key_of(*revision));
        put_sized(&mut out, |out| encode_record(record, out));
    }
    out.put_u32_le(removes.len() as u32);
    for revision in removes {
        out.put_slice(&key_of(*revision));
    }
    out.put_u32_le(leases.len() as u32);
    for (id, lease) in leases {
        out.put_slice(&lease_key_of(*id));
        put_sized(&mut out, |out| {
            if let Some(lease) = lease {
                encode_lease(lease, out);
            }
        });
    }
    put_sized(&mut out, |out| {
        if let Some(checkpoint) = checkpoint {
            encode_checkpoint(checkpoint, out);
        }
    });
    let crc = crc32c::crc32c(&out[HEAD_BYTES..]);
    let length = (out.len() - HEAD_BYTES) as u32;
    out[..4].copy_from_slice(&crc.to_le_bytes());
    out[4..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    out
}

fn put_sized(out: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32_le(0);
    put(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// The next whole commit. What follows the last one was never reported.
fn next_commit(rest: &mut Bytes) -> Option<Bytes> {
    let crc = rest.try_get_u32_le().ok()?;
    let body = take_sized(rest)?;
    (!body.is_empty() && crc32c::crc32c(&body) == crc).then_some(body)
}

fn take_sized(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32_le().ok()? as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

fn replay(mut body: Bytes, state: &mut State) -> Option<()> {
    for _ in 0..body.try_get_u32_le().ok()? {
        let revision = take_key(&mut body)?;
        let record = decode_record(take_sized(&mut body)?).ok()?;
        state.records.insert(revision, record);
    }
    for _ in 0..body.try_get_u32_le().ok()? {
        let revision = take_key(&mut body)?;
        state.records.remove(&revision);
    }
    for _ in 0..body.try_get_u32_le().ok()? {
        let id = LeaseId(body.try_get_i64().ok()? ^ i64::MIN);
        let lease = take_sized(&mut body)?;
        let lease = if lease.is_empty() { None } else { Some(decode_lease(lease).ok()?) };
        state.set_lease(id, lease);
    }
    let checkpoint = take_sized(&mut body)?;
    if !checkpoint.is_empty() {
        state.checkpoint = Some(decode_checkpoint(checkpoint).ok()?);
    }
    body.is_empty().then_some(())
}

fn take_key(body: &mut Bytes) -> Option<Revision> {
    if body.len() < KEY_BYTES {
        return None;
    }
    let key = body.split_to(KEY_BYTES);
    revision_of(key[..].try_into().ok()?)
}

#[cfg(test)]
mod tests;
