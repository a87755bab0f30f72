//! Connections: dialled by each node to each other, opened by the real handshake, broken by
//! crashes, resets and bad frames.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_codec::frame::{FrameDecoder, encode_frame};
use quorate_codec::handshake::{
    Channel, HANDSHAKE_BYTES_MAX, HANDSHAKE_VERSION, HandshakeRefusal, Hello, HelloReply, PROTOCOL,
};
use quorate_codec::wire::Wire;
use quorate_consensus::{Incarnation, NodeId};
use quorate_replica::OrderingInput;

use super::World;
use super::clock::SimTime;
use super::event::Event;
use super::start::CLUSTER;
use super::trace::Fact;
use crate::draws::Site;
use crate::protocol::Protocol;

/// The first pause between two attempts, as in the server; each failure doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// The longest pause between two attempts, as in the server.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a connection and its handshake may take, as in the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

const GREETING: Site = Site::new("a handshake's way");
const NOTICE: Site = Site::new("when an end notices that its connection broke");

/// The connection on which one node speaks to another.
#[derive(Debug, Default)]
pub(crate) struct Link {
    session: Session,
    /// How often it was dialled.
    attempts: u64,
    /// Failures in a row.
    failures: u32,
    /// Frames sent on all its connections.
    pub(crate) sent: u64,
    /// How many faults cut it now.
    pub(crate) cuts: u32,
    /// When it has carried all it was given, while it is slow.
    pub(crate) free_at: SimTime,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Session {
    /// There is none, and none is being made.
    #[default]
    Closed,
    /// This attempt is under way.
    Dialling(u64),
    /// It stands, made by this attempt.
    Open(u64),
}

impl Link {
    /// The connection that stands, if one does.
    pub(crate) fn session(&self) -> Option<u64> {
        match self.session {
            Session::Open(session) => Some(session),
            Session::Closed | Session::Dialling(_) => None,
        }
    }

    fn pause(&self) -> Duration {
        PAUSE_MIN.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX)
    }
}

/// A word of a handshake on its way.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// Who dials.
    caller: NodeId,
    /// Whom.
    called: NodeId,
    attempt: u64,
    /// The caller's life, which must still last.
    life: u32,
    word: Word,
}

#[derive(Debug)]
enum Word {
    Hello(Bytes),
    Reply(Bytes),
    /// Nothing came back.
    Silence,
}

impl Greeting {
    /// Who hears it.
    pub(crate) fn receiver(&self) -> NodeId {
        match self.word {
            Word::Hello(_) => self.called,
            Word::Reply(_) | Word::Silence => self.caller,
        }
    }
}

impl<P: Protocol> World<P> {
    /// A node that has just started dials all others.
    pub(super) fn dial_all(&mut self, node: NodeId) {
        let life = self.node(node).life;
        let others: Vec<NodeId> = self.peers_of(node).collect();
        for to in others {
            self.queue.push(self.now, Event::Dial { from: node, to, life });
        }
    }

    pub(super) fn peers_of(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<P> {
        (1..=self.nodes.len() as u64).map(NodeId).filter(move |other| *other != node)
    }

    pub(super) fn on_dial(&mut self, from: NodeId, to: NodeId, life: u32) {
        if self.node_mut(from).process(life).is_none() {
            return;
        }
        self.steps += 1;
        let link = self.network.link_mut(from, to);
        link.attempts += 1;
        let attempt = link.attempts;
        link.session = Session::Dialling(attempt);
        let hello = self.hello(from, to);
        self.greet(from, to, attempt, life, Word::Hello(hello));
        let silence = Greeting { caller: from, called: to, attempt, life, word: Word::Silence };
        self.queue.push(self.now + CONNECT_TIMEOUT, Event::Greeting(Box::new(silence)));
    }

    fn hello(&self, from: NodeId, to: NodeId) -> Bytes {
        let incarnation = self.node(from).incarnation.expect("a running node has a directory");
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: CLUSTER,
            engine: P::KIND,
            channel: Channel::Messages,
            node: from,
            incarnation,
            target: to,
        };
        framed(&hello)
    }

    fn greet(&mut self, caller: NodeId, called: NodeId, attempt: u64, life: u32, word: Word) {
        let (from, to, step) = match word {
            Word::Hello(_) => (caller, called, 0),
            Word::Reply(_) | Word::Silence => (called, caller, 1),
        };
        if 0 < self.network.link(from, to).cuts {
            return;
        }
        let keys = [caller.0, called.0, attempt, step];
        let delay = self.profile.timing.hop.draw(self.draws, GREETING, keys);
        let greeting = Greeting { caller, called, attempt, life, word };
        self.queue.push(self.now + delay, Event::Greeting(Box::new(greeting)));
    }

    pub(super) fn on_greeting(&mut self, greeting: Greeting) {
        let Greeting { caller, called, attempt, life, word } = greeting;
        let is_current = self.node_mut(caller).process(life).is_some()
            && self.network.link(caller, called).session == Session::Dialling(attempt);
        if !is_current {
            return;
        }
        self.steps += 1;
        let (from, to) = match word {
            Word::Hello(_) => (caller, called),
            Word::Reply(_) | Word::Silence => (called, caller),
        };
        if 0 < self.network.link(from, to).cuts && !matches!(word, Word::Silence) {
            return;
        }
        match word {
            Word::Hello(hello) => self.on_hello(caller, called, attempt, life, &hello),
            Word::Reply(reply) => self.on_reply(caller, called, attempt, &reply),
            Word::Silence => self.dial_again(caller, called),
        }
    }

