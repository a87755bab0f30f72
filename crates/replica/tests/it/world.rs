//! A cluster in one thread: nodes, a network of encoded messages, one clock, and what must hold.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use quorate_codec::peer::{PeerMessage, SnapshotMessage, TransferId};
use quorate_codec::{FrameDecoder, PAYLOAD_BYTES_MAX, PROTOCOL, encode_command, encode_frame};
use quorate_consensus::raft::Message;
use quorate_consensus::{Ballot, Config, Index, Instant, Members, NodeId, StorageState};
use quorate_kv::{Command, LeaseId, PutRequest, Response, StateHash};
use quorate_replica::{
    Answer, CommitPolicy, Limits, OrderingInput, ReadRequest, ReadResponse, Ticket,
};

use crate::mutants::Broken;
use crate::node::{End, Node, Setup};

pub(crate) type Peer = PeerMessage<Message>;

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    frame: Bytes,
}

impl Flight {
    pub(crate) fn new(from: NodeId, to: NodeId, message: &Peer) -> Self {
        let mut frame = BytesMut::new();
        encode_frame(PROTOCOL.max, message, &mut frame).expect("every message fits its frame");
        Self { from, to, frame: frame.freeze() }
    }

    pub(crate) fn message(&self) -> Peer {
        let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
        decoder.push(&self.frame);
        let frame = decoder.next_frame().expect("it is intact").expect("it is whole");
        frame.message(PROTOCOL.max).expect("what was encoded decodes")
    }
}

/// A write that a client asked for: a put of a key of its own, so that its version counts how
/// often it happened.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) key: Bytes,
}

/// Everything that exists in a test.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) network: Vec<Flight>,
    /// Messages of this kind are kept in `kept` instead of being sent.
    pub(crate) keeps: Option<fn(&Flight, &Peer) -> bool>,
    pub(crate) kept: Vec<Flight>,
    /// Nodes that no message reaches or leaves.
    pub(crate) isolated: BTreeSet<NodeId>,
    pub(crate) ends: BTreeMap<Ticket, End>,
    pub(crate) writes: BTreeMap<Ticket, Written>,
    /// Peers that were blamed, and by whom.
    pub(crate) blamed: Vec<(NodeId, NodeId, &'static str)>,
    /// The snapshots that were offered: by whom, to whom, and under which name.
    pub(crate) offers: BTreeSet<(NodeId, NodeId, TransferId)>,
    /// Pieces of snapshots that were sent.
    pub(crate) chunks: usize,
    /// The lowest revision that each open read may be answered with.
    floors: BTreeMap<Ticket, i64>,
    /// The highest revision that any client has seen.
    seen: i64,
    hashes: BTreeMap<Index, StateHash>,
    next_ticket: u64,
}

pub(crate) const ELECTION_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn setup() -> Setup {
    Setup {
        config: Config::new(NodeId(1)),
        limits: Limits::new(ELECTION_TIMEOUT),
        policy: CommitPolicy::default(),
        store: quorate_kv::Config::default(),
        tail_max: 4,
        broken: Broken::here(),
    }
}

impl World {
    /// Nodes `1..=count`, up.
    pub(crate) fn new(count: u64, setup: &Setup) -> Self {
        Self::of((1..=count).map(|id| (NodeId(id), setup.clone())))
    }

    /// Three nodes, of which the first leads.
    pub(crate) fn led() -> Self {
        let mut world = Self::new(3, &setup());
        world.lead(1);
        world
    }

