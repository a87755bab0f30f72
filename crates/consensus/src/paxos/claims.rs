//! What Multi-Paxos's messages vouch for, for the checks of [`crate::invariants`].

use super::Paxos;
use super::message::Message;
use crate::ids::NodeId;
use crate::invariants::{Claim, Claims, Order};
use crate::rules::Rules;

impl<R: Rules> Claims for Paxos<R> {
    const ORDER: Order = Order::Ballots;

    fn claim(_from: NodeId, _to: NodeId, message: &Message) -> Option<Claim<'_>> {
        match message {
            Message::Prepare { ballot, .. } => Some(Claim::Prepares { ballot: *ballot }),
            Message::Promise { ballot, part } => Some(Claim::Promises {
                ballot: *ballot,
                first: part.first,
                last: part.last,
                withheld_upto: part.withheld_upto,
                chosen_upto: part.chosen_upto,
                votes: &part.votes,
            }),
            Message::Accept { ballot, entries, commit, .. } => {
                Some(Claim::Proposes { ballot: *ballot, chosen_upto: *commit, entries })
            }
            Message::Commit { ballot, commit, .. } => {
                Some(Claim::Proposes { ballot: *ballot, chosen_upto: *commit, entries: &[] })
            }
            Message::Accepted { ballot, votes, chosen_upto, .. } => {
                Some(Claim::Accepts { ballot: *ballot, slots: votes, chosen_upto: *chosen_upto })
            }
            Message::Learned { entries } => Some(Claim::Teaches { entries }),
            Message::Snapshot { meta } => Some(Claim::Covers { meta }),
            Message::Elect { .. }
            | Message::ElectReply { .. }
            | Message::Nack { .. }
            | Message::CommitAck { .. }
            | Message::Learn { .. }
            | Message::TakeOver { .. } => None,
        }
    }
}
