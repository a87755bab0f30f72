//! The building blocks of every format, and the numbers of the protocols.
//!
//! ```text
//! number      8 bytes, little-endian; signed ones in two's complement
//! flag        1 byte, 0 or 1
//! option T    flag, then T if it is 1
//! string      u32 length, bytes
//! list T      u32 count, each T
//! set, map    as a list of keys, or of pairs, with strictly ascending keys
//! ballot      u64 round, u64 node
//! proposal    u64 node, u64 incarnation, u64 sequence
//! ```
//!
//! Each value has exactly one form: anything else is refused, so that decoding and encoding again
//! gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::{
    Ballot, ClusterTime, Confirmation, Incarnation, Index, NodeId, ProposalId, RequestId,
    StorageState,
};

use crate::error::DecodeError;
use crate::reader::Reader;

/// A type with a place in some format. It carries no version: what contains it does.
pub(crate) trait Layout: Sized {
    /// What an error calls it.
    const NAME: &'static str;
    /// The shortest form, in bytes.
    const BYTES_MIN: usize;

    fn put(&self, out: &mut BytesMut);
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Writes a length or count.
pub(crate) fn put_length(length: usize, out: &mut BytesMut) {
    out.put_u32_le(u32::try_from(length).expect("requests are limited far below 4 GiB"));
}

impl Layout for u32 {
    const NAME: &'static str = "number";
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        out.put_u32_le(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(Self::NAME).map(Self::from_le_bytes)
    }
}

impl Layout for u64 {
    const NAME: &'static str = "number";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        out.put_u64_le(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME)
    }
}

impl Layout for i64 {
    const NAME: &'static str = "number";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        out.put_i64_le(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(Self::NAME).map(Self::from_le_bytes)
    }
}

impl Layout for bool {
    const NAME: &'static str = "flag";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Bytes {
    const NAME: &'static str = "byte string";
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        put_length(self.len(), out);
        out.put_slice(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.string(Self::NAME)
    }
}

impl<T: Layout> Layout for Box<T> {
    const NAME: &'static str = T::NAME;
    const BYTES_MIN: usize = T::BYTES_MIN;

    fn put(&self, out: &mut BytesMut) {
        (**self).put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Layout> Layout for Option<T> {
    const NAME: &'static str = T::NAME;
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::read(reader)? { T::read(reader).map(Some) } else { Ok(None) }
    }
}

impl<A: Layout, B: Layout> Layout for (A, B) {
    const NAME: &'static str = A::NAME;
    const BYTES_MIN: usize = A::BYTES_MIN + B::BYTES_MIN;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
        self.1.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}

/// Writes a list.
pub(crate) fn put_list<T: Layout>(values: &[T], out: &mut BytesMut) {
    put_length(values.len(), out);
    for value in values {
        value.put(out);
    }
}

impl<T: Layout> Layout for Vec<T> {
    const NAME: &'static str = T::NAME;
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        put_list(self, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count(T::NAME, T::BYTES_MIN)?;
        let mut values = Self::with_capacity(count);
        for _ in 0..count {
            values.push(T::read(reader)?);
        }
        Ok(values)
    }
}

impl<T: Layout + Ord> Layout for BTreeSet<T> {
    const NAME: &'static str = T::NAME;
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        put_length(self.len(), out);
        for value in self {
            value.put(out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut set = Self::new();
        for _ in 0..reader.count(T::NAME, T::BYTES_MIN)? {
            let value = T::read(reader)?;
            if set.last().is_some_and(|last| value <= *last) {
                return Err(DecodeError::BadOrder { what: T::NAME });
            }
            set.insert(value);
        }
        Ok(set)
    }
}

impl<K: Layout + Ord, V: Layout> Layout for BTreeMap<K, V> {
    const NAME: &'static str = K::NAME;
    const BYTES_MIN: usize = 4;

    fn put(&self, out: &mut BytesMut) {
        put_length(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::new();
        for _ in 0..reader.count(K::NAME, K::BYTES_MIN + V::BYTES_MIN)? {
            let (key, value) = <(K, V)>::read(reader)?;
            if map.last_key_value().is_some_and(|(last, _)| key <= *last) {
                return Err(DecodeError::BadOrder { what: K::NAME });
            }
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl Layout for NodeId {
    const NAME: &'static str = "node";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for Incarnation {
    const NAME: &'static str = "incarnation";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for Index {
    const NAME: &'static str = "index";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for RequestId {
    const NAME: &'static str = "request";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for ClusterTime {
    const NAME: &'static str = "cluster time";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for Ballot {
    const NAME: &'static str = "ballot";
    const BYTES_MIN: usize = 16;

    fn put(&self, out: &mut BytesMut) {
        self.round.put(out);
        self.node.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { round: reader.number(Self::NAME)?, node: NodeId::read(reader)? })
    }
}

impl Layout for ProposalId {
    const NAME: &'static str = "proposal";
    const BYTES_MIN: usize = 24;

    fn put(&self, out: &mut BytesMut) {
        self.node.put(out);
        self.incarnation.put(out);
        self.sequence.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            node: NodeId::read(reader)?,
            incarnation: Incarnation::read(reader)?,
            sequence: reader.number(Self::NAME)?,
        })
    }
}

impl Layout for Confirmation {
    const NAME: &'static str = "confirmation";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for StorageState {
    const NAME: &'static str = "storage state";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Writable => 0,
            Self::Full => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Writable),
            1 => Ok(Self::Full),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}
