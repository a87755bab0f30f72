//! A network that does nothing by itself: every message in flight is listed and can be delivered,
//! dropped, duplicated, delayed, reordered or held.

use std::collections::BTreeMap;

use quorate_consensus::NodeId;

use crate::dice::Dice;
use crate::protocol::Protocol;

/// How long messages take: from the least to the most, each as drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

/// Which messages: by sender, receiver and kind, each optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) from: Option<NodeId>,
    pub(crate) to: Option<NodeId>,
    pub(crate) kind: Option<String>,
}

impl Pattern {
    pub(crate) const ALL: Self = Self { from: None, to: None, kind: None };

    pub(crate) fn has(&self, from: NodeId, to: NodeId, kind: &str) -> bool {
        self.from.is_none_or(|node| node == from)
            && self.to.is_none_or(|node| node == to)
            && self.kind.as_deref().is_none_or(|wanted| wanted == kind)
    }

    /// Whether it means the whole link from one node to the other.
    pub(crate) fn covers_link(&self, from: NodeId, to: NodeId) -> bool {
        self.kind.is_none() && self.has(from, to, "")
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight<M> {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) arrives_at: u64,
    pub(crate) message: M,
}

/// All links.
pub(crate) struct Network<P: Protocol> {
    flights: Vec<Flight<P::Message>>,
    cut: Vec<Pattern>,
    held: Vec<Pattern>,
    delays: Vec<(Pattern, Delay)>,
    dice: Dice,
    latency: u64,
    sent: BTreeMap<(NodeId, NodeId, &'static str), u64>,
}

impl<P: Protocol> Network<P> {
    pub(crate) fn new(latency: u64, seed: u64) -> Self {
        Self {
            flights: Vec::new(),
            cut: Vec::new(),
            held: Vec::new(),
            delays: Vec::new(),
            dice: Dice(seed),
            latency,
            sent: BTreeMap::new(),
        }
    }

    /// Puts a message on its way, unless its link is cut.
    pub(crate) fn send(&mut self, now: u64, from: NodeId, to: NodeId, message: P::Message) {
        let kind = P::kind(&message);
        *self.sent.entry((from, to, kind)).or_default() += 1;
        if self.cut.iter().any(|pattern| pattern.has(from, to, kind)) {
            return;
        }
        let delay = self.delays.iter().rev().find(|(pattern, _)| pattern.has(from, to, kind));
        let takes = match delay {
            None => self.latency,
            Some(&(_, Delay { least, most })) if least < most => {
                least + self.dice.below(most - least + 1)
            }
            Some((_, delay)) => delay.least,
        };
        let arrives_at = now + takes;
        self.flights.push(Flight { from, to, arrives_at, message });
    }

    /// Takes the messages of the pattern that are not held and have arrived by `until`, in order
    /// of arrival, at most `count`.
    pub(crate) fn take(
        &mut self,
        pattern: &Pattern,
        until: u64,
        count: usize,
    ) -> Vec<Flight<P::Message>> {
        let mut order: Vec<usize> = (0..self.flights.len())
            .filter(|&at| self.is_due(&self.flights[at], pattern, until))
            .collect();
        order.sort_by_key(|&at| self.flights[at].arrives_at);
        order.truncate(count);
        let taken = order.iter().map(|&at| self.flights[at].clone()).collect();
        order.sort_unstable();
        for &at in order.iter().rev() {
            self.flights.remove(at);
        }
        taken
    }

    /// When the next message arrives that is not held.
    pub(crate) fn next_arrival_at(&self) -> Option<u64> {
        self.flights
            .iter()
            .filter(|flight| self.is_due(flight, &Pattern::ALL, u64::MAX))
            .map(|flight| flight.arrives_at)
            .min()
    }

    fn is_due(&self, flight: &Flight<P::Message>, pattern: &Pattern, until: u64) -> bool {
        let kind = P::kind(&flight.message);
        let has = |pattern: &Pattern| pattern.has(flight.from, flight.to, kind);
        flight.arrives_at <= until && has(pattern) && !self.held.iter().any(has)
    }

    pub(crate) fn cut(&mut self, pattern: Pattern) {
        self.drop_in_flight(&pattern);
        self.cut.push(pattern);
    }

    /// Undoes all cuts that name just these links, or every cut.
    pub(crate) fn mend(&mut self, pattern: &Pattern) {
        self.cut.retain(|cut| pattern != &Pattern::ALL && cut != pattern);
    }

    /// Whether nothing at all gets from one node to the other.
    pub(crate) fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.iter().any(|pattern| pattern.covers_link(from, to))
    }

    pub(crate) fn hold(&mut self, pattern: Pattern) {
        self.held.push(pattern);
    }

    /// Undoes the holds of just this pattern, or every hold.
    pub(crate) fn release(&mut self, pattern: &Pattern) {
        self.held.retain(|held| pattern != &Pattern::ALL && held != pattern);
    }

    pub(crate) fn delay(&mut self, pattern: Pattern, delay: Delay) {
        self.delays.push((pattern, delay));
    }

    /// Loses what is in flight, held or not; how many.
    pub(crate) fn drop_in_flight(&mut self, pattern: &Pattern) -> usize {
        let before = self.flights.len();
        self.flights.retain(|f| !pattern.has(f.from, f.to, P::kind(&f.message)));
        before - self.flights.len()
    }

    /// Sends what is in flight once more, after everything else; how many.
    pub(crate) fn duplicate(&mut self, pattern: &Pattern) -> usize {
        let copies: Vec<_> = self.matching(pattern).cloned().collect();
        let count = copies.len();
        self.flights.extend(copies);
        count
    }

    /// Turns the order of what is in flight around; how many.
    pub(crate) fn reverse(&mut self, pattern: &Pattern) -> usize {
        let mut places = Vec::new();
        for (at, flight) in self.flights.iter().enumerate() {
            if pattern.has(flight.from, flight.to, P::kind(&flight.message)) {
                places.push(at);
            }
        }
        let moved: Vec<_> = places.iter().map(|&at| self.flights[at].clone()).collect();
        let latest = moved.iter().map(|flight| flight.arrives_at).max().unwrap_or(0);
        for (&at, mut flight) in places.iter().zip(moved.into_iter().rev()) {
            flight.arrives_at = latest;
            self.flights[at] = flight;
        }
        places.len()
    }

    /// What is in flight.
    pub(crate) fn matching(
        &self,
        pattern: &Pattern,
    ) -> impl Iterator<Item = &Flight<P::Message>> + '_ {
        let pattern = pattern.clone();
        self.flights.iter().filter(move |f| pattern.has(f.from, f.to, P::kind(&f.message)))
    }

    /// How many were sent since the last mark, arrived or not.
    pub(crate) fn sent(&self, pattern: &Pattern) -> u64 {
        let counts = self.sent.iter().filter(|((from, to, kind), _)| pattern.has(*from, *to, kind));
        counts.map(|(_, count)| count).sum()
    }

    /// Starts the counts anew.
    pub(crate) fn mark(&mut self) {
        self.sent.clear();
    }
}
