//! The snapshot that a leader sends to this node: pulled chunk by chunk into a new file.
//!
//! One transfer at a time. The host writes each chunk before the next is asked for, so memory holds
//! one chunk, and a transfer that breaks off resumes where it was.

use core::time::Duration;

use quorate_codec::peer::{SnapshotChunk, SnapshotMessage, TransferId};
use quorate_consensus::{Instant, Meta, NodeId};
use quorate_kv::{Checkpoint, Lease, Record, Revision, SnapshotPlace};

use crate::meta::decode_meta_of;
use crate::rules::{Rule, Rules};

/// How long an asked-for chunk may take before it is asked for again.
const PULL_RETRY: Duration = Duration::from_millis(500);

/// How long a sender that was asked may be silent before another may take its place.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// What the host must do with the file under construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StagingOp {
    /// Discard what is staged and start a new file for this snapshot.
    Begin(Meta),
    /// Add these records.
    Write(Vec<(Revision, Record)>),
    /// Add these leases. All records come before.
    WriteLeases(Vec<Lease>),
    /// Check the whole against this checkpoint and make it durable.
    Finish(Box<Checkpoint>),
}

/// The transfer under way, if any.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    transfer: Option<Transfer>,
    /// Pieces of staging work that the host has and has not acknowledged. Those of a transfer that
    /// was given up count too: only the acknowledgement of the newest piece says that all is done.
    outstanding: u64,
}

#[derive(Debug)]
struct Transfer {
    id: TransferId,
    from: NodeId,
    meta: Meta,
    step: Step,
    /// From where was asked last.
    asked: SnapshotPlace,
    heard_at: Instant,
    retry_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The host prepares the file.
    Beginning,
    /// A chunk was asked for.
    Pulling,
    /// The host writes a chunk; the one from here is next.
    Writing(SnapshotPlace),
    /// The host has the last chunk and checks the whole.
    Finishing,
    /// The snapshot is whole and durable, waiting to be installed.
    Held,
}

/// What follows from an event: at most one of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// To the sender.
    pub(crate) message: Option<(NodeId, SnapshotMessage)>,
    /// For the host, in order.
    pub(crate) staging: Vec<StagingOp>,
    /// The snapshot is whole.
    pub(crate) staged: Option<Meta>,
}

impl Incoming {
    /// A peer offers a snapshot. `applied` is how far this node is without it.
    ///
    /// One that brings nothing new is as good as held: the sender's engine then tells this node of
    /// it, and hears how far its log is. Refused, it would be offered again for ever (simulator,
    /// default seed 699038031823460884).
    pub(crate) fn on_offer(
        &mut self,
        now: Instant,
        from: NodeId,
        id: TransferId,
        meta: Meta,
        applied: u64,
    ) -> Reaction {
        if meta.index.0 <= applied {
            return Reaction::message(from, SnapshotMessage::Held { transfer: id, meta });
        }
        if let Some(transfer) = &mut self.transfer {
            if transfer.holds(&meta) {
                let message = SnapshotMessage::Held { transfer: id, meta };
                return Reaction::message(from, message);
            }
            if transfer.is(from, id) {
                return transfer.resume();
            }
            if transfer.from == from && id < transfer.id {
                return Reaction::default();
            }
            if transfer.from != from && !transfer.is_silent(now) {
                return Reaction::message(from, SnapshotMessage::Aborted { transfer: id });
            }
        }
        let staging = vec![StagingOp::Begin(meta.clone())];
        self.transfer = Some(Transfer {
            id,
            from,
            meta,
            step: Step::Beginning,
            asked: SnapshotPlace::FIRST,
            heard_at: now,
            retry_at: now + PULL_RETRY,
        });
        Reaction { staging, ..Reaction::default() }
    }

    /// A peer offers a snapshot while one is being installed: that one is confirmed, another has
    /// to wait.
    pub(crate) fn on_offer_while_installing(
        &self,
        from: NodeId,
        id: TransferId,
        meta: Meta,
    ) -> Reaction {
        let is_held = self.transfer.as_ref().is_some_and(|transfer| transfer.holds(&meta));
        if is_held {
            return Reaction::message(from, SnapshotMessage::Held { transfer: id, meta });
        }
        Reaction::message(from, SnapshotMessage::Aborted { transfer: id })
    }

    /// A chunk arrived. Chunks that were not asked for are dropped.
    pub(crate) fn on_chunk(
        &mut self,
        now: Instant,
        from: NodeId,
        chunk: SnapshotChunk,
        rules: &impl Rules,
    ) -> Reaction {
        let is_ours = |transfer: &&mut Transfer| transfer.is(from, chunk.transfer);
        let Some(transfer) = self.transfer.as_mut().filter(is_ours) else {
            return Reaction::default();
        };
        let is_asked = transfer.step == Step::Pulling && transfer.asked == chunk.from;
        if !is_asked && !rules.breaks(Rule::TakeUnaskedChunk) {
            return Reaction::default();
        }
        transfer.heard_at = now;
        let mut staging = vec![StagingOp::Write(chunk.records)];
        if !chunk.leases.is_empty() {
            staging.push(StagingOp::WriteLeases(chunk.leases));
        }
        match (chunk.next, chunk.checkpoint) {
            (Some(next), _) if chunk.from < next => transfer.step = Step::Writing(next),
            (None, Some(checkpoint)) if transfer.ends_with(&checkpoint) => {
                staging.push(StagingOp::Finish(checkpoint));
                transfer.step = Step::Finishing;
            }
            // Neither a next chunk nor the end of what was offered: no correct sender says so.
            _ => return self.abort(),
        }
        Reaction { staging, ..Reaction::default() }
    }

