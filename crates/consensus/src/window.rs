//! Messages with entries that are on their way to a peer: how many, how large, and since when.

use std::collections::VecDeque;

use crate::config::Config;
use crate::ids::{Index, Span};
use crate::time::Instant;

/// Messages with entries that are not answered yet, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    messages: VecDeque<InFlight>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    span: Span,
    bytes: u64,
    sent_at: Instant,
}

impl Window {
    /// Whether another message with entries may be sent.
    pub(crate) fn has_room(&self, config: &Config) -> bool {
        self.messages.len() < config.window_messages_max.max(1) as usize
            && (self.messages.is_empty() || self.bytes < config.window_bytes_max)
    }

    /// Takes note of a message with entries in this span.
    pub(crate) fn add(&mut self, span: Span, bytes: u64, now: Instant) {
        self.bytes += bytes;
        self.messages.push_back(InFlight { span, bytes, sent_at: now });
    }

    /// Whether everything is answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages are unanswered.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    /// What the unanswered messages hold, oldest first.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        self.messages.iter().map(|message| message.span)
    }

    /// Since when the oldest message is unanswered.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.messages.front().map(|message| message.sent_at)
    }

    /// Begins to wait anew, after something was sent that makes the peer speak.
    pub(crate) fn restart_waiting(&mut self, now: Instant) {
        if let Some(message) = self.messages.front_mut() {
            message.sent_at = now;
        }
    }

    /// Frees the oldest messages, as far as all of what they hold is answered.
    pub(crate) fn free_upto(&mut self, upto: Index) {
        while let Some(message) = self.messages.pop_front_if(|message| message.span.last <= upto) {
            self.bytes -= message.bytes;
        }
    }

    /// Frees what is settled: up to a position, or otherwise. How many messages remain that were
    /// sent before the last one that is free now.
    pub(crate) fn free(&mut self, upto: Index, is_settled: impl Fn(Span) -> bool) -> usize {
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

    /// Takes out those of the oldest `count` messages that were sent no later than `late`.
    pub(crate) fn take_late(&mut self, count: usize, late: Instant) -> Vec<Span> {
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

    /// Takes all messages out that were sent no later than `late`.
    pub(crate) fn take_all_late(&mut self, late: Instant) -> Vec<Span> {
        self.take_late(self.messages.len(), late)
    }

    /// Takes everything out.
    pub(crate) fn take_all(&mut self) -> Vec<Span> {
        self.bytes = 0;
        self.messages.drain(..).map(|message| message.span).collect()
    }
}
