//! What is written is read back, and what is read back is written the same.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use quorate_codec::{
    DecodeError, Hello, HelloReply, PeerMessage, Wire, decode_checkpoint, decode_command,
    decode_entry, decode_hard, decode_lease, decode_members, decode_meta, decode_record,
    decode_write, encode_checkpoint, encode_command, encode_entry, encode_hard, encode_lease,
    encode_members, encode_meta, encode_record, encode_write,
};
use quorate_consensus::Write;
use quorate_consensus::paxos as paxos_protocol;
use quorate_consensus::raft::Message;
use quorate_kv::{Command, RequestOp, TXN_DEPTH_MAX, TxnRequest};

use crate::paxos;
use crate::strategies;

pub(crate) fn bytes_of<T>(value: &T, encode: fn(&T, &mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    encode(value, &mut out);
    out.freeze()
}

/// Encodes between other bytes, so that a decoder must stop exactly where the value ends.
fn survives<T: PartialEq + core::fmt::Debug>(
    value: &T,
    encode: fn(&T, &mut BytesMut),
    decode: fn(&mut Bytes) -> Result<T, DecodeError>,
) {
    let mut out = BytesMut::from(&b"before"[..]);
    encode(value, &mut out);
    out.extend_from_slice(b"after");
    let mut bytes = out.freeze().split_off(6);
    assert_eq!(decode(&mut bytes).as_ref(), Ok(value));
    assert_eq!(bytes, "after");
}

fn survives_whole<T: PartialEq + core::fmt::Debug>(
    value: &T,
    encode: fn(&T, &mut BytesMut),
    decode: fn(Bytes) -> Result<T, DecodeError>,
) {
    let bytes = bytes_of(value, encode);
    assert_eq!(decode(bytes.clone()).as_ref(), Ok(value));
    let longer = [&bytes[..], b"!"].concat();
    assert_eq!(decode(longer.into()), Err(DecodeError::Trailing { bytes: 1 }));
}

proptest! {
    #[test]
    fn entries(entry in strategies::entry()) {
        survives(&entry, encode_entry, decode_entry);
    }

    #[test]
    fn metas(meta in strategies::meta()) {
        survives(&meta, encode_meta, decode_meta);
    }

    #[test]
    fn configurations(members in strategies::members()) {
        survives(&members, encode_members, decode_members);
    }

    #[test]
    fn hard_states(hard in strategies::hard()) {
        survives(&hard, encode_hard, decode_hard);
        prop_assert!(bytes_of(&hard, encode_hard).len() <= quorate_codec::HARD_BYTES_MAX);
    }

    #[test]
    fn log_records_end_to_end(writes in vec(strategies::write(), 0..6)) {
        let mut out = BytesMut::new();
        for write in &writes {
            encode_write(write, &mut out);
        }
        let mut bytes = out.freeze();
        let mut found = Vec::<Write>::new();
        while !bytes.is_empty() {
            found.push(decode_write(&mut bytes).expect("it was encoded"));
        }
        prop_assert_eq!(found, writes);
    }

    #[test]
    fn commands(command in strategies::command()) {
        let payload = encode_command(&command);
        prop_assert_eq!(decode_command(payload.clone()), Ok(command));
        let longer = [&payload[..], b"!"].concat();
        prop_assert_eq!(decode_command(longer.into()), Err(DecodeError::Trailing { bytes: 1 }));
    }

    #[test]
    fn records(record in strategies::record()) {
        survives_whole(&record, encode_record, decode_record);
    }

    #[test]
    fn leases(lease in strategies::lease()) {
        survives_whole(&lease, encode_lease, decode_lease);
    }

    #[test]
    fn checkpoints(checkpoint in strategies::checkpoint()) {
        survives_whole(&checkpoint, encode_checkpoint, decode_checkpoint);
    }

    #[test]
    fn raft_messages(message in strategies::raft_message()) {
        survives_whole(&message, Message::encode, Message::decode);
    }

    #[test]
    fn paxos_messages(message in paxos::message()) {
        survives_whole(&message, paxos_protocol::Message::encode, paxos_protocol::Message::decode);
    }

    #[test]
    fn peer_messages(message in strategies::peer_message()) {
        survives_whole(&message, PeerMessage::encode, PeerMessage::<Message>::decode);
    }

    #[test]
    fn handshakes(hello in strategies::hello(), reply in strategies::hello_reply()) {
        prop_assert_eq!(Hello::decode(bytes_of(&hello, Hello::encode)), Ok(hello));
        prop_assert_eq!(HelloReply::decode(bytes_of(&reply, HelloReply::encode)), Ok(reply));
    }
}

fn nested(depth: usize) -> TxnRequest {
    let mut txn = TxnRequest::default();
    for _ in 1..depth {
        txn = TxnRequest { failure: vec![RequestOp::Txn(txn)], ..TxnRequest::default() };
    }
    txn
}

#[test]
fn a_transaction_may_be_nested_as_deep_as_validation_allows() {
    let command = Command::Txn(nested(TXN_DEPTH_MAX));
    assert_eq!(decode_command(encode_command(&command)), Ok(command));
}

#[test]
#[should_panic(expected = "a transaction is validated before it is proposed")]
fn an_unvalidated_transaction_never_reaches_the_log() {
    encode_command(&Command::Txn(nested(TXN_DEPTH_MAX + 1)));
}

#[test]
fn a_command_is_a_slice_of_what_was_read() {
    let value = Bytes::from(vec![5; 100_000]);
    let command = Command::Put(quorate_kv::PutRequest {
        key: Bytes::from_static(b"k"),
        value,
        ..Default::default()
    });
    let payload = encode_command(&command);
    let inside = payload.as_ptr_range();
    let Ok(Command::Put(put)) = decode_command(payload.clone()) else {
        panic!("it was encoded");
    };
    assert!(inside.contains(&put.value.as_ptr()));
    assert!(inside.contains(&put.key.as_ptr()));
}
