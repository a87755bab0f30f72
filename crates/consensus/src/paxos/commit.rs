//! What is chosen, and handing it to the state machine.
//!
//! Slots are chosen in any order; the chosen mark follows the prefix without gaps, and only that is
//! handed over, once it is durable here too: the host's own durable state never runs ahead of the
//! log beside it. A choice needs a quorum of disks and not this one, so a proposal may end before
//! its entry is handed over.

use super::Paxos;
use super::role::{Leader, State};
use crate::clock::Clock;
use crate::effects::{Fetch, FetchReason};
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, NodeId, Span};
use crate::ranges::Coverage;
use crate::rules::{Rule, Rules};
use crate::trace::{Reason, What};

impl<R: Rules> Paxos<R> {
    /// Counts the votes that came since the last drain: a value is chosen when a phase-2 quorum has
    /// voted for it in one ballot. The leader's own vote counts once it is durable.
    pub(super) fn count_votes(&mut self) {
        let State::Leader(leader) = &mut self.state else { return };
        if leader.news.is_empty() {
            return;
        }
        self.count_prefix();
        self.count_beyond();
        self.advance_chosen(Reason::QuorumReached);
    }

    /// Counts the prefix without gaps, as far as each configuration rules.
    fn count_prefix(&mut self) {
        let (me, configurations) = (self.config.node, &self.configurations);
        let State::Leader(leader) = &mut self.state else { return };
        loop {
            let first = leader.chosen.upto().next();
            let reached = configurations.phase2_at(first).highest_reached(Index::ZERO, |node| {
                coverage(leader, me, node).map_or(Index::ZERO, Coverage::upto)
            });
            let ruled_upto = configurations.ruled_upto(first);
            let end = ruled_upto.map_or(reached, |last| last.min(reached));
            leader.chosen.raise(end.max(leader.floor));
            // Under the next members the same votes may reach further.
            if end < first || ruled_upto != Some(end) {
                return;
            }
        }
    }

    /// Counts what came above a gap.
    fn count_beyond(&mut self) {
        let (me, configurations) = (self.config.node, &self.configurations);
        let State::Leader(leader) = &mut self.state else { return };
        let news = core::mem::take(&mut leader.news);
        // Without a gap anywhere the prefix was all there is to count.
        let has_gaps = |votes: &Coverage| !votes.above().is_empty();
        let peers = leader.tenure.peers.values();
        if !has_gaps(&leader.own) && !peers.into_iter().any(|peer| has_gaps(&peer.votes)) {
            return;
        }
        let beyond = leader.chosen.upto();
        for span in news.into_iter().filter(|span| beyond < span.last) {
            let has = |index| {
                configurations.phase2_at(index).is_reached(|node| {
                    coverage(leader, me, node).is_some_and(|votes| votes.has(index))
                })
            };
            let chosen: Vec<Index> =
                span.indices().filter(|&index| beyond < index && has(index)).collect();
            for index in chosen {
                if !leader.chosen.has(index) {
                    leader.chosen.insert(Span::one(index));
                    self.effects.trace(What::Chosen { index }, Reason::QuorumReached);
                }
            }
        }
    }

    /// Whether the value this node has voted for in a slot is known to be the chosen one: it was
    /// learned, or counted, or the leader says that the slot is chosen and the vote is of the
    /// leader's ballot. A vote of another ballot may be for another value.
    pub(super) fn is_decided(&self, vote: &Entry) -> bool {
        let index = vote.index;
        if let State::Leader(leader) = &self.state
            && leader.chosen.has(index)
        {
            return true;
        }
        let is_said = index <= self.word.commit
            && (vote.ballot == self.word.ballot || self.rules.breaks(Rule::CommitByIndex));
        is_said || self.learned.contains(index)
    }

