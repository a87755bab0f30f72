//! Entries, configurations and what stands for a compacted log.
//!
//! ```text
//! entry       u64 index, ballot, birth, u64 time (microseconds), option proposal, payload
//! birth       u8 tag, then
//!               0 nothing: the value was first proposed in the entry's own ballot
//!               1 ballot: in this one, another
//! payload     u8 tag, then
//!               0 noop
//!               1 command: string
//!               2 members: members
//! members     set u64 voters, set u64 outgoing, set u64 learners, map u64 -> string details
//! meta        u64 index, ballot, u64 time, members
//! ```
//!
//! ```text
//! A command's entry, byte by byte:
//!  0        8        16       24 25       33 34                          58 59
//! +--------+--------+--------+--+--------+--+---------------------------+--+------+-- -- -
//! | index  | round  | node   |00| time   |01| node, incarnation, number |01|length| bytes
//! +--------+--------+--------+--+--------+--+---------------------------+--+------+-- -- -
//! ```
//!
//! They carry no version: the log record, segment header or peer frame around them does.

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::{Ballot, ClusterTime, Entries, Entry, Index, Members, Meta, Payload};

use crate::error::DecodeError;
use crate::primitives::{Layout, put_length, put_list};
use crate::reader::Reader;

/// The most bytes an entry takes beside its payload: fixed fields, birth, proposal, tag and length.
pub const ENTRY_HEAD_BYTES_MAX: usize = 79;

/// Appends `entry`.
pub fn encode_entry(entry: &Entry, out: &mut BytesMut) {
    entry.put(out);
}

/// Takes an entry from the front of `bytes`. A command is a slice of `bytes`, not a copy.
pub fn decode_entry(bytes: &mut Bytes) -> Result<Entry, DecodeError> {
    Entry::read(&mut Reader::new(bytes))
}

/// Appends `meta`.
pub fn encode_meta(meta: &Meta, out: &mut BytesMut) {
    meta.put(out);
}

/// Takes a meta from the front of `bytes`.
pub fn decode_meta(bytes: &mut Bytes) -> Result<Meta, DecodeError> {
    Meta::read(&mut Reader::new(bytes))
}

/// Appends `members`.
pub fn encode_members(members: &Members, out: &mut BytesMut) {
    members.put(out);
}

/// Takes a configuration from the front of `bytes`.
pub fn decode_members(bytes: &mut Bytes) -> Result<Members, DecodeError> {
    Members::read(&mut Reader::new(bytes))
}

const PAYLOAD_NOOP: u8 = 0;
const PAYLOAD_COMMAND: u8 = 1;
const PAYLOAD_MEMBERS: u8 = 2;

impl Layout for Entries {
    const NAME: &'static str = Entry::NAME;
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        put_list(self, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Vec::read(reader).map(Self::from)
    }
}

impl Layout for Entry {
    const NAME: &'static str = "entry";
    const BYTES_MIN: usize = 35;

    fn put(&self, out: &mut BytesMut) {
        out.reserve(ENTRY_HEAD_BYTES_MAX + command_length(&self.payload));
        self.index.put(out);
        self.ballot.put(out);
        (self.born != self.ballot).then_some(self.born).put(out);
        self.time.put(out);
        self.id.put(out);
        self.payload.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (index, ballot) = (Index::read(reader)?, Ballot::read(reader)?);
        Ok(Self {
            index,
            ballot,
            born: read_birth(reader, ballot)?,
            time: ClusterTime::read(reader)?,
            id: Option::read(reader)?,
            payload: Payload::read(reader)?,
        })
    }
}

/// The ballot that a value was first proposed in, where its entry has this one.
fn read_birth(reader: &mut Reader<'_>, ballot: Ballot) -> Result<Ballot, DecodeError> {
    match Option::<Ballot>::read(reader)? {
        Some(born) if born == ballot => Err(DecodeError::Redundant { what: "birth" }),
        born => Ok(born.unwrap_or(ballot)),
    }
}

fn command_length(payload: &Payload) -> usize {
    match payload {
        Payload::Command(bytes) => bytes.len(),
        Payload::Noop | Payload::Members(_) => 0,
    }
}

impl Layout for Payload {
    const NAME: &'static str = "payload";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Noop => out.put_u8(PAYLOAD_NOOP),
            Self::Command(bytes) => {
                out.put_u8(PAYLOAD_COMMAND);
                put_length(bytes.len(), out);
                out.put_slice(bytes);
            }
            Self::Members(members) => {
                out.put_u8(PAYLOAD_MEMBERS);
                members.put(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            PAYLOAD_NOOP => Ok(Self::Noop),
            PAYLOAD_COMMAND => reader.string(Self::NAME).map(Self::Command),
            PAYLOAD_MEMBERS => Ok(Self::Members(Box::new(Members::read(reader)?))),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Members {
    const NAME: &'static str = "members";
    const BYTES_MIN: usize = 16;

    fn put(&self, out: &mut BytesMut) {
        self.voters.put(out);
        self.outgoing.put(out);
        self.learners.put(out);
        self.details.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            voters: Layout::read(reader)?,
            outgoing: Layout::read(reader)?,
            learners: Layout::read(reader)?,
            details: Layout::read(reader)?,
        })
    }
}

impl Layout for Meta {
    const NAME: &'static str = "meta";
    const BYTES_MIN: usize = 48;

    fn put(&self, out: &mut BytesMut) {
        self.index.put(out);
        self.ballot.put(out);
        self.time.put(out);
        self.members.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: Index::read(reader)?,
            ballot: Ballot::read(reader)?,
            time: ClusterTime::read(reader)?,
            members: Members::read(reader)?,
        })
    }
}
