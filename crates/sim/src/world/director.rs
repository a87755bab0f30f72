//! Scripted worlds: nothing goes wrong by chance, and messages go as the script says.

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use quorate_codec::peer::PeerMessage;
use quorate_consensus::{Entry, HardState, NodeId, Seed, Status, Write, WriteBatch, WriteId};
use quorate_kv::RangeRequest;
use quorate_replica::{OrderingInput, Ticket};
use quorate_storage::{Options, Survival, open};

use super::World;
use super::clock::SimTime;
use super::faults::FaultId;
use super::network::Flight;
use super::start::{CLUSTER, DIRECTORY};
use super::trace::Fact;
use super::weather::{Front, Weather};
use crate::broken::Broken;
use crate::clients::{Ask, End};
use crate::draws::Chance;
use crate::profile::{Profile, Span};
use crate::protocol::Protocol;

/// Bytes of a log that are read back at once.
const READ_BYTES_MAX: u64 = 1 << 20;

/// Something that happened in a scripted world.
#[derive(Clone, Debug)]
pub enum Happening<M> {
    /// A line of the trace; node zero is the world itself.
    Fact(NodeId, Fact),
    /// A message was sent, and goes its way.
    Sent(NodeId, NodeId, PeerMessage<M>),
    /// The script dropped a message.
    Lost(NodeId, NodeId, PeerMessage<M>),
    /// The script holds a message.
    Held(NodeId, NodeId, PeerMessage<M>),
    /// A node applied an entry.
    Applied(NodeId, Entry),
    /// A request ended, as its client hears.
    Ended(Ticket, End),
}

/// What the script does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They go their way: an exception from later orders.
    Pass,
    /// They never arrive.
    Drop,
    /// They wait until they are released.
    Hold,
}

/// Tells whether a message is meant.
pub type Wanted<M> = Box<dyn Fn(&PeerMessage<M>) -> bool>;

/// An order about messages of a link.
pub struct Order<M> {
    /// Who sends them; anyone if none.
    pub from: Option<NodeId>,
    /// Who is to get them; anyone if none.
    pub to: Option<NodeId>,
    /// Which of them.
    pub is_it: Wanted<M>,
    /// What becomes of them.
    pub fate: Fate,
    /// How many of them.
    pub count: usize,
}

/// What the script has ordered, and what it is told.
pub(super) struct Desk<P: Protocol> {
    orders: Vec<Order<P::Message>>,
    held: Vec<Flight>,
    happened: Vec<(SimTime, Happening<P::Message>)>,
}

impl<P: Protocol> Desk<P> {
    /// Something happened.
    pub(super) fn tell(&mut self, at: SimTime, happening: Happening<P::Message>) {
        self.happened.push((at, happening));
    }

    /// What the script wants done with a message.
    fn fate(&mut self, flight: &Flight, message: &PeerMessage<P::Message>) -> Option<Fate> {
        let is_for = |order: &&mut Order<P::Message>| {
            0 < order.count
                && order.from.is_none_or(|from| from == flight.from)
                && order.to.is_none_or(|to| to == flight.to)
                && (order.is_it)(message)
        };
        let order = self.orders.iter_mut().find(is_for)?;
        order.count -= 1;
        Some(order.fate)
    }
}

impl<P: Protocol> World<P> {
    /// Sends a frame as the script wants it.
    pub(super) fn depart(&mut self, flight: Flight, message: PeerMessage<P::Message>) {
        let Some(desk) = self.desk.as_mut() else { return self.travel(flight) };
        let (from, to) = (flight.from, flight.to);
        match desk.fate(&flight, &message) {
            None | Some(Fate::Pass) => {
                desk.tell(self.now, Happening::Sent(from, to, message));
                self.travel(flight);
            }
            Some(Fate::Hold) => {
                desk.tell(self.now, Happening::Held(from, to, message));
                desk.held.push(flight);
            }
            Some(Fate::Drop) => {
                desk.tell(self.now, Happening::Lost(from, to, message));
                self.miss(&flight, "dropped by the script");
            }
        }
    }
}

/// A world that follows a script.
pub struct Director<P: Protocol> {
    world: World<P>,
    next_ticket: u64,
}

impl<P: Protocol> Director<P> {
    /// A world in which the nodes are about to start. There are no faults and no clients but those
    /// of the script.
    pub fn new(seed: Seed, profile: Profile, broken: Broken) -> Self {
        let mut world = World::new(seed, Profile { clients: None, ..profile }, broken);
        world.desk =
            Some(Box::new(Desk { orders: Vec::new(), held: Vec::new(), happened: Vec::new() }));
        Self { world, next_ticket: 0 }
    }

