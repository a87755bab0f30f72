//! The simulated world: nodes, network, disks and clocks in one thread, driven by one seed.
//!
//! Everything that happens is an event in one queue, ordered by time and then by the order of
//! making. The nodes' halves are the server's, and are driven as its threads drive them: feed all
//! that waits, drain once, write and sync, acknowledge.

mod client;
pub mod clock;
pub mod director;
mod event;
pub mod faults;
mod halves;
mod inject;
mod link;
mod liveness;
mod log_disk;
mod network;
mod node;
mod rot;
mod run;

mod start;
mod store_disk;
mod strike;
pub mod topology;
pub mod trace;
mod watching;
mod weather;

use core::time::Duration;
use std::collections::BTreeMap;

use quorate_consensus::{Index, NodeId, Seed};
use quorate_kv::{StateHash, StreamId};
use quorate_replica::Ticket;

use crate::broken::Broken;
use crate::check::{Checks, Violation};
use crate::draws::Draws;
use crate::marks::{Mark, Marks};
use crate::profile::Profile;
use crate::protocol::Protocol;

use crate::clients::{Clients, End, Watchers};
pub use clock::SimTime;
use event::{Event, Queue, Turn};
use faults::{Fault, FaultId, FaultKind};
pub use inject::Crash;
pub use liveness::Excuse;
use network::Network;
use node::Node;
pub use node::Standing;
pub use run::{Found, Options, Report, run};
use topology::Topology;
use trace::{Fact, Line, Trace};
use watching::Connection;

/// A cluster and everything around it.
pub struct World<P: Protocol> {
    draws: Draws,
    profile: Profile,
    broken: Broken,
    now: SimTime,
    queue: Queue,
    nodes: Vec<Node<P>>,
    network: Network,
    checks: Checks<P>,
    trace: Trace,
    /// Events that did something, so far.
    steps: u64,
    clients: Option<Clients>,
    /// When the clients look at the time next.
    clients_at: Turn,
    watchers: Option<Watchers>,
    /// When the clients that watch look at the time next.
    watchers_at: Turn,
    connections: BTreeMap<StreamId, Connection>,
    schedule: BTreeMap<FaultId, Fault>,
    /// The links that faults in force have cut.
    cuts: BTreeMap<FaultId, Vec<(NodeId, NodeId)>>,
    /// The nodes that faults in force have hit.
    hit: BTreeMap<FaultId, NodeId>,
    /// How often the network was cut into each shape.
    shapes: BTreeMap<Topology, u64>,
    marks: Marks,
    /// The step at which the run ends, if not by itself.
    until: Option<u64>,
    /// Whether faults are over.
    is_healed: bool,
    /// How many faults of each kind have struck.
    struck: BTreeMap<FaultKind, u64>,
    /// The last ticket used by the world itself.
    tickets: u64,
    /// Ends of requests that are not the clients', for whoever asked.
    ended: Vec<(Ticket, End)>,
    /// The desk of a director, if the run follows a script.
    desk: Option<Box<director::Desk<P>>>,
}

impl<P: Protocol> World<P> {
    /// A world in which all nodes are about to start for the first time.
    pub fn new(seed: Seed, profile: Profile, broken: Broken) -> Self {
        let count = u64::from(profile.nodes());
        assert!((1..=9).contains(&profile.voters), "a cluster has one to nine voters");
        let nodes = (1..=count).map(|id| Node::new(NodeId(id))).collect();
        let draws = Draws::new(seed);
        let searched = profile.clients.as_ref().map(|plan| plan.searched_keys(draws));
        let limits = profile.watch_limits();
        let mut world = Self {
            draws,
            broken,
            now: SimTime::default(),
            queue: Queue::default(),
            nodes,
            network: Network::new(count),
            checks: Checks::new(searched.unwrap_or_default(), limits),
            trace: Trace::new(),
            steps: 0,
            clients: None,
            clients_at: Turn::default(),
            watchers: None,
            watchers_at: Turn::default(),
            connections: BTreeMap::new(),
            schedule: BTreeMap::new(),
            cuts: BTreeMap::new(),
            hit: BTreeMap::new(),
            shapes: BTreeMap::new(),
            marks: Marks::default(),
            until: None,
            is_healed: false,
            struck: BTreeMap::new(),
            tickets: 0,
            ended: Vec::new(),
            desk: None,
            profile,
        };
        world.begin_clients();
        world.begin_watchers();
        world.begin_faults();
        for id in 1..=count {
            world.queue.push(SimTime::default(), Event::Start { node: NodeId(id), life: 0 });
        }
        world
    }

