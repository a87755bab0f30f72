//! Memory: no more than a fixed multiple of the bytes that ask for it, whatever they claim.

use allocation_counter::measure;
use bytes::Bytes;
use quorate_codec::{
    FrameDecoder, PAYLOAD_BYTES_MAX, PeerMessage, Wire, decode_command, decode_members,
};
use quorate_consensus::paxos as paxos_protocol;
use quorate_consensus::raft::Message;

/// The densest values are operations of 10 bytes, which take fifteen times as much in memory, and
/// their list grows by doubling.
const MULTIPLE_MAX: u64 = 64;

const SLACK_BYTES: u64 = 4096;

fn assert_bounded(name: &str, bytes: Vec<u8>, decode: impl FnOnce(Bytes)) {
    let given = bytes.len() as u64;
    let bytes = Bytes::from(bytes);
    let used = measure(|| decode(bytes)).bytes_max;
    assert!(used <= given * MULTIPLE_MAX + SLACK_BYTES, "{name}: {used} bytes for {given}");
}

fn command(bytes: Bytes) {
    drop(decode_command(bytes));
}

fn peer(bytes: Bytes) {
    drop(PeerMessage::<Message>::decode(bytes));
}

fn paxos_peer(bytes: Bytes) {
    drop(PeerMessage::<paxos_protocol::Message>::decode(bytes));
}

/// Puts `count` over every position of a valid message.
fn claims(message: &[u8], count: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..message.len().saturating_sub(3)).map(move |at| {
        let mut bytes = message.to_vec();
        bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
        bytes
    })
}

#[test]
fn a_claimed_length_allocates_nothing() {
    for count in [u32::MAX, u32::MAX / 2, 1 << 24, 1 << 16] {
        for (name, sample) in crate::samples::peer_messages() {
            let mut bytes = bytes::BytesMut::new();
            sample.encode(&mut bytes);
            for bytes in claims(&bytes, count) {
                assert_bounded(name, bytes, peer);
            }
        }
        for (name, sample) in crate::paxos::messages() {
            let mut bytes = bytes::BytesMut::new();
            sample.encode(&mut bytes);
            for bytes in claims(&bytes, count) {
                assert_bounded(name, bytes, paxos_peer);
            }
        }
        for (name, sample) in crate::samples::commands() {
            for bytes in claims(&quorate_codec::encode_command(&sample), count) {
                assert_bounded(name, bytes, command);
            }
        }
    }
}

#[test]
fn a_configuration_of_four_billion_nodes_is_refused() {
    assert_bounded("members", vec![255; 64], |mut bytes| drop(decode_members(&mut bytes)));
}

/// A transaction within a transaction, each of which claims as many operations as the bytes
/// behind it could hold.
#[test]
fn nested_claims_do_not_add_up() {
    const BYTES: usize = 1 << 20;
    let mut bytes = vec![1, 2];
    for _ in 0..64 {
        bytes.extend([0; 4]);
        bytes.extend((BYTES as u32 / 16).to_le_bytes());
        bytes.push(3);
    }
    bytes.resize(BYTES, 255);
    assert_bounded("nested", bytes, command);
}

#[test]
fn many_small_operations_stay_within_the_multiple() {
    const OPS: u32 = 10_000;
    let mut bytes = vec![1, 2, 0, 0, 0, 0];
    bytes.extend(OPS.to_le_bytes());
    bytes.extend([2, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(OPS as usize));
    bytes.extend([0; 4]);
    assert!(decode_command(bytes.clone().into()).is_ok());
    assert_bounded("operations", bytes, command);
}

#[test]
fn a_frame_takes_memory_as_it_arrives() {
    let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
    let length = (PAYLOAD_BYTES_MAX as u32).to_le_bytes();
    let used = measure(|| {
        decoder.push(&length);
        assert_eq!(decoder.next_frame(), Ok(None));
    });
    assert!(used.bytes_max <= 128 << 10, "{} bytes for a length", used.bytes_max);
}
