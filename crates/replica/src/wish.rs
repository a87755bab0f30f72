//! What a node wants in the log for itself, and nobody waits for.

use bytes::Bytes;
use quorate_consensus::{Ballot, Instant, ProposalId};

/// A command that a leader proposes once per leadership: only a refusal has it offered again.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    command: Option<Bytes>,
    offered: Option<(Ballot, ProposalId)>,
    /// Left in peace until then, after a refusal.
    pause: Option<Instant>,
}

impl Wish {
    /// A wish that was never offered; `None` for none.
    pub(crate) fn new(command: Option<Bytes>) -> Self {
        Self { command, ..Self::default() }
    }

    /// The wish, if it is to be proposed under this node's own ballot now.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        leader: Ballot,
        next_id: impl FnOnce() -> ProposalId,
    ) -> Option<(ProposalId, Bytes)> {
        let is_offered = self.offered.is_some_and(|(ballot, _)| ballot == leader);
        if is_offered || self.pause.is_some_and(|until| now < until) {
            return None;
        }
        let payload = self.command.clone()?;
        let id = next_id();
        self.offered = Some((leader, id));
        self.pause = None;
        Some((id, payload))
    }

    /// A proposal was refused: if it is this wish, it is offered again after `until`.
    pub(crate) fn on_refused(&mut self, id: ProposalId, until: Instant) {
        if self.offered.take_if(|(_, offered)| *offered == id).is_some() {
            self.pause = Some(until);
        }
    }

    /// When it is to be offered again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pause.filter(|_| self.command.is_some())
    }
}
