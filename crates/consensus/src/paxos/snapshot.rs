//! Snapshots and compaction: how a log gets a beginning, and how a node that needs what lies before
//! it catches up. The host moves the bytes.

use super::Paxos;
use super::learn::Lesson;
use super::message::Confirmation;
use super::role::State;
use crate::entry::Meta;
use crate::ids::{Index, NodeId};
use crate::rules::Rules;
use crate::snapshots::SnapshotStage;
use crate::trace::{Reason, What};
use crate::write::Write;

/// A snapshot that replaces the state machine.
#[derive(Clone, Debug)]
pub(super) struct Installing {
    pub meta: Box<Meta>,
    /// Who sent it, and is told when it is done.
    from: NodeId,
}

impl<R: Rules> Paxos<R> {
    /// A peer tells this node to install a snapshot whose bytes its host holds. Whoever sent it:
    /// it says only what is chosen.
    pub(super) fn on_snapshot(&mut self, from: NodeId, meta: Box<Meta>) {
        if self.installing.is_some() {
            return;
        }
        if meta.index <= self.slots.chosen() {
            self.effects.trace(What::Ignored { from }, Reason::Duplicate);
            return self.confirm_snapshot(from);
        }
        self.install(from, meta);
    }

    fn confirm_snapshot(&mut self, to: NodeId) {
        self.send_commit_ack(to, self.acceptor.promised(), Confirmation::default());
    }

    /// Gives the slots up to the snapshot for it. Votes above it stay, and so does the promise.
    fn install(&mut self, from: NodeId, meta: Box<Meta>) {
        if matches!(&self.state, State::Leader(leader) if leader.next_slot <= meta.index) {
            // Others have chosen what this leader never proposed.
            self.become_follower(None, Reason::HigherBallot);
        }
        self.durability.write(Write::Install(Meta::clone(&meta)));
        self.slots.install(meta.index);
        self.configurations.compact(&meta);
        self.learned.remove_upto(meta.index);
        self.proposals.lose(meta.index, &mut self.effects.outcomes);
        if let State::Leader(leader) = &mut self.state {
            leader.chosen.raise(meta.index);
        }
        self.effects.install = Some(meta.clone());
        self.installing = Some(Installing { meta, from });
    }

    /// The host has taken the snapshot over.
    pub(super) fn on_installed(&mut self, meta: &Meta) {
        let installing = self.installing.take().filter(|installing| *installing.meta == *meta);
        let Installing { from, .. } = installing.expect("a snapshot was installed unasked");
        self.delivery.restart(meta.index);
        self.effects.trace(What::SnapshotInstalled { index: meta.index }, Reason::Learned);
        self.confirm_snapshot(from);
        self.advance_chosen(Reason::Learned);
        if let Some(lack) = &mut self.lack {
            lack.is_due = true;
        }
        self.recover();
    }

    /// The host no longer needs the log up to `meta`.
    pub(super) fn on_compacted(&mut self, meta: &Meta) {
        if self.installing.is_some() || meta.index <= self.slots.compacted() {
            return;
        }
        assert!(meta.index <= self.delivery.applied(), "compacted beyond what is applied");
        assert!(meta.index <= self.slots.chosen(), "compacted beyond what is chosen");
        assert!(
            *self.configurations.members_at(meta.index.next()) == meta.members,
            "compacted with another configuration than the log's"
        );
        self.slots.compact(meta.index);
        self.configurations.compact(meta);
        self.durability.write(Write::CompactTo(meta.clone()));
    }

    /// A peer's host holds a snapshot: the next drain tells the peer.
    pub(super) fn on_snapshot_sent(&mut self, to: NodeId, meta: Box<Meta>) {
        if meta.index <= self.slots.chosen() {
            self.set_snapshot_stage(to, SnapshotStage::Held { meta, told: 0 });
        }
    }

    /// The host could not send a snapshot. It is asked again after a while.
    pub(super) fn on_snapshot_failed(&mut self, to: NodeId) {
        self.set_snapshot_stage(to, SnapshotStage::Failed { since: self.now });
    }

    fn set_snapshot_stage(&mut self, peer: NodeId, next: SnapshotStage) {
        if let Some(Lesson::Snapshot(stage)) = self.lessons.get_mut(&peer) {
            *stage = next;
        }
    }

    /// The last position the host has applied, for the status.
    pub(super) fn applied(&self) -> Index {
        self.delivery.applied()
    }

    /// Whether a peer is being sent a snapshot.
    pub(super) fn is_sending_snapshot(&self, peer: NodeId) -> bool {
        matches!(self.lessons.get(&peer), Some(Lesson::Snapshot(_)))
    }
}
