//! Bytes that no correct node wrote: cut short, flipped, random. Never a panic, never two forms of
//! one value, never the value that was damaged.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_codec::{
    DecodeError, Hello, HelloReply, PeerMessage, Wire, decode_checkpoint, decode_command,
    decode_entry, decode_lease, decode_meta, decode_record, decode_write, encode_checkpoint,
    encode_command, encode_entry, encode_lease, encode_meta, encode_record, encode_write,
};
use quorate_consensus::paxos as paxos_protocol;
use quorate_consensus::raft::Message;
use quorate_kv::{Checkpoint, ContentHash};

use crate::paxos;
use crate::round_trip::bytes_of;
use crate::samples;

/// A format as a function: the bytes that the decoded value is written as.
type Again = fn(Bytes) -> Result<Bytes, DecodeError>;

fn write_again(mut bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_write(&mut bytes).map(|write| bytes_of(&write, encode_write))
}

fn entry_again(mut bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_entry(&mut bytes).map(|entry| bytes_of(&entry, encode_entry))
}

fn meta_again(mut bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_meta(&mut bytes).map(|meta| bytes_of(&meta, encode_meta))
}

fn command_again(bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_command(bytes).map(|command| encode_command(&command))
}

fn record_again(bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_record(bytes).map(|record| bytes_of(&record, encode_record))
}

fn checkpoint_again(bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_checkpoint(bytes).map(|checkpoint| bytes_of(&checkpoint, encode_checkpoint))
}

fn lease_again(bytes: Bytes) -> Result<Bytes, DecodeError> {
    decode_lease(bytes).map(|lease| bytes_of(&lease, encode_lease))
}

fn wire_again<T: Wire>(bytes: Bytes) -> Result<Bytes, DecodeError> {
    T::decode(bytes).map(|message| bytes_of(&message, T::encode))
}

const PEER_AGAIN: Again = wire_again::<PeerMessage<Message>>;
const PAXOS_AGAIN: Again = wire_again::<PeerMessage<paxos_protocol::Message>>;

/// Every sample's bytes, with its format.
fn all() -> Vec<(String, Bytes, Again)> {
    let mut all: Vec<(String, Bytes, Again)> = Vec::new();
    for (name, write) in samples::writes() {
        all.push((format!("write {name}"), bytes_of(&write, encode_write), write_again));
    }
    for (name, command) in samples::commands().into_iter().chain(samples::lease_commands()) {
        all.push((format!("command {name}"), encode_command(&command), command_again));
    }
    for (name, record) in samples::records() {
        all.push((format!("record {name}"), bytes_of(&record, encode_record), record_again));
    }
    for (name, lease) in samples::leases() {
        all.push((format!("lease {name}"), bytes_of(&lease, encode_lease), lease_again));
    }
    let checkpoints = samples::checkpoints().into_iter().chain(samples::leased_checkpoints());
    for (name, checkpoint) in checkpoints {
        let bytes = bytes_of(&checkpoint, encode_checkpoint);
        all.push((format!("checkpoint {name}"), bytes, checkpoint_again));
    }
    let messages = samples::peer_messages().into_iter().chain(samples::leased_messages());
    for (name, message) in messages {
        all.push((format!("peer {name}"), bytes_of(&message, PeerMessage::encode), PEER_AGAIN));
    }
    for (name, message) in paxos::messages() {
        all.push((format!("paxos {name}"), bytes_of(&message, PeerMessage::encode), PAXOS_AGAIN));
    }
    for (name, hello) in samples::hellos() {
        all.push((format!("hello {name}"), bytes_of(&hello, Hello::encode), wire_again::<Hello>));
    }
    for (name, reply) in samples::hello_replies() {
        let bytes = bytes_of(&reply, HelloReply::encode);
        all.push((format!("reply {name}"), bytes, wire_again::<HelloReply>));
    }
    all
}

#[test]
fn no_part_of_a_value_is_a_value() {
    for (name, bytes, again) in all() {
        for length in 0..bytes.len() {
            let found = again(bytes.slice(..length));
            assert!(found.is_err(), "{name} cut to {length} bytes of {}", bytes.len());
        }
    }
}

/// Shorter than what was given where the value ends earlier.
fn assert_one_form(given: &[u8], found: &Bytes, context: &str) {
    assert!(given.starts_with(found), "{context}: read {given:02x?}, written {found:02x?}");
}

#[test]
fn a_flipped_bit_never_goes_unseen() {
    for (name, bytes, again) in all() {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = BytesMut::from(&bytes[..]);
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = again(flipped.clone().freeze()) {
                assert_one_form(&flipped, &found, &format!("{name}, bit {bit}"));
            }
        }
    }
}

