//! The disk map under the state machine: a redb file, keyed by revision, every record checksummed.
//!
//! ```text
//! table "records"     key   revision: main in the upper half of a u128, sub in the lower
//!                     value u32 crc32c of key and record, record as `codec` encodes it
//! table "leases"      key   id: i64 with its sign flipped, as a u64
//!                     value u32 crc32c of key and lease, lease as `codec` encodes it
//! table "checkpoint"  key   0
//!                     value u32 crc32c of the checkpoint, checkpoint as `codec` encodes it
//! ```
//! A checksum takes the bytes of the key, big-endian, and then what follows it. Keys are numbers
//! because redb compares arrays byte by byte, which showed in what a write costs.
//!
//! redb does not verify the pages that it reads. Records, leases and checkpoint carry checksums of
//! their own, and the start counts and hashes all of them, so that damage elsewhere in the tree,
//! which hides or repeats records, does not go unnoticed either.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use bytes::{BufMut, Bytes, BytesMut};
use quorate_codec::{
    decode_checkpoint, decode_lease, decode_record, encode_checkpoint, encode_lease, encode_record,
};
use quorate_kv::{
    Checkpoint, Commit, Lease, LeaseId, MapError, Record, Records, Revision, ScanLimit,
};
use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, TableDefinition, TableError,
};

use crate::backend::{Backend, Trouble};
use crate::disk::{Disk, OpenMode};
use crate::rules::{Rule, Rules};

const RECORDS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("records");
const LEASES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("leases");
const CHECKPOINT: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("checkpoint");
const CHECKPOINT_KEY: u8 = 0;
const CHECKSUM_BYTES: usize = 4;

/// [`Records`] in a file.
///
/// A commit that fails with [`io::ErrorKind::StorageFull`] has changed nothing, and may be tried
/// again; every other failure is for good.
pub(crate) struct DiskMap<R: Rules> {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cache_bytes: usize,
    state: RwLock<State>,
    rules: R,
}

enum State {
    Open(Handle),
    /// To be opened at the next use: the disk was full.
    Closed,
    Poisoned(MapError),
}

#[derive(Clone)]
struct Handle {
    database: Arc<Shared>,
    backend: Backend,
}

/// A database that may panic when it is closed, if its pages are damaged.
struct Shared(Option<Database>);

impl Shared {
    fn get(&self) -> &Database {
        self.0.as_ref().expect("it is taken only when it is dropped")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let database = self.0.take();
        // Closing writes nothing that the next opening could not do without.
        drop(catch_unwind(AssertUnwindSafe(|| drop(database))));
    }
}

/// Whether a call may be made again on a database that was opened anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Again,
    Give,
}

/// Why the inside of a transaction failed.
enum Failure {
    /// redb failed.
    Database(redb::Error),
    /// What it holds is not what was stored.
    Content(MapError),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl<R: Rules> DiskMap<R> {
    /// Makes an empty map in an empty file.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        cache_bytes: usize,
        rules: R,
    ) -> Result<Self, MapError> {
        disk.open(&path, OpenMode::Empty).map_err(|error| MapError::Io(error.kind()))?;
        let map = Self::new(disk, path, cache_bytes, rules)?;
        map.write(|transaction| {
            transaction.open_table(RECORDS)?;
            transaction.open_table(CHECKPOINT)?;
            Ok(())
        })?;
        Ok(map)
    }

