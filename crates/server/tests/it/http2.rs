//! Requests as no library writes them: over HTTP/2 itself, whole and in pieces.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use prost::Message;
use quorate_etcdapi::etcdserverpb as pb;
use tokio::net::TcpStream;

use crate::cluster::Cluster;

/// How long the test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer: its head, its data, and what followed.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    async fn of(answered: ResponseFuture) -> Self {
        let (head, mut body) = answered.await.expect("it is answered").into_parts();
        let mut data = Vec::new();
        while let Some(piece) = next_piece(&mut body).await {
            data.extend_from_slice(&piece);
        }
        let trailers = body.trailers().await.expect("the connection is open");
        Self { status: head.status, headers: head.headers, data, trailers }
    }

    /// What gRPC says became of the call.
    fn grpc(&self) -> (&str, &str) {
        let last = self.trailers.as_ref().unwrap_or(&self.headers);
        let of = |name| last.get(name).map_or("", |value| value.to_str().expect("it is ASCII"));
        (of("grpc-status"), of("grpc-message"))
    }

    fn message<T: Message + Default>(&self) -> T {
        T::decode(&self.data[5..]).expect("it is a message")
    }
}

async fn next_piece(body: &mut RecvStream) -> Option<Bytes> {
    let piece = body.data().await?.expect("the connection is open");
    body.flow_control().release_capacity(piece.len()).expect("it has come");
    Some(piece)
}

/// A connection whose client lets a server send so much of an answer ahead.
async fn connect(cluster: &Cluster, window: u32) -> SendRequest<Bytes> {
    let address = cluster.url(0).replace("http://", "");
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let mut builder = client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(65_535.max(window));
    let (send, connection) = builder.handshake(stream).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    send
}

fn request(path: &str) -> Request<()> {
    Request::post(format!("http://a{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("it is a request")
}

async fn begin(
    send: &SendRequest<Bytes>,
    request: Request<()>,
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut send = send.clone().ready().await.expect("the connection is open");
    send.send_request(request, false).expect("it can be sent")
}

fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).expect("it is short"));
    message.encode(&mut bytes).expect("there is room");
    bytes.freeze()
}

fn put(key: &str, value: Vec<u8>) -> pb::PutRequest {
    pb::PutRequest { key: key.to_owned().into(), value: value.into(), ..pb::PutRequest::default() }
}

fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.to_owned().into(), ..pb::RangeRequest::default() }
}

