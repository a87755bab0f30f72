//! What the scenarios are told with: a small cluster in a director's hands.

use core::time::Duration;

use quorate_codec::peer::PeerMessage;
use quorate_consensus::{NodeId, Role, Seed, Status};
use quorate_kv::{Command, PutRequest, RangeRequest};
use quorate_replica::{Answer, ReadRequest, Ticket};

use crate::broken::Broken;
use crate::check::Violation;
use crate::clients::{Ask, End};
use crate::profile::Profile;
use crate::protocol::Protocol;
use crate::world::director::{Director, Fate, Happening, Order};

/// One millisecond.
pub(super) const MS: Duration = Duration::from_millis(1);

/// The nodes of most scenarios.
pub(super) const N1: NodeId = NodeId(1);
pub(super) const N2: NodeId = NodeId(2);
pub(super) const N3: NodeId = NodeId(3);

/// A cluster that follows a script.
pub(super) struct Stage<P: Protocol> {
    pub(super) director: Director<P>,
    answered: Vec<(Ticket, End)>,
}

impl<P: Protocol> Stage<P> {
    /// Three healthy nodes.
    pub(super) fn new(broken: Broken) -> Self {
        Self::of(Profile::calm(), broken)
    }

    pub(super) fn of(profile: Profile, broken: Broken) -> Self {
        Self { director: Director::new(Seed(1), profile, broken), answered: Vec::new() }
    }

    /// Makes a node lead, and lets the others hear of it.
    pub(super) fn lead(&mut self, node: NodeId) {
        self.director.run_for(MS * 20);
        self.director.campaign(node);
        self.run(MS * 200);
    }

    pub(super) fn run(&mut self, time: Duration) {
        self.director.run_for(time);
        for (_, it) in self.director.take_happened() {
            if let Happening::Ended(ticket, end) = it {
                self.answered.push((ticket, end));
            }
        }
    }

    pub(super) fn write(&mut self, node: NodeId, key: &str) -> Ticket {
        let key = key.to_owned().into();
        let put = PutRequest { key, value: "v".into(), ..PutRequest::default() };
        self.director.ask(node, Ask::Command(Command::Put(put)))
    }

    pub(super) fn read(&mut self, node: NodeId, key: &str) -> Ticket {
        let range = RangeRequest { key: key.to_owned().into(), ..RangeRequest::default() };
        self.director.ask(node, Ask::Linearizable(ReadRequest::Range(range)))
    }

    /// Whether the state machine has answered.
    pub(super) fn is_answered(&self, ticket: Ticket) -> bool {
        let is_it = |it: &&(Ticket, End)| it.0 == ticket;
        self.answered.iter().find(is_it).is_some_and(|(_, end)| {
            matches!(end, End::Answer(Answer::Command(Ok(_)) | Answer::Read(Ok(_))))
        })
    }

    pub(super) fn status(&self, node: NodeId) -> Option<Status> {
        self.director.status(node)
    }

    pub(super) fn leads(&self, node: NodeId) -> bool {
        self.status(node).is_some_and(|status| status.role == Role::Leader)
    }

    /// How many of the messages that `is_it` names pass from one node to the other no more.
    pub(super) fn lose(
        &mut self,
        from: NodeId,
        to: NodeId,
        is_it: fn(&P::Message) -> bool,
        count: usize,
    ) {
        self.order(from, to, is_it, Fate::Drop, count);
    }

    pub(super) fn order(
        &mut self,
        from: NodeId,
        to: NodeId,
        is_it: fn(&P::Message) -> bool,
        fate: Fate,
        count: usize,
    ) {
        let is_it = move |message: &PeerMessage<P::Message>| match message {
            PeerMessage::Engine(message) => is_it(message),
            _ => false,
        };
        let (from, to, is_it) = (Some(from), Some(to), Box::new(is_it));
        self.director.order(Order { from, to, is_it, fate, count });
    }

    /// Cuts a node off from the others, or back in.
    pub(super) fn isolate(&mut self, node: NodeId, nodes: u64) {
        for other in (1..=nodes).map(NodeId).filter(|other| *other != node) {
            self.director.cut(node, other);
            self.director.cut(other, node);
        }
    }

    pub(super) fn rejoin(&mut self, node: NodeId, nodes: u64) {
        for other in (1..=nodes).map(NodeId).filter(|other| *other != node) {
            self.director.mend(node, other);
            self.director.mend(other, node);
        }
    }

    /// What the checks found; else what the scenario itself looks for, unless it holds.
    pub(super) fn verdict(
        self,
        invariant: &'static str,
        holds: bool,
        otherwise: &str,
    ) -> Option<Violation> {
        let found = self.director.world().violation().cloned();
        let message = otherwise.to_owned();
        found.or_else(|| (!holds).then_some(Violation { invariant, node: NodeId(0), message }))
    }
}
