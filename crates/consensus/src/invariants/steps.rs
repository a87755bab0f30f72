//! What a node is after a step, compared with what it was and with all others.

use super::mirror::Held;
use super::rounds::Leadership;
use super::slots::Chosen;
use super::violation::{Invariant, Verdict};
use super::{Invariants, Order};
use crate::ballot::{Ballot, Promise};
use crate::ids::{Index, NodeId};
use crate::log::Position;
use crate::status::{Role, Summary};

impl Invariants {
    /// A node has done something and was drained, and its write reported; this is its state now.
    pub fn on_step(&mut self, node: NodeId, now: &Summary) -> Verdict {
        let place = self.nodes.started(node);
        let known = self.nodes.at_mut(place);
        let before = known.seen.replace(*now);
        if before == Some(*now) {
            return Ok(());
        }
        self.check_marks(node, before.as_ref(), now)?;
        if self.order == Order::Terms {
            self.check_written(place, now)?;
        }
        if now.role == Role::Leader {
            self.on_leader(place, before.as_ref(), now)?;
        }
        self.on_commits(place, before.as_ref(), now)
    }

    fn check_marks(&mut self, node: NodeId, before: Option<&Summary>, now: &Summary) -> Verdict {
        let checks = &mut self.checks;
        if let Some(before) = before {
            let (old, new) = (before.ballot.round, now.ballot.round);
            checks.ensure(Invariant::TermMonotone, node, old <= new, || {
                format!("{node} goes back from round {old} to round {new}")
            })?;
            checks.ensure(
                Invariant::CommitMonotone,
                node,
                before.committed <= now.committed,
                || format!("{node} takes back a commit, {} to {}", before.committed, now.committed),
            )?;
            checks.ensure(
                Invariant::AppliedMonotone,
                node,
                before.applied <= now.applied,
                || {
                    format!(
                        "{node} takes back what it applied, {} to {}",
                        before.applied, now.applied
                    )
                },
            )?;
            let is_begun = new == old
                || matches!(now.role, Role::Candidate | Role::Leader)
                || new <= self.rounds.opened()
                || self.order == Order::Ballots;
            checks.ensure(Invariant::PreVoteLeavesTerm, node, is_begun, || {
                format!("{node} is in round {new}, which no candidate began")
            })?;
        }
        let is_ordered = now.compacted <= now.committed
            && now.applied <= now.committed
            && now.committed <= now.last;
        checks.ensure(Invariant::CompactionOrder, node, is_ordered, || {
            format!(
                "{node} has compacted {}, applied {}, committed {}, last {}",
                now.compacted, now.applied, now.committed, now.last
            )
        })
    }

    fn check_written(&mut self, place: usize, now: &Summary) -> Verdict {
        let known = self.nodes.at(place);
        let node = known.id;
        let written = &known.mirror.issued;
        let (last, round) = (written.last(), written.promise.round);
        let is_written = last == now.last && round == now.ballot.round;
        self.checks.ensure(Invariant::LogIsWritten, node, is_written, || {
            format!(
                "{node} is in round {} with last {}, but wrote round {round} and last {last}",
                now.ballot.round, now.last
            )
        })
    }

    fn on_leader(&mut self, place: usize, before: Option<&Summary>, now: &Summary) -> Verdict {
        let node = self.nodes.at(place).id;
        let round = now.ballot.round;
        let led = before
            .is_some_and(|before| before.role == Role::Leader && before.ballot.round == round);
        if led {
            let committed = before.map_or(Index::ZERO, |before| before.committed);
            return self.check_commits_own(place, committed, now);
        }
        let ballot = Ballot { round, node };
        self.check_own_vote(place, ballot)?;
        let new = Leadership { ballot, life: self.nodes.at(place).starts };
        match self.order {
            Order::Terms => {
                let first = self.rounds.lead(new, |ballot| ballot.round);
                self.checks.ensure(Invariant::ElectionSafety, node, first == new, || {
                    format!("two leaders in round {round}: {} and {node}", first.ballot.node)
                })?;
            }
            Order::Ballots => {
                let first = self.rounds.lead(new, |ballot| ballot);
                self.checks.ensure(Invariant::BallotOwnedOnce, node, first == new, || {
                    format!("{node} leads ballot {ballot} a second time")
                })?;
            }
        }
        if self.order == Order::Ballots {
            return Ok(());
        }
        self.check_complete(place, round)?;
        self.check_newest(place, round)
    }

    /// Only entries of a leader's own term are committed by counting (Raft §5.4.2).
    fn check_commits_own(&mut self, place: usize, before: Index, now: &Summary) -> Verdict {
        if self.order == Order::Ballots || now.committed <= before {
            return Ok(());
        }
        let known = self.nodes.at(place);
        let node = known.id;
        let ballot = known.mirror.issued.ballot_at(now.committed);
        let is_own = ballot.is_none_or(|ballot| ballot.round == now.ballot.round);
        self.checks.ensure(Invariant::CommitOwnTermOnly, node, is_own, || {
            format!("{node} commits {} of another round by counting", now.committed)
        })
    }

    /// A leader has sworn to its own round, durably.
    fn check_own_vote(&mut self, place: usize, ballot: Ballot) -> Verdict {
        let known = self.nodes.at(place);
        let node = known.id;
        let promise = known.mirror.durable.promise;
        let own = Promise { round: ballot.round, to: Some(node) };
        let is_durable = promise == own || self.order == Order::Ballots && own < promise;
        self.checks.ensure(Invariant::VoteDurable, node, is_durable, || {
            format!("{node} leads {ballot}, but its disk holds {promise:?}")
        })
    }

