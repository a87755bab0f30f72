//! Garbage on the ports of a cluster that goes on serving.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use quorate_codec::frame::encode_frame;
use quorate_codec::handshake::{
    Channel, ClusterId, EngineKind, HANDSHAKE_VERSION, HandshakeRefusal, Hello, HelloReply,
    PROTOCOL, ProtocolRange,
};
use quorate_codec::wire::Wire;
use quorate_codec::{Frame, FrameDecoder};
use quorate_consensus::{Incarnation, NodeId};
use quorate_etcdapi::etcdserverpb as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::raw::Raw;
use super::{Witness, assert_serving, three, three_of, wait_log};
use crate::support::random::Random;
use crate::support::{Cluster, Program};

/// How long an attacker waits for an answer before it goes away.
const PATIENCE: Duration = Duration::from_millis(200);

/// Attacks of each kind on each member.
const VOLLEYS: usize = 12;

/// What a client of HTTP/2 says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An empty SETTINGS frame.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn random_bytes(random: &mut Random, length_max: usize) -> Vec<u8> {
    let length = 1 + random.below(length_max);
    (0..length).map(|_| random.next() as u8).collect()
}

/// Says something to an address, and hears what it answers before it goes away.
async fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("the port is served");
    // It may hang up before it has heard everything.
    let _ = timeout(PATIENCE, stream.write_all(bytes)).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    answer
}

/// What is wrong in one way or another to a server of HTTP/1.1, HTTP/2 and gRPC.
fn client_garbage(random: &mut Random) -> Vec<Vec<u8>> {
    let noise = random_bytes(random, 4096);
    let frame = |kind: u8, flags: u8, length: u8, body: &[u8]| {
        [PREFACE, SETTINGS, &[0, 0, length, kind, flags, 0, 0, 0, 1], body].concat()
    };
    vec![
        noise.clone(),
        [PREFACE, &noise].concat(),
        [PREFACE, SETTINGS, &noise].concat(),
        PREFACE[..random.below(PREFACE.len())].to_vec(),
        // A HEADERS frame that breaks off, one of noise, and DATA of a stream that never began.
        frame(1, 4, 200, &noise[..noise.len().min(50)]),
        frame(1, 4, 32, &random_bytes(random, 1).repeat(32)),
        frame(0, 1, 5, b"12345"),
        // A frame of 16 MiB, announced.
        [PREFACE, SETTINGS, &[255, 255, 255, 0, 0, 0, 0, 0, 1]].concat(),
        b"GET / HTTP/1.1\r\nHost".to_vec(),
        b"\r\n\r\n\r\n".to_vec(),
        [b"GET /version HTTP/1.1\r\nX: ", &[b'x'; 200_000][..], b"\r\n\r\n"].concat(),
        b"POST /etcdserverpb.KV/Put HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nabc"
            .to_vec(),
    ]
}

#[tokio::test]
async fn garbage_on_the_client_port_disturbs_nobody() {
    let cluster = three().await;
    let witness = Witness::start(&cluster);
    let mut random = Random::new(1);
    for _ in 0..VOLLEYS {
        for member in 0..cluster.size() {
            for garbage in client_garbage(&mut random) {
                let address = cluster.client_address(member);
                tokio::spawn(async move { say(address, &garbage).await });
            }
        }
        witness.more().await;
    }
    assert_serving(&cluster, &[0, 1, 2]).await;
    witness.judge(&cluster).await;
}

#[tokio::test]
async fn a_request_that_is_no_protobuf_is_refused_and_named() {
    let cluster = three().await;
    let mut random = Random::new(2);
    let mut bodies = vec![Bytes::from_static(&[0x0a, 0xff]), Bytes::from_static(&[0x0f])];
    bodies.extend(
        (0..20).map(|_| [&[0x0a, 0x7f][..], &random_bytes(&mut random, 90)].concat().into()),
    );
    for path in ["Range", "Put", "DeleteRange", "Txn", "Compact"] {
        for (place, body) in bodies.iter().enumerate() {
            let status = send_raw(&cluster, place % 3, path, body.clone()).await;
            assert_eq!(status.code(), tonic::Code::Internal, "{path}: {status:?}");
            assert!(status.message().contains("decode"), "{path}: {status:?}");
        }
    }
    assert_serving(&cluster, &[0, 1, 2]).await;
    cluster.assert_no_panic();
}

