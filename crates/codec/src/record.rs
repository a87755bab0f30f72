//! What the store keeps on disk: records and the checkpoint beside them.
//!
//! ```text
//! record on disk      u8 version (1), record
//! record              u8 kind (0 put, 1 tombstone), i64 create revision, i64 version, i64 lease,
//!                     string key, string value
//! checkpoint on disk  u8 version, then
//!                       3 checkpoint, of a store without leases and alarms
//!                       4 leased checkpoint, of one with some
//! checkpoint          u64 index, u64 round, u64 node, u64 time (microseconds), reign,
//!                     string members, map u64 member -> string attributes, u128 state hash,
//!                     i64 revision, i64 compacted, u64 records, u64 content hash,
//!                     u64 logical bytes, u64 quota bytes, option u64 alarm
//! leased checkpoint   checkpoint, u64 leases, u64 lease hash, set alarm
//! reign               u64 round, u64 node, u8 whether it is broken
//! alarm               u64 member, u8 kind (0 no space, 1 corrupt)
//! revision            i64 main, i64 sub
//! ```
//!
//! A record's revision is its key in the map, and its checksum belongs to the map as well.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_kv::{
    Checkpoint, ClusterTime, ContentHash, LeaseId, LogPosition, Record, RecordKind, Reign,
    Revision, StateHash,
};

use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;

/// The newest version of a stored record.
pub const RECORD_VERSION: u8 = 1;

/// The newest version of a stored checkpoint.
pub const CHECKPOINT_VERSION: u8 = 4;

/// The version that knows no leases.
const CHECKPOINT_UNLEASED: u8 = 3;

const RECORD_HEAD_BYTES: usize = 34;

/// Appends a record as it is stored.
pub fn encode_record(record: &Record, out: &mut BytesMut) {
    out.reserve(RECORD_HEAD_BYTES + record.key.len() + record.value.len());
    out.put_u8(RECORD_VERSION);
    record.put(out);
}

/// Reads a stored record that fills `bytes`. Key and value are slices of `bytes`, not copies.
pub fn decode_record(mut bytes: Bytes) -> Result<Record, DecodeError> {
    let mut reader = Reader::new(&mut bytes);
    reader.version(Record::NAME, RECORD_VERSION)?;
    let record = Record::read(&mut reader)?;
    reader.finish()?;
    Ok(record)
}

/// Appends a checkpoint as it is stored.
pub fn encode_checkpoint(checkpoint: &Checkpoint, out: &mut BytesMut) {
    if needs_second_form(checkpoint) {
        out.put_u8(CHECKPOINT_VERSION);
        put_leased(checkpoint, out);
    } else {
        out.put_u8(CHECKPOINT_UNLEASED);
        checkpoint.put(out);
    }
}

/// Reads a stored checkpoint that fills `bytes`.
pub fn decode_checkpoint(mut bytes: Bytes) -> Result<Checkpoint, DecodeError> {
    let mut reader = Reader::new(&mut bytes);
    let checkpoint = match reader.byte(Checkpoint::NAME)? {
        CHECKPOINT_UNLEASED => Checkpoint::read(&mut reader)?,
        CHECKPOINT_VERSION => read_leased_only(&mut reader)?,
        found => {
            let (what, newest) = (Checkpoint::NAME, CHECKPOINT_VERSION);
            return Err(DecodeError::Version { what, found, newest });
        }
    };
    reader.finish()?;
    Ok(checkpoint)
}

/// Reads the form that knows leases where no other would do.
fn read_leased_only(reader: &mut Reader<'_>) -> Result<Checkpoint, DecodeError> {
    let checkpoint = read_leased(reader)?;
    if needs_second_form(&checkpoint) {
        return Ok(checkpoint);
    }
    Err(DecodeError::Redundant { what: Checkpoint::NAME })
}

/// Whether a checkpoint needs the form that knows leases and alarms.
pub(crate) fn needs_second_form(checkpoint: &Checkpoint) -> bool {
    !checkpoint.alarms.is_empty()
        || checkpoint.leases != 0
        || checkpoint.lease_hash != ContentHash::default()
}

