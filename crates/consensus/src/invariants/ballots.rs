//! What is special about Paxos: votes per slot, and what makes a value chosen.
//!
//! The memory holds, for each slot and ballot, the value proposed and who ever had it on disk. All
//! of "Paxos Made Simple" §2.2 follows from these two: a value is chosen when a phase-2 quorum
//! holds it, whether or not anybody knows.

use super::Invariants;
use super::claim::Claim;
use super::mirror::{Digest, Held, sworn_by};
use super::nodes::Set;
use super::rounds::Leadership;
use super::slots::{Chosen, Slot, Value};
use super::violation::{Invariant, Verdict};
use crate::ballot::Ballot;
use crate::entry::{Entry, Payload};
use crate::ids::{Index, NodeId, ProposalId, Span};
use crate::quorum::Quorum;

impl Invariants {
    /// A vote found on a disk when the node was first seen: its proposal was not watched.
    pub(super) fn adopt_vote(&mut self, place: usize, index: Index, held: Held) -> Verdict {
        if let Some(slot) = self.slots.slot_mut(index)
            && slot.value(held.ballot).is_none()
        {
            slot.add(new_value(held, None));
        }
        self.on_durable_vote(place, index, held)
    }

    /// A node issues a vote, or stores what it learned: `sworn` is what it had promised before.
    pub(super) fn on_vote(
        &mut self,
        place: usize,
        sworn: Ballot,
        index: Index,
        held: Held,
        entry: &Entry,
    ) -> Verdict {
        let node = self.nodes.at(place).id;
        self.propose(place, index, held, entry.id)?;
        let chosen = self.slots.chosen(index);
        let is_chosen = chosen.is_some_and(|chosen| chosen.digest.is_same(held.digest));
        let keeps = sworn <= held.ballot || is_chosen || index <= self.slots.base();
        self.checks.ensure(Invariant::AcceptKeepsPromise, node, keeps, || {
            format!("{node} accepts {index} of {}, having sworn to {sworn}", held.ballot)
        })?;
        if held.ballot < sworn
            && let Some(value) = self.slots.slot_mut(index).and_then(|it| it.value_mut(held.ballot))
        {
            value.learners.insert(place);
        }
        if !is_chosen {
            let issued = &mut self.nodes.at_mut(place).mirror.issued;
            issued.sworn = issued.sworn.max(held.ballot);
        }
        if let Payload::Members(members) = &entry.payload {
            self.configure(place, index, members)?;
        }
        Ok(())
    }

    /// A value appears under a ballot.
    fn propose(
        &mut self,
        place: usize,
        index: Index,
        held: Held,
        id: Option<ProposalId>,
    ) -> Verdict {
        let node = self.nodes.at(place).id;
        let Some(slot) = self.slots.slot_mut(index) else { return Ok(()) };
        if let Some(known) = slot.value_mut(held.ballot) {
            let is_same = known.digest.is_same(held.digest);
            known.digest = known.digest.max(held.digest);
            known.id = known.id.or(id);
            return self.checks.ensure(Invariant::OneValuePerBallot, node, is_same, || {
                format!("{node} has another value at {index} of ballot {}", held.ballot)
            });
        }
        slot.add(new_value(held, id));
        let ballot = held.ballot;
        self.checks.ensure(Invariant::BallotOwnedOnce, node, ballot.node == node, || {
            format!("{node} has a value at {index} of {ballot}, which its owner never proposed")
        })?;
        self.check_agrees(node, index, held)?;
        self.check_safe(place, index, held)
    }

    /// P2b: a proposal above the ballot of a chosen value carries that value.
    fn check_agrees(&mut self, node: NodeId, index: Index, held: Held) -> Verdict {
        let chosen = self.slots.chosen(index).filter(|chosen| chosen.ballot < held.ballot);
        let agrees = chosen.is_none_or(|chosen| chosen.digest.is_same(held.digest));
        self.checks.ensure(Invariant::HigherProposalsAgree, node, agrees, || {
            format!("{node} proposes another value for {index} in {} than is chosen", held.ballot)
        })
    }

