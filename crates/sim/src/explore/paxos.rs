//! Multi-Paxos as the search knows it.
//!
//! With timers off a node campaigns without asking around, so there are no election rounds here.
//! A refusal is a courtesy: whoever is not told goes on under its old ballot, the worse case.

use quorate_consensus::paxos::Message;
use quorate_consensus::{Ballot, NodeId};

use super::bounds::{Bounds, Courtesies};
use super::node::View;
use super::protocol::{Explored, Renaming};
use crate::protocol::PaxosProtocol;

impl Explored for PaxosProtocol {
    fn nod(_node: &View, _peers: &[NodeId]) -> Vec<(NodeId, Message)> {
        Vec::new()
    }

    fn news(_round: u64) -> Option<Message> {
        None
    }

    fn is_courtesy(message: &Message) -> bool {
        matches!(message, Message::Nack { .. })
    }

    fn is_spent(message: &Message, _from: &View, to: &View, bounds: &Bounds) -> bool {
        let sworn = sworn(to);
        match message {
            Message::Promise { ballot, .. }
            | Message::Accepted { ballot, .. }
            | Message::CommitAck { ballot, .. } => *ballot < sworn,
            Message::Prepare { ballot, .. }
            | Message::Accept { ballot, .. }
            | Message::Commit { ballot, .. } => {
                *ballot < sworn && bounds.courtesies == Courtesies::Free
            }
            Message::Nack { ballot, promised } => *ballot < sworn && *promised <= sworn,
            _ => false,
        }
    }

    fn tell(message: &Message) -> String {
        format!("{message:?}")
    }

    fn renamed(message: &Message, names: &Renaming) -> Message {
        assert!(names.is_identity(), "ballots are ordered by the names of nodes");
        message.clone()
    }
}

/// The ballot below which a node durably takes part in nothing.
fn sworn(node: &View) -> Ballot {
    let promise = node.durable.promise;
    Ballot { round: promise.round, node: promise.to.unwrap_or_default() }
}
