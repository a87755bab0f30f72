//! Multi-Paxos's messages, as scripts read them.

use quorate_consensus::paxos::{Message, Paxos};
use quorate_consensus::{Entry, Rules, Span};

use crate::protocol::Protocol;

impl<R: Rules> Protocol for Paxos<R> {
    const NAME: &'static str = "paxos";
    const OWN_ENTRIES: u64 = 0;

    fn kind(message: &Message) -> &'static str {
        match message {
            Message::Elect { .. } => "elect",
            Message::ElectReply { leader: None, .. } => "elect-granted",
            Message::ElectReply { leader: Some(_), .. } => "elect-refused",
            Message::Prepare { .. } => "prepare",
            Message::Promise { .. } => "promise",
            Message::Nack { .. } => "nack",
            Message::Accept { .. } => "accept",
            Message::Accepted { .. } => "accepted",
            Message::Commit { .. } => "commit",
            Message::CommitAck { .. } => "commit-ack",
            Message::Learn { .. } => "learn",
            Message::Learned { .. } => "learned",
            Message::Snapshot { .. } => "snapshot",
            Message::TakeOver { .. } => "take-over",
        }
    }

    fn render(message: &Message) -> String {
        let details = match message {
            Message::Elect { round } => format!("round={}", round.0),
            Message::ElectReply { highest, leader, .. } => format!(
                "highest={highest} leader={}",
                leader.map_or_else(|| "none".to_owned(), |ballot| ballot.to_string())
            ),
            Message::Prepare { ballot, base } => format!("ballot={ballot} base={base}"),
            Message::Promise { ballot, part } => format!(
                "ballot={ballot} slots={}..{} votes={} withheld={}",
                part.first,
                part.last.map_or_else(String::new, |last| last.to_string()),
                votes(&part.votes),
                part.withheld_upto
            ),
            Message::Nack { ballot, promised } => format!("ballot={ballot} promised={promised}"),
            Message::Accept { ballot, entries, commit, confirm } => format!(
                "ballot={ballot} slots={} commit={commit}{}",
                slots(entries),
                confirm.map_or_else(String::new, |confirm| format!(" confirm={}", confirm.0))
            ),
            Message::Accepted { ballot, votes, chosen_upto, .. } => {
                format!("ballot={ballot} slots={} chosen={chosen_upto}", spans(votes))
            }
            Message::Commit { ballot, commit, floor, confirm } => {
                format!("ballot={ballot} commit={commit} floor={floor} confirm={}", confirm.0)
            }
            Message::CommitAck { ballot, confirm, chosen_upto, .. } => {
                format!("ballot={ballot} confirm={} chosen={chosen_upto}", confirm.0)
            }
            Message::Learn { slots } => format!("slots={}", spans(slots)),
            Message::Learned { entries } => format!("slots={}", votes(entries)),
            Message::Snapshot { meta } => format!("index={}", meta.index),
            Message::TakeOver { ballot } => format!("ballot={ballot}"),
        };
        format!("{} {details}", Self::kind(message))
    }
}

/// `4,6@1.n1`, each with the ballot of its vote.
fn votes(entries: &[Entry]) -> String {
    join(entries.iter().map(|entry| format!("{}@{}", entry.index, entry.ballot)))
}

fn slots(entries: &[Entry]) -> String {
    join(entries.iter().map(|entry| entry.index.to_string()))
}

fn spans(spans: &[Span]) -> String {
    join(spans.iter().map(|span| {
        if span.first == span.last {
            return span.first.to_string();
        }
        format!("{}-{}", span.first, span.last)
    }))
}

fn join(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}