    pub(crate) fn of(setups: impl IntoIterator<Item = (NodeId, Setup)>) -> Self {
        let setups: Vec<_> = setups.into_iter().collect();
        let members = Members::of_voters(setups.iter().map(|(id, _)| *id));
        let now = Instant::from_micros(1_000);
        let mut nodes = BTreeMap::new();
        for (id, setup) in setups {
            let mut node = Node::new(id, setup, members.clone());
            node.start(now);
            nodes.insert(id, node);
        }
        Self {
            now,
            nodes,
            network: Vec::new(),
            keeps: None,
            kept: Vec::new(),
            isolated: BTreeSet::new(),
            ends: BTreeMap::new(),
            writes: BTreeMap::new(),
            blamed: Vec::new(),
            offers: BTreeSet::new(),
            chunks: 0,
            floors: BTreeMap::new(),
            seen: 0,
            hashes: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    pub(crate) fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&NodeId(id)).expect("the node exists")
    }

    pub(crate) fn is_up(&self, id: NodeId) -> bool {
        self.nodes[&id].up.is_some()
    }

    pub(crate) fn ups(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().filter(|id| self.is_up(*id)).collect()
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// A put of a fresh key.
    pub(crate) fn write(&mut self, id: u64) -> Ticket {
        self.write_of(id, Bytes::from_static(b"value"))
    }

    pub(crate) fn write_of(&mut self, id: u64, value: Bytes) -> Ticket {
        let key = Bytes::from(format!("w{}", self.next_ticket + 1));
        let put = PutRequest { key: key.clone(), value, ..PutRequest::default() };
        let ticket = self.command(id, &Command::Put(put));
        self.writes.insert(ticket, Written { key });
        ticket
    }

    pub(crate) fn command(&mut self, id: u64, command: &Command) -> Ticket {
        let ticket = self.ticket();
        let command = encode_command(command);
        self.node(id).running().open.insert(ticket, None);
        self.node(id).input(OrderingInput::Write { ticket, command });
        ticket
    }

    /// A linearizable read of the revision.
    pub(crate) fn read(&mut self, id: u64) -> Ticket {
        self.read_of(id, ReadRequest::Revision)
    }

    pub(crate) fn read_of(&mut self, id: u64, request: ReadRequest) -> Ticket {
        let ticket = self.ticket();
        self.floors.insert(ticket, self.seen);
        self.node(id).running().open.insert(ticket, Some(request));
        self.node(id).input(OrderingInput::Read { ticket });
        ticket
    }

    /// A wish to keep a lease alive.
    pub(crate) fn renew(&mut self, id: u64, lease: i64) -> Ticket {
        let (ticket, lease) = (self.ticket(), LeaseId(lease));
        self.node(id).running().open.insert(ticket, None);
        self.node(id).input(OrderingInput::Renew { ticket, lease });
        ticket
    }

    pub(crate) fn crash(&mut self, id: u64) {
        self.node(id).crash();
        self.collect(NodeId(id));
    }

    pub(crate) fn start(&mut self, id: u64) {
        let now = self.now;
        self.node(id).start(now);
        self.pump(NodeId(id));
    }

    /// Lets a node come to rest, and takes what it says.
    pub(crate) fn pump(&mut self, id: NodeId) {
        let now = self.now;
        self.nodes.get_mut(&id).expect("the node exists").pump(now);
        self.collect(id);
    }

    pub(crate) fn pump_all(&mut self) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in ids {
            self.pump(id);
        }
    }

    fn collect(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("the node exists");
        let output = core::mem::take(&mut node.output);
        for (index, hash) in output.hashes {
            let known = *self.hashes.entry(index).or_insert(hash);
            assert_eq!(known, hash, "{id} diverged at {index}");
        }
        for (to, message) in output.messages {
            let flight = Flight::new(id, to, &message);
            self.count(&flight, &message);
            let is_kept = self.keeps.is_some_and(|keeps| keeps(&flight, &message));
            let flights = if is_kept { &mut self.kept } else { &mut self.network };
            flights.push(flight);
        }
        let blames = output.misbehaved.into_iter();
        self.blamed.extend(blames.map(|blame| (id, blame.peer, blame.reason)));
        for (ticket, end) in output.ends {
            self.end(ticket, end);
        }
    }

