//! What must hold of each step of one node, whatever the others do.

use quorate_consensus::invariants::{Claim, Claims, Invariant, Order};
use quorate_consensus::{Effects, Index, NodeId, Role, Status, Write};

use super::disk::Disk;
use super::finding::Finding;
use super::node::View;
use super::protocol::Explored;

type Verdict = Result<(), Finding>;

/// A node was drained: `before` it, and `after` it with the batch it issued on the way to the disk.
pub(super) fn step<P: Explored>(
    before: &View,
    after: &View,
    effects: &Effects<P::Message>,
) -> Verdict {
    let node = after.node;
    let ensure =
        |invariant, holds, message: &str| ensure(invariant, node, holds, || message.into());
    let (old, new) = (before.issued.promise, after.issued.promise);
    ensure(Invariant::PromiseMonotone, old.round <= new.round, "it forgets a round")?;
    if P::Engine::ORDER == Order::Terms {
        let is_same = old.round < new.round || old.to.is_none() || old.to == new.to;
        ensure(Invariant::OneVotePerTerm, is_same, "it votes for another in the same round")?;
        let ends = after.log.last().map_or(Index::ZERO, |held| held.index);
        ensure(Invariant::LogIsWritten, after.last == ends, "its log is not what it writes")?;
        ensure(Invariant::LogIsWritten, after.round == new.round, "its round is not written")?;
        keeps_log(before, after, effects)?;
        counts_own(before, after)?;
    }
    ensure(Invariant::TermMonotone, before.round <= after.round, "its round goes back")?;
    ensure(Invariant::CommitMonotone, before.committed <= after.committed, "it takes back")?;
    let first = effects.committed_entries().next().map(|entry| entry.index);
    let follows = first.is_none_or(|first| first == before.applied.next());
    ensure(Invariant::NoGapExecution, follows, "it executes out of order")?;
    let claims = effects
        .messages
        .iter()
        .filter_map(|envelope| P::Engine::claim(node, envelope.to, &envelope.message));
    claims.into_iter().try_for_each(|claim| is_durable(after, claim))
}

/// A leader removes nothing from its own log.
fn keeps_log<M>(before: &View, after: &View, effects: &Effects<M>) -> Verdict {
    let led = before.role == Role::Leader && after.role == Role::Leader;
    let writes = effects.write.iter().flat_map(|batch| &batch.writes);
    let truncates = writes.into_iter().any(|write| matches!(write, Write::TruncateFrom(_)));
    let holds = !(led && before.round == after.round && truncates);
    ensure(Invariant::LeaderAppendOnly, after.node, holds, || "it cuts its own log".into())
}

/// A leader counts copies only of entries of its own round.
fn counts_own(before: &View, after: &View) -> Verdict {
    if after.role != Role::Leader || after.committed <= before.committed {
        return Ok(());
    }
    let newest = after.log.iter().find(|held| held.index == after.committed);
    let is_own = newest.is_some_and(|held| held.ballot.round == after.round);
    ensure(Invariant::CommitOwnTermOnly, after.node, is_own, || {
        format!("it commits {} of an older round by counting", after.committed)
    })
}

/// What a message vouches for is on the sender's disk.
fn is_durable(sender: &View, claim: Claim) -> Verdict {
    let sworn = sender.durable.promise;
    match claim {
        Claim::Votes { round, candidate } => {
            let is_sworn = sworn.round == round && sworn.to == Some(candidate);
            let holds = is_sworn || round < sworn.round;
            ensure(Invariant::VoteDurable, sender.node, holds, || {
                format!("its vote for {candidate} in round {round} leaves before it is durable")
            })
        }
        Claim::Holds { round, upto, .. } => {
            let last = sender.durable_log.last().map_or(Index::ZERO, |held| held.index);
            ensure(Invariant::AckedIsDurable, sender.node, upto <= last, || {
                format!("it acknowledges {upto} of round {round} before it is durable")
            })
        }
        _ => Ok(()),
    }
}

/// A node crashed and started again.
pub(super) fn restart(node: NodeId, before: &Status, after: &Status, disk: &Disk) -> Verdict {
    ensure(Invariant::PersistedSurvives, node, before.persisted <= after.last, || {
        format!("{} was durable, {} is left", before.persisted, after.last)
    })?;
    ensure(Invariant::LogIsWritten, node, after.last == disk.last(), || {
        "it starts with another log than its disk's".into()
    })
}

pub(super) fn ensure(
    invariant: Invariant,
    node: NodeId,
    holds: bool,
    message: impl FnOnce() -> String,
) -> Verdict {
    if holds { Ok(()) } else { Err(Finding::broken(invariant, node, message())) }
}
