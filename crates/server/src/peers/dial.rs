//! Speaking to a peer: connect, shake hands, send what waits; when it breaks, again.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quorate_codec::frame::{FrameDecoder, encode_frame};
use quorate_codec::handshake::{
    Channel, HANDSHAKE_BYTES_MAX, HANDSHAKE_VERSION, HandshakeRefusal, Hello, HelloReply, PROTOCOL,
};
use quorate_codec::peer::PeerMessage;
use quorate_codec::wire::Wire;
use quorate_consensus::Incarnation;
use quorate_replica::OrderingInput;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::direct::Reopened;
use super::{Dial, Exchange};
use crate::fatal::Failure;
use crate::metrics::Metrics;

/// How long a connection and its handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The first pause between two attempts; each failure doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Most bytes put into one write.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// Why a connection was not made.
#[derive(Debug)]
enum Refused {
    /// The network or the peer's bytes.
    Io(io::Error),
    /// The peer does not talk to this node.
    Peer(HandshakeRefusal),
    /// The peer's data directory is not the one this node knows.
    Stranger { known: Incarnation },
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Keeps the connection for as long as the node lives.
pub(super) async fn keep<M: Wire + Send + 'static>(mut dial: Dial<M>, exchange: Exchange<M>) {
    let mut pause = PAUSE_MIN;
    let mut url = 0;
    loop {
        url = (url + 1) % dial.urls.len().max(1);
        match connect(&dial, url, &exchange).await {
            Ok(connection) => {
                pause = PAUSE_MIN;
                let peer = dial.peer;
                tracing::info!(%peer, channel = ?dial.channel, "connected to a peer");
                let ended = speak(&mut dial, connection, &exchange).await;
                if ended.is_none() {
                    return;
                }
                exchange.metrics.peers.of(peer).inspect(|peer| peer.disconnected.increment());
                if dial.channel == Channel::Messages {
                    let input = OrderingInput::Disconnected(peer);
                    let _ = exchange.ordering.send(input.into());
                }
            }
            Err(refused) => report(&dial, &refused, &exchange),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        if dial.queue.is_closed() {
            return;
        }
    }
}

/// A peer that is down is no news; one that refuses is.
fn report<M>(dial: &Dial<M>, refused: &Refused, exchange: &Exchange<M>) {
    let peer = dial.peer;
    match refused {
        Refused::Io(error) => tracing::debug!(%peer, %error, "a peer cannot be reached"),
        Refused::Stranger { known } => {
            let known = known.0;
            tracing::error!(
                %peer, known = format_args!("{known:x}"),
                "the peer has another data directory than before, so what it promised is lost: \
                 it does not count. Restore its directory, or remove the member and add it as new"
            );
        }
        Refused::Peer(refusal @ HandshakeRefusal::Incarnation { .. }) => {
            exchange.alarm.raise(Failure::Refused { peer, refusal: *refusal });
        }
        Refused::Peer(refusal) => {
            tracing::error!(%peer, reason = %refusal, "the peer refuses this member");
        }
    }
}

/// An established connection.
struct Connection {
    stream: TcpStream,
    protocol: u8,
}

async fn connect<M: Send + 'static>(
    dial: &Dial<M>,
    url: usize,
    exchange: &Exchange<M>,
) -> Result<Connection, Refused> {
    let timed_out = || io::Error::from(io::ErrorKind::TimedOut);
    timeout(CONNECT_TIMEOUT, connect_now(dial, url, exchange)).await.map_err(|_| timed_out())?
}

async fn connect_now<M: Send + 'static>(
    dial: &Dial<M>,
    url: usize,
    exchange: &Exchange<M>,
) -> Result<Connection, Refused> {
    let own = exchange.own;
    let mut stream = TcpStream::connect(dial.urls[url].authority()).await?;
    stream.set_nodelay(true)?;
    let hello = Hello {
        protocol: PROTOCOL,
        cluster: own.cluster,
        engine: own.engine,
        channel: dial.channel,
        node: own.node,
        incarnation: own.incarnation,
        target: dial.peer,
    };
    let mut bytes = BytesMut::new();
    encode_frame(HANDSHAKE_VERSION, &hello, &mut bytes).expect("a hello is short");
    let asked = Instant::now();
    stream.write_all(&bytes).await?;
    let (protocol, incarnation) = match read_reply(&mut stream).await? {
        HelloReply::Welcome { protocol, incarnation } => (protocol, incarnation),
        HelloReply::Refused(refusal) => return Err(Refused::Peer(refusal)),
    };
    let took = asked.elapsed();
    exchange.metrics.peers.of(dial.peer).inspect(|peer| peer.on_handshake(took));
    exchange
        .known
        .admit(dial.peer, incarnation)
        .await
        .map_err(|known| Refused::Stranger { known })?;
    Ok(Connection { stream, protocol })
}

