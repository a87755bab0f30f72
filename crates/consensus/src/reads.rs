//! Reads that wait for a leader to confirm that it still leads.
//!
//! A read is released at the commit mark of a moment after it arrived, once a quorum has confirmed,
//! after that moment, that nobody else leads. One confirmation serves all reads that wait; its
//! number is made by the leader and never again under its ballot, so a delayed answer confirms
//! nothing later.

use std::collections::VecDeque;

use crate::ids::{Confirmation, Index, RequestId};
use crate::outcome::{Outcome, Refusal};

/// Reads that wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// For a round to begin.
    waiting: Vec<RequestId>,
    /// For a round to be confirmed, oldest first.
    rounds: VecDeque<Round>,
    count: u32,
}

/// Reads that one confirmation serves.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) confirm: Confirmation,
    /// The commit mark when it began.
    pub(crate) index: Index,
    ids: Vec<RequestId>,
}

impl Round {
    /// What the round has brought.
    pub(crate) fn into_outcomes(self) -> impl Iterator<Item = Outcome> {
        let index = self.index;
        self.ids.into_iter().map(move |id| Outcome::Read { id, result: Ok(index) })
    }
}

impl Reads {
    /// The most rounds under way: enough to keep a link busy, few enough that a burst of small
    /// drains does not become a burst of heartbeats.
    const ROUNDS_MAX: usize = 4;

    /// How many reads wait, for a round to begin or to be confirmed.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How many wait for a round to begin, and the rounds under way.
    pub(crate) fn shape(&self) -> (usize, impl ExactSizeIterator<Item = (Confirmation, Index)>) {
        (self.waiting.len(), self.rounds.iter().map(|round| (round.confirm, round.index)))
    }

    /// Another read waits.
    pub(crate) fn wait(&mut self, id: RequestId) {
        self.count += 1;
        self.waiting.push(id);
    }

    /// Whether a round can begin, and has something to serve.
    pub(crate) fn can_begin(&self) -> bool {
        !self.waiting.is_empty() && self.rounds.len() < Self::ROUNDS_MAX
    }

    /// Begins a round for all that wait.
    pub(crate) fn begin(&mut self, confirm: Confirmation, index: Index) {
        let ids = core::mem::take(&mut self.waiting);
        self.rounds.push_back(Round { confirm, index, ids });
    }

    /// Whether a round is under way.
    pub(crate) fn is_open(&self) -> bool {
        !self.rounds.is_empty()
    }

    /// Takes the oldest round out if it is confirmed.
    pub(crate) fn take_confirmed(
        &mut self,
        is_confirmed: impl Fn(Confirmation) -> bool,
    ) -> Option<Round> {
        let round = self.rounds.pop_front_if(|round| is_confirmed(round.confirm))?;
        self.count -= u32::try_from(round.ids.len()).unwrap_or(u32::MAX);
        Some(round)
    }

    /// Refuses all, oldest first: the leadership they waited for has ended.
    pub(crate) fn refuse(self, refusal: Refusal, outcomes: &mut Vec<Outcome>) {
        let ids = self.rounds.into_iter().flat_map(|round| round.ids).chain(self.waiting);
        outcomes.extend(ids.map(|id| Outcome::Read { id, result: Err(refusal) }));
    }
}
