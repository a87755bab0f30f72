//! Who takes part in a decision, and how patient a councillor is.

use core::time::Duration;
use std::collections::BTreeSet;

use crate::config::Timers;
use crate::ids::NodeId;
use crate::members::Members;
use crate::quorum::Quorum;
use crate::random::Random;

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Council {
    /// Those who vote.
    pub acceptors: BTreeSet<NodeId>,
    /// Those who are told the decision beside them.
    pub learners: BTreeSet<NodeId>,
}

impl Council {
    /// A council in which everyone votes.
    pub fn of(acceptors: impl IntoIterator<Item = NodeId>) -> Self {
        Self { acceptors: acceptors.into_iter().collect(), learners: BTreeSet::new() }
    }

    pub(super) fn quorum(&self) -> Quorum {
        Members::of_voters(self.acceptors.iter().copied()).quorum()
    }

    pub(super) fn is_member(&self, node: NodeId) -> bool {
        self.acceptors.contains(&node) || self.learners.contains(&node)
    }
}

/// Settings of a councillor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This councillor. One that is not an acceptor only proposes and learns.
    pub node: NodeId,
    /// Everyone.
    pub council: Council,
    /// The round of its first ballot. The tutorials count attempts from 0 or from 1.
    pub first_round: u64,
    /// How long a proposer waits for a quorum before it starts over with a higher ballot.
    pub answer_timeout: Duration,
    /// How long it waits after it was preempted.
    pub backoff: Backoff,
    /// Whether it tries again by itself.
    pub timers: Timers,
}

impl Config {
    /// The defaults: rounds from 1, patience for a network of some milliseconds, timers on.
    pub fn new(node: NodeId, council: Council) -> Self {
        Self {
            node,
            council,
            first_round: 1,
            answer_timeout: Duration::from_millis(100),
            backoff: Backoff { least: Duration::from_millis(5), most: Duration::from_secs(1) },
            timers: Timers::On,
        }
    }
}

/// How long a preempted proposer waits: at least `least`, drawn from a span that doubles with each
/// preemption in a row up to `most`.
///
/// Two proposers that come back at once preempt each other for ever (PMS §2.4). Equal bounds keep
/// it so, for show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest wait.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Backoff {
    pub(super) fn wait(self, preemptions: u32, random: &mut Random) -> Duration {
        assert!(self.least <= self.most, "the shortest wait is longer than the longest");
        let doubled = self.least.saturating_mul(1 << preemptions.min(16));
        random.duration(self.least, doubled.min(self.most).saturating_sub(self.least))
    }
}