    /// Gives a node, before it starts for the first time, a log from an earlier life.
    pub fn give_log(&mut self, node: NodeId, hard: HardState, entries: Vec<Entry>) {
        assert!(self.world.steps() == 0, "the run has begun");
        let options = Options {
            segment_bytes: self.world.profile.segment_bytes,
            ..Options::new(CLUSTER, node, P::KIND, self.world.members())
        };
        let disk = Arc::new(self.world.node(node).disk.clone());
        let opened = open(disk, Path::new(DIRECTORY), options);
        let mut opened = opened.unwrap_or_else(|error| panic!("a new directory opens: {error}"));
        let mut writes = vec![Write::Hard(hard)];
        if !entries.is_empty() {
            writes.push(Write::Put(entries.into()));
        }
        let written = opened.wal.append(&[WriteBatch { id: WriteId(1), writes }]);
        assert!(written.is_ok(), "a new log takes its first batch");
    }

    /// The world as it is.
    pub fn world(&self) -> &World<P> {
        &self.world
    }

    /// The world, to do something to it.
    pub fn world_mut(&mut self) -> &mut World<P> {
        &mut self.world
    }

    /// Lets the next event happen, if it comes no later.
    fn step_until(&mut self, end: SimTime) -> bool {
        if self.world.queue.next_at().is_none_or(|at| end < at) {
            return false;
        }
        self.world.guarded(|world| {
            world.step();
        });
        let now = self.world.now();
        for (ticket, end) in self.world.take_ended() {
            self.desk().tell(now, Happening::Ended(ticket, end));
        }
        true
    }

    /// Lets time pass. A violation does not end it.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.world.now() + duration;
        while self.step_until(end) {}
        self.world.now = end;
    }

    /// Lets time pass until something holds; false if it does not within that time.
    pub fn run_until(&mut self, limit: Duration, is_met: impl Fn(&Self) -> bool) -> bool {
        let end = self.world.now() + limit;
        while !is_met(self) {
            if !self.step_until(end) {
                self.world.now = end;
                return false;
            }
        }
        true
    }

    /// What happened since the last call.
    pub fn take_happened(&mut self) -> Vec<(SimTime, Happening<P::Message>)> {
        core::mem::take(&mut self.desk().happened)
    }

    /// A node campaigns now.
    pub fn campaign(&mut self, node: NodeId) {
        self.world.feed(node, OrderingInput::Campaign);
    }

    /// Kills a node's process between two pieces of work of its disk: all it wrote stays.
    pub fn kill(&mut self, node: NodeId) {
        self.world.end_process(node, "killed");
        self.world.close_all(node);
        self.world.node(node).disk.kill();
    }

    /// Cuts a node's power: nothing survives that was not synced, and nobody tells its peers.
    pub fn cut_power(&mut self, node: NodeId) {
        self.world.end_process(node, "lost power");
        self.world.forget_calls(node);
        self.world.node(node).disk.crash(Survival::Lost);
    }

    /// A client asks a node; the ticket names the request.
    pub fn ask(&mut self, node: NodeId, ask: Ask) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.world.ask(node, ticket, ask);
        ticket
    }

    /// Does something with messages that are sent from now on.
    pub fn order(&mut self, order: Order<P::Message>) {
        self.desk().orders.push(order);
    }

    /// No order holds any more. What was held goes on its way.
    pub fn release(&mut self) {
        self.desk().orders.clear();
        for flight in core::mem::take(&mut self.desk().held) {
            self.world.travel(flight);
        }
    }

    /// No order holds any more. What was held is lost.
    pub fn drop_held(&mut self) {
        self.desk().orders.clear();
        self.desk().held.clear();
    }

    /// How many messages are held.
    pub fn held(&self) -> usize {
        self.world.desk.as_ref().map_or(0, |desk| desk.held.len())
    }

    /// Nothing passes from one node to the other.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        if self.world.network.link(from, to).cuts == 0 {
            self.world.cut(from, to);
        }
    }

    /// Everything passes again from one node to the other.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        while 0 < self.world.network.link(from, to).cuts {
            self.world.mend(from, to);
        }
    }

    /// From now on some frames arrive twice, the second one up to so much later.
    pub fn double(&mut self, chance: Chance, later: Span) {
        let weather = Weather::Duplicate(chance, later);
        self.world.network.fronts.push(Front { fault: FaultId(0), weather, links: u128::MAX });
    }

    /// A node's disk takes so many times longer than usual.
    pub fn slow_disk(&mut self, node: NodeId, factor: u32) {
        self.world.node_mut(node).disk_factor = factor;
    }

    /// What a node's engine tells of itself; none while it has no process.
    pub fn status(&self, node: NodeId) -> Option<Status> {
        let running = self.world.node(node).running.as_deref()?;
        Some(running.ordering.status())
    }

    /// The entries that are durable in a node's log, which may have holes; none while it has no
    /// process.
    pub fn entries(&self, node: NodeId) -> Option<Vec<Entry>> {
        let status = self.status(node)?;
        let running = self.world.node(node).running.as_deref()?;
        let mut next = status.compacted.next();
        let mut entries = Vec::new();
        while next <= status.last {
            let read = running.reader.read(next, status.last, READ_BYTES_MAX);
            entries.extend(read.unwrap_or_default());
            next = entries.last().map_or(next, |entry: &Entry| entry.index).max(next).next();
        }
        Some(entries)
    }

    /// What a node's state machine has for a key; none while it has no process or no such key.
    pub fn value(&self, node: NodeId, key: &str) -> Option<String> {
        let running = self.world.node(node).running.as_deref()?;
        let key = bytes::Bytes::copy_from_slice(key.as_bytes());
        let request = RangeRequest { key, ..RangeRequest::default() };
        let range = running.applying.store().range(&request).ok()?.ok()?;
        let found = range.kvs.first()?;
        Some(String::from_utf8_lossy(&found.value).into_owned())
    }

    fn desk(&mut self) -> &mut Desk<P> {
        self.world.desk.as_mut().expect("a director's world has a desk")
    }
}

