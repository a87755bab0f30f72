//! What Raft's messages vouch for, for the checks of [`crate::invariants`].

use super::Raft;
use super::message::{AppendResult, Body, Message, Verdict};
use crate::ids::NodeId;
use crate::invariants::{Claim, Claims, Order};
use crate::rules::Rules;

impl<R: Rules> Claims for Raft<R> {
    const ORDER: Order = Order::Terms;

    fn claim(from: NodeId, to: NodeId, message: &Message) -> Option<Claim<'_>> {
        let round = message.term.0;
        match &message.body {
            Body::PreVote { .. } => Some(Claim::AsksFirst { round }),
            // A candidate asks for votes only once its own is durable: after a crash it would ask
            // again in the same term, with another log.
            Body::Vote { .. } => Some(Claim::Votes { round, candidate: from }),
            Body::VoteReply { verdict: Verdict::Granted, asked } => {
                Some(Claim::Votes { round: asked.0, candidate: to })
            }
            Body::AppendReply { result: AppendResult::Matched { index }, .. } => {
                Some(Claim::Holds { round, leader: to, upto: *index })
            }
            Body::Append { .. }
            | Body::Heartbeat { .. }
            | Body::Snapshot { .. }
            | Body::TimeoutNow => Some(Claim::Leads { round }),
            Body::PreVoteReply { .. }
            | Body::VoteReply { verdict: Verdict::Refused, .. }
            | Body::AppendReply { .. }
            | Body::HeartbeatReply { .. }
            | Body::StaleTerm => None,
        }
    }
}
