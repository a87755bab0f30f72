//! Framing: the batch, which is what becomes durable together, and the records in it.

use bytes::{BufMut, Bytes, BytesMut};

/// Batches begin at multiples of this, in bytes.
pub(crate) const ALIGNMENT: u64 = 8;

/// The length of a batch's head.
pub(crate) const HEAD_BYTES: usize = 32;

/// The length of a record's head.
pub(crate) const RECORD_HEAD_BYTES: usize = 8;

/// The longest body of a batch. What the engines may have in flight is far below.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 30;

const MAGIC: u32 = u32::from_le_bytes(*b"QBAT");
const CHECKED_FROM: usize = 8;

/// What makes the checksums of one segment differ from those of every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(u32);

impl Salt {
    pub(crate) fn new(salt: u64) -> Self {
        Self(crc32c::crc32c(&salt.to_le_bytes()))
    }

    fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The segment.
    pub(crate) sequence: u64,
    /// Its salt.
    pub(crate) salt: Salt,
    /// Where in the segment's file.
    pub(crate) offset: u64,
}

/// Builds one batch. The buffer is kept for the next.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    bytes: BytesMut,
}

impl BatchBuilder {
    /// Begins a new batch.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.put_bytes(0, HEAD_BYTES);
    }

    /// Appends one record that `encode` writes. Returns where its bytes begin within the batch,
    /// and how many they are.
    pub(crate) fn push(&mut self, encode: impl FnOnce(&mut BytesMut)) -> (usize, usize) {
        let head = self.bytes.len();
        self.bytes.put_bytes(0, RECORD_HEAD_BYTES);
        let start = self.bytes.len();
        encode(&mut self.bytes);
        let length = self.bytes.len() - start;
        assert!(length <= BODY_BYTES_MAX, "a record is longer than any batch");
        self.bytes[head..head + 4].copy_from_slice(&(length as u32).to_le_bytes());
        (start, length)
    }

    /// How many bytes the batch takes in a segment.
    pub(crate) fn length(&self) -> u64 {
        (self.bytes.len() as u64).next_multiple_of(ALIGNMENT)
    }

    /// Seals the batch for its place, after the batch whose checksum is `previous`. Returns its
    /// bytes and its own checksum.
    pub(crate) fn seal(&mut self, place: Place, previous: u32) -> (&[u8], u32) {
        let body_length = self.bytes.len() - HEAD_BYTES;
        assert!(body_length <= BODY_BYTES_MAX, "a batch is longer than any reader takes");
        self.seal_records(place.salt);
        let head = &mut self.bytes[..HEAD_BYTES];
        head[..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[8..12].copy_from_slice(&(body_length as u32).to_le_bytes());
        head[12..16].copy_from_slice(&previous.to_le_bytes());
        head[16..24].copy_from_slice(&place.sequence.to_le_bytes());
        head[24..32].copy_from_slice(&place.offset.to_le_bytes());
        let checksum = place.salt.checksum(&self.bytes[CHECKED_FROM..]);
        self.bytes[4..8].copy_from_slice(&checksum.to_le_bytes());

        let padding = self.length() as usize - self.bytes.len();
        self.bytes.put_bytes(0, padding);
        (&self.bytes, checksum)
    }

    fn seal_records(&mut self, salt: Salt) {
        let mut head = HEAD_BYTES;
        while head < self.bytes.len() {
            let start = head + RECORD_HEAD_BYTES;
            let end = start + number(&self.bytes, head) as usize;
            let checksum = salt.checksum(&self.bytes[start..end]);
            self.bytes[head + 4..start].copy_from_slice(&checksum.to_le_bytes());
            head = end;
        }
    }
}

/// A sound batch, as found in a file.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Its checksum, which the next one repeats.
    pub(crate) checksum: u32,
    /// The checksum of the one before, as it claims.
    pub(crate) previous: u32,
    /// Where it ends in the file, padding included.
    pub(crate) end: u64,
    /// Its records.
    body: Bytes,
    /// Where in the file they begin.
    body_offset: u64,
}