    /// The world's time.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// How many events did something so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The hash over everything that happened so far.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// The last lines of the trace, oldest first.
    pub fn lines(&self) -> Vec<Line> {
        self.trace.lines()
    }

    /// Has every line of the trace from now on told to a listener as well.
    pub fn listen(&mut self, listener: trace::Listener) {
        self.trace.listen(listener);
    }

    /// The first invariant that was broken, if any was.
    pub fn violation(&self) -> Option<&Violation> {
        self.checks.violation()
    }

    /// Where a node stands.
    pub fn standing(&self, node: NodeId) -> Standing {
        self.node(node).standing
    }

    /// Lets the next event happen. False if there is none.
    pub fn step(&mut self) -> bool {
        let Some((at, event)) = self.queue.pop() else { return false };
        assert!(self.now <= at, "time never goes back");
        self.come_to(at);
        self.happen(event);
        true
    }

    /// Time has come to this moment, of which the checks hear before anything else happens in it.
    fn come_to(&mut self, at: SimTime) {
        self.now = at;
        self.checks.on_time(at.instant());
    }

    /// Lets time pass, until an invariant is found broken.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.guarded(|world| world.run_until(end));
    }

    fn run_until(&mut self, end: SimTime) {
        while self.queue.next_at().is_some_and(|at| at <= end) {
            if self.violation().is_some() || self.is_over() {
                return;
            }
            self.step();
        }
        self.come_to(self.now.max(end));
    }

    fn happen(&mut self, event: Event) {
        if let Some(node) = event.process()
            && self.node(node).standing == Standing::Paused
        {
            self.node_mut(node).deferred.push(event);
            return;
        }
        if let Some(node) = event.disk()
            && self.now < self.node(node).stalled_until
        {
            self.queue.push(self.node(node).stalled_until, event);
            return;
        }
        match event {
            Event::Order { node, life } => self.on_order(node, life),
            Event::Apply { node, life } => self.on_apply(node, life),
            Event::LogWritten { node, life } => self.on_log_written(node, life),
            Event::LogRetry { node, life } => self.on_log_retry(node, life),
            Event::Reserved { node, life } => self.on_reserved(node, life),
            Event::Fetched { node, life, fetch } => self.on_fetched(node, life, fetch),
            Event::Stored { node, life } => self.on_stored(node, life),
            Event::Arrival(flight) => self.on_arrival(*flight),
            Event::Dial { from, to, life } => self.on_dial(from, to, life),
            Event::Greeting(greeting) => self.on_greeting(*greeting),
            Event::Broken { node, peer, life } => self.on_broken(node, peer, life),
            Event::Asked { node, ticket, ask } => self.on_asked(node, ticket, *ask),
            Event::Told { ticket, end } => self.on_told(ticket, *end),
            Event::Clients => self.on_clients(),
            Event::Watchers => self.on_watchers(),
            Event::StreamSaid { node, stream } => self.on_stream_said(node, stream),
            Event::StreamTold { stream } => self.on_stream_told(stream),
            Event::StreamLost { stream } => self.on_stream_lost(stream),
            Event::Start { node, life } => self.on_start_due(node, life),
            Event::Fault(fault) => self.on_fault(fault),
            Event::FaultEnds(fault) => self.on_fault_ends(fault),
            Event::FaultStep { fault, step } => self.on_fault_step(fault, step),
        }
    }

    fn on_start_due(&mut self, node: NodeId, life: u32) {
        if self.node(node).life == life {
            self.steps += 1;
            self.start(node);
        }
    }

    /// What a node has applied, and its state's hash there; none while it has no process.
    pub fn applied(&self, node: NodeId) -> Option<(Index, StateHash)> {
        let running = self.node(node).running.as_ref()?;
        Some((running.applying.applied(), running.applying.store().state_hash()))
    }

    fn node(&self, node: NodeId) -> &Node<P> {
        &self.nodes[slot(node)]
    }

    fn node_mut(&mut self, node: NodeId) -> &mut Node<P> {
        &mut self.nodes[slot(node)]
    }

    fn note(&mut self, node: NodeId, fact: Fact) {
        if let Some(mark) = Mark::of(&fact) {
            self.marks.hit(mark);
        }
        if let Some(desk) = &mut self.desk {
            desk.tell(self.now, director::Happening::Fact(node, fact));
        }
        self.trace.note(Line { at: self.now, step: self.steps, node, fact });
    }
}

/// Where the node is among the nodes, which are numbered from 1.
fn slot(node: NodeId) -> usize {
    (node.0 - 1) as usize
}

#[cfg(test)]
mod tests;
