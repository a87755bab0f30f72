//! What the network does to frames at the moment: the faults in force, and what each frame meets.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use quorate_consensus::NodeId;

use super::World;
use super::clock::SimTime;
use super::event::Event;
use super::faults::FaultId;
use super::network::Flight;
use super::trace::Fact;
use crate::draws::{Chance, Site};
use crate::profile::Span;
use crate::protocol::Protocol;

const HOP: Site = Site::new("a frame's way");
const LOST: Site = Site::new("whether a frame is lost");
const TWICE: Site = Site::new("whether a frame arrives twice");
const LATER: Site = Site::new("how much later");
const FLIPPED: Site = Site::new("whether a bit of a frame flips");

/// How much may wait for a slow link: what comes on top is dropped.
const BACKLOG_MAX: Duration = Duration::from_millis(500);

/// What frames meet on some links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Some get lost.
    Loss(Chance),
    /// Some arrive again, after another while.
    Duplicate(Chance, Span),
    /// Some take longer.
    Delay(Chance, Span),
    /// In some a bit flips.
    Corrupt(Chance),
    /// All wait for their turn: so many bytes a second.
    Slow(u64),
}

/// A fault in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front {
    pub(crate) fault: FaultId,
    pub(crate) weather: Weather,
    /// The links it is over, by [`super::network::Network::place`].
    pub(crate) links: u128,
}

impl<P: Protocol> World<P> {
    /// Puts a frame on its way through whatever is in force.
    pub(super) fn travel(&mut self, mut flight: Flight) {
        let Flight { from, to, number, .. } = flight;
        if 0 < self.network.link(from, to).cuts {
            self.miss(&flight, "the link is cut");
            return;
        }
        let mut delay = self.profile.timing.hop.draw(self.draws, HOP, [from.0, to.0, number]);
        let bit = 1_u128 << self.network.place(from, to);
        for front in 0..self.network.fronts.len() {
            let front = self.network.fronts[front];
            if front.links & bit != 0 {
                match self.meet(&mut flight, front) {
                    Some(longer) => delay += longer,
                    None => return,
                }
            }
        }
        self.queue.push(self.now + delay, Event::Arrival(Box::new(flight)));
    }

    /// How much longer the frame takes, or that it is lost.
    fn meet(&mut self, flight: &mut Flight, front: Front) -> Option<Duration> {
        let fault = u64::from(front.fault.0);
        let keys = [fault, flight.from.0, flight.to.0, flight.number];
        match front.weather {
            Weather::Loss(chance) => {
                if self.draws.happens(LOST, keys, chance) {
                    self.miss(flight, "lost");
                    return None;
                }
            }
            Weather::Duplicate(chance, after) => {
                if self.draws.happens(TWICE, keys, chance) {
                    let after = after.draw(self.draws, LATER, keys);
                    let again = Event::Arrival(Box::new(flight.clone()));
                    self.queue.push(self.now + after, again);
                }
            }
            Weather::Delay(chance, longer) => {
                if self.draws.happens(TWICE, keys, chance) {
                    return Some(longer.draw(self.draws, LATER, keys));
                }
            }
            Weather::Corrupt(chance) => {
                if self.draws.happens(FLIPPED, keys, chance) {
                    let bits = flight.frame.len() as u64 * 8;
                    let bit = self.draws.bits(FLIPPED, [fault, flight.number]) % bits;
                    flight.frame = flipped(&flight.frame, bit);
                }
            }
            Weather::Slow(bytes_per_second) => return self.queue_up(flight, bytes_per_second),
        }
        Some(Duration::ZERO)
    }

    fn queue_up(&mut self, flight: &Flight, bytes_per_second: u64) -> Option<Duration> {
        let now = self.now;
        let micros = flight.frame.len() as u64 * 1_000_000 / bytes_per_second;
        let link = self.network.link_mut(flight.from, flight.to);
        let begin = link.free_at.max(now);
        if BACKLOG_MAX < begin.since(now) {
            self.miss(flight, "the link is too slow");
            return None;
        }
        link.free_at = begin + Duration::from_micros(micros);
        Some(link.free_at.since(now))
    }

    pub(super) fn miss(&mut self, flight: &Flight, why: &'static str) {
        self.note(flight.to, Fact::Missed { from: flight.from, why });
    }

    /// Cuts a directed link once more; each cut is mended by itself.
    pub(super) fn cut(&mut self, from: NodeId, to: NodeId) {
        self.network.link_mut(from, to).cuts += 1;
    }

    /// Takes back one cut of a directed link.
    pub(super) fn mend(&mut self, from: NodeId, to: NodeId) {
        let link = self.network.link_mut(from, to);
        link.cuts = link.cuts.saturating_sub(1);
    }

    /// Ends a fault's weather.
    pub(super) fn clear(&mut self, fault: FaultId) {
        self.network.fronts.retain(|front| front.fault != fault);
    }

    /// No fault is in force on any link any more.
    pub(super) fn clear_all(&mut self) {
        self.network.fronts.clear();
        for link in self.network.links_mut() {
            link.cuts = 0;
            link.free_at = SimTime::default();
        }
    }
}

fn flipped(frame: &[u8], bit: u64) -> Bytes {
    let mut bytes = BytesMut::from(frame);
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    bytes.freeze()
}
