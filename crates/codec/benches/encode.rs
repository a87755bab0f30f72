//! What encoding and decoding cost: a put of 256 bytes as command, log record and frame.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use quorate_codec::{
    FrameDecoder, PAYLOAD_BYTES_MAX, PeerMessage, Wire, decode_command, decode_write,
    encode_command, encode_frame, encode_write,
};
use quorate_consensus::log::Position;
use quorate_consensus::raft::{Body, Message, Term};
use quorate_consensus::{
    Ballot, ClusterTime, Entry, Incarnation, Index, NodeId, Payload, ProposalId, Write,
};
use quorate_kv::{Command, PutRequest};

fn put() -> Command {
    Command::Put(PutRequest {
        key: Bytes::from_static(b"/registry/pods/default/web-0"),
        value: Bytes::from(vec![7; 256]),
        ..PutRequest::default()
    })
}

fn entry(index: u64) -> Entry {
    Entry {
        index: Index(index),
        ballot: Ballot { round: 3, node: NodeId(1) },
        born: Ballot { round: 3, node: NodeId(1) },
        id: Some(ProposalId { node: NodeId(1), incarnation: Incarnation(9), sequence: index }),
        time: ClusterTime(1_000_000),
        payload: Payload::Command(encode_command(&put())),
    }
}

fn append(count: u64) -> PeerMessage<Message> {
    PeerMessage::Engine(Message {
        term: Term(3),
        body: Body::Append {
            previous: Position::ZERO,
            entries: (1..=count).map(entry).collect::<Vec<_>>().into(),
            commit: Index(0),
            confirm: None,
        },
    })
}

fn commands(criterion: &mut Criterion) {
    let command = put();
    let payload = encode_command(&command);
    criterion.bench_function("encode command", |bench| {
        bench.iter(|| encode_command(black_box(&command)));
    });
    criterion.bench_function("decode command", |bench| {
        bench.iter(|| decode_command(black_box(&payload).clone()).expect("it was encoded"));
    });
}

fn writes(criterion: &mut Criterion) {
    let write = Write::Put(entry(7).into());
    let mut out = BytesMut::with_capacity(4096);
    criterion.bench_function("encode write", |bench| {
        bench.iter(|| {
            out.clear();
            encode_write(black_box(&write), &mut out);
        });
    });
    let bytes = out.freeze();
    criterion.bench_function("decode write", |bench| {
        bench.iter(|| decode_write(&mut black_box(&bytes).clone()).expect("it was encoded"));
    });
}

fn frames(criterion: &mut Criterion) {
    for count in [1, 1024] {
        let message = append(count);
        let mut out = BytesMut::with_capacity(1 << 20);
        criterion.bench_function(&format!("encode frame of {count}"), |bench| {
            bench.iter(|| {
                out.clear();
                encode_frame(1, black_box(&message), &mut out).expect("it is short enough");
            });
        });
        criterion.bench_function(&format!("decode frame of {count}"), |bench| {
            let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
            bench.iter(|| {
                decoder.push(black_box(&out));
                let frame = decoder.next_frame().expect("it is intact").expect("it is whole");
                PeerMessage::<Message>::decode(frame.payload).expect("it was encoded")
            });
        });
    }
}

criterion_group!(benches, commands, writes, frames);
criterion_main!(benches);
