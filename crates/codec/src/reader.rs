//! Reading: every length is checked against the bytes at hand before anything is allocated.

use bytes::{Buf, Bytes};

use crate::error::DecodeError;

/// Takes values from the front of a buffer.
///
/// Byte strings are slices of that buffer, not copies, so each keeps the whole buffer in memory.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a mut Bytes,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a mut Bytes) -> Self {
        Self { bytes }
    }

    /// Takes exactly `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let Some(array) = self.bytes.first_chunk::<N>() else {
            return Err(DecodeError::Truncated { what });
        };
        let array = *array;
        self.bytes.advance(N);
        Ok(array)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A byte string: `u32` length, then the bytes.
    pub(crate) fn string(&mut self, what: &'static str) -> Result<Bytes, DecodeError> {
        let length = u32::from_le_bytes(self.array(what)?) as usize;
        if self.bytes.len() < length {
            return Err(DecodeError::BadLength { what, claimed: length as u64 });
        }
        Ok(self.bytes.split_to(length))
    }

    /// The count of a list whose items take at least `item_bytes_min` bytes each: what it claims is
    /// there, or it is refused. The only source of a capacity in this crate.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        item_bytes_min: usize,
    ) -> Result<usize, DecodeError> {
        assert!(0 < item_bytes_min, "a list of nothing justifies no length");
        let count = u32::from_le_bytes(self.array(what)?);
        if self.bytes.len() / item_bytes_min < count as usize {
            return Err(DecodeError::BadLength { what, claimed: u64::from(count) });
        }
        Ok(count as usize)
    }

    /// The version byte of a format whose only version so far is `newest`.
    pub(crate) fn version(&mut self, what: &'static str, newest: u8) -> Result<(), DecodeError> {
        let found = self.byte(what)?;
        if found != newest {
            return Err(DecodeError::Version { what, found, newest });
        }
        Ok(())
    }

    /// Ends the reading of a value that should fill its buffer.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err(DecodeError::Trailing { bytes: self.bytes.len() })
    }
}
