//! Multi-Paxos as the search knows it.
//!
//! With timers off a node campaigns without asking around, so there are no election rounds here.
//! A refusal is a courtesy: whoever is not told goes on under its old ballot, the worse case.
//!
//! # When a message is gone
//!
//! The search drops a message once delivering it changes nothing in any world that can follow.
//! [`Explored::is_spent`] sees that from outside; where only the receiver itself can tell, it is
//! delivered, and [`Explored::stays_idle`] says that a message which does nothing now never will.
//! Below, `sworn` is the ballot that a node has promised durably: it never falls, no crash takes it
//! back, and all that the node has promised since is higher.
//!
//! - *Whatever is of a ballot below the receiver's `sworn`* is ignored or refused, for ever. Where
//!   refusals are messages that others wait for, it is not spent, for it is answered.
//! - *Answers of the receiver's `sworn` ballot*, if it neither campaigns nor leads in it. It
//!   campaigns in a ballot only when it swears it and leads only after it campaigned, and a crash
//!   ends both, so it never will again; and nobody else reads the answers. What it has sworn must
//!   be all that it has issued: else it is on its way to a higher ballot.
//! - *A prepare of the receiver's `sworn` ballot whose owner no longer campaigns in it*: the
//!   receiver promises again, which is an answer as above. The disk must not be a step of its own:
//!   an answer that waits for it would be kept.
//! - *An accepted that tells a leader nothing*. It says which slots were voted for and how far its
//!   sender knows what is chosen. What a leader knows of both only grows while it leads, so it will
//!   not be told anything later; unless something that needs no answer is still sent and counted as
//!   on the way, so everything must have been sent once.
//! - *An accept that finds its votes cast and its mark heard*, from a leader that leads no more.
//!   The follower answers, and nobody reads it. While it follows that ballot its votes stay and the
//!   mark it has heard only rises; when it swears a higher one the message is of a ballot below. A
//!   crash would make it forget that it follows, so there must be none.
//! - *A commit, or what was asked and learned, for a node that knows every slot there can be to be
//!   chosen*: it will never lack anything. What it knows is durable, or nobody crashes.

use quorate_consensus::paxos::Message;
use quorate_consensus::{Ballot, Confirmation, Index, NodeId, Role};

use super::bounds::{Bounds, Courtesies, Drops, Persistence};
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

    fn is_spent(message: &Message, from: &View, to: &View, bounds: &Bounds) -> bool {
        let sworn = sworn(to);
        let is_silent = bounds.courtesies == Courtesies::Free;
        match message {
            Message::Promise { ballot, .. } => {
                *ballot < sworn || is_over_for(*ballot, to, &[Role::Candidate], bounds)
            }
            Message::Accepted { ballot, .. } => {
                let readers = [Role::Candidate, Role::Leader];
                *ballot < sworn || is_over_for(*ballot, to, &readers, bounds)
            }
            // Whatever its ballot, a leader takes note of what others know to be chosen.
            Message::CommitAck { ballot, chosen_upto, .. } => {
                *ballot < sworn && *chosen_upto <= to.durable.committed
            }
            Message::Prepare { ballot, .. } => {
                let is_answered = *ballot == sworn
                    && bounds.persistence == Persistence::WithSending
                    && is_over_for(*ballot, from, &[Role::Candidate], bounds);
                is_silent && (*ballot < sworn || is_answered)
            }
            Message::Accept { ballot, .. } | Message::Commit { ballot, .. } => {
                *ballot < sworn && is_silent
            }
            Message::Nack { ballot, promised } => *ballot < sworn && *promised <= sworn,
            _ => false,
        }
    }

    fn stays_idle(message: &Message, from: &View, to: &View, bounds: &Bounds) -> bool {
        let is_plain = bounds.courtesies == Courtesies::Free
            && bounds.persistence == Persistence::WithSending
            && bounds.drops == Drops::Idle;
        if !is_plain {
            return false;
        }
        match message {
            Message::Accepted { ballot, votes, .. } => {
                let is_sent = |next: Index| bounds.log_max < next.0;
                let peer = to.peers.iter().find(|peer| peer.node == from.node);
                plays(to, *ballot, Role::Leader)
                    && !votes.is_empty()
                    && peer.is_some_and(|peer| is_sent(peer.next))
            }
            Message::Accept { ballot, confirm, .. } => {
                bounds.crashes == 0
                    && confirm.is_none()
                    && follows(to, *ballot)
                    && is_over_for(*ballot, from, &[Role::Candidate, Role::Leader], bounds)
            }
            Message::Commit { ballot, confirm, .. } => {
                bounds.crashes == 0
                    && *confirm == Confirmation::default()
                    && follows(to, *ballot)
                    && knows_all(to, bounds)
            }
            Message::Learned { .. } => knows_all(to, bounds),
            Message::Learn { .. } => knows_all(from, bounds),
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

/// Whether a node plays this role in the ballot it has sworn, and has sworn nothing since.
fn plays(node: &View, ballot: Ballot, role: Role) -> bool {
    sworn(node) == ballot && node.issued.promise == node.durable.promise && node.role == role
}

/// Whether a node has sworn this ballot or a higher one, and plays none of these roles in it, nor
/// ever will.
fn is_over_for(ballot: Ballot, node: &View, roles: &[Role], bounds: &Bounds) -> bool {
    let is_over = |role: &Role| !plays(node, ballot, *role);
    let is_past = ballot < sworn(node);
    bounds.drops == Drops::Idle && (is_past || (ballot == sworn(node) && roles.iter().all(is_over)))
}

/// Whether a node follows the leader of the ballot it has sworn.
fn follows(node: &View, ballot: Ballot) -> bool {
    plays(node, ballot, Role::Follower) && node.leader == Some(ballot.node)
}

/// Whether a node knows every slot there can be to be chosen, and will not forget it.
fn knows_all(node: &View, bounds: &Bounds) -> bool {
    let known = match bounds.crashes {
        0 => node.committed,
        _ => node.durable.committed,
    };
    bounds.log_max <= known.0
}
