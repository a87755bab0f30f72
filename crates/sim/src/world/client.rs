//! The way between clients and nodes.

use std::collections::BTreeSet;

use quorate_consensus::{Ballot, NodeId};
use quorate_replica::{Answer, Ending, Ticket};

use super::World;
use super::event::Event;
use super::node::Standing;
use super::trace::Fact;
use crate::clients::{Ask, Clients, End, OperationId, Reachable};
use crate::draws::Site;
use crate::protocol::Protocol;

const WAY: Site = Site::new("a client's way");

impl<P: Protocol> World<P> {
    pub(super) fn begin_clients(&mut self) {
        let Some(plan) = self.profile.clients.clone() else { return };
        self.clients = Some(Clients::new(self.draws, plan, self.now.instant()));
        self.schedule_clients();
    }

    pub(super) fn leave_out(&mut self, operations: BTreeSet<OperationId>) {
        self.leave_out_streams(operations.clone());
        self.clients = self.clients.take().map(|clients| clients.without(operations));
    }

    fn schedule_clients(&mut self) {
        let deadline = self.clients.as_ref().and_then(Clients::deadline);
        let Some(deadline) = deadline else { return };
        let at = super::SimTime(deadline.as_micros()).max(self.now);
        if self.clients_at.claim(at) {
            self.queue.push(at, Event::Clients);
        }
    }

    pub(super) fn on_clients(&mut self) {
        if !self.clients_at.take(self.now) {
            return;
        }
        self.steps += 1;
        let Some(mut clients) = self.clients.take() else { return };
        let nodes: Vec<NodeId> = self.up().collect();
        let reachable = Reachable { nodes: &nodes, leader: self.leader() };
        let requests = clients.wake(self.now.instant(), reachable);
        self.clients = Some(clients);
        for request in requests {
            self.ask(request.node, request.ticket, request.ask);
        }
        self.schedule_clients();
    }

    /// The nodes whose process can be reached by clients.
    pub(super) fn up(&self) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = self.nodes.iter().filter(|node| node.standing == Standing::Up);
        nodes.map(|node| node.id)
    }

    /// Who leads, as most nodes can tell: the leader of the highest round that any node knows.
    pub(super) fn leader(&self) -> Option<NodeId> {
        let known = self.nodes.iter().filter_map(|node| node.running.as_ref()?.ordering.leader());
        known.max().map(|ballot| ballot.node)
    }

    /// Whom a node takes for the leader, and of which ballot.
    pub(super) fn leader_of(&self, node: NodeId) -> Option<Ballot> {
        self.node(node).running.as_ref()?.ordering.leader()
    }

    /// Has a client ask a node. The ticket is the caller's choice, used once in a run; those of
    /// [`Clients`] lie above 2^32.
    pub fn ask(&mut self, node: NodeId, ticket: Ticket, ask: Ask) {
        let delay = self.profile.timing.client.draw(self.draws, WAY, [ticket.0, 0]);
        let ask = Box::new(ask);
        self.queue.push(self.now + delay, Event::Asked { node, ticket, ask });
    }

    /// A request ends at its node: its client hears of it.
    pub(super) fn tell(&mut self, node: NodeId, ticket: Ticket, end: End) {
        self.note(node, Fact::Ended { ticket, how: how_of(&end) });
        self.checks.on_end(ticket, &end);
        let delay = self.profile.timing.client.draw(self.draws, WAY, [ticket.0, 1]);
        self.queue.push(self.now + delay, Event::Told { ticket, end: Box::new(end) });
    }

    pub(super) fn on_told(&mut self, ticket: Ticket, end: End) {
        self.steps += 1;
        if OperationId::of(ticket).is_none() {
            self.ended.push((ticket, end));
            return;
        }
        let now = self.now.instant();
        if let Some(clients) = &mut self.clients {
            clients.on_end(now, ticket, &end);
            self.schedule_clients();
        }
    }

    /// The requests made through [`World::ask`] that ended since the last call.
    pub fn take_ended(&mut self) -> Vec<(Ticket, End)> {
        core::mem::take(&mut self.ended)
    }
}

fn how_of(end: &End) -> &'static str {
    match end {
        End::Answer(Answer::Command(Ok(_)) | Answer::Read(Ok(_)) | Answer::KeptAlive(_)) => {
            "answered"
        }
        End::Answer(Answer::Command(Err(_)) | Answer::Read(Err(_))) => "refused by the store",
        End::Answer(Answer::Behind) => "behind",
        End::Answer(Answer::Overloaded) => "too much to answer",
        End::Ending(Ending::Refused(_)) => "refused",
        End::Ending(Ending::NoLeader) => "no leader",
        End::Ending(Ending::Unknown) => "unknown",
        End::Ending(Ending::Transferred(Ok(()))) => "transferred",
        End::Ending(Ending::Transferred(Err(_))) => "not transferred",
        End::Lost => "lost",
    }
}
