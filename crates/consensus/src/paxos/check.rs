//! What no correct node says. The sender is reported and nothing else happens: an assertion speaks
//! about our own state, never about bytes from outside.

use super::message::{Message, PromisePart};
use super::prepare::SLOT_MAX;
use crate::ballot::Ballot;
use crate::entry::{Entry, Meta};
use crate::ids::{Index, NodeId, Span};

type Verdict = Result<(), &'static str>;

/// Refuses a message that contradicts itself, its sender or its receiver.
///
/// A sender that is not a member is no contradiction: this node's configuration may be older than
/// the sender's. Who may connect at all is for the transport to decide.
pub(super) fn message(me: NodeId, from: NodeId, message: &Message) -> Verdict {
    ensure(from != me && from != NodeId(0), "it speaks under a name that is not its own")?;
    match message {
        Message::Elect { .. } => Ok(()),
        Message::ElectReply { highest, leader, .. } => {
            known_ballot(*highest)?;
            leader.map_or(Ok(()), ballot)
        }
        Message::Prepare { ballot, base } => {
            owned(*ballot, from)?;
            ensure(Index::ZERO < *base, "it asks for a slot that is none")?;
            slot(*base)
        }
        Message::Promise { ballot, part } => {
            owned(*ballot, me)?;
            promise_part(*ballot, part)
        }
        Message::Nack { ballot, promised } => {
            known_ballot(*promised)?;
            ensure(ballot < promised, "it refuses a ballot for a lower one")
        }
        Message::Accept { ballot, entries, commit, .. } => {
            owned(*ballot, from)?;
            slot(*commit)?;
            ascending(entries)?;
            let is_own = entries.iter().all(|entry| entry.ballot == *ballot);
            ensure(is_own, "it proposes under a ballot that is not its own")
        }
        Message::Accepted { ballot, votes, chosen_upto, .. } => {
            owned(*ballot, me)?;
            slot(*chosen_upto)?;
            spans(votes)
        }
        Message::Commit { ballot, commit, floor, .. } => {
            owned(*ballot, from)?;
            slot(*commit)?;
            slot(*floor)
        }
        Message::CommitAck { ballot, chosen_upto, .. } => {
            known_ballot(*ballot)?;
            slot(*chosen_upto)
        }
        Message::Learn { slots } => spans(slots),
        Message::Learned { entries } => ascending(entries),
        Message::Snapshot { meta } => snapshot(meta),
        Message::TakeOver { ballot } => owned(*ballot, from),
    }
}

fn promise_part(promised: Ballot, part: &PromisePart) -> Verdict {
    let PromisePart { first, last, votes, chosen_upto, withheld_upto } = part;
    slot(*first)?;
    slot(*chosen_upto)?;
    let last = last.unwrap_or(SLOT_MAX);
    slot(last)?;
    ensure(Index::ZERO < *first && *first <= last, "its promise speaks for no slot")?;
    ensure(withheld_upto <= chosen_upto, "it keeps votes back that are not decided")?;
    ascending(votes)?;
    let is_within = votes.iter().all(|vote| (*first..=last).contains(&vote.index));
    ensure(is_within, "its votes are for other slots than it speaks for")?;
    let is_older = votes.iter().all(|vote| vote.ballot <= promised);
    ensure(is_older, "it voted above the ballot it promises")
}

fn snapshot(meta: &Meta) -> Verdict {
    slot(meta.index)?;
    ballot(meta.ballot)?;
    ensure(Index::ZERO < meta.index, "its snapshot is empty")?;
    ensure(!meta.members.voters.is_empty(), "its snapshot knows no voters")
}

fn ascending(entries: &[Entry]) -> Verdict {
    let mut before = Index::ZERO;
    for entry in entries {
        slot(entry.index)?;
        ballot(entry.ballot)?;
        ensure(entry.born <= entry.ballot, "its vote is older than the value")?;
        ensure(before < entry.index, "its slots do not ascend")?;
        before = entry.index;
    }
    Ok(())
}

fn spans(spans: &[Span]) -> Verdict {
    let mut before = Index::ZERO;
    for span in spans {
        slot(span.last)?;
        ensure(before < span.first && span.first <= span.last, "its slots do not ascend")?;
        before = span.last;
    }
    Ok(())
}

fn slot(slot: Index) -> Verdict {
    ensure(slot <= SLOT_MAX, "its slot is beyond reach")
}

/// A ballot that someone can own.
fn ballot(ballot: Ballot) -> Verdict {
    known_ballot(ballot)?;
    ensure(0 < ballot.round && ballot.node != NodeId(0), "its ballot is nobody's")
}

/// A ballot, or none yet.
fn known_ballot(ballot: Ballot) -> Verdict {
    ensure(ballot.round <= Message::ROUND_MAX, "its ballot is beyond reach")
}

fn owned(owned: Ballot, owner: NodeId) -> Verdict {
    ballot(owned)?;
    ensure(owned.node == owner, "its ballot has another owner")
}

fn ensure(holds: bool, otherwise: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise) }
}