#[test]
fn every_version_but_the_known_ones_is_refused() {
    let versioned = [
        ("write ", 2..=2),
        ("command ", 1..=1),
        ("record ", 1..=1),
        ("lease ", 1..=1),
        ("checkpoint ", 3..=4),
    ];
    for (name, bytes, again) in all() {
        let format = versioned.iter().find(|(format, _)| name.starts_with(format));
        let Some((_, known)) = format else { continue };
        for found in (0..=u8::MAX).filter(|version| !known.contains(version)) {
            let mut other = BytesMut::from(&bytes[..]);
            other[0] = found;
            let error = again(other.freeze()).expect_err("the version is unknown");
            let expected = matches!(error, DecodeError::Version { found: f, newest: n, .. }
                if (f, n) == (found, *known.end()));
            assert!(expected, "{name}: {error}");
        }
    }
}

#[test]
fn a_newer_form_than_is_needed_is_refused() {
    let (_, mut checkpoint) = samples::leased_checkpoints().remove(0);
    checkpoint.leases = 0;
    let plain =
        bytes_of(&Checkpoint { lease_hash: ContentHash(0), ..checkpoint }, encode_checkpoint);
    let leased = [&[4][..], &plain[1..], &[0; 20]].concat();
    let refused = Err(DecodeError::Redundant { what: "checkpoint" });
    assert_eq!(checkpoint_again(leased.into()), refused);
    let chunk = [&[12][..], &[0; 8], &[0; 17], &[0; 2], &[0; 8]].concat();
    assert_eq!(PEER_AGAIN(chunk.into()), Err(DecodeError::Redundant { what: "snapshot chunk" }));
}

#[test]
fn a_lease_out_of_bounds_is_refused() {
    let grant = |id: i64, ttl: i64| {
        let bytes = [&[1, 7][..], &id.to_le_bytes(), &ttl.to_le_bytes()].concat();
        decode_command(bytes.into()).map(|_| ())
    };
    assert_eq!((grant(1, 1), grant(-1, 9_000_000_000)), (Ok(()), Ok(())));
    assert_eq!(grant(0, 1), Err(DecodeError::OutOfBounds { what: "lease" }));
    for ttl in [0, -1, 9_000_000_001, i64::MIN, i64::MAX] {
        assert_eq!(grant(1, ttl), Err(DecodeError::OutOfBounds { what: "time to live" }));
    }
    let renew = |count: u32| {
        let bytes = [&[1, 9][..], &count.to_le_bytes(), &vec![7; 8 * count as usize]].concat();
        decode_command(bytes.into()).map(|_| ())
    };
    assert_eq!(renew(1000), Ok(()));
    assert_eq!(renew(1001), Err(DecodeError::OutOfBounds { what: "renewal" }));
}

#[test]
fn a_set_out_of_order_is_refused() {
    let members = [&[2, 0, 0, 0][..], &[9; 8], &[1; 8], &[0; 12]].concat();
    let found = quorate_codec::decode_members(&mut members.into());
    assert_eq!(found, Err(DecodeError::BadOrder { what: "node" }));
}

#[test]
fn a_set_with_a_node_twice_is_refused() {
    let members = [&[2, 0, 0, 0][..], &[9; 16], &[0; 12]].concat();
    let found = quorate_codec::decode_members(&mut members.into());
    assert_eq!(found, Err(DecodeError::BadOrder { what: "node" }));
}

#[test]
fn a_transaction_nested_too_deep_is_refused() {
    let compare_none = [0, 0, 0, 0];
    let level = [&compare_none[..], &[1, 0, 0, 0], &[3]].concat();
    let mut bytes = vec![1, 2];
    bytes.extend(level.repeat(1000));
    bytes.extend([0; 12]);
    bytes.extend([0; 4].repeat(1000));
    let found = decode_command(bytes.into());
    assert_eq!(found, Err(DecodeError::TooDeep { what: "transaction" }));
}

const FORMATS: [(&str, Again); 11] = [
    ("write", write_again),
    ("entry", entry_again),
    ("meta", meta_again),
    ("command", command_again),
    ("record", record_again),
    ("lease", lease_again),
    ("checkpoint", checkpoint_again),
    ("peer", PEER_AGAIN),
    ("paxos", PAXOS_AGAIN),
    ("hello", wire_again::<Hello>),
    ("reply", wire_again::<HelloReply>),
];

/// Mostly small bytes, so that tags, flags and counts are often right.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![4 => Just(0), 4 => 0..4_u8, 1 => any::<u8>()], 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in prop_oneof![likely_bytes(), vec(any::<u8>(), 0..200)]) {
        for (name, again) in FORMATS {
            let versioned = [&[1], &bytes[..]].concat();
            for given in [&bytes, &versioned] {
                if let Ok(found) = again(Bytes::copy_from_slice(given)) {
                    assert_one_form(given, &found, name);
                }
            }
        }
    }

    #[test]
    fn samples_with_random_damage(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let all = all();
        let (name, bytes, again) = which.get(&all);
        let mut damaged = BytesMut::from(&bytes[..]);
        for (at, byte) in damage {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if let Ok(found) = again(damaged.clone().freeze()) {
            assert_one_form(&damaged, &found, name);
        }
    }
}
