//! How a leader words its messages to one peer.

use super::message::{Confirmation, Message};
use super::progress::{PeerFlow, Progress};
use crate::ballot::Ballot;
use crate::config::Config;
use crate::effects::Effects;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::ids::{Index, NodeId, Span};
use crate::slots::Slots;
use crate::tenure::Peer;
use crate::time::Instant;

/// What it takes to write to the peers, for one drain.
pub(super) struct Sender<'a> {
    pub slots: &'a Slots,
    pub config: &'a Config,
    pub ballot: Ballot,
    pub floor: Index,
    pub now: Instant,
    /// Whether what is lost stays lost: a broken rule.
    pub sends_once: bool,
    pub effects: &'a mut Effects<Message>,
    /// Values gathered for an earlier peer, with their first slot: peers at one point share them.
    pub shared: Option<(Index, Entries)>,
}

impl Sender<'_> {
    /// Sends a peer what it lacks, and the confirmation if there is one.
    pub(super) fn send_to(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        mut confirm: Option<Confirmation>,
    ) {
        if progress.commit_sent.is_none() {
            self.commit(to, progress, confirm.take().unwrap_or_default());
        }
        while progress.flow == PeerFlow::Open && progress.window.has_room(self.config) {
            let Some(entries) = self.next_values(progress) else { break };
            self.accept(to, progress, entries, confirm.take());
        }
        if let Some(confirm) = confirm {
            return self.commit(to, progress, confirm);
        }
        let known = self.slots.chosen().min(progress.settled_upto());
        if progress.commit_sent < Some(known) {
            self.commit(to, progress, Confirmation::default());
        }
    }

    /// Says that the leader is there, and what is chosen.
    pub(super) fn commit(&mut self, to: NodeId, progress: &mut Progress, confirm: Confirmation) {
        let commit = self.slots.chosen();
        progress.commit_sent = progress.commit_sent.max(Some(commit));
        if confirm != Confirmation::default() {
            progress.contact.speak(self.now);
        }
        let (ballot, floor) = (self.ballot, self.floor);
        self.push(to, Message::Commit { ballot, commit, floor, confirm });
    }

    /// The values to send next: those that were lost, then those never sent.
    fn next_values(&mut self, progress: &mut Progress) -> Option<Entries> {
        let lost = self.lost_values(progress);
        if !lost.is_empty() {
            return Some(Entries::from(lost));
        }
        // What has left memory is chosen: whoever lacks it learns it.
        progress.next = progress.next.max(self.slots.tail_first());
        if self.slots.last() < progress.next {
            return None;
        }
        let entries = self.fresh_values(progress.next);
        progress.next = entries.last().map_or(progress.next, |entry| entry.index.next());
        Some(entries)
    }

    fn fresh_values(&mut self, first: Index) -> Entries {
        if let Some((shared_first, entries)) = &self.shared
            && *shared_first == first
        {
            return entries.clone();
        }
        let entries = self.slots.gathered(first, self.config.append_bytes_max);
        self.shared = Some((first, entries.clone()));
        entries
    }

    /// Values taken to be lost that the peer still needs, as many as fit a message.
    fn lost_values(&mut self, progress: &mut Progress) -> Vec<Entry> {
        let mut bytes = 0;
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(Span { first: index, .. }) = progress.lost.take_first(1) {
            let vote = self.slots.vote(index).filter(|_| !progress.is_settled(index));
            let Some(vote) = vote.filter(|_| !self.sends_once) else { continue };
            bytes += vote.cost();
            if !entries.is_empty() && self.config.append_bytes_max < bytes {
                progress.lost.insert(Span::one(index));
                break;
            }
            entries.push(vote.clone());
        }
        entries
    }

    fn accept(
        &mut self,
        to: NodeId,
        progress: &mut Progress,
        entries: Entries,
        confirm: Option<Confirmation>,
    ) {
        let commit = self.slots.chosen();
        progress.commit_sent = progress.commit_sent.max(Some(commit));
        progress.contact.speak(self.now);
        let bytes = entries.cost();
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            progress.window.add(Span { first: first.index, last: last.index }, bytes, self.now);
        }
        self.push(to, Message::Accept { ballot: self.ballot, entries, commit, confirm });
    }

    fn push(&mut self, to: NodeId, message: Message) {
        self.effects.send(to, message);
    }
}
