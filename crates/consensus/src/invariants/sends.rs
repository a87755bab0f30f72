//! Messages: what a message vouches for is durable, and said once.

use super::Invariants;
use super::claim::{Claim, Claims};
use super::nodes::Vote;
use super::violation::{Invariant, Verdict};
use crate::ids::{Index, NodeId};

impl Invariants {
    /// An engine gives its host a message to send.
    pub fn on_send<P: Claims>(
        &mut self,
        from: NodeId,
        to: NodeId,
        message: &P::Message,
    ) -> Verdict {
        match P::claim(from, to, message) {
            None => Ok(()),
            Some(claim) => self.on_claim(from, &claim),
        }
    }

    pub(super) fn on_claim(&mut self, from: NodeId, claim: &Claim<'_>) -> Verdict {
        let place = self.nodes.started(from);
        match *claim {
            Claim::AsksFirst { round } => self.on_asks_first(place, round),
            Claim::Votes { round, candidate } => self.on_votes(place, round, candidate),
            Claim::Leads { round } => self.on_leads(place, round),
            Claim::Holds { round, leader, upto } => self.on_holds(place, round, leader, upto),
            Claim::Prepares { ballot } => self.on_prepares(place, ballot),
            Claim::Promises { .. } => self.on_promises(place, claim),
            Claim::Proposes { ballot, chosen_upto, entries } => {
                self.on_proposes(place, ballot, chosen_upto, entries)
            }
            Claim::Accepts { ballot, slots, chosen_upto } => {
                self.on_accepts(place, ballot, slots, chosen_upto)
            }
            Claim::Teaches { entries } => self.on_teaches(place, entries),
            Claim::Covers { meta } => self.on_knows(place, meta.index),
        }
    }

    /// A pre-vote is asked in the term that its sender has written.
    fn on_asks_first(&mut self, place: usize, round: u64) -> Verdict {
        let known = self.nodes.at(place);
        let (node, written) = (known.id, known.mirror.issued.promise.round);
        self.checks.ensure(Invariant::PreVoteLeavesTerm, node, round <= written, || {
            format!("{node} asks for pre-votes in round {round}, its own is {written}")
        })
    }

    fn on_votes(&mut self, place: usize, round: u64, candidate: NodeId) -> Verdict {
        let known = self.nodes.at_mut(place);
        let node = known.id;
        let promise = known.mirror.durable.promise;
        let is_durable = promise.round == round && promise.to == Some(candidate);
        self.checks.ensure(
            Invariant::VoteDurable,
            node,
            is_durable || round < promise.round,
            || {
                format!(
                    "{node} sends its vote for {candidate} in round {round} before it is durable"
                )
            },
        )?;
        let last = known.mirror.durable.last_position();
        let vote = known.vote(Vote { round, candidate, last }).candidate;
        self.checks.ensure(Invariant::OneVotePerTerm, node, vote == candidate, || {
            format!("{node} votes for {vote} and for {candidate} in round {round}")
        })
    }

    /// Only the leader of a round speaks as its leader.
    fn on_leads(&mut self, place: usize, round: u64) -> Verdict {
        let node = self.nodes.at(place).id;
        let leader = self.rounds.leader_of(round);
        self.checks.ensure(
            Invariant::ElectionSafety,
            node,
            leader.is_none_or(|leader| leader == node),
            || format!("{node} speaks as the leader of round {round}, which {leader:?} leads"),
        )
    }

    /// What is acknowledged is on the disk, and is what the leader has.
    fn on_holds(&mut self, place: usize, round: u64, leader: NodeId, upto: Index) -> Verdict {
        let known = self.nodes.at(place);
        let node = known.id;
        let durable = &known.mirror.durable;
        let leads = self.rounds.leader_of(round) == Some(leader);
        let of_leader = self
            .nodes
            .named(leader)
            .filter(|known| leads && known.seen.is_some_and(|seen| seen.ballot.round == round));
        let expected = of_leader.and_then(|leader| leader.mirror.issued.ballot_at(upto));
        let holds = match (durable.ballot_at(upto), expected) {
            (Some(held), Some(expected)) => held == expected,
            (held, None) => held.is_some() || upto <= durable.base.index,
            (None, Some(_)) => upto < durable.base.index,
        };
        self.checks.ensure(Invariant::AckedIsDurable, node, holds, || {
            format!("{node} acknowledges {upto} of round {round} before it is durable")
        })
    }
}
