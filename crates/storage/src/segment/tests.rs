//! Heads, names, and the frozen bytes of a segment.

use std::collections::BTreeSet;

use quorate_consensus::{ClusterTime, Entry, Payload, Promise, ProposalId, Write};

use super::*;
use crate::batch::{Batch, BatchBuilder, Place};

fn head() -> Head {
    let ballot = Ballot { round: 8, node: NodeId(2) };
    Head {
        sequence: 0x0102,
        length: 8192,
        salt: 0x0304,
        owner: Owner {
            cluster: 0x0506,
            node: NodeId(2),
            incarnation: Incarnation(0x0708),
            engine: EngineKind::Paxos,
        },
        previous: Link { end: 4200, checksum: 0x090a },
        highest_before: Index(40),
        last: Index(39),
        store: StoreId { index: Index(30), ballot },
        hard: HardState {
            promise: Promise { round: 9, to: Some(NodeId(3)) },
            committed: Index(38),
        },
        meta: Meta {
            index: Index(30),
            ballot,
            time: ClusterTime(77),
            members: Members {
                voters: BTreeSet::from([NodeId(1), NodeId(2)]),
                outgoing: BTreeSet::from([NodeId(4)]),
                learners: BTreeSet::from([NodeId(3)]),
                details: [(NodeId(3), Bytes::from_static(b"three"))].into(),
            },
        },
    }
}

/// The first segment that was ever written in version 1: a head and one batch, without the zeros
/// at the end.
fn segment_bytes() -> Vec<u8> {
    let head = head();
    let (bytes, checksum) = head.encode();
    let id = ProposalId { node: NodeId(2), incarnation: Incarnation(5), sequence: 6 };
    let entry = Entry {
        index: Index(40),
        ballot: head.store.ballot,
        born: head.store.ballot,
        id: Some(id),
        time: ClusterTime(78),
        payload: Payload::Command(Bytes::from_static(b"command")),
    };
    let mut builder = BatchBuilder::default();
    builder.clear();
    for write in [Write::Put(entry.into()), Write::Hard(head.hard)] {
        builder.push(|out| quorate_codec::encode_write(&write, out));
    }
    let offset = bytes.len() as u64;
    let place = Place { sequence: head.sequence, salt: Salt::new(head.salt), offset };
    let mut file = bytes.to_vec();
    file.extend_from_slice(builder.seal(place, checksum).0);
    file
}

/// Bytes as text: one line for each run that is not zero.
fn golden(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (number, line) in
        bytes.chunks(32).enumerate().filter(|(_, line)| line.iter().any(|b| *b != 0))
    {
        write!(text, "{:06x}", number * 32).expect("a string takes all");
        for byte in line {
            write!(text, " {byte:02x}").expect("a string takes all");
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_bytes_of_a_segment_are_frozen() {
    let expected = include_str!("../../tests/golden/segment-v1.hex");
    assert_eq!(golden(&segment_bytes()), expected);
}

#[test]
fn the_frozen_segment_is_still_read() {
    let mut file = vec![0; 8192];
    for line in include_str!("../../tests/golden/segment-v1.hex").lines() {
        let (offset, bytes) = line.split_once(' ').expect("an offset, then bytes");
        let offset = usize::from_str_radix(offset, 16).expect("a hexadecimal offset");
        for (at, byte) in bytes.split(' ').enumerate() {
            file[offset + at] = u8::from_str_radix(byte, 16).expect("a hexadecimal byte");
        }
    }
    let file = Bytes::from(file);
    let (found, link) = Head::decode(&file).expect("a sound head");
    assert_eq!(found, head());
    assert_eq!(link.end, PAGE_BYTES);
    let salt = Salt::new(found.salt);
    let place = Place { sequence: found.sequence, salt, offset: link.end };
    let batch = Batch::parse(&file, place).expect("a sound batch");
    assert_eq!(batch.previous, link.checksum);
    assert_eq!(batch.records().flatten().count(), 2);
}

#[test]
fn heads_of_any_length_fill_pages() {
    let mut long = head();
    long.meta.members.details.insert(NodeId(9), Bytes::from(vec![1; 100_000]));
    for head in [head(), long] {
        let (bytes, checksum) = head.encode();
        assert_eq!(bytes.len() as u64 % PAGE_BYTES, 0);
        let link = Link { end: bytes.len() as u64, checksum };
        assert_eq!(Head::decode(&bytes), Ok((head, link)));
    }
}

#[test]
fn names_are_read_back_and_nothing_else() {
    let directory = Path::new("/d");
    for sequence in [1, 0xabc, u64::MAX] {
        let path = path(directory, sequence);
        let name = path.file_name().and_then(|name| name.to_str()).expect("ours are plain");
        assert_eq!(sequence_of(name), Some(sequence));
    }
    for name in [
        "1.wal",
        "000000000000000G.wal",
        "0000000000000ABC.wal",
        "x",
        ".wal",
        "+000000000000abc.wal",
        "0000000000000001.reserved",
        "00000000000000001.wal",
    ] {
        assert_eq!(sequence_of(name), None, "{name}");
    }
}