#[cfg(test)]
mod tests {
    use quorate_consensus::raft::Body;
    use quorate_consensus::{Ballot, ClusterTime, Index, Payload, Promise, Role};
    use quorate_kv::{Command, PutRequest};

    use super::*;
    use crate::protocol::RaftProtocol;

    const MS: Duration = Duration::from_millis(1);
    const LEADER: NodeId = NodeId(1);

    fn directed() -> Director<RaftProtocol> {
        Director::new(Seed(1), Profile::calm(), Broken::NOTHING)
    }

    fn lead(director: &mut Director<RaftProtocol>) {
        director.run_for(20 * MS);
        director.campaign(LEADER);
        assert!(director.run_until(100 * MS, |it| {
            it.status(LEADER).is_some_and(|status| status.role == Role::Leader)
        }));
    }

    fn put(director: &mut Director<RaftProtocol>, value: &'static str) -> Ticket {
        let put = PutRequest { key: "x".into(), value: value.into(), ..PutRequest::default() };
        director.ask(LEADER, Ask::Command(Command::Put(put)))
    }

    fn is_append(message: &PeerMessage<quorate_consensus::raft::Message>) -> bool {
        matches!(message, PeerMessage::Engine(engine) if matches!(engine.body, Body::Append { .. }))
    }

    #[test]
    fn a_held_message_arrives_when_it_is_released() {
        let mut director = directed();
        lead(&mut director);
        director.run_for(100 * MS);
        let order = Order {
            from: Some(LEADER),
            to: None,
            is_it: Box::new(is_append),
            fate: Fate::Hold,
            count: 9,
        };
        director.order(order);
        put(&mut director, "1");
        director.run_for(5 * MS);
        assert!(0 < director.held());
        assert_eq!(director.value(LEADER, "x"), None);
        director.release();
        director.run_for(10 * MS);
        assert_eq!(director.value(LEADER, "x"), Some("1".to_owned()));
        assert_eq!(director.world().violation(), None);
    }

    #[test]
    fn what_is_dropped_is_told_and_sent_again() {
        let mut director = directed();
        lead(&mut director);
        director.run_for(100 * MS);
        let order = Order {
            from: Some(LEADER),
            to: None,
            is_it: Box::new(is_append),
            fate: Fate::Drop,
            count: 2,
        };
        director.order(order);
        director.take_happened();
        let ticket = put(&mut director, "1");
        director.run_for(2_000 * MS);
        let happened = director.take_happened();
        let is_lost = |it: &&(SimTime, Happening<_>)| matches!(it.1, Happening::Lost(..));
        assert_eq!(happened.iter().filter(is_lost).count(), 2);
        let has_ended = happened
            .iter()
            .any(|it| matches!(it.1, Happening::Ended(ended, End::Answer(_)) if ended == ticket));
        assert!(has_ended, "the write is answered in the end");
        assert_eq!(director.value(NodeId(3), "x"), Some("1".to_owned()));
    }

    #[test]
    fn a_cut_link_carries_nothing_until_it_is_mended() {
        let mut director = directed();
        lead(&mut director);
        for other in [NodeId(2), NodeId(3)] {
            director.cut(LEADER, other);
        }
        director.run_for(50 * MS);
        put(&mut director, "1");
        director.run_for(100 * MS);
        assert_eq!(director.value(LEADER, "x"), None);
        for other in [NodeId(2), NodeId(3)] {
            director.mend(LEADER, other);
        }
        director.run_for(5_000 * MS);
        assert_eq!(director.value(LEADER, "x"), Some("1".to_owned()));
    }

    #[test]
    fn a_log_from_an_earlier_life_is_there_at_the_start() {
        let mut director = directed();
        let ballot = Ballot { round: 3, node: NodeId(2) };
        let entry = Entry {
            index: Index(1),
            ballot,
            born: ballot,
            id: None,
            time: ClusterTime(0),
            payload: Payload::Noop,
        };
        let promise = Promise { round: 3, to: None };
        let hard = HardState { promise, committed: Index::ZERO };
        director.give_log(NodeId(2), hard, vec![entry.clone()]);
        director.run_for(20 * MS);
        assert_eq!(director.entries(NodeId(2)), Some(vec![entry]));
        assert_eq!(director.entries(LEADER), Some(Vec::new()));
        director.campaign(NodeId(2));
        director.run_for(100 * MS);
        assert_eq!(director.status(NodeId(1)).map(|status| status.last), Some(Index(2)));
        assert_eq!(director.world().violation(), None);
    }
}
