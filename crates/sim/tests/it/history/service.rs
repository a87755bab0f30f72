//! A service without consensus, for the checks alone: one log, and nodes that follow it at their
//! own pace over the real store. It keeps every promise, or breaks one now and then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_codec::{decode_command, encode_command};
use quorate_consensus::{Index, Instant, NodeId, Refusal, Seed};
use quorate_kv::{
    Command, CommandError, Config, Context, LogPosition, MemoryMap, Response, Store, Strict,
};
use quorate_replica::{Answer, Ending, ReadRequest, ReadResponse, Ticket};
use quorate_sim::check::history::{History, Violation};
use quorate_sim::clients::{Ask, Clients, End, Kind, OperationId, Plan, Reachable, Request};
use quorate_sim::draws::Chance;
use quorate_sim::{Draws, Site};

/// A promise that the service breaks now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// A linearizable read is answered from what the node has, as a serializable one.
    StaleRead,
    /// A write is acknowledged and dropped.
    AcknowledgedWithoutCommit,
    /// A write is refused and done.
    RefusedAndDone,
    /// A write is done twice.
    DoneTwice,
    /// A node answers a serializable read from a state it has left behind.
    GoesBack,
    /// A node answers by a state that is not committed.
    Foretells,
    /// An answer names a wrong revision.
    WrongRevision,
    /// A read leaves out a key.
    MissingKey,
    /// A request ends twice.
    EndsTwice,
    /// A write happens that nobody asked for.
    Invented,
}

/// What happens at some time.
enum Event {
    /// A command takes its place in the log, or is refused, or vanishes.
    Decide(Request),
    /// A node has what the request needs, and answers.
    Answer {
        request: Request,
        at: usize,
    },
    /// A request ends.
    End {
        ticket: Ticket,
        end: End,
    },
    Crash(NodeId),
}

struct Node {
    store: Store<Strict>,
    applied: usize,
    /// What it answered to the commands that it took.
    outcomes: BTreeMap<usize, Result<Response, CommandError>>,
}

impl Node {
    fn new() -> Self {
        let store = Store::open(Arc::new(MemoryMap::new()), Config::default(), Strict);
        let store = store.expect("a fresh map opens");
        Self { store, applied: 0, outcomes: BTreeMap::new() }
    }

    fn apply_upto(&mut self, log: &[Bytes], end: usize) {
        while self.applied < end {
            let command = decode_command(log[self.applied].clone()).expect("it was encoded");
            let position = LogPosition { index: self.applied as u64 + 1, round: 1, node: 1 };
            let context = Context { position, ..Context::default() };
            let outcome = self.store.apply(context, &command).expect("memory is sound");
            self.outcomes.insert(self.applied, outcome);
            self.applied += 1;
        }
    }

    fn read(&mut self, request: &ReadRequest) -> Result<ReadResponse, CommandError> {
        match request {
            ReadRequest::Range(range) => {
                self.store.range(range).expect("memory is sound").map(ReadResponse::Range)
            }
            ReadRequest::Txn(txn) => {
                self.store.read_txn(txn).expect("memory is sound").map(ReadResponse::Txn)
            }
            ReadRequest::Revision => Ok(ReadResponse::Revision(self.store.revision())),
            ReadRequest::Hash { .. } => unreachable!("clients ask for no hash"),
            ReadRequest::Lease { .. } | ReadRequest::Leases | ReadRequest::KeepAlive { .. } => {
                unreachable!("clients ask for no leases")
            }
        }
    }
}

/// A run of the service with its clients.
pub(crate) struct Service {
    draws: Draws,
    flaw: Flaw,
    pub(crate) clients: Clients,
    pub(crate) history: History,
    pub(crate) requests: Vec<Request>,
    log: Vec<Bytes>,
    nodes: BTreeMap<NodeId, Node>,
    open: BTreeMap<Ticket, NodeId>,
    events: BTreeMap<(Instant, u64), Event>,
    now: Instant,
    drawn: u64,
    latency: Duration,
    faults: Chance,
}

/// What the service does not do: no time passes in it.
const LEASES: [Kind; 6] =
    [Kind::Grant, Kind::PutLeased, Kind::KeepAlive, Kind::Revoke, Kind::TimeToLive, Kind::Leases];

const SITE: Site = Site::new("test/service");