    /// Moves the chosen mark over the prefix without gaps, and ends the proposals it passes.
    pub(super) fn advance_chosen(&mut self, reason: Reason) {
        let before = self.slots.chosen();
        let mut upto = before;
        loop {
            let run = self.slots.run_at(upto.next());
            let decided = run.iter().take_while(|vote| self.is_decided(vote)).count();
            upto = Index(upto.0 + decided as u64);
            if run.is_empty() || decided < run.len() {
                break;
            }
        }
        if upto == before {
            return;
        }
        self.slots.choose(upto);
        self.learned.remove_upto(upto);
        let Self { slots, proposals, effects, rules, .. } = self;
        if rules.breaks(Rule::SettleByIndex) {
            proposals.settle_by_index(upto, &mut effects.outcomes);
        }
        proposals.settle_by_id(
            upto,
            |index| slots.vote(index).and_then(|entry| entry.id),
            &mut effects.outcomes,
        );
        self.effects.trace(What::Committed { upto }, reason);
    }

    /// How far slots may be handed over: chosen and durable here.
    fn deliverable(&self) -> Index {
        if self.rules.breaks(Rule::DeliverUndurable) {
            return self.slots.chosen();
        }
        self.slots.durable_chosen()
    }

    /// Hands chosen and durable entries to the host, within its budget.
    pub(super) fn deliver(&mut self) {
        let upto = self.deliverable();
        let delivered = self.delivery.delivered();
        if self.installing.is_some() || upto <= delivered || self.delivery.is_fetching() {
            return;
        }
        let Some(room) = self.delivery.room(&self.config) else { return };
        let first = delivered.next();
        if first < self.slots.tail_first() {
            let last = upto.min(self.slots.tail_first().previous());
            return self.fetch_to_apply(Span { first, last }, room);
        }
        let next = self.slots.vote(first).expect("a chosen slot is in memory");
        if !self.delivery.fits(next, room) {
            return;
        }
        let parts = self.slots.chosen_parts(first, upto, room);
        self.delivery.hand_over(parts, &mut self.effects.committed);
    }

    fn fetch_to_apply(&mut self, span: Span, bytes_max: u64) {
        let Span { first, last } = span;
        self.effects.fetches.push(Fetch { reason: FetchReason::Apply, first, last, bytes_max });
        self.delivery.begin_fetch();
    }

    /// Reads the undecided votes that a start has left on the disk: the node takes part in nothing
    /// before it can tell them.
    pub(super) fn load(&mut self) {
        if let Some(&span) = self.loading.front()
            && !self.delivery.is_fetching()
        {
            self.fetch_to_apply(span, self.config.append_bytes_max);
        }
    }

    /// Entries came from the disk, to be applied or, after a start, to be known.
    pub(super) fn on_fetched_to_apply(&mut self, entries: Vec<Entry>) {
        self.delivery.end_fetch();
        if !self.loading.is_empty() {
            return self.on_loaded(entries);
        }
        let next = self.delivery.delivered().next();
        let is_next = entries.first().is_some_and(|entry| entry.index == next);
        if !is_next || self.installing.is_some() {
            return;
        }
        let last = entries.last().map_or(Index::ZERO, |entry| entry.index);
        assert!(last <= self.slots.chosen(), "fetched beyond the chosen mark");
        let part = std::iter::once(Entries::from(entries));
        self.delivery.hand_over(part, &mut self.effects.committed);
    }

    fn on_loaded(&mut self, entries: Vec<Entry>) {
        let wanted = self.loading.front_mut().expect("something is being loaded");
        let last = entries.last().map(|entry| entry.index);
        let is_first = entries.first().is_some_and(|entry| entry.index == wanted.first);
        let last = last.filter(|_| is_first).expect("the disk lost votes that it told of");
        wanted.first = last.next();
        if wanted.last < wanted.first {
            self.loading.pop_front();
        }
        self.slots.load(entries);
    }

    /// The host has applied entries.
    pub(super) fn on_applied(&mut self, upto: Index, clock: Clock) {
        self.delivery.on_applied(upto);
        self.count_time(clock);
    }
}

/// What a node has voted for in the leader's ballot, durably.
fn coverage(leader: &Leader, me: NodeId, node: NodeId) -> Option<&Coverage> {
    if node == me {
        return Some(&leader.own);
    }
    leader.tenure.peers.get(&node).map(|peer| &peer.votes)
}