/// Sends bytes as the message of a KV request, and gives its failure.
async fn send_raw(cluster: &Cluster, member: usize, method: &str, body: Bytes) -> tonic::Status {
    let mut client = tonic::client::Grpc::new(cluster.channel(member));
    client.ready().await.expect("the member is there");
    let path = format!("/etcdserverpb.KV/{method}").parse().expect("it is a path");
    let sent = client.unary(tonic::Request::new(body), path, Raw).await;
    sent.expect_err("a message that cannot be read is refused")
}

/// What a peer would know of the cluster: enough to be taken for one of its members.
struct Insider {
    engine: EngineKind,
    cluster: ClusterId,
    nodes: Vec<NodeId>,
    incarnations: Vec<Incarnation>,
}

impl Insider {
    /// Learns the ids from the members' answers, and the incarnations from their directories.
    async fn of(cluster: &Cluster, engine: EngineKind) -> Self {
        let (nodes, incarnations) = (Vec::new(), Vec::new());
        let mut this = Self { engine, cluster: ClusterId(0), nodes, incarnations };
        for member in 0..cluster.size() {
            let asked = cluster.members(member).member_list(pb::MemberListRequest::default()).await;
            let header = asked.expect("a member answers").into_inner().header;
            let header = header.expect("an answer has a header");
            this.cluster = ClusterId(header.cluster_id);
            this.nodes.push(NodeId(header.member_id));
            let identity = std::fs::read(cluster.data_directory(member).join("identity"));
            let identity = identity.expect("the file is there");
            let incarnation = identity[40..48].try_into().expect("it is 8 bytes");
            this.incarnations.push(Incarnation(u64::from_le_bytes(incarnation)));
        }
        this
    }

    /// What one member says when it calls another.
    fn hello(&self, from: usize, to: usize) -> Hello {
        Hello {
            protocol: PROTOCOL,
            cluster: self.cluster,
            engine: self.engine,
            channel: Channel::Messages,
            node: self.nodes[from],
            incarnation: self.incarnations[from],
            target: self.nodes[to],
        }
    }
}

fn framed(version: u8, message: &impl Wire) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_frame(version, message, &mut bytes).expect("it is short");
    bytes.to_vec()
}

/// Bytes as the payload of a sound frame.
struct Payload(Vec<u8>);

impl Wire for Payload {
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.0);
    }

    fn decode(bytes: Bytes) -> Result<Self, quorate_codec::DecodeError> {
        Ok(Self(bytes.to_vec()))
    }
}

/// The reply to a hello.
async fn reply_to(address: SocketAddr, hello: &Hello) -> HelloReply {
    let answer = say(address, &framed(HANDSHAKE_VERSION, hello)).await;
    let mut decoder = FrameDecoder::new(1024);
    decoder.push(&answer);
    let frame: Frame = decoder.next_frame().expect("it is sound").expect("it is whole");
    frame.message(HANDSHAKE_VERSION).expect("it is a reply")
}

/// Both engines, and who runs which.
const ENGINES: [(Program, EngineKind, EngineKind); 2] = [
    (Program::Quorate, EngineKind::Raft, EngineKind::Paxos),
    (Program::QuoratePaxos, EngineKind::Paxos, EngineKind::Raft),
];

#[tokio::test]
async fn a_stranger_on_the_peer_port_is_told_why_it_is_refused() {
    for (program, engine, other) in ENGINES {
        assert_strangers_are_refused(program, engine, other).await;
    }
}

