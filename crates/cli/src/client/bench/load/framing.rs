//! How gRPC frames messages within a stream: a flag, a length, the message
//! ("Length-Prefixed-Message" of gRPC's PROTOCOL-HTTP2).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// The flag and the length, in bytes.
const PREFIX: usize = 5;

/// Longest message that is taken, in bytes: far more than a server of etcd's API sends.
const MESSAGE_MAX: usize = 256 << 20;

/// Bytes that are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A compressed message, which was not asked for, or a flag without a meaning.
    Flag,
    /// A message longer than any that is sent.
    Length,
}

/// A message in a frame.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("requests are limited to far less"));
    message.encode(&mut bytes).expect("there is room for it");
    bytes.freeze()
}

/// Takes bytes as they come, and gives the messages that they complete.
#[derive(Debug, Default)]
pub(super) struct Deframer {
    bytes: BytesMut,
}

impl Deframer {
    /// More of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there.
    pub(super) fn message(&mut self) -> Result<Option<Bytes>, Malformed> {
        let Some((mut prefix, rest)) = self.bytes.split_at_checked(PREFIX) else {
            return Ok(None);
        };
        if prefix.get_u8() != 0 {
            return Err(Malformed::Flag);
        }
        let length = prefix.get_u32() as usize;
        if MESSAGE_MAX < length {
            return Err(Malformed::Length);
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.bytes.advance(PREFIX);
        Ok(Some(self.bytes.split_to(length).freeze()))
    }

    /// Whether nothing is left over.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use quorate_etcdapi::etcdserverpb::PutRequest;

    use super::*;

    fn put(key: &'static str) -> PutRequest {
        PutRequest { key: key.into(), value: vec![b'v'; 300].into(), ..PutRequest::default() }
    }

    fn messages(deframer: &mut Deframer) -> Vec<PutRequest> {
        let mut messages = Vec::new();
        while let Some(message) = deframer.message().unwrap() {
            messages.push(PutRequest::decode(message).unwrap());
        }
        messages
    }

    #[test]
    fn a_frame_that_comes_in_pieces_is_one_message() {
        let frame = framed(&put("a"));
        for cut in 0..frame.len() {
            let mut deframer = Deframer::default();
            deframer.push(&frame[..cut]);
            assert_eq!(deframer.message(), Ok(None), "at {cut}");
            deframer.push(&frame[cut..]);
            assert_eq!(messages(&mut deframer), [put("a")], "at {cut}");
            assert!(deframer.is_empty());
        }
    }

    #[test]
    fn frames_that_come_together_are_as_many_messages() {
        let mut deframer = Deframer::default();
        let frames = [framed(&put("a")), framed(&put("b")), framed(&PutRequest::default())];
        let frames = frames.concat();
        deframer.push(&frames[..frames.len() - 1]);
        assert_eq!(messages(&mut deframer), [put("a"), put("b")]);
        assert!(!deframer.is_empty());
        deframer.push(&frames[frames.len() - 1..]);
        assert_eq!(messages(&mut deframer), [PutRequest::default()]);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let refused = |bytes: &[u8]| {
            let mut deframer = Deframer::default();
            deframer.push(bytes);
            deframer.message().unwrap_err()
        };
        assert_eq!(refused(&[1, 0, 0, 0, 1, 9]), Malformed::Flag);
        assert_eq!(refused(&[0, 0xff, 0, 0, 0]), Malformed::Length);
    }
}
