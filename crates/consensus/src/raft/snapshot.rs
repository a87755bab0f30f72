//! Snapshots and compaction: how a log gets a beginning, and how a peer that needs what lies
//! before it catches up (Raft paper §7). The host moves the bytes.

use super::Raft;
use super::message::{AppendResult, Body};
use super::progress::FlowState;
use super::role::State;
use crate::engine::Engine;
use crate::entry::Meta;
use crate::ids::{Index, NodeId};
use crate::log::Position;
use crate::rules::{Rule, Rules};
use crate::snapshots::SnapshotStage;
use crate::trace::{Reason, What};
use crate::write::Write;

impl<R: Rules> Raft<R> {
    /// The leader tells this node to install a snapshot whose bytes its host holds.
    pub(super) fn on_snapshot(&mut self, from: NodeId, meta: Box<Meta>) {
        if !self.accept_leader(from) {
            return;
        }
        if self.installing.is_some() {
            let result = AppendResult::Busy;
            return self.send(from, Body::AppendReply { result, storage: self.room.state() });
        }
        let position = Position { ballot: meta.ballot, index: meta.index };
        let holds = self.log.holds(position) && !self.rules.breaks(Rule::SnapshotDropsTail);
        if meta.index <= self.log.committed() || holds {
            return self.keep_log(from, position);
        }
        self.install(meta, position);
    }

    /// The snapshot brings nothing that the log does not hold: commit up to it and keep what
    /// follows (§7).
    fn keep_log(&mut self, from: NodeId, position: Position) {
        self.effects.trace(What::Ignored { from }, Reason::Duplicate);
        if self.log.committed() < position.index {
            self.commit(position.index, Reason::LeaderCommit);
        }
        let committed = self.log.committed();
        if let State::Follower(follower) = &mut self.state {
            follower.verified = follower.verified.max(committed);
            follower.owes_answer = true;
        }
    }

    /// Gives the log up for the snapshot. Acknowledged when the host has taken it over.
    fn install(&mut self, meta: Box<Meta>, position: Position) {
        // What lies at and below the snapshot goes with its installation.
        if meta.index < self.log.last() {
            self.durability.write(Write::TruncateFrom(meta.index.next()));
        }
        self.durability.write(Write::Install(Meta::clone(&meta)));
        self.log.install(position, meta.time);
        self.configurations.compact(&meta);
        let outcomes = &mut self.effects.outcomes;
        self.proposals.lose(meta.index, outcomes);
        self.proposals.exclude(|proposed| Self::excludes(meta.ballot, proposed), outcomes);
        self.effects.install = Some(meta.clone());
        self.installing = Some(meta);
    }

    /// The host has taken the snapshot over.
    pub(super) fn on_installed(&mut self, meta: &Meta) {
        assert!(self.installing.as_deref() == Some(meta), "a snapshot was installed unasked");
        assert!(meta.index <= self.log.persisted(), "installed before it was durable");
        self.installing = None;
        self.delivery.restart(meta.index);
        self.effects.trace(What::SnapshotInstalled { index: meta.index }, Reason::Replication);
        if let State::Follower(follower) = &mut self.state {
            follower.verified = follower.verified.max(meta.index);
            follower.owes_answer = true;
        }
    }

    /// The host no longer needs the log up to `meta`.
    pub(super) fn on_compacted(&mut self, meta: &Meta) {
        if self.installing.is_some() || meta.index <= self.log.compacted().index {
            return;
        }
        assert!(meta.index <= self.delivery.applied(), "compacted beyond what is applied");
        assert!(meta.index <= self.log.persisted(), "compacted beyond what is durable");
        assert!(
            *self.configurations.at(meta.index) == meta.members,
            "compacted with another configuration than the log's"
        );
        self.log.compact(Position { ballot: meta.ballot, index: meta.index });
        self.configurations.compact(meta);
        self.durability.write(Write::CompactTo(meta.clone()));
    }

    /// A peer's host holds a snapshot: the next drain tells the peer.
    pub(super) fn on_snapshot_sent(&mut self, to: NodeId, meta: Box<Meta>) {
        if self.log.committed() < meta.index {
            return;
        }
        let next = SnapshotStage::Held { meta, told: 0 };
        self.set_snapshot_stage(to, next);
    }

    /// The host could not send a snapshot. It is asked again after a while.
    pub(super) fn on_snapshot_failed(&mut self, to: NodeId) {
        self.set_snapshot_stage(to, SnapshotStage::Failed { since: self.now });
    }

    fn set_snapshot_stage(&mut self, peer: NodeId, next: SnapshotStage) {
        if let State::Leader(leader) = &mut self.state
            && let Some(progress) = leader.tenure.peers.get_mut(&peer)
            && let FlowState::Snapshot(stage) = &mut progress.flow
        {
            *stage = next;
        }
    }

    /// The last position the host has applied, for the status.
    pub(super) fn applied(&self) -> Index {
        self.delivery.applied()
    }
}
