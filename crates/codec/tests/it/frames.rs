//! Streams of frames: whole, in pieces, damaged, too long.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_codec::{
    COMMAND_BYTES_MAX, COPY_BYTES_MAX, DecodeError, FRAME_HEAD_BYTES, Frame, FrameDecoder,
    FrameError, PAYLOAD_BYTES_MAX, PayloadTooLong, PeerMessage, Wire, encode_frame,
};
use quorate_consensus::log::Position;
use quorate_consensus::raft::{Body, Message, Term};
use quorate_consensus::{Ballot, ClusterTime, Entry, Index, Payload};

/// A message that is its bytes.
#[derive(Clone, Debug, PartialEq)]
struct Raw(Bytes);

impl Wire for Raw {
    fn encode(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Ok(Self(bytes))
    }
}

fn stream(frames: &[Frame]) -> BytesMut {
    let mut out = BytesMut::new();
    for frame in frames {
        let message = Raw(frame.payload.clone());
        encode_frame(frame.version, &message, &mut out).expect("it is short enough");
    }
    out
}

/// Everything a decoder makes of a stream that arrives in pieces of `piece` bytes.
fn decode(bytes: &[u8], piece: usize) -> (Vec<Frame>, Result<usize, FrameError>) {
    let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    return (frames, Err(error));
                }
            }
        }
    }
    (frames, Ok(decoder.buffered_bytes()))
}

fn frame(version: u8, payload: Vec<u8>) -> Frame {
    Frame { version, payload: payload.into() }
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let payload = prop_oneof![
        8 => vec(any::<u8>(), 0..60),
        1 => (any::<u8>(), 0..3 * COPY_BYTES_MAX).prop_map(|(byte, length)| vec![byte; length]),
    ];
    vec((any::<u8>(), payload).prop_map(|(version, payload)| frame(version, payload)), 0..8)
}

proptest! {
    #[test]
    fn arrive_as_they_were_sent_in_pieces_of_any_size(
        frames in frames(),
        piece in 1..40_000_usize,
    ) {
        prop_assert_eq!(decode(&stream(&frames), piece), (frames, Ok(0)));
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), piece in 1..50_usize) {
        let (frames, _) = decode(&bytes, piece);
        let taken: usize = frames.iter().map(|frame| FRAME_HEAD_BYTES + frame.payload.len()).sum();
        prop_assert!(taken <= bytes.len());
    }

    /// Whatever one flipped bit makes of a stream, it never delivers a frame that was not sent,
    /// and none after the damage.
    #[test]
    fn a_flipped_bit_ends_the_stream(frames in frames(), at in any::<prop::sample::Index>()) {
        prop_assume!(!frames.is_empty());
        let mut bytes = stream(&frames);
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let damaged = (0..frames.len())
            .find(|count| bit / 8 < stream(&frames[..=*count]).len())
            .expect("the bit is in some frame");

        let (found, end) = decode(&bytes, 4096);
        prop_assert_eq!(&found[..], &frames[..damaged]);
        prop_assert_ne!(end, Ok(0), "the stream must not end cleanly");
    }
}

#[test]
fn every_single_bit_of_a_frame_is_protected() {
    let whole = stream(&[frame(1, b"some payload".to_vec())]);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (found, end) = decode(&bytes, usize::MAX);
        assert!(found.is_empty() && end != Ok(0), "bit {bit}: {found:?}, {end:?}");
    }
}

#[test]
fn a_cut_stream_waits_for_the_rest() {
    let whole = stream(&[frame(1, b"one".to_vec()), frame(1, b"two".to_vec())]);
    let first = FRAME_HEAD_BYTES + 3;
    for length in 0..whole.len() {
        let (found, end) = decode(&whole[..length], usize::MAX);
        assert_eq!(found.len(), length / first);
        assert_eq!(end, Ok(length % first));
    }
}

#[test]
fn a_message_above_the_limit_is_not_sent() {
    let mut out = BytesMut::from(&b"before"[..]);
    let longest = Raw(vec![1; PAYLOAD_BYTES_MAX].into());
    let longer = Raw(vec![1; PAYLOAD_BYTES_MAX + 1].into());
    let refused = encode_frame(1, &longer, &mut out);
    assert_eq!(refused, Err(PayloadTooLong { bytes: PAYLOAD_BYTES_MAX + 1 }));
    assert_eq!(out, "before");
    assert_eq!(encode_frame(1, &longest, &mut out), Ok(()));
    assert_eq!(decode(&out[6..], usize::MAX).0.len(), 1);
}

#[test]
fn a_full_message_of_the_longest_commands_can_be_sent() {
    let longest = || Entry {
        index: Index(1),
        ballot: Ballot::ZERO,
        born: Ballot::ZERO,
        id: None,
        time: ClusterTime(0),
        payload: Payload::Command(vec![1; COMMAND_BYTES_MAX].into()),
    };
    let entries = vec![longest(), longest()].into();
    let body = Body::Append { previous: Position::ZERO, entries, commit: Index(0), confirm: None };
    let message = PeerMessage::Engine(Message { term: Term(1), body });
    assert_eq!(encode_frame(1, &message, &mut BytesMut::new()), Ok(()));
}

#[test]
fn a_frame_above_the_limit_is_refused_by_its_length_alone() {
    let mut decoder = FrameDecoder::new(100);
    decoder.push(&102_u32.to_le_bytes());
    let refused = FrameError::TooLong { bytes: 101, limit: 100 };
    assert_eq!(decoder.next_frame(), Err(refused));
    decoder.set_payload_bytes_max(101);
    assert_eq!(decoder.next_frame(), Err(refused), "a failure is for ever");

    let mut decoder = FrameDecoder::new(100);
    decoder.set_payload_bytes_max(101);
    decoder.push(&102_u32.to_le_bytes());
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn another_protocol_is_refused_at_once() {
    let (found, end) = decode(b"GET / HTTP/1.1\r\n", usize::MAX);
    assert!(found.is_empty());
    assert!(matches!(end, Err(FrameError::TooLong { .. })), "{end:?}");
}

#[test]
fn a_frame_of_another_version_is_not_read() {
    let one = frame(1, b"message".to_vec());
    assert_eq!(one.clone().message(1), Ok(Raw(one.payload.clone())));
    let refused = DecodeError::Version { what: "frame", found: 1, newest: 2 };
    assert_eq!(one.message::<Raw>(2), Err(refused));
}

#[test]
fn a_frame_without_a_version_is_refused() {
    assert_eq!(decode(&[0; 8], usize::MAX), (Vec::new(), Err(FrameError::Empty)));
}

/// What keeps a slice of a small message must not keep the whole read buffer.
#[test]
fn a_small_frame_owns_its_bytes() {
    let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
    decoder.push(&stream(&[frame(1, vec![7; 100]), frame(1, vec![8; 100])]));
    let buffer = decoder.buffer_mut().as_ptr_range();
    let frame = decoder.next_frame().expect("it is intact").expect("it is whole");
    assert!(!buffer.contains(&frame.payload.as_ptr()));
}