    /// Opens a map that is in use.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        cache_bytes: usize,
        rules: R,
    ) -> Result<Self, MapError> {
        let file = disk.open(&path, OpenMode::Existing);
        let file = file.map_err(|error| MapError::Io(error.kind()))?;
        // The process before may have died between a write and its sync, or its sync may have
        // failed. What this one reports must be durable (simulator, default 1016).
        file.sync_data().map_err(|error| MapError::Io(error.kind()))?;
        file.drop_cache().map_err(|error| MapError::Io(error.kind()))?;
        let length = file.len().map_err(|error| MapError::Io(error.kind()))?;
        if length == 0 {
            return Err(MapError::BadStructure);
        }
        Self::new(disk, path, cache_bytes, rules)
    }

    fn new(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        cache_bytes: usize,
        rules: R,
    ) -> Result<Self, MapError> {
        let map = Self {
            disk: Arc::clone(disk),
            path,
            cache_bytes,
            state: RwLock::new(State::Poisoned(MapError::BadStructure)),
            rules,
        };
        let handle = map.open_database()?;
        *map.state.write().expect("nobody else has it yet") = State::Open(handle);
        Ok(map)
    }

    fn open_database(&self) -> Result<Handle, MapError> {
        let file = self.disk.open(&self.path, OpenMode::Existing);
        let backend = Backend::new(file.map_err(|error| MapError::Io(error.kind()))?);
        let opened = guarded(|| {
            let mut builder = Builder::new();
            builder.set_cache_size(self.cache_bytes);
            builder.set_check_integrity_on_open(true);
            Ok(builder.create_with_backend(backend.clone())?)
        });
        match opened {
            Ok(database) => Ok(Handle { database: Arc::new(Shared(Some(database))), backend }),
            Err(failure) => {
                backend.end();
                Err(error_of(failure, &backend))
            }
        }
    }

    fn read<T>(
        &self,
        question: impl Fn(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, MapError> {
        loop {
            let Handle { database, backend } = self.handle()?;
            let failure = match guarded(|| question(&database.get().begin_read()?)) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Content(error)) => return Err(error),
                Err(failure) => failure,
            };
            drop(database);
            // A commit that met a full disk has closed the database under this read.
            let error = error_of(failure, &backend);
            if self.fail(&backend, error) == Next::Give {
                return Err(error);
            }
        }
    }

    fn write(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), Failure>,
    ) -> Result<(), MapError> {
        let Handle { database, backend } = self.handle()?;
        let done = guarded(|| {
            let mut transaction = database.get().begin_write()?;
            transaction.set_durability(self.durability())?;
            transaction.set_quick_repair(true);
            change(&transaction)?;
            Ok(transaction.commit()?)
        });
        drop(database);
        done.map_err(|failure| {
            let error = error_of(failure, &backend);
            self.fail(&backend, error);
            error
        })
    }

    fn durability(&self) -> Durability {
        if self.rules.breaks(Rule::CommitUnsynced) {
            return Durability::None;
        }
        Durability::Immediate
    }

    fn handle(&self) -> Result<Handle, MapError> {
        match &*self.state.read().expect("nothing panics while it holds the lock") {
            State::Open(handle) => return Ok(handle.clone()),
            State::Poisoned(error) => return Err(*error),
            State::Closed => {}
        }
        let mut state = self.state.write().expect("nothing panics while it holds the lock");
        if matches!(&*state, State::Closed) {
            match self.open_database() {
                Ok(handle) => *state = State::Open(handle),
                Err(error @ MapError::Io(io::ErrorKind::StorageFull)) => return Err(error),
                Err(error) => *state = State::Poisoned(error),
            }
        }
        match &*state {
            State::Open(handle) => Ok(handle.clone()),
            State::Poisoned(error) => Err(*error),
            State::Closed => unreachable!("it was opened or poisoned above"),
        }
    }

    /// After any failure the database refuses everything. If the disk was full, and nothing worse
    /// happened, it is opened anew, and stands at its last commit. Otherwise it is poisoned.
    fn fail(&self, backend: &Backend, error: MapError) -> Next {
        let mut state = self.state.write().expect("nothing panics while it holds the lock");
        let is_current = matches!(&*state, State::Open(handle)
            if handle.backend.is_same_life(backend));
        let is_full = backend.trouble() == Some(Trouble::Full);
        if is_current {
            backend.end();
            *state = if is_full { State::Closed } else { State::Poisoned(error) };
        }
        if is_full { Next::Again } else { Next::Give }
    }
}

impl<R: Rules> DiskMap<R> {
    /// Stores records without a checkpoint, durably: part of a snapshot that is being received.
    pub(crate) fn stage(&self, records: &[(Revision, Record)]) -> Result<(), MapError> {
        self.write(|transaction| put_all(transaction, records))
    }

    /// The same with leases.
    pub(crate) fn stage_leases(&self, leases: &[Lease]) -> Result<(), MapError> {
        let changes = leases.iter().map(|lease| (lease.id, Some(*lease)));
        self.write(|transaction| change_leases(transaction, changes))
    }
}