impl Service {
    pub(crate) fn new(seed: u64, mut plan: Plan, flaw: Flaw) -> Self {
        plan.mix = plan.mix.only(|kind| !LEASES.contains(&kind));
        let draws = Draws::new(Seed(seed));
        let keys: Vec<Bytes> = (0..4).map(|index| plan.hot_key(draws, index)).collect();
        let nodes = (1..=3).map(|node| (NodeId(node), Node::new())).collect();
        Self {
            draws,
            flaw,
            clients: Clients::new(draws, plan, Instant::ORIGIN),
            history: History::searching(keys),
            requests: Vec::new(),
            log: Vec::new(),
            nodes,
            open: BTreeMap::new(),
            events: BTreeMap::new(),
            now: Instant::ORIGIN,
            drawn: 0,
            latency: Duration::from_millis(20),
            faults: Chance::percent(4),
        }
    }

    /// Without faults, and with the same latency for all.
    pub(crate) fn steady(mut self) -> Self {
        self.faults = Chance::NEVER;
        self.latency = Duration::ZERO;
        self
    }

    /// Runs for some time, and ends what is open.
    pub(crate) fn run(&mut self, time: Duration) -> Result<(), Violation> {
        let end = Instant::ORIGIN + time;
        for node in 1..=3 {
            let crash = self.draws.duration(SITE, [node], Duration::ZERO, 2 * time);
            if self.faults != Chance::NEVER {
                self.schedule(crash, Event::Crash(NodeId(node)));
            }
        }
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let clients = self.clients.deadline();
            let Some(next) = event.into_iter().chain(clients).min() else { break };
            self.now = self.now.max(next);
            if end <= self.now {
                self.clients.stop();
            }
            if event.is_some_and(|at| at <= self.now) {
                let (_, event) = self.events.pop_first().expect("it was looked at");
                self.happen(event)?;
            }
            self.ask();
        }
        assert_eq!(self.history.open().count(), 0, "all has ended");
        self.history.finish()
    }

    fn ask(&mut self) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        let reachable = Reachable { nodes: &nodes, leader: Some(NodeId(1)) };
        for request in self.clients.wake(self.now, reachable) {
            self.requests.push(request.clone());
            self.history.on_ask(self.now, request.ticket, request.node, &request.ask);
            self.open.insert(request.ticket, request.node);
            let delay = self.delay();
            self.schedule(delay, Event::Decide(request));
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Decide(request) => self.decide(request),
            Event::Answer { request, at } => self.answer(&request, at),
            Event::End { ticket, end } => self.end(ticket, &end),
            Event::Crash(node) => {
                self.crash(node);
                Ok(())
            }
        }
    }

    fn decide(&mut self, request: Request) -> Result<(), Violation> {
        let ticket = request.ticket;
        if self.draw(self.faults) {
            return self.fail(&request);
        }
        if let Ask::Command(command) = &request.ask {
            let bytes = encode_command(command);
            if self.errs(Flaw::AcknowledgedWithoutCommit) {
                let node = self.nodes.get_mut(&request.node).expect("it is a node");
                let revision = node.store.revision() + 1;
                let put = quorate_kv::PutResponse { revision, prev_kv: None };
                let end = End::Answer(Answer::Command(Ok(Response::Put(put))));
                return self.end(ticket, &end);
            }
            self.commit(bytes.clone())?;
            if self.errs(Flaw::DoneTwice) {
                self.commit(bytes)?;
            }
            if self.errs(Flaw::Invented) {
                let put = quorate_kv::PutRequest { key: "hot/00".into(), ..Default::default() };
                self.commit(encode_command(&Command::Put(put)))?;
            }
            if self.errs(Flaw::RefusedAndDone) {
                return self.end(ticket, &End::Ending(Ending::NoLeader));
            }
        }
        let at = match &request.ask {
            Ask::Serializable(_) => 0,
            Ask::Linearizable(_) if self.errs(Flaw::StaleRead) => 0,
            _ => self.log.len(),
        };
        let delay = self.delay();
        self.schedule(delay, Event::Answer { request, at });
        Ok(())
    }

    /// The request ends otherwise than with an answer.
    fn fail(&mut self, request: &Request) -> Result<(), Violation> {
        let ticket = request.ticket;
        let kind = self.drawn % 5;
        match (&request.ask, kind) {
            (_, 0) => self.end(ticket, &End::Ending(Ending::NoLeader)),
            (_, 1) => {
                let refusal = Refusal::Overloaded { in_flight_max: 1 };
                self.end(ticket, &End::Ending(Ending::Refused(refusal)))
            }
            (Ask::Command(command), 2) => {
                // It happens long after the client was told that nobody knows.
                self.end(ticket, &End::Ending(Ending::Unknown))?;
                self.commit(encode_command(command))
            }
            (Ask::Command(command), 3) => {
                self.commit(encode_command(command))?;
                self.end(ticket, &End::Lost)
            }
            (Ask::Linearizable(_), 2) => self.end(ticket, &End::Answer(Answer::Behind)),
            _ => self.end(ticket, &End::Lost),
        }
    }

    fn commit(&mut self, bytes: Bytes) -> Result<(), Violation> {
        self.log.push(bytes.clone());
        self.history.on_commit(Index(self.log.len() as u64), Some(&bytes))
    }

    fn answer(&mut self, request: &Request, at: usize) -> Result<(), Violation> {
        if self.open.get(&request.ticket) != Some(&request.node) {
            return Ok(());
        }
        let progress = self.draws.below(SITE, [request.ticket.0, 7], 4) as usize;
        let foretold = self.errs(Flaw::Foretells);
        let back = self.errs(Flaw::GoesBack);
        let mut log = self.log.clone();
        if foretold && let Ask::Linearizable(_) = request.ask {
            let put = quorate_kv::PutRequest { key: "hot/00".into(), ..Default::default() };
            log.push(encode_command(&Command::Put(put)));
        }
        let node = self.nodes.get_mut(&request.node).expect("it is a node");
        let reached = at.max((node.applied + progress).min(log.len()));
        let mut copy = Node::new();
        let node = if log.len() != self.log.len() || back {
            copy.apply_upto(&log, if back { reached / 2 } else { log.len() });
            &mut copy
        } else {
            node.apply_upto(&log, reached);
            node
        };
        let answer = match &request.ask {
            Ask::Command(_) if back => return self.end(request.ticket, &End::Lost),
            Ask::Command(_) => Answer::Command(node.outcomes[&(at - 1)].clone()),
            Ask::Linearizable(read) | Ask::Serializable(read) => Answer::Read(node.read(read)),
            Ask::KeepAlive(_) | Ask::Transfer(_) => unreachable!("nobody asks for this"),
        };
        if back && !matches!(request.ask, Ask::Serializable(_)) {
            return self.end(request.ticket, &End::Lost);
        }
        let answer = self.spoil(answer);
        self.end(request.ticket, &End::Answer(answer))?;
        if self.errs(Flaw::EndsTwice) {
            return self.history.on_end(request.ticket, &End::Lost);
        }
        Ok(())
    }

    fn spoil(&mut self, mut answer: Answer) -> Answer {
        if let Answer::Command(Ok(Response::Put(put))) = &mut answer
            && self.errs(Flaw::WrongRevision)
        {
            put.revision += 1;
        }
        if let Answer::Read(Ok(ReadResponse::Range(range))) = &mut answer
            && !range.kvs.is_empty()
            && self.errs(Flaw::MissingKey)
        {
            range.kvs.pop();
        }
        answer
    }

    fn end(&mut self, ticket: Ticket, end: &End) -> Result<(), Violation> {
        if self.open.remove(&ticket).is_none() {
            return Ok(());
        }
        self.history.on_end(ticket, end)?;
        self.clients.on_end(self.now, ticket, end);
        Ok(())
    }

    /// The node loses what it had, and begins anew from half of it.
    fn crash(&mut self, node: NodeId) {
        let lost = self.open.iter().filter(|(_, asked)| **asked == node);
        let lost: Vec<Ticket> = lost.map(|(ticket, _)| *ticket).collect();
        for ticket in lost {
            self.schedule(Duration::ZERO, Event::End { ticket, end: End::Lost });
        }
        self.history.on_node_gone(node);
        let mut fresh = Node::new();
        let old = self.nodes.get(&node).expect("it is a node");
        fresh.apply_upto(&self.log, old.applied / 2);
        self.nodes.insert(node, fresh);
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.drawn += 1;
        self.events.insert((self.now + delay, self.drawn), event);
    }

    fn delay(&mut self) -> Duration {
        self.drawn += 1;
        self.draws.duration(SITE, [self.drawn, 1], Duration::ZERO, self.latency)
    }

    fn draw(&mut self, chance: Chance) -> bool {
        self.drawn += 1;
        self.draws.happens(SITE, [self.drawn, 2], chance)
    }

    fn errs(&mut self, flaw: Flaw) -> bool {
        self.flaw == flaw && self.draw(Chance::percent(5))
    }
}

/// What was asked by whom, in order.
pub(crate) fn asked(requests: &[Request]) -> BTreeMap<OperationId, Ask> {
    let named = |request: &Request| {
        let operation = OperationId::of(request.ticket).expect("a client asked");
        (operation, request.ask.clone())
    };
    requests.iter().map(named).collect()
}
