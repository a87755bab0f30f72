//! Listening to peers: accept, shake hands, read what they say until it breaks.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_codec::frame::{Frame, FrameDecoder, PAYLOAD_BYTES_MAX, encode_frame};
use quorate_codec::handshake::{
    Channel, HANDSHAKE_BYTES_MAX, HANDSHAKE_VERSION, HandshakeRefusal, Hello, HelloReply, PROTOCOL,
};
use quorate_codec::peer::PeerMessage;
use quorate_codec::wire::Wire;
use quorate_consensus::NodeId;
use quorate_replica::OrderingInput;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Exchange;
use crate::metrics::{Metrics, PeerCounts};
use crate::ordering_thread::route;

/// How long a caller may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

/// Most callers that have not said who they are.
const STRANGERS_MAX: usize = 64;

/// Most bytes of one peer's messages that may wait to be handled, in units of a KiB.
const WAITING_KIB_MAX: usize = 64 << 10;

/// Room for one read, in bytes: a batch of small messages in one system call.
const READ_BYTES: usize = 64 << 10;

/// Where peers are accepted.
pub(crate) struct Listener<M> {
    pub(crate) exchange: Exchange<M>,
    /// The members, and how each is hung up on.
    pub(crate) members: BTreeMap<NodeId, Arc<Notify>>,
}

impl<M> Clone for Listener<M> {
    fn clone(&self) -> Self {
        Self { exchange: self.exchange.clone(), members: self.members.clone() }
    }
}

