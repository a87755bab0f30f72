//! What a member refuses because it holds as much as it may, and that it is over with the cause.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use quorate_etcdapi::etcdserverpb as pb;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;

use crate::cluster::Cluster;

/// How long the test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

fn put(value: usize) -> pb::PutRequest {
    let value = vec![b'v'; value].into();
    pb::PutRequest { key: "k".into(), value, ..pb::PutRequest::default() }
}

/// A put that says how long it is, and never comes.
async fn announce(channel: tonic::transport::Channel, bytes: u32) {
    let [a, b, c, d] = bytes.to_be_bytes();
    let prefix = Ok::<_, Status>(Frame::data(Bytes::from(vec![0, a, b, c, d])));
    let body = tokio_stream::StreamExt::chain(tokio_stream::once(prefix), tokio_stream::pending());
    let request = http::Request::post("/etcdserverpb.KV/Put")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(StreamBody::new(body)))
        .expect("it is a request");
    let _ = channel.oneshot(request).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_do_not_come_take_room_until_their_clients_go() {
    let mut cluster = Cluster::start(1).await;
    let mut kv = cluster.kv(0).await;
    kv.put(put(1 << 20)).await.expect("there is room");
    let mut clients = JoinSet::new();
    for _ in 0..200 {
        clients.spawn(announce(cluster.channel(0).await, 2 << 20));
    }
    let refused = async {
        loop {
            if let Err(status) = kv.put(put(1 << 20)).await {
                return status;
            }
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.expect("the room is taken");
    assert_eq!(refused.message(), "etcdserver: too many requests");
    clients.shutdown().await;
    let taken = async { while kv.put(put(1 << 20)).await.is_err() {} };
    tokio::time::timeout(PATIENCE, taken).await.expect("the room is given back");
    cluster.stop_member(0).await;
}
