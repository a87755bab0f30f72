//! What travels between nodes: real frames, each on its own way, in no order that anyone could
//! rely on.

use bytes::{Bytes, BytesMut};
use quorate_codec::frame::{FrameDecoder, encode_frame};
use quorate_codec::handshake::PROTOCOL;
use quorate_codec::peer::PeerMessage;
use quorate_codec::{FrameError, PAYLOAD_BYTES_MAX};
use quorate_consensus::{Incarnation, NodeId};
use quorate_replica::OrderingInput;

use super::World;
pub(crate) use super::link::Greeting;
use super::link::Link;
use super::node::ToApplying;
use super::trace::Fact;
use super::weather::Front;
use crate::protocol::{Protocol, kind_of};

/// A frame on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// The connection it was sent on.
    pub(crate) session: u64,
    /// Whom it was sent to: nothing crosses from one data directory to the next.
    pub(crate) target: Option<Incarnation>,
    /// Which frame of its link it is.
    pub(crate) number: u64,
    pub(crate) frame: Bytes,
}

/// All connections, and what they share.
pub(crate) struct Network {
    count: u64,
    links: Vec<Link>,
    /// The faults in force, oldest first.
    pub(crate) fronts: Vec<Front>,
    buffer: BytesMut,
    decoder: FrameDecoder,
}

impl Network {
    pub(crate) fn new(count: u64) -> Self {
        let links = (0..count * count).map(|_| Link::default()).collect();
        let decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
        Self { count, links, fronts: Vec::new(), buffer: BytesMut::new(), decoder }
    }

    /// Where the link is among all.
    pub(crate) fn place(&self, from: NodeId, to: NodeId) -> usize {
        ((from.0 - 1) * self.count + to.0 - 1) as usize
    }

    pub(crate) fn link(&self, from: NodeId, to: NodeId) -> &Link {
        &self.links[self.place(from, to)]
    }

    pub(crate) fn link_mut(&mut self, from: NodeId, to: NodeId) -> &mut Link {
        let place = self.place(from, to);
        &mut self.links[place]
    }

    pub(crate) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.iter_mut()
    }
}

impl<P: Protocol> World<P> {
    /// Sends a message, if a connection stands; else it is dropped, as in the server.
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, message: PeerMessage<P::Message>) {
        if let PeerMessage::Engine(message) = &message {
            self.checks.on_sent(from, to, message);
        }
        let known = self.node(from).known.get(&to).copied();
        let link = self.network.link_mut(from, to);
        let Some(session) = link.session() else { return };
        link.sent += 1;
        let number = link.sent;
        let encoded = encode_frame(PROTOCOL.max, &message, &mut self.network.buffer);
        encoded.expect("no message of a node exceeds what its peers take");
        let frame = self.network.buffer.split().freeze();
        self.depart(Flight { from, to, session, target: known, number, frame }, message);
    }

    pub(super) fn on_arrival(&mut self, flight: Flight) {
        self.steps += 1;
        let Flight { from, to, session, target, ref frame, .. } = flight;
        if 0 < self.network.link(from, to).cuts {
            self.miss(&flight, "the link is cut");
            return;
        }
        let it = self.node(to);
        if it.running.is_none() {
            return;
        }
        if it.incarnation != target {
            self.note(to, Fact::Missed { from, why: "it was meant for another directory" });
            return;
        }
        let checksum = frame
            .get(4..8)
            .map_or(0, |crc| u32::from_le_bytes(crc.try_into().expect("four bytes are four")));
        let bytes = frame.len();
        match self.decode(frame) {
            Ok(message) => {
                let kind = kind_of::<P>(&message);
                self.note(to, Fact::Received { from, kind, bytes, checksum });
                self.route(from, to, message);
            }
            Err(why) => {
                self.note(to, Fact::Missed { from, why });
                self.close(from, to, session);
            }
        }
    }

    fn decode(&mut self, frame: &[u8]) -> Result<PeerMessage<P::Message>, &'static str> {
        let decoder = &mut self.network.decoder;
        decoder.push(frame);
        let cut = decoder.next_frame();
        if !matches!(&cut, Ok(Some(_))) || 0 < decoder.buffered_bytes() {
            *decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
        }
        match cut {
            Ok(Some(frame)) => {
                frame.message(PROTOCOL.max).map_err(|_| "its message does not decode")
            }
            Ok(None) => Err("its end never comes"),
            Err(FrameError::Checksum { .. }) => Err("its checksum is wrong"),
            Err(FrameError::Empty | FrameError::TooLong { .. }) => Err("its length is wrong"),
        }
    }

    /// Hands a peer's message to the half that it is for.
    fn route(&mut self, from: NodeId, to: NodeId, message: PeerMessage<P::Message>) {
        match message {
            PeerMessage::Snapshot(message) => {
                let Some(running) = self.node_mut(to).running.as_deref_mut() else { return };
                running.work.push_back(ToApplying::Snapshot(from, Box::new(message)));
                self.schedule_apply(to);
            }
            message => self.feed(to, OrderingInput::Peer { from, message }),
        }
    }
}
