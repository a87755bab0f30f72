//! Writes, as they are issued and as they become durable.

use super::mirror::{Change, Held, sworn_by};
use super::nodes::{Life, Set};
use super::slots::Value;
use super::violation::{Invariant, Verdict};
use super::{Invariants, Order};
use crate::ballot::{Ballot, Promise};
use crate::entry::{Entry, Meta, Payload};
use crate::ids::{Index, NodeId, ProposalId, WriteId};
use crate::status::Role;
use crate::write::{Write, WriteBatch};

impl Invariants {
    /// An engine issues a batch.
    pub fn on_write(&mut self, node: NodeId, batch: &WriteBatch) -> Verdict {
        let place = self.nodes.started(node);
        self.nodes.at_mut(place).mirror.begin(batch);
        batch.writes.iter().try_for_each(|write| self.on_one_write(place, write))
    }

    fn on_one_write(&mut self, place: usize, write: &Write) -> Verdict {
        let change = match write {
            Write::Put(entries) => {
                return entries.iter().try_for_each(|entry| self.on_put(place, entry));
            }
            Write::Hard(hard) => {
                self.on_hard(place, hard.promise)?;
                Change::Promise(hard.promise)
            }
            Write::TruncateFrom(from) => {
                self.on_truncate(place, *from)?;
                Change::TruncateFrom(*from)
            }
            Write::CompactTo(meta) => {
                self.on_compact(place, meta)?;
                Change::cut(meta)
            }
            Write::Install(meta) => {
                self.on_install(place, meta)?;
                Change::cut(meta)
            }
        };
        self.nodes.at_mut(place).mirror.issue(change);
        Ok(())
    }

    fn on_put(&mut self, place: usize, entry: &Entry) -> Verdict {
        let mirror = &mut self.nodes.at_mut(place).mirror;
        let (before, sworn) = (mirror.issued.last_position(), mirror.issued.sworn);
        let (index, held) = (entry.index, Held::of(entry));
        mirror.issue(Change::Put(index, held));
        match self.order {
            Order::Terms => self.on_append(place, before.index, before.ballot, held, entry),
            Order::Ballots => self.on_vote(place, sworn, index, held, entry),
        }
    }

    fn on_hard(&mut self, place: usize, new: Promise) -> Verdict {
        let known = self.nodes.at(place);
        let (node, old) = (known.id, known.mirror.issued.promise);
        self.checks.ensure(Invariant::PromiseMonotone, node, old.round <= new.round, || {
            format!("{node} forgets round {}", old.round)
        })?;
        if self.order == Order::Ballots {
            let sworn = known.mirror.issued.sworn;
            let keeps = sworn <= sworn_by(new);
            return self.checks.ensure(Invariant::PromiseMonotone, node, keeps, || {
                format!("{node} writes a promise of {new:?}, below {sworn}")
            });
        }
        if new.to == Some(node) {
            self.rounds.open(new.round);
        }
        let keeps = old.round < new.round || old.to.is_none() || old.to == new.to;
        self.checks.ensure(Invariant::OneVotePerTerm, node, keeps, || {
            format!("{node} takes back its vote of round {}", old.round)
        })
    }

    fn on_truncate(&mut self, place: usize, from: Index) -> Verdict {
        let known = self.nodes.at_mut(place);
        let node = known.id;
        known.configurations.retain(|configuration| configuration.from < from);
        let committed = known.seen.map_or(Index::ZERO, |seen| seen.committed);
        self.checks.ensure(Invariant::CommittedStays, node, committed < from, || {
            format!("{node} truncates from {from}, committed {committed}")
        })?;
        let leads = known.seen.is_some_and(|seen| {
            seen.role == Role::Leader && seen.ballot.round == known.mirror.issued.promise.round
        });
        self.checks.ensure(Invariant::LeaderAppendOnly, node, !leads, || {
            format!("{node} truncates its own log while it leads")
        })
    }

    fn on_compact(&mut self, place: usize, meta: &Meta) -> Verdict {
        let known = self.nodes.at(place);
        let (node, applied) = (known.id, known.applied);
        self.checks.ensure(
            Invariant::SnapshotNotBeyondApplied,
            node,
            meta.index <= applied,
            || format!("{node} cuts its log at {}, applied {applied}", meta.index),
        )?;
        let held = known.mirror.issued.ballot_at(meta.index);
        let is_own = meta.index <= known.mirror.issued.base.index
            || self.order == Order::Ballots
            || held == Some(meta.ballot);
        self.checks.ensure(Invariant::SnapshotIsPrefix, node, is_own, || {
            format!("{node} cuts its log at {} of {}, holds {held:?}", meta.index, meta.ballot)
        })?;
        self.on_cut(place, meta)
    }

