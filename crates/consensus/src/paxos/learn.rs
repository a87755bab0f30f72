//! Catching up: whoever knows that a slot is chosen and lacks its value asks one who has it.
//!
//! Lost accepts are sent again by the leader, which is quicker than to ask. So a follower asks only
//! for what the leader will not send again, or when the same slot has been missing for a heartbeat
//! interval. A candidate asks an acceptor that kept votes back, a leader a peer that knows more.

use super::Paxos;
use super::follow::is_same_value;
use super::message::Message;
use super::role::State;
use crate::config::Timers;
use crate::effects::{Fetch, FetchReason, SendSnapshot};
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, NodeId, Span};
use crate::rules::Rules;
use crate::snapshots::{SnapshotStage, SnapshotStep};
use crate::time::Instant;
use crate::trace::{Reason, What};
use core::time::Duration;

/// What this node lacks, and whom it asks.
#[derive(Clone, Debug)]
pub(super) struct Lack {
    teacher: NodeId,
    /// Every slot up to here is chosen.
    pub upto: Index,
    /// The first slot that is missing, and since when it has been that one.
    first: Index,
    since: Instant,
    /// When that slot was last asked for.
    asked_at: Option<Instant>,
    /// Whether nobody will send it unasked.
    is_sure: bool,
    /// Whether something came that may have changed matters.
    pub is_due: bool,
}

/// What this node does for a peer that lacks something.
#[derive(Clone, Debug)]
pub(super) enum Lesson {
    /// Reads entries from the disk, from this one on.
    Reading { first: Index },
    /// Sees to it that the peer gets a snapshot.
    Snapshot(SnapshotStage),
}

impl<R: Rules> Paxos<R> {
    /// The leader has said what is chosen: whether something of it was missed.
    pub(super) fn want_missed(&mut self, leader: NodeId) {
        if self.slots.chosen() < self.word.commit {
            self.want(leader, self.word.commit);
        }
    }

    /// Everything up to `upto` is chosen, and `teacher` knows it.
    pub(super) fn want(&mut self, teacher: NodeId, upto: Index) {
        let first = self.slots.chosen().next();
        let is_sure = matches!(self.state, State::Candidate(_)) || first <= self.word.floor;
        let fresh =
            Lack { teacher, upto, first, since: self.now, asked_at: None, is_sure, is_due: true };
        let patience = self.config.heartbeat_interval;
        match &mut self.lack {
            Some(lack) if lack.first == first => {
                lack.upto = lack.upto.max(upto);
                lack.is_sure = is_sure;
                lack.is_due = true;
                // Whoever was asked has time to answer; then another who knows is as good.
                if lack.asked_at.is_none_or(|at| at + patience <= self.now) {
                    lack.teacher = teacher;
                }
            }
            lack => *lack = Some(fresh),
        }
    }

    /// Asks for what is missing, if it is time.
    pub(super) fn ask_for_missed(&mut self) {
        let chosen = self.slots.chosen();
        let patience = match self.config.timers {
            Timers::On => self.config.heartbeat_interval,
            Timers::Off => Duration::ZERO,
        };
        let now = self.now;
        let has_room = !self.is_disk_congested();
        let Some(lack) = &mut self.lack else { return };
        if lack.upto <= chosen {
            self.lack = None;
            return;
        }
        if lack.first <= chosen {
            // What came was an answer: go on at once. Or it came by itself, and more may follow.
            let has_asked = lack.asked_at.take().is_some();
            (lack.first, lack.since) = (chosen.next(), now);
            lack.is_sure |= has_asked;
        }
        let waits_since = lack.asked_at.or((!lack.is_sure).then_some(lack.since));
        let is_time = waits_since.is_none_or(|since| since + patience <= now);
        if !has_room || !core::mem::take(&mut lack.is_due) || !is_time || self.installing.is_some()
        {
            return;
        }
        lack.asked_at = Some(now);
        let (teacher, upto) = (lack.teacher, lack.upto);
        let slots = self.missing_upto(upto);
        if let (Some(first), Some(last)) = (slots.first(), slots.last()) {
            let what = What::Asked { peer: teacher, first: first.first, last: last.last };
            self.effects.trace(what, Reason::Gap);
            self.send(teacher, Message::Learn { slots });
        }
    }

    /// The most spans asked for at once.
    const SPANS_MAX: usize = 64;

