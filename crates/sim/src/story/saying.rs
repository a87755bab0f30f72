//! What engines report and say, as phrases: the trace events of `consensus/src/trace.rs` and Raft's
//! messages.

use quorate_consensus::log::Position;
use quorate_consensus::raft::message::{AppendResult, Body, Message, Verdict};
use quorate_consensus::{Ballot, Entry, NodeId, Reason, Role, TraceEvent, What};

use super::phrase::{Arg, Phrase};

/// What a trace event says of its node.
pub(super) fn trace(event: &TraceEvent) -> Phrase {
    match event.what {
        What::Became { role, ballot } => became(role, ballot),
        What::Granted { to, round } => granted(to, round),
        What::Refused { to, round } => {
            let key = match event.reason {
                Reason::Gap | Reason::Conflict => "refused.append",
                _ => "refused.vote",
            };
            Phrase::of(key).with("to", Arg::Node(to)).with("round", Arg::Round(round))
        }
        What::Appended { last } => Phrase::of("appended").with("last", Arg::Number(last.0)),
        What::Voted { first, last } => Phrase::of("voted")
            .with("first", Arg::Number(first.0))
            .with("last", Arg::Number(last.0)),
        What::Chosen { index } => Phrase::of("chosen").with("index", Arg::Number(index.0)),
        What::Asked { peer, first, last } => Phrase::of("asked")
            .with("peer", Arg::Node(peer))
            .with("first", Arg::Number(first.0))
            .with("last", Arg::Number(last.0)),
        What::Truncated { from } => Phrase::of("truncated").with("from", Arg::Number(from.0)),
        What::Committed { upto } => Phrase::of("committed").with("upto", Arg::Number(upto.0)),
        What::Backtracked { peer, next } => Phrase::of("backtracked")
            .with("peer", Arg::Node(peer))
            .with("next", Arg::Number(next.0)),
        What::ReadsReleased { index } => {
            Phrase::of("reads-released").with("index", Arg::Number(index.0))
        }
        What::SnapshotNeeded { peer } => {
            Phrase::of("snapshot-needed").with("peer", Arg::Node(peer))
        }
        What::SnapshotInstalled { index } => {
            Phrase::of("snapshot-installed").with("index", Arg::Number(index.0))
        }
        What::HandingOver { to } => Phrase::of("handing-over").with("to", Arg::Node(to)),
        What::Ignored { from } => Phrase::of("ignored").with("from", Arg::Node(from)),
    }
}

fn granted(to: NodeId, round: u64) -> Phrase {
    Phrase::of("granted").with("to", Arg::Node(to)).with("round", Arg::Round(round))
}

fn became(role: Role, ballot: Ballot) -> Phrase {
    let key = match role {
        Role::Follower if ballot.node == NodeId(0) => "became.follower",
        Role::Follower => "became.follower.of",
        Role::PreCandidate => "became.pre-candidate",
        Role::Candidate => "became.candidate",
        Role::Leader => "became.leader",
    };
    Phrase::of(key).with("ballot", Arg::Ballot(ballot)).with("leads", Arg::Node(ballot.node))
}

/// What a message of Raft says.
pub(super) fn raft(message: &Message) -> Phrase {
    let round = Arg::Round(message.term.0);
    let said = |key| Phrase::of(key).with("round", round.clone());
    match &message.body {
        Body::PreVote { last } => said("say.pre-vote")
            .with("next", Arg::Round(message.term.0 + 1))
            .with("last", place(*last)),
        Body::PreVoteReply { asked, verdict } => {
            answer(*verdict, "say.pre-vote.yes", "say.pre-vote.no", asked.0)
        }
        Body::Vote { last, .. } => said("say.vote").with("last", place(*last)),
        Body::VoteReply { asked, verdict } => {
            answer(*verdict, "say.vote.yes", "say.vote.no", asked.0)
        }
        Body::Append { previous, entries: sent, .. } => match &sent[..] {
            [] => said("say.probe").with("previous", place(*previous)),
            sent => {
                said("say.append").with("previous", place(*previous)).with("entries", entries(sent))
            }
        },
        Body::AppendReply { result, .. } => append_result(*result),
        Body::Heartbeat { .. } => said("say.heartbeat"),
        Body::HeartbeatReply { .. } => said("say.heartbeat.reply"),
        Body::Snapshot { meta } => said("say.snapshot").with("index", Arg::Number(meta.index.0)),
        Body::TimeoutNow => said("say.timeout-now"),
        Body::StaleTerm => said("say.stale-term"),
    }
}

fn answer(verdict: Verdict, yes: &'static str, no: &'static str, asked: u64) -> Phrase {
    let key = match verdict {
        Verdict::Granted => yes,
        Verdict::Refused => no,
    };
    Phrase::of(key).with("asked", Arg::Round(asked))
}

fn append_result(result: AppendResult) -> Phrase {
    match result {
        AppendResult::Matched { index } => {
            Phrase::of("say.append.matched").with("index", Arg::Number(index.0))
        }
        AppendResult::Rejected { refused, hint } => Phrase::of("say.append.rejected")
            .with("refused", Arg::Number(refused.0))
            .with("hint", place(hint)),
        AppendResult::Busy => Phrase::of("say.append.busy"),
    }
}

/// A place in a log.
fn place(position: Position) -> Arg {
    let phrase = match position.index.0 {
        0 => Phrase::of("place.start"),
        index => Phrase::of("place")
            .with("index", Arg::Number(index))
            .with("round", Arg::Round(position.ballot.round)),
    };
    Arg::Phrase(Box::new(phrase))
}

fn entries(entries: &[Entry]) -> Arg {
    let first = entries.first().expect("there is an entry");
    let last = entries.last().expect("there is an entry");
    let phrase = match entries {
        [_] => Phrase::of("entries.one").with("round", Arg::Round(first.ballot.round)),
        _ => Phrase::of("entries.many").with("last", Arg::Number(last.index.0)),
    };
    Arg::Phrase(Box::new(phrase.with("first", Arg::Number(first.index.0))))
}

/// What kind of message it is, for scripts that hold or drop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A pre-vote or its answer.
    PreVote,
    /// A request for a vote.
    Vote,
    /// Its answer.
    VoteReply,
    /// Entries, or a question about them.
    Append,
    /// Their answer.
    AppendReply,
    /// A heartbeat or its answer.
    Heartbeat,
    /// A snapshot.
    Snapshot,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind of a message of Raft.
    pub(super) fn of_raft(message: &Message) -> Self {
        match &message.body {
            Body::PreVote { .. } | Body::PreVoteReply { .. } => Self::PreVote,
            Body::Vote { .. } => Self::Vote,
            Body::VoteReply { .. } => Self::VoteReply,
            Body::Append { .. } => Self::Append,
            Body::AppendReply { .. } => Self::AppendReply,
            Body::Heartbeat { .. } | Body::HeartbeatReply { .. } => Self::Heartbeat,
            Body::Snapshot { .. } => Self::Snapshot,
            Body::TimeoutNow | Body::StaleTerm => Self::Other,
        }
    }
}
