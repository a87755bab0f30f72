//! What awaits the disk: writes, and the messages that may not leave before them.

use crate::config::{Config, Timers};
use crate::effects::Envelope;
use crate::ids::WriteId;
use crate::rules::{Rule, Rules};
use crate::time::Instant;
use crate::write::{Write, WriteBatch};

/// Writes on their way to the disk, and the messages held back for them.
#[derive(Clone, Debug)]
pub(crate) struct Durability<M> {
    pending: Vec<Write>,
    /// Memory for the batch after the pending one.
    spare: Vec<Write>,
    /// The newest batch issued.
    issued: WriteId,
    /// The newest batch known to be durable.
    persisted: WriteId,
    /// Since when the disk owes an answer: it was given something to do when it had nothing, or
    /// has answered since. `None` while all that was issued is durable.
    waiting_since: Option<Instant>,
    held: Vec<Held<M>>,
}

/// A message that promises what a write makes durable.
#[derive(Clone, Debug)]
struct Held<M> {
    after: WriteId,
    /// The round it was made in. A promise of an older round is void.
    round: u64,
    envelope: Envelope<M>,
}

impl<M> Durability<M> {
    /// Nothing written yet.
    pub(crate) fn new() -> Self {
        Self {
            pending: Vec::new(),
            spare: Vec::new(),
            issued: WriteId(0),
            persisted: WriteId(0),
            waiting_since: None,
            held: Vec::new(),
        }
    }

    /// Adds a change to the batch that the next [`Self::issue`] makes.
    pub(crate) fn write(&mut self, write: Write) {
        self.pending.push(write);
    }

    /// Whether there is anything to issue.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The batch that will hold what is written now.
    pub(crate) fn next(&self) -> WriteId {
        WriteId(self.issued.0 + 1)
    }

    /// The batch that holds the newest of all that was written: durable once all of it is.
    pub(crate) fn newest(&self) -> WriteId {
        if self.pending.is_empty() { self.issued } else { self.next() }
    }

    /// Whether a batch is durable.
    pub(crate) fn is_persisted(&self, write: WriteId) -> bool {
        write <= self.persisted
    }

    /// Makes a batch of what is pending.
    pub(crate) fn issue(&mut self, now: Instant) -> Option<WriteBatch> {
        if self.pending.is_empty() {
            return None;
        }
        self.issued = self.next();
        self.waiting_since.get_or_insert(now);
        let mut next = core::mem::take(&mut self.spare);
        // The next batch is probably about as large.
        next.reserve(self.pending.len().min(Self::RESERVE_MAX));
        Some(WriteBatch { id: self.issued, writes: core::mem::replace(&mut self.pending, next) })
    }

    /// Uses the memory of a batch again that the host is done with.
    pub(crate) fn reuse(&mut self, mut writes: Vec<Write>) {
        writes.clear();
        if self.spare.capacity() < writes.capacity() {
            self.spare = writes;
        }
    }

    /// The most writes that room is made for before they come.
    const RESERVE_MAX: usize = 4_096;

    /// Takes note that a batch and all before it are durable.
    pub(crate) fn on_persisted(&mut self, write: WriteId, now: Instant) {
        assert!(write <= self.issued, "a batch is durable that was never issued");
        if write <= self.persisted {
            return;
        }
        self.persisted = write;
        self.waiting_since = (write < self.issued).then_some(now);
    }

    /// When the disk will have made nothing durable for too long, though something awaits it. A
    /// disk that is slow, with much before it, is not one that has stalled.
    pub(crate) fn stalled_at(&self, config: &Config, rules: &impl Rules) -> Option<Instant> {
        if config.timers == Timers::Off || rules.breaks(Rule::LeadWithStalledDisk) {
            return None;
        }
        self.waiting_since.map(|since| since + config.disk_stall_timeout)
    }

    /// Holds a message back until `after` is durable.
    pub(crate) fn hold(&mut self, after: WriteId, round: u64, envelope: Envelope<M>) {
        self.held.push(Held { after, round, envelope });
    }

    /// The messages that nothing holds back any more, in the order they were made. Those of
    /// another round than `round` are dropped.
    pub(crate) fn release(&mut self, round: u64) -> impl Iterator<Item = Envelope<M>> + use<'_, M> {
        let persisted = self.persisted;
        self.held
            .extract_if(.., move |held| held.after <= persisted || held.round != round)
            .filter(move |held| held.round == round)
            .map(|held| held.envelope)
    }

    /// The messages that nothing holds back any more, in the order they were made, whichever round
    /// they were made in: what each says about its own ballot stays true.
    pub(crate) fn release_all(&mut self) -> impl Iterator<Item = Envelope<M>> + use<'_, M> {
        let persisted = self.persisted;
        self.held.extract_if(.., move |held| held.after <= persisted).map(|held| held.envelope)
    }

    /// Whether any message is held back.
    pub(crate) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// The messages held back, each with how many batches beyond the durable ones it waits for.
    pub(crate) fn held(&self) -> impl ExactSizeIterator<Item = (u64, &Envelope<M>)> {
        self.held.iter().map(|held| (held.after.0.saturating_sub(self.persisted.0), &held.envelope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Index, NodeId};

    fn envelope(message: u8) -> Envelope<u8> {
        Envelope { to: NodeId(2), message }
    }

    #[test]
    fn a_message_leaves_after_its_write_and_only_in_its_round() {
        let mut durability = Durability::new();
        durability.write(Write::TruncateFrom(Index(1)));
        durability.hold(durability.next(), 1, envelope(1));
        let first = durability.issue(Instant::ORIGIN).expect("a write is pending").id;
        durability.write(Write::TruncateFrom(Index(1)));
        durability.hold(durability.next(), 2, envelope(2));
        durability.hold(durability.next(), 1, envelope(3));
        let second = durability.issue(Instant::ORIGIN).expect("a write is pending").id;

        assert_eq!(durability.release(2).count(), 0, "nothing is durable yet");
        durability.on_persisted(first, Instant::ORIGIN);
        assert_eq!(durability.release(2).count(), 0, "the first was made in an older round");
        durability.on_persisted(second, Instant::ORIGIN);
        let released: Vec<u8> = durability.release(2).map(|envelope| envelope.message).collect();
        assert_eq!(released, [2]);
        assert_eq!(durability.held().len(), 0);
    }

    #[test]
    fn a_disk_owes_an_answer_since_it_last_gave_one() {
        let mut durability: Durability<u8> = Durability::new();
        let at = Instant::from_micros;
        for micros in [10, 20] {
            durability.write(Write::TruncateFrom(Index(1)));
            durability.issue(at(micros));
        }
        assert_eq!(durability.waiting_since, Some(at(10)));
        durability.on_persisted(WriteId(1), at(500));
        assert_eq!(durability.waiting_since, Some(at(500)));
        durability.on_persisted(WriteId(1), at(600));
        assert_eq!(durability.waiting_since, Some(at(500)), "that was no news");
        durability.on_persisted(WriteId(2), at(700));
        assert_eq!(durability.waiting_since, None);
    }
}
