//! What travels between nodes as the payload of a frame.

use bytes::{Bytes, BytesMut};

use crate::error::DecodeError;

/// A message that fills the payload of one frame. Its version is the frame's.
pub trait Wire: Sized {
    /// Appends the message.
    fn encode(&self, out: &mut BytesMut);

    /// Reads a message that fills `bytes`. Byte strings in it are slices of `bytes`, not copies.
    fn decode(bytes: Bytes) -> Result<Self, DecodeError>;
}