impl Batch {
    /// The batch at `place` in a file whose bytes are `file`, if there is a sound one.
    pub(crate) fn parse(file: &Bytes, place: Place) -> Option<Self> {
        let batch = Self::parse_unverified(file, place)?;
        let start = usize::try_from(place.offset).ok()?;
        let body_end = start + HEAD_BYTES + batch.body.len();
        let checked = file.get(start + CHECKED_FROM..body_end)?;
        (place.salt.checksum(checked) == batch.checksum).then_some(batch)
    }

    /// What looks like a batch at `place`, whether its checksum holds or not.
    pub(crate) fn parse_unverified(file: &Bytes, place: Place) -> Option<Self> {
        let start = usize::try_from(place.offset).ok()?;
        let head = file.get(start..)?.first_chunk::<HEAD_BYTES>()?;
        let is_here = number(head, 0) == MAGIC
            && head[16..24] == place.sequence.to_le_bytes()
            && head[24..32] == place.offset.to_le_bytes();
        let body_length = number(head, 8) as usize;
        if !is_here || BODY_BYTES_MAX < body_length {
            return None;
        }
        let body_start = start + HEAD_BYTES;
        if file.len() < body_start + body_length {
            return None;
        }
        let end = (body_start + body_length) as u64;
        Some(Self {
            checksum: number(head, 4),
            previous: number(head, 12),
            end: end.next_multiple_of(ALIGNMENT),
            body: file.slice(body_start..body_start + body_length),
            body_offset: body_start as u64,
        })
    }

    /// Where its head begins in the file.
    pub(crate) fn start(&self) -> u64 {
        self.body_offset - HEAD_BYTES as u64
    }

    /// Whether these bytes look like the head of a batch of this segment.
    pub(crate) fn is_begun(head: &[u8], place: Place) -> bool {
        head.len() == HEAD_BYTES
            && number(head, 0) == MAGIC
            && head[16..24] == place.sequence.to_le_bytes()
    }

    /// Its records, each with the offset of its bytes in the file; `None` at the end if the body
    /// is no sequence of records.
    pub(crate) fn records(&self) -> impl Iterator<Item = Option<(u64, Bytes)>> + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            if at == self.body.len() {
                return None;
            }
            let record = self.record_at(at);
            at = record.as_ref().map_or(self.body.len(), |(start, bytes)| start + bytes.len());
            Some(record.map(|(start, bytes)| (self.body_offset + start as u64, bytes)))
        })
    }

    fn record_at(&self, at: usize) -> Option<(usize, Bytes)> {
        let head = self.body.get(at..)?.first_chunk::<RECORD_HEAD_BYTES>()?;
        let start = at + RECORD_HEAD_BYTES;
        let end = start.checked_add(number(head, 0) as usize)?;
        if self.body.len() < end {
            return None;
        }
        Some((start, self.body.slice(start..end)))
    }
}

/// The record whose bytes should be the last `length` of `framed`, behind their head: sound, or
/// nothing.
pub(crate) fn parse_record(framed: &Bytes, length: usize, salt: Salt) -> Option<Bytes> {
    let head = framed.first_chunk::<RECORD_HEAD_BYTES>()?;
    let record = framed.slice(RECORD_HEAD_BYTES..);
    let is_sound = record.len() == length
        && number(head, 0) as usize == length
        && number(head, 4) == salt.checksum(&record);
    is_sound.then_some(record)
}

/// Where the first sound batch of the segment begins, at `from` or after.
pub(crate) fn find_sound(file: &Bytes, mut place: Place) -> Option<u64> {
    place.offset = place.offset.next_multiple_of(ALIGNMENT);
    while place.offset + (HEAD_BYTES as u64) <= file.len() as u64 {
        if Batch::parse(file, place).is_some() {
            return Some(place.offset);
        }
        place.offset += ALIGNMENT;
    }
    None
}

/// The little-endian number at `at`.
fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes[at..at + 4].try_into().expect("four bytes are four bytes");
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;
