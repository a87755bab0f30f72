//! Messages that wait for the disk.

use crate::effects::Envelope;
use crate::ids::WriteId;

/// Holds back each message until the state it was made in is durable.
///
/// A councillor's durable state is one small record that each write replaces whole, so a message
/// waits for the newest write there is when it is made.
#[derive(Clone, Debug)]
pub(super) struct Withheld<M> {
    is_changed: bool,
    issued: WriteId,
    persisted: WriteId,
    held: Vec<(WriteId, Envelope<M>)>,
}

impl<M> Withheld<M> {
    pub(super) fn new() -> Self {
        Self { is_changed: false, issued: WriteId(0), persisted: WriteId(0), held: Vec::new() }
    }

    /// The state changed: the next [`Self::issue`] writes it.
    pub(super) fn change(&mut self) {
        self.is_changed = true;
    }

    /// The name of the write to make now, if the state changed since the last.
    pub(super) fn issue(&mut self) -> Option<WriteId> {
        if !self.is_changed {
            return None;
        }
        self.is_changed = false;
        self.issued = WriteId(self.issued.0 + 1);
        Some(self.issued)
    }

    /// The write that holds the state as it is now.
    fn newest(&self) -> WriteId {
        if self.is_changed { WriteId(self.issued.0 + 1) } else { self.issued }
    }

    /// Holds a message back until the state as it is now is durable.
    pub(super) fn hold(&mut self, envelope: Envelope<M>) {
        self.held.push((self.newest(), envelope));
    }

    /// Takes note that a write and all before it are durable.
    pub(super) fn on_persisted(&mut self, write: WriteId) {
        assert!(write <= self.issued, "a write is durable that was never issued");
        self.persisted = self.persisted.max(write);
    }

    /// The messages that nothing holds back, in the order they were made.
    pub(super) fn release(&mut self) -> Vec<Envelope<M>> {
        let persisted = self.persisted;
        let released = self.held.extract_if(.., |(after, _)| *after <= persisted);
        released.map(|(_, envelope)| envelope).collect()
    }

    /// What is held back and by how many writes, for comparing states.
    #[cfg(test)]
    pub(super) fn held(&self) -> impl Iterator<Item = (u64, &Envelope<M>)> {
        let persisted = self.persisted;
        self.held.iter().map(move |(after, envelope)| (after.0 - persisted.0, envelope))
    }

    /// How many writes the disk has not confirmed.
    #[cfg(test)]
    pub(super) fn unconfirmed(&self) -> u64 {
        self.newest().0 - self.persisted.0
    }
}