/// Appends the form that knows leases.
pub(crate) fn put_leased(checkpoint: &Checkpoint, out: &mut BytesMut) {
    checkpoint.put(out);
    checkpoint.leases.put(out);
    checkpoint.lease_hash.0.put(out);
    checkpoint.alarms.put(out);
}

/// Reads the form that knows leases.
pub(crate) fn read_leased(reader: &mut Reader<'_>) -> Result<Checkpoint, DecodeError> {
    let checkpoint = Checkpoint::read(reader)?;
    let (leases, lease_hash) = (u64::read(reader)?, ContentHash(u64::read(reader)?));
    let alarms = Layout::read(reader)?;
    Ok(Checkpoint { leases, lease_hash, alarms, ..checkpoint })
}

impl Layout for Record {
    const NAME: &'static str = "record";
    const BYTES_MIN: usize = 33;

    fn put(&self, out: &mut BytesMut) {
        self.kind.put(out);
        self.create_revision.put(out);
        self.version.put(out);
        self.lease.put(out);
        self.key.put(out);
        self.value.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: RecordKind::read(reader)?,
            create_revision: i64::read(reader)?,
            version: i64::read(reader)?,
            lease: LeaseId::read(reader)?,
            key: reader.string("key")?,
            value: reader.string("value")?,
        })
    }
}

impl Layout for RecordKind {
    const NAME: &'static str = "record kind";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Put => 0,
            Self::Tombstone => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Put),
            1 => Ok(Self::Tombstone),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Revision {
    const NAME: &'static str = "revision";
    const BYTES_MIN: usize = 16;

    fn put(&self, out: &mut BytesMut) {
        self.main.put(out);
        self.sub.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { main: i64::read(reader)?, sub: i64::read(reader)? })
    }
}

impl Layout for LogPosition {
    const NAME: &'static str = "log position";
    const BYTES_MIN: usize = 24;

    fn put(&self, out: &mut BytesMut) {
        self.index.put(out);
        self.round.put(out);
        self.node.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { index: u64::read(reader)?, round: u64::read(reader)?, node: u64::read(reader)? })
    }
}

impl Layout for Reign {
    const NAME: &'static str = "reign";
    const BYTES_MIN: usize = 17;

    fn put(&self, out: &mut BytesMut) {
        self.round.put(out);
        self.node.put(out);
        self.is_broken.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            round: u64::read(reader)?,
            node: u64::read(reader)?,
            is_broken: bool::read(reader)?,
        })
    }
}

impl Layout for Checkpoint {
    const NAME: &'static str = "checkpoint";
    const BYTES_MIN: usize = 122;

    fn put(&self, out: &mut BytesMut) {
        self.position.put(out);
        self.time.0.put(out);
        self.reign.put(out);
        self.members.put(out);
        self.attributes.put(out);
        out.put_u128_le(self.state_hash.0);
        self.revision.put(out);
        self.compacted.put(out);
        self.records.put(out);
        self.content_hash.0.put(out);
        self.logical_bytes.put(out);
        self.quota_bytes.put(out);
        self.space_alarm.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            position: LogPosition::read(reader)?,
            time: ClusterTime(u64::read(reader)?),
            reign: Reign::read(reader)?,
            members: reader.string("members")?,
            attributes: Layout::read(reader)?,
            state_hash: StateHash(u128::from_le_bytes(reader.array("state hash")?)),
            revision: i64::read(reader)?,
            compacted: i64::read(reader)?,
            records: u64::read(reader)?,
            content_hash: ContentHash(u64::read(reader)?),
            logical_bytes: u64::read(reader)?,
            quota_bytes: u64::read(reader)?,
            space_alarm: Option::<u64>::read(reader)?,
            leases: 0,
            lease_hash: ContentHash::default(),
            alarms: [].into(),
        })
    }
}