    /// The host was given a piece of staging work, to be acknowledged in its turn.
    pub(crate) fn on_staging_given(&mut self) {
        self.outstanding += 1;
    }

    /// The host has done, or failed to do, the oldest piece it had. Whether that was the last: only
    /// then it speaks of the transfer under way.
    pub(crate) fn is_last_acknowledged(&mut self, rules: &impl Rules) -> bool {
        self.outstanding =
            self.outstanding.checked_sub(1).expect("staging ended that was not given");
        self.outstanding == 0 || rules.breaks(Rule::ClaimEarly)
    }

    /// The host has done all that was asked of it.
    pub(crate) fn on_staging_done(&mut self, now: Instant) -> Reaction {
        let Some(transfer) = &mut self.transfer else { return Reaction::default() };
        match transfer.step {
            Step::Beginning => transfer.pull(now, SnapshotPlace::FIRST),
            Step::Writing(next) => transfer.pull(now, next),
            Step::Finishing => {
                transfer.step = Step::Held;
                transfer.heard_at = now;
                Reaction { staged: Some(transfer.meta.clone()), ..transfer.announce() }
            }
            Step::Pulling | Step::Held => Reaction::default(),
        }
    }

    /// The host could not: the bytes were wrong or its disk is full.
    pub(crate) fn on_staging_failed(&mut self) -> Reaction {
        self.abort()
    }

    /// The sender gave up.
    pub(crate) fn on_aborted(&mut self, from: NodeId, id: TransferId) {
        self.transfer.take_if(|transfer| transfer.is(from, id) && transfer.step != Step::Held);
    }

    /// A snapshot is being installed: any that is still on its way comes too late.
    pub(crate) fn stop_unless_held(&mut self) {
        self.transfer.take_if(|transfer| transfer.step != Step::Held);
    }

    /// The state machine was replaced, or has come further by itself.
    pub(crate) fn clear(&mut self) {
        self.transfer = None;
    }

    fn abort(&mut self) -> Reaction {
        let Some(transfer) = self.transfer.take() else { return Reaction::default() };
        Reaction::message(transfer.from, SnapshotMessage::Aborted { transfer: transfer.id })
    }

    /// Asks again for a chunk that did not come.
    pub(crate) fn wake(&mut self, now: Instant) -> Reaction {
        let Some(transfer) = &mut self.transfer else { return Reaction::default() };
        if now < transfer.retry_at {
            return Reaction::default();
        }
        transfer.retry_at = now + PULL_RETRY;
        match transfer.step {
            Step::Pulling => transfer.ask(),
            Step::Beginning | Step::Writing(_) | Step::Finishing | Step::Held => {
                Reaction::default()
            }
        }
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.transfer.as_ref().map(|transfer| transfer.retry_at)
    }
}

impl Transfer {
    fn is(&self, from: NodeId, id: TransferId) -> bool {
        self.from == from && self.id == id
    }

    /// Whether exactly this snapshot is here already, whoever sent it.
    fn holds(&self, meta: &Meta) -> bool {
        self.step == Step::Held && self.meta == *meta
    }

    /// Whether the sender owes something for too long. While this node is at work it does not.
    fn is_silent(&self, now: Instant) -> bool {
        let is_waiting = matches!(self.step, Step::Pulling | Step::Held);
        is_waiting && self.heard_at + SILENCE_MAX <= now
    }

    fn pull(&mut self, now: Instant, from: SnapshotPlace) -> Reaction {
        self.step = Step::Pulling;
        self.asked = from;
        self.heard_at = now;
        self.retry_at = now + PULL_RETRY;
        self.ask()
    }

    fn ask(&self) -> Reaction {
        let pull = SnapshotMessage::Pull { transfer: self.id, from: self.asked };
        Reaction::message(self.from, pull)
    }

    /// Whether a checkpoint is that of the snapshot which was offered.
    fn ends_with(&self, checkpoint: &Checkpoint) -> bool {
        decode_meta_of(checkpoint).is_ok_and(|meta| meta == self.meta)
    }

    fn announce(&self) -> Reaction {
        let meta = self.meta.clone();
        Reaction::message(self.from, SnapshotMessage::Held { transfer: self.id, meta })
    }

    /// The same snapshot is offered again, because the sender has heard nothing for a while: tell
    /// it that all is well. A chunk that it sends although none is wanted yet is dropped. An offer
    /// is no sign that chunks come through: a former leader that this node cannot answer would
    /// keep the present one away for ever (simulator, default seed 434).
    fn resume(&mut self) -> Reaction {
        if self.step == Step::Held { self.announce() } else { self.ask() }
    }
}

impl Reaction {
    fn message(to: NodeId, message: SnapshotMessage) -> Self {
        Self { message: Some((to, message)), ..Self::default() }
    }
}