async fn assert_strangers_are_refused(program: Program, engine: EngineKind, other: EngineKind) {
    let cluster = three_of(program).await;
    let insider = Insider::of(&cluster, engine).await;
    let (address, good) = (cluster.peer_address(1), insider.hello(0, 1));
    let newer = ProtocolRange { min: 200, max: 201 };
    let refusals = [
        (
            Hello { cluster: ClusterId(7), ..good },
            HandshakeRefusal::WrongCluster { cluster: insider.cluster },
        ),
        (
            Hello { cluster: ClusterId(7), engine: other, ..good },
            HandshakeRefusal::WrongEngine { engine },
        ),
        (Hello { protocol: newer, ..good }, HandshakeRefusal::ProtocolRange { range: PROTOCOL }),
        (Hello { node: NodeId(7), ..good }, HandshakeRefusal::UnknownNode { node: NodeId(7) }),
        (
            Hello { target: insider.nodes[2], ..good },
            HandshakeRefusal::WrongTarget { node: insider.nodes[1] },
        ),
        (
            Hello { incarnation: Incarnation(7), ..good },
            HandshakeRefusal::Incarnation { known: insider.incarnations[0] },
        ),
    ];
    for (hello, refusal) in refusals {
        assert_eq!(reply_to(address, &hello).await, HelloReply::Refused(refusal));
    }
    wait_log(&cluster, 1, "a peer was refused").await;
    assert_serving(&cluster, &[0, 1, 2]).await;
    cluster.assert_no_panic();
}

/// What is wrong in one way or another to a member that expects another member.
fn peer_garbage(random: &mut Random, hello: &Hello) -> Vec<Vec<u8>> {
    let noise = random_bytes(random, 4096);
    let whole = framed(HANDSHAKE_VERSION, hello);
    let mut flipped = whole.clone();
    flipped[random.below(whole.len())] ^= 1 << random.below(8);
    let after = |bytes: &[u8]| [&whole, bytes].concat();
    let version = PROTOCOL.max;
    let sound = framed(version, &Payload(random_bytes(random, 300)));
    vec![
        noise.clone(),
        whole[..random.below(whole.len())].to_vec(),
        flipped,
        // A hello that claims to be huge.
        [&u32::MAX.to_le_bytes()[..], &noise].concat(),
        // The rest says the right hello first.
        after(&noise),
        after(&sound),
        after(&sound[..sound.len() / 2]),
        after(&framed(version + 1, &Payload(noise))),
        after(&framed(version, &Payload(Vec::new()))),
        after(&whole),
        after(&[255, 255, 255, 0, 0, 0, 0, 0, 1]),
    ]
}

#[tokio::test]
async fn garbage_on_the_peer_port_disturbs_nobody() {
    assert_undisturbed(Program::Quorate, EngineKind::Raft).await;
}

#[tokio::test]
async fn garbage_on_the_peer_port_disturbs_nobody_on_paxos() {
    assert_undisturbed(Program::QuoratePaxos, EngineKind::Paxos).await;
}

async fn assert_undisturbed(program: Program, engine: EngineKind) {
    let cluster = three_of(program).await;
    let insider = Insider::of(&cluster, engine).await;
    let witness = Witness::start(&cluster);
    let mut random = Random::new(3);
    for _ in 0..VOLLEYS {
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            for garbage in peer_garbage(&mut random, &insider.hello(from, to)) {
                let address = cluster.peer_address(to);
                tokio::spawn(async move { say(address, &garbage).await });
            }
        }
        witness.more().await;
    }
    for member in 0..cluster.size() {
        wait_log(&cluster, member, "a call on the peer port was ended").await;
    }
    assert_serving(&cluster, &[0, 1, 2]).await;
    witness.judge(&cluster).await;
}

#[tokio::test]
async fn callers_that_say_nothing_keep_nobody_out() {
    let cluster = three().await;
    let witness = Witness::start(&cluster);
    let mut silent = Vec::new();
    for member in 0..cluster.size() {
        for address in [cluster.client_address(member), cluster.peer_address(member)] {
            for _ in 0..100 {
                silent.push(TcpStream::connect(address).await.expect("the port is served"));
            }
        }
    }
    witness.more().await;
    assert_serving(&cluster, &[0, 1, 2]).await;
    drop(silent);
    witness.judge(&cluster).await;
}