    /// P2c: a phase-1 quorum has promised the ballot, and the newest vote among them below it is
    /// for this value, or there is none (`ShowsSafeAt` in Lamport's TLA+ module `Voting`).
    fn check_safe(&mut self, place: usize, index: Index, held: Held) -> Verdict {
        let node = self.nodes.at(place).id;
        let Some(quorums) = self.nodes.at(place).quorums() else { return Ok(()) };
        let Some(slot) = self.slots.slot(index) else { return Ok(()) };
        let promised = self.promised(held.ballot);
        let is_safe = shows_safe(slot, held, promised, |set| self.is_reached(&quorums.phase1, set));
        self.checks.ensure(Invariant::ProposalIsSafe, node, is_safe, || {
            format!(
                "{node} proposes a value for {index} in {}, which no quorum shows to be safe",
                held.ballot
            )
        })
    }

    /// Who has promised at least this ballot, durably. What a lost disk held may have been counted
    /// before it was lost, and its node is never counted again.
    fn promised(&self, ballot: Ballot) -> Set {
        let mut set = Set::default();
        for (place, known) in self.nodes.iter().enumerate() {
            if known.has_lost || ballot <= sworn_by(known.mirror.durable.promise) {
                set.insert(place);
            }
        }
        set
    }

    fn is_reached(&self, quorum: &Quorum, set: Set) -> bool {
        quorum.is_reached(|node| self.nodes.place(node).is_some_and(|place| set.has(place)))
    }

    /// A vote is on its node's disk. Perhaps the value is chosen with it.
    pub(super) fn on_durable_vote(&mut self, place: usize, index: Index, held: Held) -> Verdict {
        let node = self.nodes.at(place).id;
        let Some(slot) = self.slots.slot_mut(index) else { return Ok(()) };
        let Some(value) = slot.value_mut(held.ballot) else { return Ok(()) };
        value.holders.insert(place);
        let value = *value;
        let chosen = slot.chosen;
        if chosen.is_none() {
            let durable = &mut self.nodes.at_mut(place).mirror.durable;
            durable.sworn = durable.sworn.max(held.ballot);
        }
        let below = chosen.filter(|chosen| chosen.ballot < held.ballot);
        let agrees = below.is_none_or(|chosen| chosen.digest.is_same(held.digest));
        self.checks.ensure(Invariant::HigherAcceptsAgree, node, agrees, || {
            format!("{node} accepts another value for {index} in {} than is chosen", held.ballot)
        })?;
        let Some(quorums) = self.nodes.at(place).quorums() else { return Ok(()) };
        if !self.is_reached(&quorums.phase2, value.holders) {
            return Ok(());
        }
        if let Some(chosen) = chosen {
            let is_same = chosen.digest.is_same(value.digest);
            return self.checks.ensure(Invariant::ChosenOnce, node, is_same, || {
                format!(
                    "two values are chosen for {index}, in {} and {}",
                    chosen.ballot, held.ballot
                )
            });
        }
        self.choose(node, index, &value)
    }

    fn choose(&mut self, node: NodeId, index: Index, value: &Value) -> Verdict {
        let Value { ballot, digest, id, .. } = *value;
        let Some(slot) = self.slots.slot_mut(index) else { return Ok(()) };
        slot.chosen = Some(Chosen { ballot, digest, id, round: ballot.round });
        let other =
            slot.values().find(|other| ballot < other.ballot && !other.digest.is_same(digest));
        let other = other.copied();
        self.checks.ensure(Invariant::HigherProposalsAgree, node, other.is_none(), || {
            let higher = other.map(|other| other.ballot).unwrap_or_default();
            format!("{index} is chosen in {ballot} with another value than is proposed in {higher}")
        })?;
        self.check_chosen(node, id)
    }