    /// The slots up to `upto` whose chosen value is not known.
    fn missing_upto(&self, upto: Index) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut next = self.slots.chosen().next();
        while next <= upto.min(self.slots.last()) && spans.len() < Self::SPANS_MAX {
            if !self.slots.vote(next).is_some_and(|vote| self.is_decided(vote)) {
                match spans.last_mut() {
                    Some(span) if span.last.next() == next => span.last = next,
                    _ => spans.push(Span::one(next)),
                }
            }
            next = next.next();
        }
        if next <= upto && spans.len() < Self::SPANS_MAX {
            match spans.last_mut() {
                Some(span) if span.last.next() == next => span.last = upto,
                _ => spans.push(Span { first: next, last: upto }),
            }
        }
        spans
    }

    /// Chosen values came. Each is stored like a vote: its ballot is that of a vote for it, so it
    /// is a promise too, and it never replaces a vote of a higher ballot, which has the same value.
    pub(super) fn on_learned(&mut self, from: NodeId, entries: &Entries) {
        let Some(upto) = self.lack.as_ref().map(|lack| lack.upto) else {
            return self.effects.trace(What::Ignored { from }, Reason::Duplicate);
        };
        if self.is_disk_congested() || self.installing.is_some() {
            // It is asked for again as soon as there is room.
            if let Some(lack) = &mut self.lack {
                (lack.asked_at, lack.is_due) = (None, true);
            }
            return;
        }
        for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.index <= upto) {
            let is_news = self.slots.chosen() < entry.index;
            if is_news && !self.learn(from, entries.part(at, at + 1)) {
                return;
            }
        }
        if let Some(lack) = &mut self.lack {
            lack.is_due = true;
        }
        self.advance_chosen(Reason::Learned);
        let deadline = self.next_election();
        if let State::Candidate(candidate) = &mut self.state {
            candidate.deadline = deadline;
        }
        self.recover();
    }

    /// Takes one chosen value. Whether it agrees with what is known.
    fn learn(&mut self, from: NodeId, value: Entries) -> bool {
        let entry = &value[0];
        let index = entry.index;
        match self.slots.vote(entry.index) {
            Some(held) if entry.ballot <= held.ballot => {
                if !is_same_value(held, entry) {
                    self.effects
                        .misbehaved(from, "it teaches another value than was voted for since");
                    return false;
                }
            }
            _ => {
                self.promise_at_least(entry.ballot);
                self.trace_voted(index, Reason::Learned);
                self.store(value);
            }
        }
        self.learned.insert(Span::one(index));
        true
    }

    /// A node asks for chosen values.
    pub(super) fn on_learn(&mut self, from: NodeId, slots: &[Span]) {
        let Some(first) = slots.first().map(|span| span.first) else { return };
        let timeout = self.config.election_timeout;
        let now = self.now;
        if self.slots.chosen() < first || self.installing.is_some() {
            return;
        }
        if first <= self.slots.compacted() {
            match self.lessons.entry(from).or_insert(Lesson::Snapshot(SnapshotStage::Wanted)) {
                Lesson::Snapshot(stage) => stage.resume(now, timeout),
                lesson @ Lesson::Reading { .. } => {
                    *lesson = Lesson::Snapshot(SnapshotStage::Wanted);
                }
            }
            return;
        }
        if first < self.slots.tail_first() {
            return self.read_for(from, slots[0]);
        }
        self.lessons.remove(&from);
        let entries = Entries::from(self.teachable(slots));
        self.send(from, Message::Learned { entries });
    }

    /// The chosen values in these slots, as many as fit a message.
    fn teachable(&self, slots: &[Span]) -> Vec<Entry> {
        let chosen = self.slots.chosen();
        let mut bytes = 0;
        let mut entries: Vec<Entry> = Vec::new();
        for span in slots.iter().filter(|span| span.first <= chosen) {
            let last = span.last.min(chosen);
            let held = self.slots.votes_from(span.first);
            for entry in held.take_while(|entry| entry.index <= last) {
                bytes += entry.cost();
                if !entries.is_empty() && self.config.append_bytes_max < bytes {
                    return entries;
                }
                entries.push(entry.clone());
            }
        }
        entries
    }

    /// Reads for a peer what is only on the disk. One request at a time; the host always answers.
    fn read_for(&mut self, peer: NodeId, wanted: Span) {
        if matches!(self.lessons.get(&peer), Some(Lesson::Reading { .. })) {
            return;
        }
        let last = wanted.last.min(self.slots.tail_first().previous());
        self.lessons.insert(peer, Lesson::Reading { first: wanted.first });
        self.effects.fetches.push(Fetch {
            reason: FetchReason::Replicate(peer),
            first: wanted.first,
            last,
            bytes_max: self.config.append_bytes_max,
        });
    }

    /// Entries for a peer came from the disk; none, if they are compacted by now.
    pub(super) fn on_fetched_for(&mut self, peer: NodeId, entries: Vec<Entry>) {
        let Some(Lesson::Reading { first }) = self.lessons.get(&peer) else { return };
        if entries.is_empty() {
            let lesson = Lesson::Snapshot(SnapshotStage::Wanted);
            self.lessons.insert(peer, lesson);
            return;
        }
        let is_wanted = entries[0].index == *first;
        self.lessons.remove(&peer);
        if is_wanted {
            self.send(peer, Message::Learned { entries: Entries::from(entries) });
        }
    }

    /// Takes the next step with each snapshot that a peer needs.
    pub(super) fn teach(&mut self) {
        let compacted = self.slots.compacted().max(Index(1));
        for (&to, lesson) in &mut self.lessons {
            let Lesson::Snapshot(stage) = lesson else { continue };
            match stage.advance(self.now) {
                None => {}
                Some(SnapshotStep::Request) => {
                    self.effects.snapshots.push(SendSnapshot { to, at_least: compacted });
                    let what = What::SnapshotNeeded { peer: to };
                    self.effects
                        .trace
                        .push(crate::trace::TraceEvent { what, reason: Reason::Compacted });
                }
                Some(SnapshotStep::Tell(meta)) => {
                    let message = Message::Snapshot { meta };
                    self.effects.messages.push(crate::effects::Envelope { to, message });
                }
            }
        }
    }

    /// A peer tells how far it knows what is chosen: whether it still needs a snapshot, and whether
    /// it knows more than this leader.
    pub(super) fn on_peer_chosen(&mut self, peer: NodeId, chosen_upto: Index) {
        if self.slots.compacted() <= chosen_upto
            && matches!(self.lessons.get(&peer), Some(Lesson::Snapshot(_)))
        {
            self.lessons.remove(&peer);
        }
        let leads = matches!(self.state, State::Leader(_));
        if leads && self.slots.chosen() < chosen_upto {
            self.want(peer, chosen_upto);
        }
    }
}
