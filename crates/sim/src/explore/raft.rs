//! Raft as the search knows it.

use quorate_consensus::log::Position;
use quorate_consensus::raft::{AppendResult, Body, Message, Term, Verdict};
use quorate_consensus::{Flow, NodeId, Role};

use super::bounds::{Bounds, Courtesies};
use super::node::View;
use super::protocol::{Explored, Renaming};
use crate::protocol::RaftProtocol;

impl Explored for RaftProtocol {
    fn nod(node: &View, peers: &[NodeId]) -> Vec<(NodeId, Message)> {
        let term = Term(node.round);
        let body = Body::PreVoteReply { asked: term.next(), verdict: Verdict::Granted };
        peers.iter().map(|&peer| (peer, Message { term, body: body.clone() })).collect()
    }

    fn news(round: u64) -> Option<Message> {
        Some(Message { term: Term(round), body: Body::StaleTerm })
    }

    fn is_courtesy(message: &Message) -> bool {
        matches!(message.body, Body::PreVote { .. } | Body::PreVoteReply { .. } | Body::StaleTerm)
    }

    fn is_spent(message: &Message, from: &View, to: &View, bounds: &Bounds) -> bool {
        let term = message.term.0;
        // What is not durable yet may be forgotten in a crash, and the message count again.
        let sworn = to.durable.promise.round;
        if sworn < term {
            return false;
        }
        // A node that has gone on to a term that is not durable yet has left this one for good: if
        // it comes back by a crash, then as a follower.
        let plays = |role: Role| to.round == sworn && to.role == role;
        match &message.body {
            Body::PreVoteReply { asked, .. } => asked.0 <= sworn,
            Body::VoteReply { asked, .. } => asked.0 < sworn || !plays(Role::Candidate),
            Body::StaleTerm => true,
            Body::AppendReply { result, .. } => {
                let may_lead = plays(Role::Leader) || plays(Role::Candidate);
                term < sworn || !may_lead || is_known(from.node, *result, to, bounds)
            }
            Body::HeartbeatReply { .. } => {
                term < sworn || !(plays(Role::Leader) || plays(Role::Candidate))
            }
            Body::Vote { .. } if term == sworn => {
                to.durable.promise.to.is_some() && is_over(from, term, Role::Candidate)
            }
            _ if term == sworn => false,
            _ => {
                bounds.courtesies == Courtesies::Free || bounds.rounds <= from.durable.promise.round
            }
        }
    }

    fn tell(message: &Message) -> String {
        let term = message.term;
        let place = |at: &Position| format!("{}@{}", at.index, at.ballot.round);
        let said = match &message.body {
            Body::PreVote { last } => {
                format!("would you vote for me? My log ends at {}", place(last))
            }
            Body::PreVoteReply { asked, verdict } => {
                format!("in term {asked} I would: {verdict:?}")
            }
            Body::Vote { last, .. } => format!("vote for me! My log ends at {}", place(last)),
            Body::VoteReply { asked, verdict } => format!("my vote in term {asked}: {verdict:?}"),
            Body::Append { previous, entries, commit, .. } => {
                let places = entries
                    .iter()
                    .map(|entry| place(&Position { ballot: entry.ballot, index: entry.index }));
                let places = places.collect::<Vec<_>>().join(" ");
                format!("after {} comes [{places}], {commit} is committed", place(previous))
            }
            Body::AppendReply { result, .. } => match result {
                AppendResult::Matched { index } => format!("I hold all up to {index}"),
                AppendResult::Rejected { refused, hint } => {
                    format!("I lack {refused}, try {}", place(hint))
                }
                AppendResult::Busy => "not now".into(),
            },
            Body::Heartbeat { commit, confirm } => {
                format!("{} is committed, confirmation {}", place(commit), confirm.0)
            }
            Body::HeartbeatReply { confirm, .. } => format!("I follow, confirmation {}", confirm.0),
            other => format!("{other:?}"),
        };
        format!("term {term}: {said}")
    }

    fn renamed(message: &Message, names: &Renaming) -> Message {
        let position = |at: Position| Position { ballot: names.ballot(at.ballot), ..at };
        let body = match message.body.clone() {
            Body::PreVote { last } => Body::PreVote { last: position(last) },
            Body::Vote { last, cause } => Body::Vote { last: position(last), cause },
            Body::Append { previous, entries, commit, confirm } => Body::Append {
                previous: position(previous),
                entries: entries.iter().map(|entry| names.entry(entry)).collect(),
                commit,
                confirm,
            },
            Body::AppendReply { result: AppendResult::Rejected { refused, hint }, storage } => {
                let result = AppendResult::Rejected { refused, hint: position(hint) };
                Body::AppendReply { result, storage }
            }
            Body::Heartbeat { commit, confirm } => {
                Body::Heartbeat { commit: position(commit), confirm }
            }
            Body::Snapshot { .. } => unreachable!("nothing is compacted in a small world"),
            same => same,
        };
        Message { term: message.term, body }
    }
}

/// Whether a node has left this role in this term for good.
fn is_over(node: &View, term: u64, role: Role) -> bool {
    let sworn = node.durable.promise.round;
    let plays = node.round == term && node.role == role;
    term < sworn || (term == sworn && !plays)
}

/// Whether a leader knows already what a peer answers, and nothing on the way can make it doubt:
/// with one message in its window, a stream is never refused.
fn is_known(peer: NodeId, result: AppendResult, leader: &View, bounds: &Bounds) -> bool {
    let AppendResult::Matched { index } = result else { return false };
    bounds.window == 1
        && leader
            .peers
            .iter()
            .any(|known| known.node == peer && known.flow == Flow::Stream && index <= known.matched)
}
