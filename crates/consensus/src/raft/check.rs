//! What no correct node says. The sender is reported and nothing else happens: an assertion speaks
//! about our own state, never about bytes from outside.

use super::message::{AppendResult, Body, Message, Term};
use crate::entry::{Entry, Meta};
use crate::ids::{Index, NodeId};
use crate::log::Position;

/// The highest index a correct node can reach: arithmetic on what is below never overflows.
const INDEX_MAX: Index = Index(1 << 62);

type Verdict = Result<(), &'static str>;

/// Refuses a message that contradicts itself or its sender.
///
/// A sender that is not a member is no contradiction: this node's configuration may be older than
/// the sender's (dissertation §4.1). Who may connect at all is for the transport to decide.
pub(super) fn message(me: NodeId, from: NodeId, message: &Message) -> Verdict {
    let term = message.term;
    ensure(from != me && from != NodeId(0), "it speaks under a name that is not its own")?;
    ensure(term <= Term::MAX, "its term is beyond reach")?;
    ensure(!message.body.needs_term() || Term(0) < term, "it acts in a term before any election")?;
    match &message.body {
        Body::PreVote { last } => position(*last, term),
        Body::Vote { last, .. } => {
            position(*last, term)?;
            ensure(last.ballot.round < term.0, "its log holds a term it has not won")
        }
        Body::Append { previous, entries, commit, .. } => {
            ensure(*commit <= INDEX_MAX, "its commit mark is beyond reach")?;
            append(from, term, *previous, entries)
        }
        Body::AppendReply { result, .. } => append_result(*result, term),
        Body::Heartbeat { commit, .. } => position(*commit, term),
        Body::Snapshot { meta } => snapshot(meta, term),
        Body::PreVoteReply { .. }
        | Body::VoteReply { .. }
        | Body::HeartbeatReply { .. }
        | Body::TimeoutNow
        | Body::StaleTerm => Ok(()),
    }
}

fn append(from: NodeId, term: Term, previous: Position, entries: &[Entry]) -> Verdict {
    position(previous, term)?;
    let mut before = previous;
    let mut time = None;
    for entry in entries {
        let next = Position { ballot: entry.ballot, index: entry.index };
        position(next, term)?;
        ensure(before.index.next() == next.index, "its entries are not consecutive")?;
        ensure(before.ballot <= next.ballot, "its terms decrease along the log")?;
        let is_same_term = before.ballot.round == next.ballot.round;
        ensure(!is_same_term || before.ballot == next.ballot, "two leaders in one term")?;
        let is_own = next.ballot.round == term.0;
        ensure(!is_own || next.ballot.node == from, "its entry has another leader")?;
        ensure(time <= Some(entry.time), "its stamps decrease along the log")?;
        ensure(entry.born == entry.ballot, "its entry was first another's")?;
        before = next;
        time = Some(entry.time);
    }
    Ok(())
}

fn append_result(result: AppendResult, term: Term) -> Verdict {
    match result {
        AppendResult::Matched { index } => ensure(index <= INDEX_MAX, "its match is beyond reach"),
        AppendResult::Rejected { refused, hint } => {
            position(hint, term)?;
            ensure(refused <= INDEX_MAX, "its refusal is beyond reach")?;
            ensure(hint.index < refused, "its hint does not lead back")
        }
        AppendResult::Busy => Ok(()),
    }
}

fn snapshot(meta: &Meta, term: Term) -> Verdict {
    position(Position { ballot: meta.ballot, index: meta.index }, term)?;
    ensure(Index::ZERO < meta.index, "its snapshot is empty")?;
    ensure(!meta.members.voters.is_empty(), "its snapshot knows no voters")
}

/// A place that a log of this term can have.
fn position(position: Position, term: Term) -> Verdict {
    ensure(position.index <= INDEX_MAX, "its position is beyond reach")?;
    ensure(position.ballot.round <= term.0, "its position is of a later term")?;
    let is_start = position.index == Index::ZERO;
    ensure(is_start == (position.ballot.round == 0), "its position has no place in a log")
}

fn ensure(holds: bool, otherwise: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise) }
}

impl Body {
    /// Whether it can only be said in a term that had an election.
    fn needs_term(&self) -> bool {
        !matches!(self, Self::PreVote { .. } | Self::PreVoteReply { .. } | Self::StaleTerm)
    }

    /// Whether it awaits an answer, or an act.
    pub(super) fn is_request(&self) -> bool {
        matches!(
            self,
            Self::PreVote { .. }
                | Self::Vote { .. }
                | Self::Append { .. }
                | Self::Heartbeat { .. }
                | Self::Snapshot { .. }
                | Self::TimeoutNow
        )
    }

    /// Whether it counts although its sender's term is older: the answer to a request for a vote
    /// names the term it is about.
    pub(super) fn outlives_its_term(&self) -> bool {
        matches!(self, Self::PreVoteReply { .. } | Self::VoteReply { .. })
    }
}
