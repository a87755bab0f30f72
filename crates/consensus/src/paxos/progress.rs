//! A leader's view of one peer: what it has voted for, and what is on the way to it.

use core::time::Duration;

use crate::config::{Config, Timers};
use crate::ids::{Index, Span};
use crate::ranges::{Coverage, Ranges};
use crate::tenure::{Contact, Peer};
use crate::time::Instant;
use crate::window::Window;

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
    pub contact: Contact,
    /// The highest commit mark it was sent; `None` until it was told who leads.
    pub commit_sent: Option<Index>,
}

/// Whether values flow to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerFlow {
    /// Ahead of the answers, within the window.
    Open,
    /// Not until it is heard again.
    Paused,
}

impl Peer for Progress {
    fn contact(&self) -> &Contact {
        &self.contact
    }

    fn settled_upto(&self) -> Index {
        self.votes.upto().max(self.chosen_upto)
    }

    fn next(&self) -> Index {
        self.next
    }

    fn in_flight(&self) -> u32 {
        self.window.count()
    }
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
            contact: Contact::new(now),
            commit_sent: None,
        }
    }

    /// Whether the peer needs nothing more for a slot: it has voted, or knows what is chosen.
    pub(super) fn is_settled(&self, index: Index) -> bool {
        index <= self.chosen_upto || self.votes.has(index)
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
        let lost = self.window.take_all_late(now - patience);
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