    fn count(&mut self, flight: &Flight, message: &Peer) {
        match message {
            PeerMessage::Snapshot(SnapshotMessage::Offer { transfer, .. }) => {
                self.offers.insert((flight.from, flight.to, *transfer));
            }
            PeerMessage::Snapshot(SnapshotMessage::Chunk(_)) => self.chunks += 1,
            _ => {}
        }
    }

    fn end(&mut self, ticket: Ticket, end: End) {
        let floor = self.floors.remove(&ticket);
        if let End::Answer(answer) = &end
            && let Some(revision) = revision_of(answer)
        {
            let floor = floor.unwrap_or(0);
            assert!(floor <= revision, "{ticket:?} read {revision}, but {floor} was seen before");
            self.seen = self.seen.max(revision);
        }
        let earlier = self.ends.insert(ticket, end);
        assert!(earlier.is_none(), "{ticket:?} ended twice: {earlier:?}");
    }

    /// Delivers one message, if anyone is there to take it.
    pub(crate) fn deliver(&mut self, flight: &Flight) {
        let is_cut = self.isolated.contains(&flight.from) || self.isolated.contains(&flight.to);
        if is_cut || !self.nodes.contains_key(&flight.to) {
            return;
        }
        let (from, message) = (flight.from, flight.message());
        self.nodes.get_mut(&flight.to).expect("it was just found").receive(from, message);
        self.pump(flight.to);
    }

    /// Sends a message that no node made.
    pub(crate) fn forge(&mut self, from: u64, to: u64, message: &Peer) {
        self.deliver(&Flight::new(NodeId(from), NodeId(to), message));
    }

    /// Sends on what was kept, and keeps nothing more.
    pub(crate) fn release(&mut self) {
        self.keeps = None;
        let kept = core::mem::take(&mut self.kept);
        self.network.extend(kept);
        self.settle();
    }

    /// Lets everything happen that needs no time.
    pub(crate) fn settle(&mut self) {
        self.pump_all();
        for _ in 0..1_000_000 {
            if self.network.is_empty() {
                return;
            }
            let flight = self.network.remove(0);
            self.deliver(&flight);
        }
        panic!("the network never comes to rest");
    }

    /// Delivers some of what is in flight, oldest first.
    pub(crate) fn settle_some(&mut self, count: usize) {
        for _ in 0..count.min(self.network.len()) {
            let flight = self.network.remove(0);
            self.deliver(&flight);
        }
    }

    /// Moves the clock to the next deadline, at most to `upto`.
    pub(crate) fn advance(&mut self, upto: Instant) {
        let now = self.now;
        let next = self.nodes.values().filter_map(|node| node.deadline(now)).min();
        // A deadline that has come and is held up by the test does not stop the clock.
        let least = now + Duration::from_micros(100);
        self.now = next.map_or(upto, |next| next.max(least)).min(upto);
        self.pump_all();
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while self.now < end {
            self.advance(end);
            self.settle();
        }
    }

    pub(crate) fn run_millis(&mut self, millis: u64) {
        self.run(Duration::from_millis(millis));
    }