    /// Leader completeness, by the round in which an entry was committed, not the round that made
    /// it: a stale leader may rightly lack what a later one commits.
    fn check_complete(&mut self, place: usize, round: u64) -> Verdict {
        let known = self.nodes.at(place);
        let node = known.id;
        let log = &known.mirror.issued;
        for (index, slot) in self.slots.iter_from(log.base.index.next()) {
            let Some(chosen) = slot.chosen.filter(|chosen| chosen.round < round) else { continue };
            let has = log.held(index).is_some_and(|held| is_same(held, &chosen, Order::Terms));
            self.checks.ensure(Invariant::LeaderCompleteness, node, has, || {
                format!("{node} leads round {round} without committed entry {index}")
            })?;
        }
        Ok(())
    }

    /// A quorum voted whose logs are no newer than the new leader's (Raft §5.4.1).
    fn check_newest(&mut self, place: usize, round: u64) -> Verdict {
        let leader = self.nodes.at(place);
        let node = leader.id;
        let older = leader.mirror.issued.iter().rev().find(|(_, held)| held.ballot.round < round);
        let own = older.map_or(leader.mirror.issued.base, |(index, held)| Position {
            ballot: held.ballot,
            index,
        });
        let Some(quorums) = leader.quorums() else { return Ok(()) };
        let follows = |voter: NodeId| {
            let vote = self.nodes.named(voter).and_then(|known| known.vote_in(round));
            voter == node || vote.is_some_and(|vote| vote.candidate == node && vote.last <= own)
        };
        let is_newest = quorums.phase1.is_reached(follows);
        self.checks.ensure(Invariant::LeaderHasQuorumLog, node, is_newest, || {
            format!("{node} leads round {round} with a log that ends before those of its voters")
        })
    }

    fn on_commits(&mut self, place: usize, before: Option<&Summary>, now: &Summary) -> Verdict {
        let base = self.nodes.at(place).mirror.issued.base.index;
        let from = before.map_or(Index::ZERO, |before| before.committed).max(base);
        for index in (from.0 + 1..=now.committed.0).map(Index) {
            self.on_commit(place, index, now.ballot.round)?;
        }
        Ok(())
    }

    /// A node takes a position for committed.
    fn on_commit(&mut self, place: usize, index: Index, round: u64) -> Verdict {
        let node = self.nodes.at(place).id;
        let is_news = self.nodes.at(place).adopted < index;
        let held = self.nodes.at(place).mirror.issued.held(index);
        self.checks.ensure(Invariant::StateMachineSafety, node, held.is_some(), || {
            format!("{node} commits {index}, which its log lacks")
        })?;
        let Some(held) = held else { return Ok(()) };
        self.slots.know(index);
        if self.order == Order::Ballots {
            return self.on_learned(place, index, held, is_news);
        }
        if let Some(known) = self.slots.chosen(index) {
            let holds = is_same(held, known, self.order);
            return self.checks.ensure(Invariant::StateMachineSafety, node, holds, || {
                format!("committed entry {index} changes at {node}")
            });
        }
        if is_news {
            self.check_on_quorum(place, index, held)?;
        }
        let value = self.slots.slot(index).and_then(|slot| slot.value(held.ballot));
        let id = value.and_then(|value| value.id);
        let chosen = Chosen { ballot: held.ballot, digest: held.digest, id, round };
        if let Some(slot) = self.slots.slot_mut(index) {
            slot.chosen = Some(chosen);
        }
        self.check_chosen(node, id)?;
        self.check_later_leader(index, &chosen)
    }

    fn check_on_quorum(&mut self, place: usize, index: Index, held: Held) -> Verdict {
        let known = self.nodes.at(place);
        let node = known.id;
        let Some(quorums) = known.quorums() else { return Ok(()) };
        let holds = |node: NodeId| {
            let Some(known) = self.nodes.named(node) else { return false };
            let durable = &known.mirror.durable;
            let there = durable.held(index);
            known.has_lost
                || index <= durable.base.index
                || there.is_some_and(|there| there.digest.is_same(held.digest))
        };
        let is_held = quorums.phase2.is_reached(holds);
        self.checks.ensure(Invariant::CommittedIsDurableOnQuorum, node, is_held, || {
            format!("{node} commits {index} before it is durable on a quorum")
        })
    }

    /// A commit that comes to light after a later leader was elected: that leader must have it.
    fn check_later_leader(&mut self, index: Index, chosen: &Chosen) -> Verdict {
        if self.order == Order::Ballots {
            return Ok(());
        }
        let Some(newest) = self.rounds.newest() else { return Ok(()) };
        let Some(leader) = self.nodes.named(newest.ballot.node) else { return Ok(()) };
        let leads = leader.seen.is_some_and(|seen| {
            seen.role == Role::Leader && seen.ballot.round == newest.ballot.round
        });
        let log = &leader.mirror.issued;
        if !leads || newest.ballot.round <= chosen.round || index <= log.base.index {
            return Ok(());
        }
        let has = log.held(index).is_some_and(|held| is_same(held, chosen, self.order));
        let (node, round) = (leader.id, newest.ballot.round);
        self.checks.ensure(Invariant::LeaderCompleteness, node, has, || {
            format!("{node} leads round {round} without entry {index}, committed since")
        })
    }
}

/// Whether a log holds what was chosen. An adopted value keeps no ballot (Paxos).
pub(super) fn is_same(held: Held, chosen: &Chosen, order: Order) -> bool {
    let is_same = held.digest.is_same(chosen.digest);
    is_same && (order == Order::Ballots || held.ballot == chosen.ballot)
}
