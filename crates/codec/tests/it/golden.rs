//! The bytes of every format, as they were when its version was frozen.
//!
//! Each file under `tests/golden` holds one version of one format, a line per sample: its name and
//! its bytes in hex. A difference is a new version: the old file stays, with a test that its lines
//! are still read.

use core::fmt::Write as _;

use bytes::Bytes;
use quorate_codec::{
    ClusterId, DecodeError, EngineKind, Hello, HelloReply, PeerMessage, SnapshotMessage,
    TransferId, Wire, decode_checkpoint, decode_command, decode_lease, decode_record, decode_write,
    encode_checkpoint, encode_command, encode_frame, encode_lease, encode_record, encode_write,
};
use quorate_consensus::paxos as paxos_protocol;
use quorate_consensus::raft::Message;

use crate::paxos;
use crate::round_trip::bytes_of;
use crate::samples::{self, Samples};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn unhex(text: &str) -> Bytes {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("golden files hold hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn check<T: PartialEq + core::fmt::Debug>(
    golden: &str,
    samples: &Samples<T>,
    encode: fn(&T) -> Bytes,
    decode: fn(Bytes) -> Result<T, DecodeError>,
) {
    let text = samples
        .iter()
        .fold(String::new(), |text, (name, value)| text + name + " " + &hex(&encode(value)) + "\n");
    assert!(golden == text, "the bytes have changed, which needs a new version; now\n{text}");

    for ((name, value), line) in samples.iter().zip(golden.lines()) {
        let (_, bytes) = line.split_once(' ').expect("a line has a name and bytes");
        assert_eq!(decode(unhex(bytes)).as_ref(), Ok(value), "{name}");
    }
}

#[test]
fn log_records() {
    check(
        include_str!("../golden/write.2.txt"),
        &samples::writes(),
        |write| bytes_of(write, encode_write),
        |mut bytes| decode_write(&mut bytes),
    );
}

#[test]
fn commands() {
    check(
        include_str!("../golden/command.1.txt"),
        &samples::commands(),
        encode_command,
        decode_command,
    );
}

#[test]
fn commands_about_alarms() {
    check(
        include_str!("../golden/command.1.alarms.txt"),
        &samples::alarm_commands(),
        encode_command,
        decode_command,
    );
}

#[test]
fn commands_about_leases() {
    check(
        include_str!("../golden/command.1.leases.txt"),
        &samples::lease_commands(),
        encode_command,
        decode_command,
    );
}

#[test]
fn leases() {
    check(
        include_str!("../golden/lease.1.txt"),
        &samples::leases(),
        |lease| bytes_of(lease, encode_lease),
        decode_lease,
    );
}

#[test]
fn checkpoints_with_leases() {
    check(
        include_str!("../golden/checkpoint.4.txt"),
        &samples::leased_checkpoints(),
        |checkpoint| bytes_of(checkpoint, encode_checkpoint),
        decode_checkpoint,
    );
}

#[test]
fn peer_messages_about_leases() {
    check(
        include_str!("../golden/peer.2.leases.txt"),
        &samples::leased_messages(),
        |message| bytes_of(message, PeerMessage::encode),
        PeerMessage::<Message>::decode,
    );
}

#[test]
fn records() {
    check(
        include_str!("../golden/record.1.txt"),
        &samples::records(),
        |record| bytes_of(record, encode_record),
        decode_record,
    );
}

#[test]
fn checkpoints() {
    check(
        include_str!("../golden/checkpoint.3.txt"),
        &samples::checkpoints(),
        |checkpoint| bytes_of(checkpoint, encode_checkpoint),
        decode_checkpoint,
    );
}

#[test]
fn peer_messages() {
    check(
        include_str!("../golden/peer.2.txt"),
        &samples::peer_messages(),
        |message| bytes_of(message, PeerMessage::encode),
        PeerMessage::<Message>::decode,
    );
}

#[test]
fn paxos_messages() {
    check(
        include_str!("../golden/paxos.2.txt"),
        &paxos::messages(),
        |message| bytes_of(message, PeerMessage::encode),
        PeerMessage::<paxos_protocol::Message>::decode,
    );
}

#[test]
fn hellos() {
    check(
        include_str!("../golden/hello.0.txt"),
        &samples::hellos(),
        |hello| bytes_of(hello, Hello::encode),
        Hello::decode,
    );
}

#[test]
fn hello_replies() {
    check(
        include_str!("../golden/hello_reply.0.txt"),
        &samples::hello_replies(),
        |reply| bytes_of(reply, HelloReply::encode),
        HelloReply::decode,
    );
}

#[test]
fn a_frame() {
    let aborted = SnapshotMessage::Aborted { transfer: TransferId(5) };
    let message = PeerMessage::<Message>::Snapshot(aborted);
    let frame = bytes_of(&message, |message, out| {
        encode_frame(1, message, out).expect("it is short enough");
    });
    assert_eq!(hex(&frame), include_str!("../golden/frame.txt").trim_end());
}

#[test]
fn a_cluster_id() {
    let initial = [("b", "http://10.0.0.2:2380"), ("a", "http://10.0.0.1:2380")];
    let id = ClusterId::of(initial, "etcd-cluster", EngineKind::Raft);
    assert_eq!(format!("{id}"), include_str!("../golden/cluster_id.txt").trim_end());
}