/// A map without leases has no table for them.
fn change_leases(
    transaction: &redb::WriteTransaction,
    changes: impl ExactSizeIterator<Item = (LeaseId, Option<Lease>)>,
) -> Result<(), Failure> {
    if changes.len() == 0 {
        return Ok(());
    }
    let mut leases = transaction.open_table(LEASES)?;
    let mut buffer = BytesMut::new();
    for (id, lease) in changes {
        let key = lease_key_of(id);
        match lease {
            Some(lease) => {
                encode_checked(&key, &mut buffer, |out| encode_lease(&lease, out));
                leases.insert(u64::from_be_bytes(key), &buffer[..])?;
            }
            None => {
                leases.remove(u64::from_be_bytes(key))?;
            }
        }
    }
    Ok(())
}

fn put_all(
    transaction: &redb::WriteTransaction,
    puts: &[(Revision, Record)],
) -> Result<(), Failure> {
    let mut records = transaction.open_table(RECORDS)?;
    let mut buffer = BytesMut::new();
    for (revision, record) in puts {
        let key = key_of(*revision);
        encode_checked(&key, &mut buffer, |out| encode_record(record, out));
        records.insert(u128::from_be_bytes(key), &buffer[..])?;
    }
    Ok(())
}

impl<R: Rules> Records for DiskMap<R> {
    fn get(&self, revision: Revision) -> Result<Option<Record>, MapError> {
        self.read(|transaction| {
            let Some(table) = present(transaction.open_table(RECORDS))? else {
                return Ok(None);
            };
            let key = key_of(revision);
            let Some(value) = table.get(u128::from_be_bytes(key))? else {
                return Ok(None);
            };
            parse_record(key, value.value(), &self.rules).map(|(_, record)| Some(record))
        })
    }

    fn scan(&self, from: Revision, limit: ScanLimit) -> Result<Vec<(Revision, Record)>, MapError> {
        assert!(0 < limit.records, "a scan of nothing would look like the end of the map");
        self.read(|transaction| {
            let Some(table) = present(transaction.open_table(RECORDS))? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            let mut bytes = 0;
            for item in table.range(u128::from_be_bytes(key_of(from))..)? {
                let (key, value) = item?;
                let (revision, record) =
                    parse_record(key.value().to_be_bytes(), value.value(), &self.rules)?;
                bytes += record.key.len() + record.value.len();
                found.push((revision, record));
                if limit.records <= found.len() || limit.bytes <= bytes {
                    break;
                }
            }
            Ok(found)
        })
    }

    fn leases(&self, from: LeaseId, count_max: usize) -> Result<Vec<Lease>, MapError> {
        assert!(0 < count_max, "a look at nothing would look like the end of the map");
        self.read(|transaction| {
            let Some(table) = present(transaction.open_table(LEASES))? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            for item in table.range(u64::from_be_bytes(lease_key_of(from))..)?.take(count_max) {
                let (key, value) = item?;
                found.push(parse_lease(key.value().to_be_bytes(), value.value(), &self.rules)?);
            }
            Ok(found)
        })
    }

    fn checkpoint(&self) -> Result<Option<Checkpoint>, MapError> {
        self.read(|transaction| {
            let Some(table) = present(transaction.open_table(CHECKPOINT))? else {
                return Ok(None);
            };
            let Some(value) = table.get(CHECKPOINT_KEY)? else {
                return Ok(None);
            };
            parse_checkpoint(value.value()).map(Some)
        })
    }

    fn commit(&self, commit: &Commit) -> Result<(), MapError> {
        self.write(|transaction| {
            put_all(transaction, &commit.puts)?;
            let mut records = transaction.open_table(RECORDS)?;
            for revision in &commit.removes {
                records.remove(u128::from_be_bytes(key_of(*revision)))?;
            }
            change_leases(transaction, commit.leases.iter().copied())?;
            let mut checkpoints = transaction.open_table(CHECKPOINT)?;
            let mut buffer = BytesMut::new();
            encode_checked(&[CHECKPOINT_KEY], &mut buffer, |out| {
                encode_checkpoint(&commit.checkpoint, out);
            });
            checkpoints.insert(CHECKPOINT_KEY, &buffer[..])?;
            Ok(())
        })
    }
}