    /// A node takes a slot for chosen; `is_news` unless it knew so when it was first seen.
    pub(super) fn on_learned(
        &mut self,
        place: usize,
        index: Index,
        held: Held,
        is_news: bool,
    ) -> Verdict {
        let node = self.nodes.at(place).id;
        let chosen = self.slots.chosen(index).copied();
        self.checks.ensure(
            Invariant::LearnedIsChosen,
            node,
            chosen.is_some() || !is_news,
            || format!("{node} takes {index} for chosen, which it is not"),
        )?;
        let Some(chosen) = chosen else {
            // Known from before the first event: nobody saw the votes.
            let Held { ballot, digest } = held;
            if let Some(slot) = self.slots.slot_mut(index) {
                slot.chosen = Some(Chosen { ballot, digest, id: None, round: ballot.round });
            }
            return Ok(());
        };
        let is_same = chosen.digest.is_same(held.digest);
        self.checks.ensure(Invariant::StateMachineSafety, node, is_same, || {
            format!("{node} takes another value for chosen at {index} than is")
        })
    }

    /// A node asks for promises: the ballot is its own, on its disk, and of this life.
    pub(super) fn on_prepares(&mut self, place: usize, ballot: Ballot) -> Verdict {
        let known = self.nodes.at(place);
        let (node, life) = (known.id, known.starts);
        let promise = known.mirror.durable.promise;
        self.checks.ensure(Invariant::VoteDurable, node, ballot <= sworn_by(promise), || {
            format!("{node} asks for promises to {ballot}, its disk holds {promise:?}")
        })?;
        let new = Leadership { ballot, life };
        let first = self.rounds.prepare(new);
        let is_own = ballot.node == node && first == new;
        self.checks.ensure(Invariant::BallotOwnedOnce, node, is_own, || {
            format!("{node} uses ballot {ballot} again, or another's")
        })
    }

    /// A promise: it is durable, and tells of every vote that could matter.
    pub(super) fn on_promises(&mut self, place: usize, claim: &Claim<'_>) -> Verdict {
        let Claim::Promises { ballot, first, last, withheld_upto, chosen_upto, votes } = *claim
        else {
            return Ok(());
        };
        let known = self.nodes.at(place);
        let (node, promise) = (known.id, known.mirror.durable.promise);
        self.checks.ensure(Invariant::VoteDurable, node, ballot <= sworn_by(promise), || {
            format!("{node} promises {ballot}, its disk holds {promise:?}")
        })?;
        self.on_knows(place, withheld_upto.max(chosen_upto))?;
        let last = last.unwrap_or_else(|| self.slots.last());
        let first = first.max(withheld_upto.next());
        let mut told = votes.iter().skip_while(|vote| vote.index < first).peekable();
        for (index, slot) in self.slots.iter_from(first).take_while(|(index, _)| *index <= last) {
            while told.next_if(|vote| vote.index < index).is_some() {}
            let vote = told.next_if(|vote| vote.index == index);
            let is_told = is_told(slot, place, ballot, vote);
            self.checks.ensure(Invariant::PromiseReportsVotes, node, is_told, || {
                format!("{node} promises {ballot} and tells {vote:?} of its vote for {index}")
            })?;
        }
        Ok(())
    }

    /// A leader proposes values.
    pub(super) fn on_proposes(
        &mut self,
        place: usize,
        ballot: Ballot,
        chosen_upto: Index,
        entries: &[Entry],
    ) -> Verdict {
        let node = self.nodes.at(place).id;
        self.checks.ensure(Invariant::BallotOwnedOnce, node, ballot.node == node, || {
            format!("{node} speaks as the leader of {ballot}")
        })?;
        self.on_knows(place, chosen_upto)?;
        for entry in entries {
            self.on_proposed_value(place, ballot, entry)?;
        }
        Ok(())
    }

    fn on_proposed_value(&mut self, place: usize, ballot: Ballot, entry: &Entry) -> Verdict {
        let node = self.nodes.at(place).id;
        let index = entry.index;
        let Some(slot) = self.slots.slot(index) else {
            return self.propose_entry(place, entry);
        };
        let Some(known) = slot.value(ballot) else { return self.propose_entry(place, entry) };
        // Every voter's own copy is compared whole.
        let is_same = entry.ballot == ballot && (known.id == entry.id || known.id.is_none());
        self.checks.ensure(Invariant::OneValuePerBallot, node, is_same, || {
            format!("{node} proposes two values for {index} in {ballot}")
        })
    }

