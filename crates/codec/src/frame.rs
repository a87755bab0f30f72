//! Frames: how messages follow one another on a connection between nodes.
//!
//! ```text
//!  0         4         8    9
//! +---------+---------+----+-- -- -- --
//! | length  | crc     | v  | payload
//! +---------+---------+----+-- -- -- --
//! length   u32, little-endian: bytes after the crc, that is 1 + the payload's
//! crc      u32, little-endian: CRC-32C of those bytes
//! v        u8: 0 for the handshake, else the protocol version agreed in it
//! ```
//!
//! A connection that carried one bad frame is of no further use: the lengths can no longer be
//! trusted, so a decoder that failed stays failed. A flipped bit in a length makes the frame too
//! long, or wrong, or wait for bytes that never come: whoever reads closes a silent connection.

use core::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::DecodeError;
use crate::wire::Wire;

/// Bytes before the payload.
pub const FRAME_HEAD_BYTES: usize = 9;

/// The longest payload a node sends or takes, in bytes. Several times the largest append: a batch
/// of `append_bytes_max` and one entry beyond it.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// The longest encoded command that may be proposed, in bytes. A message may gather entries or
/// forwarded proposals up to as much again, 64 bytes each counted beside the payload, and one
/// command beyond it, and still fits its frame.
pub const COMMAND_BYTES_MAX: usize = 7 << 20;

/// Frames up to this many bytes are copied out of the read buffer: what keeps a slice of one then
/// keeps no more than that frame in memory, and the buffer is used again.
pub const COPY_BYTES_MAX: usize = 16 << 10;

const ROOM_BYTES_MIN: usize = 64 << 10;

/// A message that no peer would take. Nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadTooLong {
    /// Its length in bytes; above [`PAYLOAD_BYTES_MAX`].
    pub bytes: usize,
}

impl fmt::Display for PayloadTooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a message of {} bytes exceeds {PAYLOAD_BYTES_MAX}", self.bytes)
    }
}

impl core::error::Error for PayloadTooLong {}

/// Appends a message as one frame of `version`. Several may follow each other in one buffer.
pub fn encode_frame(
    version: u8,
    message: &impl Wire,
    out: &mut BytesMut,
) -> Result<(), PayloadTooLong> {
    let start = out.len();
    out.put_bytes(0, FRAME_HEAD_BYTES - 1);
    out.put_u8(version);
    message.encode(out);

    let bytes = out.len() - start - FRAME_HEAD_BYTES;
    if PAYLOAD_BYTES_MAX < bytes {
        out.truncate(start);
        return Err(PayloadTooLong { bytes });
    }
    let (head, body) = out[start..].split_at_mut(FRAME_HEAD_BYTES - 1);
    head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    Ok(())
}

/// An intact frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The version of its payload.
    pub version: u8,
    /// A message.
    pub payload: Bytes,
}

impl Frame {
    /// The message in it, if it has the version agreed for this connection.
    pub fn message<T: Wire>(self, version: u8) -> Result<T, DecodeError> {
        if self.version != version {
            return Err(DecodeError::Version {
                what: "frame",
                found: self.version,
                newest: version,
            });
        }
        T::decode(self.payload)
    }
}

/// Why a connection's bytes are no frames. It cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Without even a version.
    Empty,
    /// Longer than the limit: not one of ours, damaged, or from a newer program.
    TooLong {
        /// The payload's length as claimed, in bytes.
        bytes: usize,
        /// The longest payload taken at this point, in bytes.
        limit: usize,
    },
    /// Damaged on the way.
    Checksum {
        /// The checksum the frame carries.
        carried: u32,
        /// The checksum of what arrived.
        computed: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(formatter, "a frame without a version"),
            Self::TooLong { bytes, limit } => {
                write!(formatter, "a frame of {bytes} bytes exceeds the limit of {limit}")
            }
            Self::Checksum { carried, computed } => {
                write!(formatter, "a frame's checksum is {carried:08x}, its bytes' {computed:08x}")
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    payload_bytes_max: usize,
    failed: Option<FrameError>,
}

impl FrameDecoder {
    /// A decoder that takes payloads of up to `payload_bytes_max` bytes.
    pub fn new(payload_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), payload_bytes_max, failed: None }
    }

    /// Changes the limit for the frames to come: a stranger's first frame is a small one.
    pub fn set_payload_bytes_max(&mut self, payload_bytes_max: usize) {
        self.payload_bytes_max = payload_bytes_max;
    }

    /// Takes bytes as they arrived. The caller drains frames before it brings more, so that at
    /// most one frame and one read are held.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Where to read into directly, behind what is there. Room is the reader's to make.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// How many bytes wait for the rest of their frame. Zero where a stream may end cleanly.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The next frame, or `None` until more bytes arrive. After an error, that error for ever.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let frame = self.cut();
        self.failed = frame.as_ref().err().copied();
        frame
    }

    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        self.check_length(length)?;

        let end = FRAME_HEAD_BYTES - 1 + length;
        if self.buffer.len() < end {
            self.make_room(end - self.buffer.len());
            return Ok(None);
        }
        self.check_crc(end)?;
        Ok(Some(self.take(end)))
    }

    /// Makes room for what is missing, though not for more than came already: a length that is
    /// only claimed takes no memory.
    fn make_room(&mut self, missing: usize) {
        self.buffer.reserve(missing.min(self.buffer.len().max(ROOM_BYTES_MIN)));
    }

    fn check_length(&self, length: usize) -> Result<(), FrameError> {
        let Some(bytes) = length.checked_sub(1) else {
            return Err(FrameError::Empty);
        };
        if self.payload_bytes_max < bytes {
            return Err(FrameError::TooLong { bytes, limit: self.payload_bytes_max });
        }
        Ok(())
    }

    fn check_crc(&self, end: usize) -> Result<(), FrameError> {
        let (head, body) = self.buffer[..end].split_at(FRAME_HEAD_BYTES - 1);
        let carried = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let computed = crc32c::crc32c(body);
        if carried != computed {
            return Err(FrameError::Checksum { carried, computed });
        }
        Ok(())
    }

    fn take(&mut self, end: usize) -> Frame {
        let version = self.buffer[FRAME_HEAD_BYTES - 1];
        if end <= COPY_BYTES_MAX {
            let payload = Bytes::copy_from_slice(&self.buffer[FRAME_HEAD_BYTES..end]);
            self.buffer.advance(end);
            return Frame { version, payload };
        }
        let mut payload = self.buffer.split_to(end).freeze();
        payload.advance(FRAME_HEAD_BYTES);
        Frame { version, payload }
    }
}
