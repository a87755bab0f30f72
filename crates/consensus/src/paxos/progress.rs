//! A leader's view of one peer: what it has voted for, and what is on the way to it.

use core::time::Duration;
use std::collections::VecDeque;

use super::message::Confirmation;
use crate::config::{Config, Timers};
use crate::ids::{Index, Span};
use crate::input::StorageState;
use crate::ranges::{Coverage, Ranges};
use crate::time::Instant;

/// What a leader knows about a peer.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// What it has voted for in this ballot, durably; what was chosen before counts as voted for.
    pub votes: Coverage,
    /// It knows what is chosen up to here.
    pub chosen_upto: Index,
    /// The next slot that was never sent.
    pub next: Index,
    /// Slots that were sent and are taken to be lost.
    pub lost: Ranges,
    pub window: Window,
    pub flow: PeerFlow,
    /// How often in a row something was taken to be lost: the patience doubles with it.
    retries: u32,
    /// When the peer was last heard.
    pub heard_at: Instant,
    /// When it was last sent what it will answer.
    pub sent_at: Instant,
    /// The newest confirmation it answered.
    pub confirmed: Confirmation,
    /// The highest commit mark it was sent; `None` until it was told who leads.
    pub commit_sent: Option<Index>,
    pub storage: StorageState,
}

/// Whether values flow to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerFlow {
    /// Ahead of the answers, within the window.
    Open,
    /// Not until it is heard again.
    Paused,
}

/// Messages with values that are not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    messages: VecDeque<InFlight>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    span: Span,
    bytes: u64,
    sent_at: Instant,
}

impl Progress {
    /// The most doublings of the patience.
    const RETRIES_MAX: u32 = 4;

    /// A peer about which nothing is known yet; slots up to `floor` are not sent.
    pub(super) fn new(floor: Index, now: Instant) -> Self {
        Self {
            votes: Coverage::new(floor),
            chosen_upto: Index::ZERO,
            next: floor.next(),
            lost: Ranges::default(),
            window: Window::default(),
            flow: PeerFlow::Open,
            retries: 0,
            heard_at: now,
            sent_at: now,
            confirmed: Confirmation::default(),
            commit_sent: None,
            storage: StorageState::Writable,
        }
    }

    /// Whether the peer needs nothing more for a slot: it has voted, or knows what is chosen.
    pub(super) fn is_settled(&self, index: Index) -> bool {
        index <= self.chosen_upto || self.votes.has(index)
    }

    /// The end of the prefix that the peer needs nothing more for.
    pub(super) fn settled_upto(&self) -> Index {
        self.votes.upto().max(self.chosen_upto)
    }

    /// The peer has voted for these slots, and knows what is chosen up to `chosen_upto`.
    ///
    /// What was sent before what is now answered, and no later than `late`, should have been
    /// answered first and is probably lost: it goes again without waiting for a heartbeat.
    pub(super) fn on_accepted(&mut self, votes: &[Span], chosen_upto: Index, late: Instant) {
        for &span in votes {
            self.votes.insert(span);
        }
        self.chosen_upto = self.chosen_upto.max(chosen_upto);
        let settled_upto = self.settled_upto();
        self.lost.remove_upto(settled_upto);
        let votes = &self.votes;
        let has_gaps = !votes.above().is_empty();
        let overtaken = self.window.free(settled_upto, |span| {
            has_gaps && span.indices().all(|index| index <= settled_upto || votes.has(index))
        });
        for span in self.window.take_late(overtaken, late) {
            self.lost.insert(span);
        }
    }

    /// What the peer voted for is news: the patience is as at first.
    pub(super) fn restore_patience(&mut self) {
        self.retries = 0;
    }

    /// The peer is heard and may have lost what was sent too long ago: that is to be sent again.
    pub(super) fn resend_lost(&mut self, now: Instant, config: &Config) {
        self.flow = PeerFlow::Open;
        let patience = match config.timers {
            Timers::On => config.heartbeat_interval * (1 << self.retries),
            Timers::Off => Duration::ZERO,
        };
        let lost = self.window.take_late(self.window.messages.len(), now - patience);
        if !lost.is_empty() {
            self.retries = (self.retries + 1).min(Self::RETRIES_MAX);
        }
        for span in lost {
            self.lost.insert(span);
        }
    }

    /// Stops sending until the peer is heard again: what is on the way is probably lost.
    pub(super) fn pause(&mut self) {
        self.flow = PeerFlow::Paused;
        for span in self.window.take_all() {
            self.lost.insert(span);
        }
    }
}

impl Window {
    /// Whether another message with values may be sent.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        self.messages.len() < config.window_messages_max.max(1) as usize
            && (self.messages.is_empty() || self.bytes < config.window_bytes_max)
    }

    /// Takes note of a message with values for slots in this span.
    pub(super) fn add(&mut self, span: Span, bytes: u64, now: Instant) {
        self.bytes += bytes;
        self.messages.push_back(InFlight { span, bytes, sent_at: now });
    }

    /// Whether everything is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Frees what is settled: up to a slot, or otherwise. How many messages remain that were sent
    /// before the last one that is free now.
    fn free(&mut self, upto: Index, is_settled: impl Fn(Span) -> bool) -> usize {
        let bytes = &mut self.bytes;
        let (mut kept, mut overtaken) = (0, 0);
        self.messages.retain(|message| {
            let is_free = message.span.last <= upto || is_settled(message.span);
            if is_free {
                *bytes -= message.bytes;
                overtaken = kept;
            } else {
                kept += 1;
            }
            !is_free
        });
        overtaken
    }

    /// Takes those out of the oldest `count` messages that were sent no later than `late`.
    fn take_late(&mut self, count: usize, late: Instant) -> Vec<Span> {
        if count == 0 {
            return Vec::new();
        }
        let (mut spans, mut place) = (Vec::new(), 0);
        let bytes = &mut self.bytes;
        self.messages.retain(|message| {
            place += 1;
            let is_late = place <= count && message.sent_at <= late;
            if is_late {
                *bytes -= message.bytes;
                spans.push(message.span);
            }
            !is_late
        });
        spans
    }

    fn take_all(&mut self) -> Vec<Span> {
        self.bytes = 0;
        self.messages.drain(..).map(|message| message.span).collect()
    }

    /// How many messages are unanswered.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    /// The slots of the unanswered messages, oldest first.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        self.messages.iter().map(|message| message.span)
    }
}
