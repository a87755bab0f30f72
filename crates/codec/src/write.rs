//! Log records: one per change an engine makes durable.
//!
//! ```text
//! write       u8 version (2), u8 tag, then
//!               0 hard           hard
//!               1 put            entry
//!               2 truncate from  u64 index
//!               3 compact to     meta
//!               4 install        meta
//! hard        u64 round, option u64 promised to, u64 committed
//! ```
//!
//! Each entry is a record of its own. A record ends where its fields end, so that several lie end
//! to end in one batch; the batch that holds them is framed and checksummed by the log.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::{Entry, HardState, Index, Meta, Promise, Write};

use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;

/// The newest version of a log record.
pub const WRITE_VERSION: u8 = 2;

/// The length of an encoded hard state at most, in bytes.
pub const HARD_BYTES_MAX: usize = 25;

/// Appends one log record, or one for each entry that is put.
pub fn encode_write(write: &Write, out: &mut BytesMut) {
    match write {
        Write::Put(entries) => entries.iter().for_each(|entry| encode_put(entry, out)),
        Write::Hard(hard) => encode_record(WRITE_HARD, hard, out),
        Write::TruncateFrom(index) => encode_record(WRITE_TRUNCATE_FROM, index, out),
        Write::CompactTo(meta) => encode_record(WRITE_COMPACT_TO, meta, out),
        Write::Install(meta) => encode_record(WRITE_INSTALL, meta, out),
    }
}

/// Appends the log record of an entry.
pub fn encode_put(entry: &Entry, out: &mut BytesMut) {
    encode_record(WRITE_PUT, entry, out);
}

fn encode_record(tag: u8, content: &impl Layout, out: &mut BytesMut) {
    out.put_u8(WRITE_VERSION);
    out.put_u8(tag);
    content.put(out);
}

/// Takes one log record from the front of `bytes`. A command is a slice of `bytes`, not a copy.
pub fn decode_write(bytes: &mut Bytes) -> Result<Write, DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.version(RECORD, WRITE_VERSION)?;
    match reader.byte(RECORD)? {
        WRITE_HARD => HardState::read(&mut reader).map(Write::Hard),
        WRITE_PUT => Entry::read(&mut reader).map(|entry| Write::Put(entry.into())),
        WRITE_TRUNCATE_FROM => Index::read(&mut reader).map(Write::TruncateFrom),
        WRITE_COMPACT_TO => Meta::read(&mut reader).map(Write::CompactTo),
        WRITE_INSTALL => Meta::read(&mut reader).map(Write::Install),
        found => Err(DecodeError::BadTag { what: RECORD, found }),
    }
}

/// What an error calls a record.
const RECORD: &str = "log record";

/// Appends a hard state, for headers that repeat the newest one. It carries no version.
pub fn encode_hard(hard: &HardState, out: &mut BytesMut) {
    hard.put(out);
}

/// Takes a hard state from the front of `bytes`.
pub fn decode_hard(bytes: &mut Bytes) -> Result<HardState, DecodeError> {
    HardState::read(&mut Reader::new(bytes))
}

const WRITE_HARD: u8 = 0;
const WRITE_PUT: u8 = 1;
const WRITE_TRUNCATE_FROM: u8 = 2;
const WRITE_COMPACT_TO: u8 = 3;
const WRITE_INSTALL: u8 = 4;

impl Layout for HardState {
    const NAME: &'static str = "hard state";
    const BYTES_MIN: usize = 17;

    fn put(&self, out: &mut BytesMut) {
        self.promise.round.put(out);
        self.promise.to.put(out);
        self.committed.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            promise: Promise { round: u64::read(reader)?, to: Option::read(reader)? },
            committed: Index::read(reader)?,
        })
    }
}