/// Sends a body in these pieces, each on its way before the next is written.
async fn call(send: &SendRequest<Bytes>, path: &str, pieces: &[Bytes]) -> Answer {
    let (answered, mut stream) = begin(send, request(path)).await;
    for (place, piece) in pieces.iter().enumerate() {
        stream.send_data(piece.clone(), place + 1 == pieces.len()).expect("it is open");
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(PATIENCE, Answer::of(answered)).await.expect("it is answered in time")
}

const PUT: &str = "/etcdserverpb.KV/Put";
const RANGE: &str = "/etcdserverpb.KV/Range";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_alike_whole_and_in_pieces() {
    let cluster = Cluster::start(1).await;
    let send = connect(&cluster, 1 << 20).await;
    for length in [0, 1, 256, 70_000, 1_500_000] {
        let value = vec![b'v'; length];
        let whole = framed(&put("k", value.clone()));
        let pieces = |bytes: Bytes, size: usize| -> Vec<Bytes> {
            bytes.chunks(size).map(Bytes::copy_from_slice).collect()
        };
        for size in [whole.len(), whole.len() - 1, 3.max(length / 7)] {
            let written = call(&send, PUT, &pieces(whole.clone(), size)).await;
            assert_eq!(written.grpc(), ("0", ""), "{length} in pieces of {size}");
            let read = call(&send, RANGE, &pieces(framed(&get("k")), size)).await;
            assert_eq!((read.status, read.grpc()), (StatusCode::OK, ("0", "")));
            assert_eq!(read.headers["content-type"], "application/grpc");
            let read: pb::RangeResponse = read.message();
            assert_eq!(read.kvs[0].value, value);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused_by_its_stream_alone() {
    let cluster = Cluster::start(1).await;
    let send = connect(&cluster, 1 << 20).await;
    let whole = framed(&put("k", vec![b'v'; 10]));
    let mut compressed = whole.to_vec();
    compressed[0] = 1;
    let mut longer = whole.to_vec();
    longer[4] += 1;
    let no_message = [&[0, 0, 0, 0, 3][..], &[0xff; 3]].concat();
    let bodies = [Vec::new(), vec![0], whole[..12].to_vec(), compressed, longer, no_message];
    for body in bodies {
        let answer = call(&send, PUT, &[body.clone().into()]).await;
        assert!(!["", "0"].contains(&answer.grpc().0), "{body:?}: {answer:?}");
    }
    let missing = framed(&pb::PutRequest::default());
    let refused = call(&send, PUT, &[missing]).await;
    assert_eq!(refused.grpc(), ("3", "etcdserver:%20key%20is%20not%20provided"));
    assert!(refused.trailers.is_none() && refused.data.is_empty());
    let read: pb::RangeResponse = call(&send, RANGE, &[framed(&get("k"))]).await.message();
    assert_eq!(read.count, 0, "none of these was taken for a put");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_out_as_its_client_makes_room_and_holds_up_no_other() {
    let cluster = Cluster::start(1).await;
    let wide = connect(&cluster, 1 << 20).await;
    let value = vec![b'v'; 300_000];
    call(&wide, PUT, &[framed(&put("large", value.clone()))]).await;
    call(&wide, PUT, &[framed(&put("small", b"1".to_vec()))]).await;
    let narrow = connect(&cluster, 1000).await;
    let (large, mut stream) = begin(&narrow, request(RANGE)).await;
    stream.send_data(framed(&get("large")), true).expect("it is open");
    let (head, mut body) = large.await.expect("it is answered").into_parts();
    assert_eq!(head.status, StatusCode::OK);
    for _ in 0..10 {
        let read: pb::RangeResponse =
            call(&narrow, RANGE, &[framed(&get("small"))]).await.message();
        assert_eq!(read.kvs[0].value, "1");
    }
    let mut data = Vec::new();
    while let Some(piece) = next_piece(&mut body).await {
        assert!(piece.len() <= 1000, "no more than there was room for");
        data.extend_from_slice(&piece);
    }
    let read = pb::RangeResponse::decode(&data[5..]).expect("it is a message");
    assert_eq!(read.kvs[0].value, value);
    let trailers = body.trailers().await.expect("the connection is open").expect("they come last");
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_its_client_takes_back_ends_and_others_go_on() {
    let mut cluster = Cluster::start(3).await;
    let send = connect(&cluster, 1 << 20).await;
    call(&send, PUT, &[framed(&put("k", b"1".to_vec()))]).await;
    cluster.stop_member(1).await;
    cluster.stop_member(2).await;
    // Without a quorum a write waits: nothing but its client ends it so early.
    let (answered, mut stream) = begin(&send, request(PUT)).await;
    stream.send_data(framed(&put("k", b"2".to_vec())), true).expect("it is open");
    // Taken back before it is read, it would not have been a call.
    wait_for_count(&send, "grpc_server_started_total{", "2").await;
    stream.send_reset(Reason::CANCEL);
    assert!(answered.await.is_err());
    wait_for_count(&send, "grpc_server_handled_total{grpc_code=\"Canceled\"", "1").await;
    let local = pb::RangeRequest { serializable: true, ..get("k") };
    let read = call(&send, RANGE, &[framed(&local)]).await;
    assert_eq!(read.grpc(), ("0", ""));
}

/// Waits until the metrics have this number of puts on a line that begins like this.
async fn wait_for_count(send: &SendRequest<Bytes>, begins: &str, count: &str) {
    let counted = async {
        loop {
            let text = String::from_utf8(plain(send, "/metrics").await.data).expect("it is text");
            let is_it = |line: &str| {
                line.starts_with(begins)
                    && line.contains("\"Put\"")
                    && line.ends_with(&format!(" {count}"))
            };
            if text.lines().any(is_it) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("it is counted");
}

async fn plain(send: &SendRequest<Bytes>, path: &str) -> Answer {
    let mut send = send.clone().ready().await.expect("the connection is open");
    let request = Request::get(format!("http://a{path}")).body(()).expect("it is a request");
    let (answered, _) = send.send_request(request, true).expect("it can be sent");
    Answer::of(answered).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_served_over_the_same_connection() {
    let cluster = Cluster::start(1).await;
    let send = connect(&cluster, 1 << 20).await;
    let answer = plain(&send, "/version").await;
    assert_eq!(answer.status, StatusCode::OK);
    let length: usize = answer.headers["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(length, answer.data.len());
    let date = answer.headers["date"].to_str().unwrap();
    assert!(date.ends_with(" GMT"), "{date}");
    assert_eq!(plain(&send, "/nothing").await.status, StatusCode::NOT_FOUND);
}
