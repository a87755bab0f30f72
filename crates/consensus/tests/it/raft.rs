//! Raft's messages, as scripts read them.

use quorate_consensus::Rules;
use quorate_consensus::raft::{AppendResult, Body, Cause, Message, Raft, Verdict};

use crate::protocol::Protocol;

impl<R: Rules> Protocol for Raft<R> {
    const NAME: &'static str = "raft";
    const OWN_ENTRIES: u64 = 1;

    fn kind(message: &Message) -> &'static str {
        match &message.body {
            Body::PreVote { .. } => "pre-vote",
            Body::PreVoteReply { verdict: Verdict::Granted, .. } => "pre-vote-granted",
            Body::PreVoteReply { verdict: Verdict::Refused, .. } => "pre-vote-refused",
            Body::Vote { .. } => "vote",
            Body::VoteReply { verdict: Verdict::Granted, .. } => "vote-granted",
            Body::VoteReply { verdict: Verdict::Refused, .. } => "vote-refused",
            Body::Append { .. } => "append",
            Body::AppendReply { result: AppendResult::Matched { .. }, .. } => "append-matched",
            Body::AppendReply { result: AppendResult::Rejected { .. }, .. } => "append-rejected",
            Body::AppendReply { result: AppendResult::Busy, .. } => "append-busy",
            Body::Heartbeat { .. } => "heartbeat",
            Body::HeartbeatReply { .. } => "heartbeat-reply",
            Body::Snapshot { .. } => "snapshot",
            Body::TimeoutNow => "timeout-now",
            Body::StaleTerm => "stale-term",
        }
    }

    fn render(message: &Message) -> String {
        let details = match &message.body {
            Body::PreVote { last } => format!(" last={}@{}", last.index, last.ballot.round),
            Body::Vote { last, cause } => {
                let cause = if *cause == Cause::Transfer { " transfer" } else { "" };
                format!(" last={}@{}{cause}", last.index, last.ballot.round)
            }
            Body::PreVoteReply { asked, .. } | Body::VoteReply { asked, .. } => {
                format!(" asked={asked}")
            }
            Body::Append { previous, entries, commit, confirm } => format!(
                " previous={}@{} entries={} commit={commit}{}",
                previous.index,
                previous.ballot.round,
                entries.len(),
                confirm.map_or_else(String::new, |confirm| format!(" confirm={}", confirm.0))
            ),
            Body::AppendReply { result, .. } => match result {
                AppendResult::Matched { index } => format!(" index={index}"),
                AppendResult::Rejected { refused, hint } => {
                    format!(" refused={refused} hint={}@{}", hint.index, hint.ballot.round)
                }
                AppendResult::Busy => String::new(),
            },
            Body::Heartbeat { commit, confirm } => {
                format!(" commit={} confirm={}", commit.index, confirm.0)
            }
            Body::HeartbeatReply { confirm, .. } => format!(" confirm={}", confirm.0),
            Body::Snapshot { meta } => format!(" index={}", meta.index),
            Body::TimeoutNow | Body::StaleTerm => String::new(),
        };
        format!("{} term={}{details}", Self::kind(message), message.term)
    }
}