impl<M: Wire + Send + 'static> Listener<M> {
    /// Accepts for as long as the node lives.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        // Dropped with this task, and the connections with it.
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let stranger = strangers.clone().acquire_owned().await;
            match listener.accept().await {
                Ok((stream, from)) => {
                    let this = self.clone();
                    connections.spawn(async move {
                        match this.greet(stream, stranger).await {
                            // Somebody who only looked whether the port is open.
                            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                                tracing::debug!(%from, "a call on the peer port said nothing");
                            }
                            Err(error) => {
                                tracing::warn!(%from, %error, "a call on the peer port was ended");
                            }
                            Ok(()) => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a peer could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn greet<P>(self, mut stream: TcpStream, stranger: P) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut decoder = FrameDecoder::new(HANDSHAKE_BYTES_MAX);
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "it did not say who it is");
        let hello = timeout(HELLO_TIMEOUT, read_hello(&mut stream, &mut decoder));
        let hello = hello.await.map_err(|_| silent())??;
        drop(stranger);
        let reply = self.judge(&hello).await;
        let mut bytes = BytesMut::new();
        encode_frame(HANDSHAKE_VERSION, &reply, &mut bytes).expect("a reply is short");
        stream.write_all(&bytes).await?;
        match reply {
            HelloReply::Welcome { protocol, .. } => {
                decoder.set_payload_bytes_max(PAYLOAD_BYTES_MAX);
                self.listen(stream, decoder, hello, protocol).await
            }
            HelloReply::Refused(refusal) => {
                tracing::error!(peer = %hello.node, ?refusal, "a peer was refused");
                Ok(())
            }
        }
    }

    async fn judge(&self, hello: &Hello) -> HelloReply {
        match self.refuse(hello).await {
            Err(refusal) => HelloReply::Refused(refusal),
            Ok(protocol) => {
                HelloReply::Welcome { protocol, incarnation: self.exchange.own.incarnation }
            }
        }
    }

    /// The protocol to speak, or why not to speak at all.
    async fn refuse(&self, hello: &Hello) -> Result<u8, HandshakeRefusal> {
        let own = self.exchange.own;
        let range = HandshakeRefusal::ProtocolRange { range: PROTOCOL };
        let protocol = PROTOCOL.common(hello.protocol).ok_or(range)?;
        // Another engine makes another cluster, so this says more.
        if hello.engine != own.engine {
            return Err(HandshakeRefusal::WrongEngine { engine: own.engine });
        }
        if hello.cluster != own.cluster {
            return Err(HandshakeRefusal::WrongCluster { cluster: own.cluster });
        }
        if hello.target != own.node {
            return Err(HandshakeRefusal::WrongTarget { node: own.node });
        }
        if !self.members.contains_key(&hello.node) {
            return Err(HandshakeRefusal::UnknownNode { node: hello.node });
        }
        let known = self.exchange.known.admit(hello.node, hello.incarnation).await;
        known.map_err(|known| HandshakeRefusal::Incarnation { known })?;
        Ok(protocol)
    }

    async fn listen(
        self,
        mut stream: TcpStream,
        mut decoder: FrameDecoder,
        hello: Hello,
        protocol: u8,
    ) -> io::Result<()> {
        let peer = hello.node;
        tracing::info!(%peer, channel = ?hello.channel, "a peer is connected");
        let hang_up = self.members[&peer].clone();
        let _connected = Connected::begin(&self.exchange.metrics, peer);
        let ended = tokio::select! {
            ended = self.read(&mut stream, &mut decoder, peer, protocol) => ended,
            () = hang_up.notified() => Ok(()),
        };
        self.wake();
        if hello.channel == Channel::Messages {
            // The ordering thread is gone only when the node stops.
            let _ = self.exchange.ordering.send(OrderingInput::Disconnected(peer).into());
        }
        tracing::info!(%peer, channel = ?hello.channel, "a peer's connection ended");
        ended
    }

    async fn read(
        &self,
        stream: &mut TcpStream,
        decoder: &mut FrameDecoder,
        peer: NodeId,
        protocol: u8,
    ) -> io::Result<()> {
        let waiting = Arc::new(Semaphore::new(WAITING_KIB_MAX));
        loop {
            while let Some(frame) = decoder.next_frame().map_err(|error| invalid(&error))? {
                let payload = payload_of(frame, protocol)?;
                let cost = (payload.len() >> 10) as u32 + 1;
                let message = PeerMessage::<M>::decode(payload).map_err(|error| invalid(&error))?;
                let permit = match waiting.clone().try_acquire_many_owned(cost) {
                    Ok(permit) => permit,
                    Err(_) => self.wait_for_room(&waiting, cost).await,
                };
                let Exchange { ordering, applying, .. } = &self.exchange;
                route(peer, message, permit, ordering, applying);
            }
            self.wake();
            if decoder.buffer_mut().spare_capacity_mut().len() < READ_BYTES / 4 {
                decoder.buffer_mut().reserve(READ_BYTES);
            }
            let read = stream.read_buf(decoder.buffer_mut()).await?;
            if read == 0 {
                return Ok(());
            }
            self.exchange
                .metrics
                .peers
                .of(peer)
                .inspect(|peer| peer.received_bytes.add(read as u64));
        }
    }

    /// What was handed over is worked on meanwhile.
    async fn wait_for_room(&self, waiting: &Arc<Semaphore>, kib: u32) -> OwnedSemaphorePermit {
        self.wake();
        let permit = waiting.clone().acquire_many_owned(kib).await;
        permit.expect("nobody closes the semaphore")
    }

    /// Wakes the halves for the messages that were left to them.
    fn wake(&self) {
        self.exchange.ordering.wake();
        self.exchange.applying.wake();
    }
}

/// Counts a connection for as long as it lives.
struct Connected<'a> {
    counts: Option<&'a PeerCounts>,
}

impl<'a> Connected<'a> {
    fn begin(metrics: &'a Metrics, peer: NodeId) -> Self {
        let counts = metrics.peers.of(peer).inspect(|peer| peer.connected.increment());
        Self { counts }
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.counts.inspect(|peer| peer.connected.decrement());
    }
}

async fn read_hello(stream: &mut TcpStream, decoder: &mut FrameDecoder) -> io::Result<Hello> {
    loop {
        if let Some(frame) = decoder.next_frame().map_err(|error| invalid(&error))? {
            return Hello::decode(payload_of(frame, HANDSHAKE_VERSION)?)
                .map_err(|error| invalid(&error));
        }
        if stream.read_buf(decoder.buffer_mut()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn payload_of(frame: Frame, version: u8) -> io::Result<Bytes> {
    if frame.version == version {
        return Ok(frame.payload);
    }
    let reason = format!("a frame of version {}, not {version}", frame.version);
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

fn invalid(error: &impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
