//! The clients of a simulated cluster: what they ask, of whom and when, drawn from the seed.
//!
//! Each client asks one thing at a time and goes on when it is told the end or has waited long
//! enough. What its n-th operation is depends on the seed and on what the client has seen, not on
//! how many draws others made, so that operations can be left out one by one.

mod client;
mod leasing;
mod operation;
mod plan;
mod shape;
mod watching;

use std::collections::BTreeSet;

use quorate_consensus::{Instant, NodeId};
use quorate_kv::{Command, LeaseId};
use quorate_replica::{Answer, Ending, ReadRequest, Ticket};

pub use operation::{NoOperation, OperationId};
pub use plan::{CLIENTS_MAX, Kind, Mix, Pace, Plan, Target};
pub use watching::{Said, StreamWord, WATCHERS_MAX, WatchPlan, Watchers};

use crate::draws::Draws;
use client::Client;

/// What a client asks of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To have a command applied.
    Command(Command),
    /// To read a state at least as new as everything acknowledged before.
    Linearizable(ReadRequest),
    /// To read what this node has applied.
    Serializable(ReadRequest),
    /// To keep a lease alive, in the log.
    KeepAlive(LeaseId),
    /// To hand leadership over. Not drawn by clients: the operator asks it.
    Transfer(NodeId),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The state machine answered.
    Answer(Answer),
    /// The ordering half ended it.
    Ending(Ending),
    /// The node or the connection to it is gone: nothing is known.
    Lost,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names it for ever; see [`OperationId::of`].
    pub ticket: Ticket,
    /// Who is asked.
    pub node: NodeId,
    /// What.
    pub ask: Ask,
}

/// Whom the clients can reach.
#[derive(Clone, Copy, Debug)]
pub struct Reachable<'a> {
    /// The nodes that run, in ascending order.
    pub nodes: &'a [NodeId],
    /// Who leads, as far as clients can be told.
    pub leader: Option<NodeId>,
}

/// All clients of one run.
#[derive(Clone, Debug)]
pub struct Clients {
    draws: Draws,
    plan: Plan,
    clients: Vec<Client>,
    without: BTreeSet<OperationId>,
    /// Compactions asked for: no two ask for the same, so that each can be told in the log.
    compactions: BTreeSet<i64>,
    is_stopped: bool,
}

impl Clients {
    /// The clients of this plan, who begin now.
    pub fn new(draws: Draws, plan: Plan, now: Instant) -> Self {
        let count = plan.clients.clamp(1, CLIENTS_MAX);
        let clients = (1..=count).map(|number| Client::new(number, draws, &plan, now)).collect();
        Self {
            draws,
            plan,
            clients,
            without: BTreeSet::new(),
            compactions: BTreeSet::new(),
            is_stopped: false,
        }
    }

    /// The same clients, who pass these operations over.
    pub fn without(mut self, operations: BTreeSet<OperationId>) -> Self {
        self.without = operations;
        self
    }

    /// No more is asked. What is open goes on.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// When to call [`Self::wake`].
    pub fn deadline(&self) -> Option<Instant> {
        let is_stopped = self.is_stopped;
        self.clients
            .iter()
            .filter_map(|client| client.deadline(self.plan.patience, is_stopped))
            .min()
    }

    /// Whether a client waits for an answer.
    pub fn is_waiting(&self) -> bool {
        self.clients.iter().any(Client::is_waiting)
    }

    /// What is asked now.
    pub fn wake(&mut self, now: Instant, reachable: Reachable<'_>) -> Vec<Request> {
        let mut requests = Vec::new();
        for client in &mut self.clients {
            client.give_up(now, &self.plan, self.draws);
            if !self.is_stopped && client.is_due(now) {
                let context = client::Context {
                    draws: self.draws,
                    plan: &self.plan,
                    without: &self.without,
                    compactions: &mut self.compactions,
                };
                requests.extend(client.ask(now, reachable, context));
            }
        }
        requests
    }

    /// A request ended. Those of others, and those that the client gave up, are passed over.
    pub fn on_end(&mut self, now: Instant, ticket: Ticket, end: &End) {
        let Some(operation) = OperationId::of(ticket) else { return };
        let place = operation.client().saturating_sub(1) as usize;
        if let Some(client) = self.clients.get_mut(place) {
            client.on_end(now, operation, end, &self.plan, self.draws);
        }
    }
}