    /// Lets time pass until something is so.
    pub(crate) fn run_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        for _ in 0..3_000 {
            if is_so(self) {
                return;
            }
            self.run_millis(20);
        }
        panic!("never happened: {what}");
    }

    /// The ballot of the node that leads and can serve.
    pub(crate) fn leader(&self) -> Option<Ballot> {
        let leads = |node: &Node| {
            let ordering = &node.up.as_ref()?.ordering;
            let status = ordering.status();
            ordering.leader().filter(|it| it.node == node.id && status.can_serve_reads)
        };
        self.nodes.values().filter_map(leads).max()
    }

    /// Makes a node the leader.
    pub(crate) fn lead(&mut self, id: u64) {
        self.run_until("a leader", |world| world.leader().is_some());
        let leader = self.leader().expect("it was just seen");
        if leader.node != NodeId(id) {
            self.transfer(leader.node.0, id);
        }
        self.run_until("the transfer", |world| {
            world.leader().is_some_and(|leader| leader.node == NodeId(id))
        });
        self.run_millis(200);
    }

    /// Asks a node to hand leadership over.
    pub(crate) fn transfer(&mut self, from: u64, to: u64) -> Ticket {
        let ticket = self.ticket();
        self.node(from).running().open.insert(ticket, None);
        self.node(from).input(OrderingInput::Transfer { ticket, to: NodeId(to) });
        ticket
    }

    pub(crate) fn has_ended(&self, ticket: Ticket) -> bool {
        self.ends.contains_key(&ticket)
    }

    #[track_caller]
    pub(crate) fn assert_put(&self, ticket: Ticket) {
        assert!(self.is_put(ticket), "{ticket:?}: {:?}", self.ends.get(&ticket));
    }

    pub(crate) fn is_put(&self, ticket: Ticket) -> bool {
        matches!(self.ends.get(&ticket), Some(End::Answer(Answer::Command(Ok(Response::Put(_))))))
    }

    #[track_caller]
    pub(crate) fn assert_read(&self, ticket: Ticket) {
        let end = self.ends.get(&ticket);
        assert!(matches!(end, Some(End::Answer(Answer::Read(Ok(_))))), "{ticket:?}: {end:?}");
    }

    /// How often a write happened, as a node sees it.
    pub(crate) fn version(&mut self, id: u64, ticket: Ticket) -> i64 {
        let key = self.writes[&ticket].key.clone();
        let store = self.node(id).running().applying.store();
        let found = store.key_at(&key, 0).expect("memory is sound").expect("it is readable");
        found.map_or(0, |found| found.version)
    }

    /// Heals everything, and checks every write against what all nodes then hold.
    pub(crate) fn heal_and_check(&mut self) {
        self.isolated.clear();
        self.keeps = None;
        self.kept.clear();
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.node(id.0).holds = crate::node::Holds::default();
            if !self.is_up(id) {
                self.start(id.0);
            }
            self.node(id.0).input(OrderingInput::Storage(StorageState::Writable));
        }
        self.run_until("all requests end", |world| {
            world.nodes.values().all(|node| node.up.as_ref().is_some_and(|up| up.open.is_empty()))
        });
        self.run_until("all nodes agree", |world| {
            let mut positions: Vec<Index> = world
                .nodes
                .values()
                .filter_map(|node| Some(node.up.as_ref()?.applying.applied()))
                .collect();
            positions.dedup();
            positions.len() == 1 && world.leader().is_some()
        });
        for id in self.ups() {
            self.check_writes(id.0);
        }
    }

    fn check_writes(&mut self, id: u64) {
        for ticket in self.writes.keys().copied().collect::<Vec<_>>() {
            let version = self.version(id, ticket);
            match &self.ends[&ticket] {
                End::Answer(Answer::Command(Ok(_))) => {
                    assert_eq!(version, 1, "{ticket:?} was acknowledged");
                }
                End::Ending(ending) if is_definite(*ending) => {
                    assert_eq!(version, 0, "{ticket:?} was refused: {ending:?}");
                }
                end => assert!(version <= 1, "{ticket:?} happened {version} times: {end:?}"),
            }
        }
    }
}

fn is_definite(ending: quorate_replica::Ending) -> bool {
    matches!(ending, quorate_replica::Ending::Refused(_) | quorate_replica::Ending::NoLeader)
}

fn revision_of(answer: &Answer) -> Option<i64> {
    match answer {
        Answer::Command(Ok(Response::Put(put))) => Some(put.revision),
        Answer::Read(Ok(ReadResponse::Revision(revision))) => Some(*revision),
        Answer::Read(Ok(ReadResponse::Range(range))) => Some(range.revision),
        _ => None,
    }
}
