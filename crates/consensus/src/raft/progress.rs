//! A leader's view of one peer: how far it has come, and what is on the way to it.

use core::time::Duration;

use crate::config::{Config, Timers};
use crate::ids::Index;
use crate::snapshots::SnapshotStage;
use crate::status::Flow;
use crate::tenure::{Contact, Peer};
use crate::time::Instant;
use crate::window::Window;

/// What a leader knows about a peer.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The last index known to be durable there and equal to the leader's.
    pub matched: Index,
    /// The next index to send. Above `matched`.
    pub next: Index,
    pub flow: FlowState,
    pub window: Window,
    /// How many messages may be unanswered: one after a gap, then one more for each that is
    /// answered. On a network that reorders, most of a full window would be refused.
    pub allowed: u32,
    pub contact: Contact,
    /// The highest commit mark it was sent.
    pub commit_sent: Index,
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

impl Peer for Progress {
    fn contact(&self) -> &Contact {
        &self.contact
    }

    fn settled_upto(&self) -> Index {
        self.matched
    }

    fn next(&self) -> Index {
        self.next
    }

    fn in_flight(&self) -> u32 {
        self.window.count()
    }
}

impl Progress {
    /// A peer about which nothing is known yet.
    pub(super) fn new(next: Index, now: Instant) -> Self {
        Self {
            matched: Index::ZERO,
            next,
            flow: FlowState::Probe(None),
            window: Window::default(),
            allowed: u32::MAX,
            contact: Contact::new(now),
            commit_sent: Index::ZERO,
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
        let unanswered = self.window.count();
        self.window.free_upto(self.matched);
        self.allowed = self.allowed.saturating_add(unanswered - self.window.count());
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

    /// Stops sending until the peer is heard again: what is on the way is probably lost. A peer
    /// that could not take a probe has said nothing about where the logs agree: it is asked at the
    /// same place again, not at the beginning of a log that may be compacted.
    pub(super) fn pause(&mut self, now: Instant) {
        let next = if self.is_streaming() { self.matched.next() } else { self.next };
        self.become_probe(next);
        self.flow = FlowState::Probe(Some(Asked { at: now, end: self.matched }));
    }

    /// The peer refused what was sent, and holds the position before `next`: goes on there.
    pub(super) fn back_up(&mut self, next: Index) {
        if self.is_streaming() {
            self.allowed = 1;
        }
        self.become_probe(next);
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

    /// Whether another message with entries may be sent ahead of the answers.
    pub(super) fn has_room(&self, config: &Config) -> bool {
        self.window.count() < self.allowed && self.window.has_room(config)
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
