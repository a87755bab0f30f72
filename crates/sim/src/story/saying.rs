//! What engines report and say, as phrases: the trace events of `consensus/src/trace.rs`, and the
//! messages of both engines.

use quorate_consensus::log::Position;
use quorate_consensus::paxos;
use quorate_consensus::raft::message::{AppendResult, Body, Message, Verdict};
use quorate_consensus::{Ballot, Entry, NodeId, Reason, Role, TraceEvent, What};

use super::phrase::{Arg, Phrase};

/// What a trace event says of its node.
pub(super) fn trace(event: &TraceEvent) -> Phrase {
    match event.what {
        What::Became { role, ballot } => became(role, ballot),
        What::Granted { to, round } => granted(event.reason, to, round),
        What::Refused { to, round } => {
            let key = match event.reason {
                Reason::Gap | Reason::Conflict => "refused.append",
                Reason::StaleBallot => "refused.ballot",
                _ => "refused.vote",
            };
            Phrase::of(key).with("to", Arg::Node(to)).with("round", Arg::Round(round))
        }
        What::Appended { last } => Phrase::of("appended").with("last", Arg::Number(last.0)),
        What::Voted { first, last } => {
            let slots = listed([(first.0, last.0)].into_iter());
            Phrase::of("voted").with("slots", Arg::Raw(slots))
        }
        What::Chosen { index } => Phrase::of("chosen").with("index", Arg::Number(index.0)),
        What::Asked { peer, first, last } => Phrase::of("asked")
            .with("peer", Arg::Node(peer))
            .with("slots", Arg::Raw(listed([(first.0, last.0)].into_iter()))),
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

fn granted(reason: Reason, to: NodeId, round: u64) -> Phrase {
    let key = match reason {
        Reason::HigherBallot => "promised",
        Reason::NoLeader => "would-follow",
        _ => "granted",
    };
    Phrase::of(key).with("to", Arg::Node(to)).with("round", Arg::Round(round))
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

/// What a message of Multi-Paxos says.
pub(super) fn multi_paxos(message: &paxos::Message) -> Phrase {
    use paxos::Message;
    let said = |key, ballot: &Ballot| Phrase::of(key).with("ballot", Arg::Ballot(*ballot));
    match message {
        Message::Elect { .. } => Phrase::of("say.elect"),
        Message::ElectReply { leader: None, .. } => Phrase::of("say.elect.yes"),
        Message::ElectReply { leader: Some(leader), .. } => {
            Phrase::of("say.elect.no").with("leads", Arg::Node(leader.node))
        }
        Message::Prepare { ballot, base } => {
            said("say.slots.prepare", ballot).with("base", Arg::Number(base.0))
        }
        Message::Promise { ballot, part } => {
            said("say.slots.promise", ballot).with("count", Arg::Number(part.votes.len() as u64))
        }
        Message::Nack { ballot, promised } => {
            said("say.nack", ballot).with("promised", Arg::Ballot(*promised))
        }
        Message::Accept { ballot, entries, .. } => {
            said("say.slots.accept", ballot).with("slots", slots(entries))
        }
        Message::Accepted { ballot, votes, .. } => {
            let spans = votes.iter().map(|span| (span.first.0, span.last.0));
            said("say.slots.accepted", ballot).with("slots", Arg::Raw(listed(spans)))
        }
        Message::Commit { ballot, commit, .. } => {
            said("say.commit", ballot).with("commit", Arg::Number(commit.0))
        }
        Message::CommitAck { ballot, .. } => said("say.commit.ack", ballot),
        Message::Learn { slots } => {
            let spans = slots.iter().map(|span| (span.first.0, span.last.0));
            Phrase::of("say.learn").with("slots", Arg::Raw(listed(spans)))
        }
        Message::Learned { entries } => Phrase::of("say.learned").with("slots", slots(entries)),
        Message::Snapshot { meta } => {
            Phrase::of("say.snapshot").with("index", Arg::Number(meta.index.0))
        }
        Message::TakeOver { .. } => Phrase::of("say.timeout-now"),
    }
}

fn slots(entries: &[Entry]) -> Arg {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    for entry in entries {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == entry.index.0 => *last += 1,
            _ => spans.push((entry.index.0, entry.index.0)),
        }
    }
    Arg::Raw(listed(spans.into_iter()))
}

/// Slots as people write them: `5, 7–9`.
fn listed(spans: impl Iterator<Item = (u64, u64)>) -> String {
    let written = |(first, last): (u64, u64)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}–{last}"),
    };
    spans.map(written).collect::<Vec<_>>().join(", ")
}
