//! The header block of a request (HPACK, RFC 7541): finds the value of `:authority` as it is
//! written, and replaces it.
//!
//! The block is only walked: what its fields are needs no table, and nothing but this value is
//! looked at. The new value is shorter than the old one, so whatever the client believes to be in
//! the dynamic table is in there.

use std::ops::Range;

/// Flags of a HEADERS frame (RFC 9113, section 6.2).
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// What a stream's priority takes.
const PRIORITY_BYTES: usize = 5;

/// The place of `:authority` in the static table.
const AUTHORITY: usize = 1;

/// What stands for whatever the client wrote: a literal of three octets, not compressed.
const REPLACEMENT: &[u8] = b"\x03any";

/// How a value begins that is a URL, or that is what etcd's Go client 3.5.0 sends.
const WRONG: [&[u8]; 3] = [b"http://", b"https://", b"#"];

/// The same in the code of RFC 7541, appendix B, and how many bits that takes.
const WRONG_CODED: [(u64, u32); 3] = [(0x13a_535d_c618, 41), (0x274a_6b45_c618, 46), (0xffa, 12)];

/// The payload of a HEADERS frame with the authority replaced; none if it is in order, or not
/// there, or not understood.
pub(super) fn repaired(flags: u8, payload: &[u8]) -> Option<Vec<u8>> {
    let mut start = 0;
    let mut end = payload.len();
    if flags & PADDED != 0 {
        end = end.checked_sub(usize::from(*payload.first()?))?;
        start += 1;
    }
    if flags & PRIORITY != 0 {
        start += PRIORITY_BYTES;
    }
    let value = wrong_authority(payload, start..end)?;
    let mut repaired = payload[..value.start].to_vec();
    repaired.extend_from_slice(REPLACEMENT);
    repaired.extend_from_slice(&payload[value.end..]);
    Some(repaired)
}

/// Where the value of `:authority` is, its length included, if it cannot be one.
fn wrong_authority(payload: &[u8], block: Range<usize>) -> Option<Range<usize>> {
    let mut walk = Walk { bytes: payload.get(..block.end)?, at: block.start };
    loop {
        let first = *walk.bytes.get(walk.at)?;
        let prefix_bits = match first {
            0x80.. => 7,
            0x40.. => 6,
            0x20.. => 5,
            _ => 4,
        };
        let number = walk.integer(prefix_bits)?;
        if 0x80 <= first || (0x20..0x40).contains(&first) {
            // A field of the table, or the table's new size.
            continue;
        }
        if number == 0 {
            walk.string()?;
        }
        let begin = walk.at;
        let (is_coded, value) = walk.string()?;
        if number == AUTHORITY {
            return is_wrong(is_coded, value).then_some(begin..walk.at);
        }
    }
}

fn is_wrong(is_coded: bool, value: &[u8]) -> bool {
    if is_coded {
        return WRONG_CODED.iter().any(|(code, bits)| begins_with(value, *code, *bits));
    }
    WRONG.iter().any(|wrong| value.starts_with(wrong))
}

/// Whether the first bits of a value are these.
fn begins_with(value: &[u8], code: u64, bits: u32) -> bool {
    let mut first = [0; 8];
    let count = value.len().min(first.len());
    first[..count].copy_from_slice(&value[..count]);
    bits as usize <= 8 * count && u64::from_be_bytes(first) >> (u64::BITS - bits) == code
}

/// A place in a block.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// A number whose first byte has so many bits of it (RFC 7541, section 5.1).
    fn integer(&mut self, prefix_bits: u32) -> Option<usize> {
        let mask = (1_usize << prefix_bits) - 1;
        let mut number = usize::from(self.byte()?) & mask;
        if number < mask {
            return Some(number);
        }
        for shift in [0, 7, 14, 21] {
            let byte = usize::from(self.byte()?);
            number += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A string, and whether it is compressed (RFC 7541, section 5.2).
    fn string(&mut self) -> Option<(bool, &'a [u8])> {
        let is_coded = self.bytes.get(self.at)? & 0x80 != 0;
        let length = self.integer(7)?;
        let end = self.at.checked_add(length)?;
        let string = self.bytes.get(self.at..end)?;
        self.at = end;
        Some((is_coded, string))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}
