//! What is written at a flush, what is left to the task, and that nothing is lost between.

use quorate_codec::frame::{FrameDecoder, PAYLOAD_BYTES_MAX};
use quorate_codec::handshake::HelloReply;
use quorate_consensus::Incarnation;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

const PROTOCOL: u8 = 1;

async fn pair() -> (Arc<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Arc::new(stream), listener.accept().await.unwrap().0)
}

fn message(number: u64) -> HelloReply {
    HelloReply::Welcome { protocol: PROTOCOL, incarnation: Incarnation(number) }
}

fn not_queued(_: HelloReply) {
    panic!("the way is open");
}

async fn next(peer: &mut TcpStream, decoder: &mut FrameDecoder) -> HelloReply {
    loop {
        if let Some(frame) = decoder.next_frame().unwrap() {
            return HelloReply::decode(frame.payload).unwrap();
        }
        assert_ne!(peer.read_buf(decoder.buffer_mut()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn what_is_sent_is_written_at_the_flush_in_order() {
    let (stream, mut peer) = pair().await;
    let direct = Direct::default();
    assert_eq!(direct.open(&stream, PROTOCOL, || false), Reopened::Yes);
    assert_eq!(direct.flush(), 0, "there is nothing");
    direct.send(message(1), not_queued);
    direct.send(message(2), not_queued);
    assert!(0 < direct.flush());
    let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
    assert_eq!(next(&mut peer, &mut decoder).await, message(1));
    assert_eq!(next(&mut peer, &mut decoder).await, message(2));
}

#[tokio::test]
async fn what_a_full_socket_does_not_take_is_left_to_the_task_and_what_follows_is_queued() {
    let (stream, mut peer) = pair().await;
    let direct = Direct::default();
    direct.open(&stream, PROTOCOL, || false);
    let (mut sent, mut queued) = (0, Vec::new());
    while queued.is_empty() {
        for _ in 0..1000 {
            direct.send(message(sent), |message| queued.push(message));
            sent += 1;
        }
        direct.flush();
    }
    direct.blocked().await;
    assert_eq!(direct.open(&stream, PROTOCOL, || true), Reopened::No);
    let unwritten = direct.close();
    assert!(!unwritten.is_empty());

    let task = tokio::spawn(async move {
        crate::peers::dial::write_all(&stream, &unwritten).await.unwrap();
        stream
    });
    let first_queued = sent - queued.len() as u64;
    let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
    for number in 0..first_queued {
        assert_eq!(next(&mut peer, &mut decoder).await, message(number));
    }
    let stream = task.await.unwrap();
    assert_eq!(queued[0], message(first_queued), "nothing is lost between");
    assert_eq!(direct.open(&stream, PROTOCOL, || false), Reopened::Yes);
    direct.send(message(7), not_queued);
    direct.flush();
    assert_eq!(next(&mut peer, &mut decoder).await, message(7));
}

#[tokio::test]
async fn a_way_that_is_closed_takes_nothing() {
    let (stream, _peer) = pair().await;
    let direct = Direct::default();
    let mut queued = 0;
    direct.send(message(1), |_| queued += 1);
    direct.open(&stream, PROTOCOL, || false);
    direct.send(message(2), not_queued);
    assert!(!direct.close().is_empty());
    direct.send(message(3), |_| queued += 1);
    assert_eq!((queued, direct.flush()), (2, 0));
}