    fn propose_entry(&mut self, place: usize, entry: &Entry) -> Verdict {
        let held = Held { ballot: entry.ballot, digest: Digest::of(entry) };
        self.propose(place, entry.index, held, entry.id)
    }

    /// Votes are acknowledged: they are on the disk, or were until they were compacted.
    pub(super) fn on_accepts(
        &mut self,
        place: usize,
        ballot: Ballot,
        slots: &[Span],
        chosen_upto: Index,
    ) -> Verdict {
        let node = self.nodes.at(place).id;
        self.on_knows(place, chosen_upto)?;
        for index in slots.iter().flat_map(|span| span.first.0..=span.last.0).map(Index) {
            let is_old = index <= self.nodes.at(place).mirror.durable.base.index;
            let value = self.slots.slot(index).and_then(|slot| slot.value(ballot));
            let holds = is_old || value.is_some_and(|value| value.holders.has(place));
            self.checks.ensure(Invariant::AckedIsDurable, node, holds, || {
                format!("{node} acknowledges {index} of {ballot} before it is durable")
            })?;
        }
        Ok(())
    }

    /// A node tells another what was chosen.
    pub(super) fn on_teaches(&mut self, place: usize, entries: &[Entry]) -> Verdict {
        let node = self.nodes.at(place).id;
        for entry in entries.iter().filter(|entry| self.slots.base() < entry.index) {
            let chosen = self.slots.chosen(entry.index);
            let is_true = chosen.is_some_and(|chosen| chosen.digest.is_same(Digest::of(entry)));
            self.checks.ensure(Invariant::LearnedIsChosen, node, is_true, || {
                format!("{node} teaches a value for {} that is not chosen", entry.index)
            })?;
        }
        Ok(())
    }

    /// A node speaks of what was chosen up to a slot: it knows that much.
    pub(super) fn on_knows(&mut self, place: usize, upto: Index) -> Verdict {
        let known = self.nodes.at(place);
        let node = known.id;
        let committed = known.seen.map_or(Index::ZERO, |seen| seen.committed);
        self.checks.ensure(Invariant::LearnedIsChosen, node, upto <= committed, || {
            format!("{node} says that all is chosen up to {upto}, and knows it up to {committed}")
        })
    }
}

fn new_value(held: Held, id: Option<ProposalId>) -> Value {
    let Held { ballot, digest } = held;
    let (holders, learners) = (Set::default(), Set::default());
    Value { ballot, digest, id, previous: Ballot::ZERO, holders, learners }
}

/// Whether those who `promised`, by their votes below the ballot, show that no other value can have
/// been chosen there.
fn shows_safe(slot: &Slot, held: Held, promised: Set, is_quorum: impl Fn(Set) -> bool) -> bool {
    let mut below: Vec<&Value> = slot.values().filter(|value| value.ballot < held.ballot).collect();
    below.sort_unstable_by_key(|value| core::cmp::Reverse(value.ballot));
    let mut left = promised;
    for value in below {
        if !is_quorum(left) {
            return false;
        }
        let has_voter = !left.shared(value.holders).is_empty();
        if has_voter && value.digest.is_same(held.digest) {
            return true;
        }
        left = left.without(value.holders);
    }
    is_quorum(left)
}

/// Whether a promise tells at least the newest vote of its sender below its ballot. What the sender
/// learned after it had promised is no vote: the promise may have waited for the disk meanwhile
/// (simulator, Paxos seed 376).
fn is_told(slot: &Slot, place: usize, ballot: Ballot, told: Option<&Entry>) -> bool {
    let is_vote = |value: &&Value| value.holders.has(place) && !value.learners.has(place);
    let own = slot.values().filter(|value| value.ballot < ballot).filter(is_vote);
    let Some(newest) = own.max_by_key(|value| value.ballot) else { return true };
    let Some(told) = told else { return false };
    newest.ballot < told.ballot
        || newest.ballot == told.ballot && newest.digest.is_same(Digest::of(told))
}
