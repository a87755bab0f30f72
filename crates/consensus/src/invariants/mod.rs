//! What the protocols promise, checked after every step of a run from its events alone.
//!
//! The host of a cluster (the simulator, the exhaustive search, scripts, a test) reports what each
//! node is given and does; nothing here reads an engine or a disk. The checks keep their own mirror
//! of every node's log, as issued and as durable, and a memory of votes, leaders and commits that
//! no crash erases. Each event is compared with that memory in constant amortised time, and
//! a violation is told by name.
//!
//! The order of reports matters. For each drain of an engine, [`Invariants::on_effects`] does it
//! right: first the write, then the state after it, then messages, outcomes and committed entries.
//!
//! Memory is bounded by what nodes keep: a position is forgotten once every node that is not lost
//! has durably compacted it.

mod ballots;
mod claim;
mod fingerprint;
mod mirror;
mod nodes;
mod requests;
mod rounds;
mod sends;
mod slots;
mod starts;
mod steps;
mod violation;
mod writes;

#[cfg(test)]
mod tests;

pub use claim::{Claim, Claims, Order};
pub use violation::{Checks, Invariant, Verdict, Violation};

use crate::effects::Effects;
use crate::entry::Entry;
use crate::ids::{Index, NodeId};
use crate::members::Members;
use crate::quorum::{FlexibleQuorums, FlexibleSizes, Quorum};
use crate::status::Summary;
use nodes::Nodes;
use requests::Requests;
use rounds::Rounds;
use slots::Slots;

/// The memory of a run, and the checks against it.
#[derive(Clone, Debug)]
pub struct Invariants {
    order: Order,
    sizes: Option<FlexibleSizes>,
    nodes: Nodes,
    slots: Slots,
    rounds: Rounds,
    requests: Requests,
    checks: Checks,
}

impl Invariants {
    /// Nothing has happened yet. Decisions need majorities.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            sizes: None,
            nodes: Nodes::default(),
            slots: Slots::default(),
            rounds: Rounds::default(),
            requests: Requests::default(),
            checks: Checks::default(),
        }
    }

    /// The same with flexible quorums of these sizes (Paxos).
    #[must_use]
    pub fn with_sizes(mut self, sizes: FlexibleSizes) -> Self {
        self.sizes = Some(sizes);
        self
    }

    /// Everything a drain brought, in the right order; `after` is the state after it.
    pub fn on_effects<P: Claims>(
        &mut self,
        node: NodeId,
        effects: &Effects<P::Message>,
        after: &Summary,
    ) -> Verdict {
        if let Some(batch) = &effects.write {
            self.on_write(node, batch)?;
        }
        self.on_step(node, after)?;
        for envelope in &effects.messages {
            self.on_send::<P>(node, envelope.to, &envelope.message)?;
        }
        for outcome in &effects.outcomes {
            self.on_outcome(node, outcome)?;
        }
        effects.committed_entries().try_for_each(|entry| self.on_committed(node, entry))
    }

    /// How often each invariant was looked at.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// The last position that any node has known to be committed.
    pub fn last_committed(&self) -> Index {
        self.slots.last_known()
    }

    /// How many rounds have had a leader.
    pub fn elections(&self) -> u64 {
        self.rounds.elections()
    }

    /// Whether `entry` is what is committed at its position; `None` if nothing is known of it.
    pub fn is_committed(&self, entry: &Entry) -> Option<bool> {
        let chosen = self.slots.chosen(entry.index)?;
        Some(chosen.digest.is_same(mirror::Digest::of(entry)))
    }

    /// The quorums of a configuration.
    fn quorums_of(&self, members: &Members) -> FlexibleQuorums {
        let flexible = self.sizes.and_then(|sizes| Quorum::flexible(members, sizes).ok());
        flexible.unwrap_or_else(|| FlexibleQuorums {
            phase1: Quorum::majority(members),
            phase2: Quorum::majority(members),
        })
    }
}