    fn on_install(&mut self, place: usize, meta: &Meta) -> Verdict {
        let node = self.nodes.at(place).id;
        self.on_cut(place, meta)?;
        if self.nodes.at(place).quorums().is_none() {
            self.configure(place, meta.index, &meta.members)?;
        }
        let committed = self.nodes.at(place).seen.map_or(Index::ZERO, |seen| seen.committed);
        self.checks.ensure(Invariant::CommittedStays, node, committed <= meta.index, || {
            format!("{node} installs a snapshot at {}, committed {committed}", meta.index)
        })
    }

    /// A log loses its prefix: a snapshot stands for it.
    fn on_cut(&mut self, place: usize, meta: &Meta) -> Verdict {
        let known = self.nodes.at_mut(place);
        let node = known.id;
        // The configuration of the prefix is the snapshot's.
        let inside = known.configurations.iter().filter(|held| held.from <= meta.index).count();
        known.configurations.drain(..inside.saturating_sub(1));
        let last = self.slots.last_known();
        self.checks.ensure(Invariant::SnapshotIsPrefix, node, meta.index <= last, || {
            format!("{node} cuts its log at {}, committed {last}", meta.index)
        })?;
        let Some(chosen) = self.slots.chosen(meta.index) else { return Ok(()) };
        let is_true = self.order == Order::Ballots || chosen.ballot == meta.ballot;
        self.checks.ensure(Invariant::SnapshotIsPrefix, node, is_true, || {
            format!("{node} has a snapshot of {} at {}", meta.ballot, meta.index)
        })
    }

    /// Raft: an entry is added to a log. Log matching, by induction: equal index and term mean
    /// equal entry and equal ballot before.
    fn on_append(
        &mut self,
        place: usize,
        last: Index,
        previous: Ballot,
        held: Held,
        entry: &Entry,
    ) -> Verdict {
        let node = self.nodes.at(place).id;
        let at = entry.index;
        self.checks.ensure(Invariant::LogMatching, node, last.next() == at, || {
            format!("{node} stores {at}, its last is {last}")
        })?;
        let ascends = previous.round <= entry.ballot.round;
        self.checks.ensure(Invariant::LogMatching, node, ascends, || {
            format!("{node} stores {at} of a lower round")
        })?;
        self.register(node, at, held, entry.id, previous)?;
        if let Payload::Members(members) = &entry.payload {
            self.configure(place, at, members)?;
        }
        Ok(())
    }

    /// Raft: an entry is in some log: the only one of its index and term, with one past.
    pub(super) fn register(
        &mut self,
        node: NodeId,
        index: Index,
        held: Held,
        id: Option<ProposalId>,
        previous: Ballot,
    ) -> Verdict {
        let Some(slot) = self.slots.slot_mut(index) else { return Ok(()) };
        let Some(known) = slot.value_mut(held.ballot) else {
            let (ballot, digest) = (held.ballot, held.digest);
            let (holders, learners) = (Set::default(), Set::default());
            slot.add(Value { ballot, digest, id, previous, holders, learners });
            return Ok(());
        };
        let is_same = known.digest.is_same(held.digest);
        known.digest = known.digest.max(held.digest);
        let has_same_past = known.previous == previous;
        let round = held.ballot.round;
        self.checks.ensure(Invariant::LogMatching, node, is_same, || {
            format!("log matching: two entries {index} of round {round}")
        })?;
        self.checks.ensure(Invariant::LogMatching, node, has_same_past, || {
            format!("log matching: {node} stores {index} of round {round} after another prefix")
        })
    }

    /// Batches up to `write` are durable.
    pub fn on_persisted(&mut self, node: NodeId, write: WriteId) -> Verdict {
        let place = self.nodes.started(node);
        self.persist(place, write)
    }

    pub(super) fn persist(&mut self, place: usize, write: WriteId) -> Verdict {
        while let Some(change) = self.nodes.at_mut(place).mirror.persist_one(write) {
            match change {
                Change::Put(index, held) if self.order == Order::Ballots => {
                    self.on_durable_vote(place, index, held)?;
                }
                Change::Cut(_) => self.forget_compacted(),
                Change::Put(..) | Change::Promise(_) | Change::TruncateFrom(_) => {}
            }
        }
        Ok(())
    }

    /// Forgets what no disk holds any more.
    pub(super) fn forget_compacted(&mut self) {
        let bases = self.nodes.iter().filter(|known| known.life != Life::Lost);
        if let Some(lowest) = bases.map(|known| known.mirror.durable.base.index).min() {
            self.slots.cut(lowest);
        }
    }
}
