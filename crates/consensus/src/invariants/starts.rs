//! Starts, crashes and lost disks: what a restart finds is what was durable.

use std::sync::Arc;

use super::mirror::{Log, Mirror};
use super::nodes::{Configuration, Life};
use super::violation::{Invariant, Verdict};
use super::{Invariants, Order};
use crate::ids::{Index, NodeId, WriteId};
use crate::members::Members;
use crate::quorum::Quorum;
use crate::write::Recovered;

impl Invariants {
    /// A node starts with what it found on its disk.
    ///
    /// That is what was durable, and after a crash whose extent is not known perhaps some of the
    /// batches that were not, oldest first.
    pub fn on_start(&mut self, node: NodeId, found: &Recovered) -> Verdict {
        let place = self.nodes.admit(node);
        let log = Log::recovered(found);
        self.nodes.at_mut(place).configurations.clear();
        self.configure(place, found.meta.index, &found.meta.members)?;
        for (index, members) in &found.configurations {
            self.configure(place, *index, members)?;
        }
        let is_new = self.nodes.at(place).life == Life::Lost;
        if is_new {
            self.adopt(place, &log)?;
        } else {
            self.reconcile(place, &log)?;
        }
        self.rounds.open(log.promise.round);
        let known = self.nodes.at_mut(place);
        known.life = Life::Up;
        known.starts += 1;
        known.seen = None;
        let committed = found.hard.committed.max(found.applied);
        known.adopted = if is_new { committed } else { Index::ZERO };
        known.delivered = found.applied;
        known.applied = found.applied;
        known.mirror.restart();
        let holds = found.meta.index <= found.applied && found.applied <= log.last();
        self.checks.ensure(Invariant::CompactionOrder, node, holds, || {
            format!(
                "{node} starts with a log from {} to {} and a state machine at {}",
                found.meta.index,
                log.last(),
                found.applied
            )
        })
    }

    /// A node seen for the first time, with its log.
    fn adopt(&mut self, place: usize, log: &Log) -> Verdict {
        let node = self.nodes.at(place).id;
        let mut previous = log.base.ballot;
        self.nodes.at_mut(place).mirror = Mirror::new(log.clone());
        for (index, held) in log.iter() {
            match self.order {
                Order::Terms => self.register(node, index, held, None, previous)?,
                Order::Ballots => self.adopt_vote(place, index, held)?,
            }
            previous = held.ballot;
        }
        Ok(())
    }

    /// Makes durable as many of the outstanding batches as the restart found.
    fn reconcile(&mut self, place: usize, found: &Log) -> Verdict {
        let node = self.nodes.at(place).id;
        let first = self.nodes.at(place).mirror.durable.difference(found);
        let mut difference = first.clone();
        while difference.is_some() {
            let Some(batch) = self.nodes.at(place).mirror.oldest_pending() else { break };
            self.persist(place, batch)?;
            difference = self.nodes.at(place).mirror.durable.difference(found);
        }
        self.checks.ensure(Invariant::PersistedSurvives, node, difference.is_none(), || {
            format!("{node} restarts with {}", first.unwrap_or_default())
        })
    }

    /// A node stops at once. With `survived`, the batches up to it are on the disk and no others;
    /// without, the next start tells how many survived beyond those acknowledged as durable.
    pub fn on_crash(&mut self, node: NodeId, survived: Option<WriteId>) -> Verdict {
        let place = self.nodes.started(node);
        self.requests.on_crash(node);
        if let Some(survived) = survived {
            self.persist(place, survived)?;
            self.nodes.at_mut(place).mirror.restart();
        }
        let known = self.nodes.at_mut(place);
        known.life = Life::Down;
        known.seen = None;
        Ok(())
    }

    /// A node's disk is gone for ever. Its votes stay remembered; should a node of this name start
    /// again, it is taken for new.
    pub fn on_lost(&mut self, node: NodeId) {
        if let Some(place) = self.nodes.place(node) {
            self.requests.on_crash(node);
            let known = self.nodes.at_mut(place);
            known.life = Life::Lost;
            known.has_lost = true;
            known.seen = None;
            known.mirror = Mirror::default();
            self.forget_compacted();
        }
    }

    /// A node's log has a configuration, in force from `from` on.
    pub(super) fn configure(&mut self, place: usize, from: Index, members: &Members) -> Verdict {
        let quorums = Arc::new(self.quorums_of(members));
        let node = self.nodes.at(place).id;
        let before = self.nodes.at(place).quorums().cloned();
        if before.as_ref() != Some(&quorums) {
            let mut all = members.nodes();
            all.extend(self.nodes.iter().map(|known| known.id));
            let all: Vec<NodeId> = all.into_iter().collect();
            let old = before.as_ref().unwrap_or(&quorums);
            let meets = do_meet(&all, &quorums.phase1, &quorums.phase2)
                && do_meet(&all, &old.phase1, &quorums.phase2)
                && do_meet(&all, &quorums.phase1, &old.phase2);
            self.checks.ensure(Invariant::QuorumsIntersect, node, meets, || {
                format!("the quorums of {node} at {from}, and those before, need not meet")
            })?;
        }
        self.nodes.at_mut(place).configurations.push(Configuration { from, quorums });
        Ok(())
    }
}

/// Whether every quorum of the one kind has a member in every quorum of the other.
fn do_meet(all: &[NodeId], one: &Quorum, other: &Quorum) -> bool {
    if SUBSETS_MAX < all.len() {
        return true;
    }
    (0_u32..1 << all.len()).all(|subset| {
        let is_in = |node: NodeId| {
            all.iter().position(|known| *known == node).is_some_and(|at| subset & (1 << at) != 0)
        };
        !one.is_reached(is_in) || !other.is_reached(|node| !is_in(node))
    })
}

/// The most nodes whose subsets are all tried.
const SUBSETS_MAX: usize = 12;