async fn read_reply(stream: &mut TcpStream) -> io::Result<HelloReply> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let mut decoder = FrameDecoder::new(HANDSHAKE_BYTES_MAX);
    loop {
        let frame = decoder.next_frame().map_err(|error| invalid(error.to_string()))?;
        if let Some(frame) = frame {
            return HelloReply::decode(frame.payload).map_err(|error| invalid(error.to_string()));
        }
        if stream.read_buf(decoder.buffer_mut()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Sends what waits until the connection breaks. `None` when nobody can send any more.
async fn speak<M: Wire + Send + 'static>(
    dial: &mut Dial<M>,
    connection: Connection,
    exchange: &Exchange<M>,
) -> Option<()> {
    let Connection { stream, protocol } = connection;
    let stream = Arc::new(stream);
    loop {
        for input in unsent(dial) {
            // The ordering thread is gone only when the node stops.
            let _ = exchange.ordering.send(input.into());
        }
        if dial.direct.open(&stream, protocol, || !dial.queue.is_empty()) == Reopened::Yes {
            break;
        }
    }
    let direct = dial.direct.clone();
    let ended = speak_over(dial, &stream, protocol, &exchange.metrics).await;
    direct.close();
    ended
}

/// Empties the queue: what waits there from before this connection is stale. A forwarded proposal
/// is given back, for its client would wait in vain: where a leader is heard over its own
/// connection before there is one to it, there is something to forward.
fn unsent<M>(dial: &mut Dial<M>) -> Vec<OrderingInput<M>> {
    let to = dial.peer;
    let mut inputs = Vec::new();
    while let Ok(message) = dial.queue.try_recv() {
        if let PeerMessage::Forward { proposals, .. } = message {
            let proposals = proposals.into_iter().map(|forwarded| forwarded.id).collect();
            inputs.push(OrderingInput::Unsent { to, proposals });
        }
    }
    inputs
}

/// Nearly everything goes the direct way, and nothing to do is left here.
async fn speak_over<M: Wire + Send + 'static>(
    dial: &mut Dial<M>,
    stream: &Arc<TcpStream>,
    protocol: u8,
    metrics: &Metrics,
) -> Option<()> {
    loop {
        let mut first = tokio::select! {
            message = dial.queue.recv() => Some(message?),
            () = dial.direct.blocked() => None,
            () = spoken_to(stream) => return Some(()),
            () = dial.hang_up.notified() => return Some(()),
        };
        let mut bytes = dial.direct.close();
        loop {
            first.take().inspect(|message| encode(protocol, message, &mut bytes));
            while bytes.len() < WRITE_BYTES_MAX {
                let Ok(message) = dial.queue.try_recv() else { break };
                encode(protocol, &message, &mut bytes);
            }
            tokio::select! {
                written = write_all(stream, &bytes) => if written.is_err() { return Some(()) },
                () = dial.hang_up.notified() => return Some(()),
            }
            metrics.peers.of(dial.peer).inspect(|peer| peer.sent_bytes.add(bytes.len() as u64));
            bytes.clear();
            let queue = &dial.queue;
            if dial.direct.open(stream, protocol, || !queue.is_empty()) == Reopened::Yes {
                break;
            }
        }
    }
}

/// The peer never speaks on this connection: whatever happens here is its end.
async fn spoken_to(stream: &TcpStream) {
    let mut unexpected = [0; 1];
    loop {
        let read = match stream.readable().await {
            Ok(()) => stream.try_read(&mut unexpected),
            Err(error) => Err(error),
        };
        if read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            continue;
        }
        return;
    }
}

pub(super) async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Frames a message behind those that are there.
pub(super) fn encode(protocol: u8, message: &impl Wire, bytes: &mut BytesMut) {
    if let Err(error) = encode_frame(protocol, message, bytes) {
        tracing::error!(%error, "a message was not sent");
    }
}

#[cfg(test)]
mod tests {
    use quorate_codec::peer::ForwardedProposal;
    use quorate_consensus::raft::Message;
    use quorate_consensus::{Ballot, NodeId, ProposalId, RequestId};
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn forwards_that_waited_for_a_connection_are_given_back_and_the_rest_is_dropped() {
        let (queue, messages) = mpsc::channel(4);
        let mut dial: Dial<Message> = Dial {
            peer: NodeId(2),
            urls: Vec::new(),
            channel: Channel::Messages,
            queue: messages,
            direct: Arc::default(),
            hang_up: Arc::default(),
        };
        let ballot = Ballot { round: 1, node: NodeId(2) };
        let id = ProposalId { node: NodeId(1), incarnation: Incarnation(7), sequence: 5 };
        let proposals = vec![ForwardedProposal { id, payload: bytes::Bytes::new() }];
        for message in [
            PeerMessage::Read { ballot, id: RequestId(3) },
            PeerMessage::Forward { ballot, proposals },
        ] {
            queue.try_send(message).expect("there is room");
        }
        let expected = OrderingInput::Unsent { to: NodeId(2), proposals: vec![id] };
        assert_eq!(unsent(&mut dial), [expected]);
        assert_eq!(unsent(&mut dial), []);
    }
}