/// Runs what may meet damaged pages: redb promises no more than not to corrupt memory there.
fn guarded<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Failure::Content(MapError::BadStructure)))
}

fn error_of(failure: Failure, backend: &Backend) -> MapError {
    match (failure, backend.trouble()) {
        (Failure::Content(error), _) => error,
        (Failure::Database(_), Some(Trouble::Full)) => MapError::Io(io::ErrorKind::StorageFull),
        (Failure::Database(_), Some(Trouble::Failed(kind))) => MapError::Io(kind),
        (Failure::Database(redb::Error::Io(error)), None) => MapError::Io(error.kind()),
        (Failure::Database(_), None) => MapError::BadStructure,
    }
}

/// A table that the first commit has not made yet is an empty one.
fn present<T>(table: Result<T, TableError>) -> Result<Option<T>, Failure> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn key_of(revision: Revision) -> [u8; 16] {
    let number = |part: i64| u64::try_from(part).expect("revisions are never negative");
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number(revision.main).to_be_bytes());
    key[8..].copy_from_slice(&number(revision.sub).to_be_bytes());
    key
}

pub(crate) fn revision_of(key: [u8; 16]) -> Option<Revision> {
    let number = |half: &[u8]| {
        let bytes = half.try_into().expect("half of sixteen is eight");
        i64::try_from(u64::from_be_bytes(bytes)).ok()
    };
    Some(Revision::new(number(&key[..8])?, number(&key[8..])?))
}

/// Ids ascend as these keys do, the negative ones first.
pub(crate) fn lease_key_of(id: LeaseId) -> [u8; 8] {
    (id.0 ^ i64::MIN).to_be_bytes()
}

fn checksum(key: &[u8], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), bytes)
}

/// Replaces the buffer's contents by what `encode` writes, behind its checksum.
fn encode_checked(key: &[u8], buffer: &mut BytesMut, encode: impl FnOnce(&mut BytesMut)) {
    buffer.clear();
    buffer.put_u32_le(0);
    encode(buffer);
    let checksum = checksum(key, &buffer[CHECKSUM_BYTES..]);
    buffer[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// The bytes behind a checksum that holds.
fn parse_checked(key: &[u8], value: &[u8]) -> Option<Bytes> {
    let (found, bytes) = value.split_first_chunk::<CHECKSUM_BYTES>()?;
    let is_sound = u32::from_le_bytes(*found) == checksum(key, bytes);
    is_sound.then(|| Bytes::copy_from_slice(bytes))
}

fn parse_record(
    key: [u8; 16],
    value: &[u8],
    rules: &impl Rules,
) -> Result<(Revision, Record), Failure> {
    let revision = revision_of(key).ok_or(Failure::Content(MapError::BadStructure))?;
    checked(&key, value, rules)
        .and_then(|bytes| decode_record(bytes).ok())
        .map(|record| (revision, record))
        .ok_or(Failure::Content(MapError::BadRecord(revision)))
}

fn parse_lease(key: [u8; 8], value: &[u8], rules: &impl Rules) -> Result<Lease, Failure> {
    let id = LeaseId(i64::from_be_bytes(key) ^ i64::MIN);
    checked(&key, value, rules)
        .and_then(|bytes| decode_lease(bytes).ok())
        .filter(|lease| lease.id == id)
        .ok_or(Failure::Content(MapError::BadLease(id)))
}

/// The bytes behind the checksum of a record or a lease.
fn checked(key: &[u8], value: &[u8], rules: &impl Rules) -> Option<Bytes> {
    if rules.breaks(Rule::TrustBadRecord) {
        return value.get(CHECKSUM_BYTES..).map(Bytes::copy_from_slice);
    }
    parse_checked(key, value)
}

fn parse_checkpoint(value: &[u8]) -> Result<Checkpoint, Failure> {
    parse_checked(&[CHECKPOINT_KEY], value)
        .and_then(|bytes| decode_checkpoint(bytes).ok())
        .ok_or(Failure::Content(MapError::BadCheckpoint))
}

#[cfg(test)]
mod tests;
