//! The commands that clients asked for, against those that were committed.
//!
//! Commands of the same bytes are told apart by nobody, so they are counted: of each there are at
//! most as many in the log as requests that may have happened.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_consensus::Index;
use quorate_kv::{CommandError, Response};

use super::truth::Place;

/// What a client must be told of a command.
pub(super) type Expected = Result<Response, CommandError>;

/// Where a command is in the log.
#[derive(Clone, Debug)]
pub(super) struct Committed {
    pub(super) index: Index,
    pub(super) place: Place,
    pub(super) expected: Expected,
}

/// Requests for one command.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Requests that are open.
    open: usize,
    /// Requests that ended without an answer, and may have happened or happen yet.
    unknown: usize,
    /// In the log, and not told to a client yet.
    committed: Vec<Committed>,
}

impl Asked {
    fn is_overdrawn(&self) -> bool {
        self.open + self.unknown < self.committed.len()
    }
}

/// All commands of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands {
    asked: BTreeMap<Bytes, Asked>,
}

/// A command is more often in the log than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overdrawn;

/// Why an acknowledgement cannot be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfounded {
    /// The command is not in the log, or was acknowledged already.
    NotCommitted,
    /// It is there, with another outcome.
    Differs(Expected),
}

impl Commands {
    pub(super) fn on_ask(&mut self, command: Bytes) {
        self.asked.entry(command).or_default().open += 1;
    }

    pub(super) fn on_commit(
        &mut self,
        command: &Bytes,
        committed: Committed,
    ) -> Result<(), Overdrawn> {
        let asked = self.asked.get_mut(command).ok_or(Overdrawn)?;
        asked.committed.push(committed);
        let is_overdrawn = asked.is_overdrawn();
        self.forget_if_settled(command);
        if is_overdrawn { Err(Overdrawn) } else { Ok(()) }
    }

    /// A request was acknowledged. Gives where it is in the log.
    pub(super) fn on_answer(
        &mut self,
        command: &Bytes,
        answer: &Expected,
        asked_after: Index,
    ) -> Result<Committed, Unfounded> {
        let asked = self.asked.get_mut(command).ok_or(Unfounded::NotCommitted)?;
        let is_later = |committed: &&Committed| asked_after < committed.index;
        let found = asked
            .committed
            .iter()
            .position(|committed| asked_after < committed.index && committed.expected == *answer);
        let Some(found) = found else {
            let other = asked.committed.iter().find(is_later);
            let differs = other.map(|other| Unfounded::Differs(other.expected.clone()));
            return Err(differs.unwrap_or(Unfounded::NotCommitted));
        };
        let committed = asked.committed.remove(found);
        asked.open -= 1;
        self.forget_if_settled(command);
        Ok(committed)
    }

    /// A request was refused: it will never happen.
    pub(super) fn on_refusal(&mut self, command: &Bytes) -> Result<(), Overdrawn> {
        let Some(asked) = self.asked.get_mut(command) else { return Ok(()) };
        asked.open -= 1;
        let is_overdrawn = asked.is_overdrawn();
        self.forget_if_settled(command);
        if is_overdrawn { Err(Overdrawn) } else { Ok(()) }
    }

    /// A request ended, and it is not known whether it happened or will.
    pub(super) fn on_unknown(&mut self, command: &Bytes) {
        let Some(asked) = self.asked.get_mut(command) else { return };
        asked.open -= 1;
        asked.unknown += 1;
        self.forget_if_settled(command);
    }

    /// Requests whose end was never known, and that did not happen.
    pub(super) fn never(&self) -> usize {
        let missing = |asked: &Asked| asked.unknown.saturating_sub(asked.committed.len());
        self.asked.values().map(missing).sum()
    }

    /// Once as many are in the log as may be, one more would be one that nobody asked for, which
    /// is what its absence here says.
    fn forget_if_settled(&mut self, command: &Bytes) {
        let is_settled = |asked: &Asked| asked.open == 0 && asked.unknown == asked.committed.len();
        if self.asked.get(command).is_some_and(is_settled) {
            self.asked.remove(command);
        }
    }
}
