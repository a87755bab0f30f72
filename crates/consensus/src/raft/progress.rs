//! A leader's view of one peer: how far it has come, and what is on the way to it.

use core::time::Duration;
use std::collections::VecDeque;

use super::message::Confirmation;
use crate::config::{Config, Timers};
use crate::ids::Index;
use crate::input::StorageState;
use crate::snapshots::SnapshotStage;
use crate::status::Flow;
use crate::time::Instant;

/// What a leader knows about a peer.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The last index known to be durable there and equal to the leader's.
    pub matched: Index,
    /// The next index to send. Above `matched`.
    pub next: Index,
    pub flow: FlowState,
    pub window: Window,
    /// When the peer was last heard.
    pub heard_at: Instant,
    /// When it was last sent what it will answer.
    pub sent_at: Instant,
    /// The newest confirmation it answered.
    pub confirmed: Confirmation,
    /// The highest commit mark it was sent.
    pub commit_sent: Index,
    pub storage: StorageState,
    /// Whether to ask at the next drain, without entries, how far it has come: everything on the
    /// way may be lost (etcd#14633).
    pub is_ask_due: bool,
    /// The first of the entries being fetched for it from the disk.
    pub fetching: Option<Index>,
}

/// How entries flow to a peer.
#[derive(Clone, Debug)]
pub(super) enum FlowState {
    /// One message at a time, until one is taken. The unanswered one, if any.
    Probe(Option<Asked>),
    /// Ahead of the answers, within the window.
    Stream,
    /// Waits for a snapshot.
    Snapshot(SnapshotStage),
}

/// An unanswered probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub at: Instant,
    /// Its last entry: taken too if the position before the first was.
    pub end: Index,
}

/// Messages with entries that are not answered yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    messages: VecDeque<InFlight>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    last: Index,
    bytes: u64,
    sent_at: Instant,
}

impl Progress {
    /// A peer about which nothing is known yet.
    pub(super) fn new(next: Index, now: Instant) -> Self {
        Self {
            matched: Index::ZERO,
            next,
            flow: FlowState::Probe(None),
            window: Window::default(),
            heard_at: now,
            sent_at: now,
            confirmed: Confirmation::default(),
            commit_sent: Index::ZERO,
            storage: StorageState::Writable,
            is_ask_due: false,
            fetching: None,
        }
    }

    /// The peer holds everything up to `index`. Answers whether that is news.
    ///
    /// A match at or above `compacted`, the end of what the leader cannot send any more, also ends
    /// the wait for a snapshot, whichever snapshot it was that reached the peer (etcd raft#110).
    pub(super) fn on_matched(&mut self, index: Index, compacted: Index) -> bool {
        let is_news = self.matched < index;
        self.matched = self.matched.max(index);
        self.window.free_to(self.matched);
        match self.flow {
            FlowState::Probe(asked) if self.next.previous() <= self.matched => {
                let taken = asked.map_or(self.matched, |asked| asked.end);
                self.next = self.matched.max(taken).next();
                self.flow = FlowState::Stream;
            }
            FlowState::Snapshot(_) if compacted <= self.matched => {
                self.next = self.matched.next();
                self.flow = FlowState::Stream;
            }
            _ => self.next = self.next.max(self.matched.next()),
        }
        is_news
    }

    /// The peer is heard and may have lost what was sent more than `patience` ago: see to it that
    /// the next drain speaks up.
    pub(super) fn resend_lost(&mut self, now: Instant, config: &Config) {
        let patience = match config.timers {
            Timers::On => config.heartbeat_interval,
            Timers::Off => Duration::ZERO,
        };
        match &mut self.flow {
            FlowState::Probe(asked) => {
                if asked.is_some_and(|asked| asked.at + patience <= now) {
                    *asked = None;
                    self.window = Window::default();
                }
            }
            FlowState::Stream => {
                let since = self.window.waiting_since();
                self.is_ask_due = since.is_some_and(|since| since + patience <= now);
            }
            FlowState::Snapshot(stage) => stage.resume(now, config.election_timeout),
        }
    }

    /// The peer cannot take more for now.
    pub(super) fn on_busy(&mut self, now: Instant) {
        if let FlowState::Snapshot(stage) = &mut self.flow {
            return stage.extend(now);
        }
        self.pause(now);
    }

    /// Stops sending until the peer is heard again: what is on the way is probably lost.
    pub(super) fn pause(&mut self, now: Instant) {
        self.become_probe(self.matched.next());
        self.flow = FlowState::Probe(Some(Asked { at: now, end: self.matched }));
    }

    /// Looks for the agreement from `next` on.
    pub(super) fn become_probe(&mut self, next: Index) {
        self.next = next.max(self.matched.next());
        self.window = Window::default();
        self.is_ask_due = false;
        self.fetching = None;
        self.flow = FlowState::Probe(None);
    }

    /// Waits for a snapshot: what the peer needs is compacted.
    pub(super) fn become_snapshot(&mut self) {
        self.window = Window::default();
        self.is_ask_due = false;
        self.fetching = None;
        self.flow = FlowState::Snapshot(SnapshotStage::Wanted);
    }

    /// Whether a refusal of the position at `refused` answers what was sent last. A late one does
    /// not, and must not send the leader back.
    pub(super) fn is_refusal_news(&self, refused: Index) -> bool {
        match self.flow {
            FlowState::Probe(asked) => {
                asked.is_some() && self.matched < refused && refused == self.next.previous()
            }
            FlowState::Stream => self.matched < refused && refused < self.next,
            FlowState::Snapshot(_) => false,
        }
    }

    /// Whether entries flow ahead of the answers.
    pub(super) fn is_streaming(&self) -> bool {
        matches!(self.flow, FlowState::Stream)
    }

    /// The name of the flow.
    pub(super) fn flow(&self) -> Flow {
        match self.flow {
            FlowState::Probe(_) => Flow::Probe,
            FlowState::Stream => Flow::Stream,
            FlowState::Snapshot(_) => Flow::Snapshot,
        }
    }
}

impl Window {
    /// Whether another message with entries may be sent.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        self.messages.len() < config.window_messages_max.max(1) as usize
            && (self.messages.is_empty() || self.bytes < config.window_bytes_max)
    }

    /// Takes note of a message whose last entry is `last`.
    pub(super) fn add(&mut self, last: Index, bytes: u64, now: Instant) {
        self.bytes += bytes;
        self.messages.push_back(InFlight { last, bytes, sent_at: now });
    }

    /// Frees what is answered by a match at `matched`.
    fn free_to(&mut self, matched: Index) {
        while self.messages.front().is_some_and(|message| message.last <= matched) {
            let message = self.messages.pop_front().expect("its presence was just checked");
            self.bytes -= message.bytes;
        }
    }

    /// Since when the oldest message is unanswered.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.messages.front().map(|message| message.sent_at)
    }

    /// Begins to wait anew, after something was sent that makes the peer speak.
    pub(super) fn restart_waiting(&mut self, now: Instant) {
        if let Some(message) = self.messages.front_mut() {
            message.sent_at = now;
        }
    }

    /// The last entry of each unanswered message, oldest first.
    pub(super) fn ends(&self) -> impl Iterator<Item = Index> {
        self.messages.iter().map(|message| message.last)
    }

    /// How many messages are unanswered.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }
}