    fn on_hello(&mut self, caller: NodeId, called: NodeId, attempt: u64, life: u32, hello: &[u8]) {
        if self.node(called).running.is_none() {
            // Nobody listens there: the system refuses the connection at once.
            self.dial_again(caller, called);
            return;
        }
        let hello: Hello = unframed(hello);
        let reply = if let Err(refusal) = self.judge(called, &hello) {
            HelloReply::Refused(refusal)
        } else {
            let incarnation = self.node(called).incarnation.expect("it runs");
            HelloReply::Welcome { protocol: PROTOCOL.max, incarnation }
        };
        self.greet(caller, called, attempt, life, Word::Reply(framed(&reply)));
    }

    /// As the server's listener judges a caller.
    fn judge(&mut self, own: NodeId, hello: &Hello) -> Result<(), HandshakeRefusal> {
        assert!(hello.cluster == CLUSTER, "all nodes are of one cluster");
        assert!(hello.target == own, "a greeting reaches whom it is for");
        self.admit(own, hello.node, hello.incarnation)
            .map_err(|known| HandshakeRefusal::Incarnation { known })
    }

    /// Remembers with which directory a peer came first, and refuses another.
    fn admit(
        &mut self,
        own: NodeId,
        peer: NodeId,
        incarnation: Incarnation,
    ) -> Result<(), Incarnation> {
        let known = *self.node_mut(own).known.entry(peer).or_insert(incarnation);
        if known == incarnation {
            return Ok(());
        }
        self.note(own, Fact::Stranger { peer });
        Err(known)
    }

    fn on_reply(&mut self, caller: NodeId, called: NodeId, attempt: u64, reply: &[u8]) {
        match unframed(reply) {
            HelloReply::Welcome { incarnation, .. } => {
                if self.admit(caller, called, incarnation).is_err() {
                    self.dial_again(caller, called);
                    return;
                }
                let link = self.network.link_mut(caller, called);
                link.session = Session::Open(attempt);
                link.failures = 0;
                self.note(caller, Fact::Connected { peer: called });
            }
            HelloReply::Refused(HandshakeRefusal::Incarnation { .. }) => {
                self.fail(caller, "a peer knows it with another directory");
            }
            HelloReply::Refused(_) => self.dial_again(caller, called),
        }
    }

    fn dial_again(&mut self, from: NodeId, to: NodeId) {
        let life = self.node(from).life;
        let link = self.network.link_mut(from, to);
        link.session = Session::Closed;
        let pause = link.pause();
        link.failures += 1;
        self.queue.push(self.now + pause, Event::Dial { from, to, life });
    }

    /// Breaks the connection on which `from` speaks to `to`, if it is still that one. Both ends
    /// notice in their own time.
    pub(super) fn close(&mut self, from: NodeId, to: NodeId, session: u64) {
        let link = self.network.link_mut(from, to);
        if link.session != Session::Open(session) {
            return;
        }
        link.session = Session::Closed;
        for (node, peer) in [(from, to), (to, from)] {
            let life = self.node(node).life;
            let keys = [from.0, to.0, session, node.0];
            let delay = self.profile.timing.hop.draw(self.draws, NOTICE, keys);
            self.queue.push(self.now + delay, Event::Broken { node, peer, life });
        }
        let life = self.node(from).life;
        self.queue.push(self.now + PAUSE_MIN, Event::Dial { from, to, life });
    }

    /// Breaks the connections of both directions with a peer.
    pub(super) fn hang_up(&mut self, node: NodeId, peer: NodeId) {
        for (from, to) in [(node, peer), (peer, node)] {
            if let Some(session) = self.network.link(from, to).session() {
                self.close(from, to, session);
            }
        }
    }

    /// A process has ended: its connections are closed by the system, and both ends hear of it.
    pub(super) fn close_all(&mut self, node: NodeId) {
        let others: Vec<NodeId> = self.peers_of(node).collect();
        for peer in others {
            self.hang_up(node, peer);
        }
        self.forget_calls(node);
    }

    /// A node is gone without a word: what it dialled is forgotten with it, and its peers go on
    /// talking to nobody.
    pub(super) fn forget_calls(&mut self, node: NodeId) {
        let others: Vec<NodeId> = self.peers_of(node).collect();
        for peer in others {
            self.network.link_mut(node, peer).session = Session::Closed;
        }
    }

    /// A node that is there again refuses what its peers go on sending on connections of before.
    pub(super) fn reset_callers(&mut self, node: NodeId) {
        let others: Vec<NodeId> = self.peers_of(node).collect();
        for peer in others {
            if let Some(session) = self.network.link(peer, node).session() {
                self.close(peer, node, session);
            }
        }
    }

    pub(super) fn on_broken(&mut self, node: NodeId, peer: NodeId, life: u32) {
        if self.node_mut(node).process(life).is_none() {
            return;
        }
        self.steps += 1;
        self.note(node, Fact::Disconnected { peer });
        self.feed(node, OrderingInput::Disconnected(peer));
    }
}

fn framed(word: &impl Wire) -> Bytes {
    let mut bytes = BytesMut::new();
    encode_frame(HANDSHAKE_VERSION, word, &mut bytes).expect("a greeting is short");
    bytes.freeze()
}

fn unframed<T: Wire>(bytes: &[u8]) -> T {
    let mut decoder = FrameDecoder::new(HANDSHAKE_BYTES_MAX);
    decoder.push(bytes);
    let frame = decoder.next_frame().expect("it is intact").expect("it is whole");
    frame.message(HANDSHAKE_VERSION).expect("what was encoded decodes")
}
