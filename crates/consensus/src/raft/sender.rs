//! How a leader words its messages to one peer.

use super::message::{Body, Confirmation, Message, Term};
use super::progress::{Asked, FlowState, Progress};
use crate::config::Config;
use crate::effects::{Effects, Fetch, FetchReason, SendSnapshot};
use crate::entries::Entries;
use crate::ids::{Index, NodeId, Span};
use crate::log::{Log, Position};
use crate::snapshots::SnapshotStep;
use crate::time::Instant;
use crate::trace::{Reason, TraceEvent, What};

/// What it takes to write to the peers, for one drain.
pub(super) struct Sender<'a> {
    pub log: &'a Log,
    pub config: &'a Config,
    pub term: Term,
    pub now: Instant,
    /// Whether the commit mark is sent without regard to what the peer holds: a broken rule.
    pub trusts_blindly: bool,
    pub effects: &'a mut Effects<Message>,
    /// Entries gathered for an earlier peer, with their first index: peers at one point share them.
    pub shared: Option<(Index, Entries)>,
}

/// Where the next entries for a peer are.
enum Supply {
    Memory(Entries),
    Disk,
    Compacted,
}

impl Sender<'_> {
    /// Sends a peer what it lacks, and the confirmation if there is one.
    pub(super) fn send_to(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        mut confirm: Option<Confirmation>,
    ) {
        match &progress.flow {
            FlowState::Probe(None) => self.probe(to, progress, &mut confirm),
            FlowState::Probe(Some(_)) => {}
            FlowState::Stream => self.stream(to, progress, &mut confirm),
            FlowState::Snapshot(_) => self.snapshot(to, progress),
        }
        if let Some(confirm) = confirm {
            return self.heartbeat(to, progress, confirm);
        }
        if progress.commit_sent < self.committed_at(progress)
            && progress.commit_sent < self.commit_for(progress).index
        {
            self.heartbeat(to, progress, Confirmation::default());
        }
    }

    /// Says that the leader is there, and what is committed.
    pub(super) fn heartbeat(&mut self, to: NodeId, progress: &mut Progress, confirm: Confirmation) {
        let commit = self.commit_for(progress);
        progress.commit_sent = progress.commit_sent.max(commit.index);
        if confirm != Confirmation::default() {
            progress.contact.speak(self.now);
        }
        self.push(to, Body::Heartbeat { commit, confirm });
    }

    /// How much of what is committed the peer is known to hold. Nothing, where the match lies below
    /// the compacted position: the ballot there is forgotten, and the peer needs a snapshot.
    fn commit_for(&self, progress: &Progress) -> Position {
        self.log.position_at(self.committed_at(progress)).unwrap_or(Position::ZERO)
    }

    /// The same, without regard to whether its ballot is known.
    fn committed_at(&self, progress: &Progress) -> Index {
        let committed = self.log.committed();
        if self.trusts_blindly { committed } else { committed.min(progress.matched) }
    }

    fn probe(&mut self, to: NodeId, progress: &mut Progress, confirm: &mut Option<Confirmation>) {
        match self.supply(to, progress) {
            Supply::Memory(entries) => self.append(to, progress, entries, confirm.take()),
            Supply::Disk => {}
            Supply::Compacted => self.turn_to_snapshot(to, progress),
        }
    }

    fn stream(&mut self, to: NodeId, progress: &mut Progress, confirm: &mut Option<Confirmation>) {
        while progress.next <= self.log.last() && progress.has_room(self.config) {
            match self.supply(to, progress) {
                Supply::Memory(entries) => self.append(to, progress, entries, confirm.take()),
                Supply::Disk => break,
                Supply::Compacted => return self.turn_to_snapshot(to, progress),
            }
        }
        if core::mem::take(&mut progress.is_ask_due) {
            if progress.next <= self.log.compacted().index {
                return self.turn_to_snapshot(to, progress);
            }
            progress.window.restart_waiting(self.now);
            self.append(to, progress, Entries::default(), confirm.take());
        }
    }

    /// The next entries for a peer. Those that are only on the disk are asked for.
    fn supply(&mut self, to: NodeId, progress: &mut Progress) -> Supply {
        let first = progress.next;
        if first <= self.log.compacted().index {
            return Supply::Compacted;
        }
        if self.log.last() < first {
            return Supply::Memory(Entries::default());
        }
        if first < self.log.tail_first() {
            self.fetch(to, progress);
            return Supply::Disk;
        }
        if let Some((shared_first, entries)) = &self.shared
            && *shared_first == first
        {
            return Supply::Memory(entries.clone());
        }
        let entries = self.log.gathered(first, self.config.append_bytes_max);
        self.shared = Some((first, entries.clone()));
        Supply::Memory(entries)
    }

    fn fetch(&mut self, to: NodeId, progress: &mut Progress) {
        if progress.fetching.is_some() {
            return;
        }
        progress.fetching = Some(progress.next);
        self.effects.fetches.push(Fetch {
            reason: FetchReason::Replicate(to),
            first: progress.next,
            last: self.log.tail_first().previous(),
            bytes_max: self.config.append_bytes_max,
        });
    }

    /// Sends entries that were fetched, if they are still what the peer needs next.
    pub(super) fn send_fetched(&mut self, to: NodeId, progress: &mut Progress, entries: &Entries) {
        let Some(first) = progress.fetching.take() else { return };
        if entries.is_empty() {
            return self.turn_to_snapshot(to, progress);
        }
        let is_next = first == progress.next && entries[0].index == first;
        let is_open = matches!(progress.flow, FlowState::Probe(None) | FlowState::Stream);
        if is_next && is_open && self.log.compacted().index < first {
            self.append(to, progress, entries.clone(), None);
        }
    }

    /// Sends the next entries; none, to ask whether the position before them is there.
    fn append(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        entries: Entries,
        confirm: Option<Confirmation>,
    ) {
        let previous = self.log.position_at(progress.next.previous());
        let previous = previous.expect("the position before what a peer is sent is known");
        let end = Index(previous.index.0 + entries.len() as u64);
        let commit = self.log.committed();
        let commit = if self.trusts_blindly { commit } else { commit.min(end) };
        progress.commit_sent = progress.commit_sent.max(commit);
        progress.contact.speak(self.now);
        if !entries.is_empty() {
            let bytes = entries.cost();
            let span = Span { first: previous.index.next(), last: end };
            progress.window.add(span, bytes, self.now);
        }
        match &mut progress.flow {
            FlowState::Probe(asked) => *asked = Some(Asked { at: self.now, end }),
            _ => progress.next = end.next(),
        }
        self.push(to, Body::Append { previous, entries, commit, confirm });
    }

    fn turn_to_snapshot(&mut self, to: NodeId, progress: &mut Progress) {
        progress.become_snapshot();
        self.snapshot(to, progress);
    }

    /// Does what the snapshot for a peer waits for, if that is the leader's to do.
    fn snapshot(&mut self, to: NodeId, progress: &mut Progress) {
        let FlowState::Snapshot(stage) = &mut progress.flow else { return };
        match stage.advance(self.now) {
            None => {}
            Some(SnapshotStep::Request) => {
                let at_least = self.log.compacted().index.max(Index(1));
                self.effects.snapshots.push(SendSnapshot { to, at_least });
                let what = What::SnapshotNeeded { peer: to };
                self.effects.trace.push(TraceEvent { what, reason: Reason::Compacted });
            }
            Some(SnapshotStep::Tell(meta)) => {
                progress.contact.speak(self.now);
                self.push(to, Body::Snapshot { meta });
            }
        }
    }

    fn push(&mut self, to: NodeId, body: Body) {
        let message = Message { term: self.term, body };
        self.effects.send(to, message);
    }
}
