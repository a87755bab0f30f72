//! The learner: finds out what was chosen.

use std::collections::BTreeMap;

use super::message::Vote;
use crate::ballot::Ballot;
use crate::ids::NodeId;
use crate::quorum::Quorum;
use crate::rules::{Rule, Rules};

/// Counts votes. Only votes of one ballot count together: the tutorials' "more than half accepted"
/// means more than half in the same ballot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learner<V> {
    quorum: Quorum,
    /// The newest vote of each acceptor. Older ones are forgotten: if they were a quorum, every
    /// later ballot has the same value, and is counted here too.
    votes: BTreeMap<NodeId, Vote<V>>,
    /// The first decision heard of.
    chosen: Option<Vote<V>>,
    /// The newest ballot whose votes were enough.
    counted: Ballot,
}

impl<V: Clone> Learner<V> {
    /// A learner that has heard nothing. Nothing of it is durable: votes can be asked for again.
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, votes: BTreeMap::new(), chosen: None, counted: Ballot::ZERO }
    }

    /// The decision, if known.
    pub fn chosen(&self) -> Option<&Vote<V>> {
        self.chosen.as_ref()
    }

    /// Who voted in a ballot, as far as is known.
    pub fn voters(&self, ballot: Ballot) -> impl Iterator<Item = NodeId> + '_ {
        let voted = self.votes.iter().filter(move |(_, vote)| vote.ballot == ballot);
        voted.map(|(node, _)| *node)
    }

    /// Takes note of a vote. The vote of a ballot whose votes have just become enough.
    pub fn on_accepted(
        &mut self,
        from: NodeId,
        vote: Vote<V>,
        rules: &impl Rules,
    ) -> Option<Vote<V>> {
        if self.votes.get(&from).is_some_and(|known| vote.ballot < known.ballot) {
            return None;
        }
        self.votes.insert(from, vote.clone());
        let counts = |node: &NodeId| {
            self.votes.get(node).is_some_and(|known| {
                known.ballot == vote.ballot || rules.breaks(Rule::CountAcrossBallots)
            })
        };
        if vote.ballot <= self.counted || !self.quorum.is_reached(|node| counts(&node)) {
            return None;
        }
        self.counted = vote.ballot;
        self.on_chosen(vote.clone());
        Some(vote)
    }

    /// Takes note of a decision that another counted. Whether it is news.
    pub fn on_chosen(&mut self, vote: Vote<V>) -> bool {
        let is_news = self.chosen.is_none();
        self.chosen.get_or_insert(vote);
        is_news
    }
}

#[cfg(test)]
impl<V> Learner<V> {
    pub(super) fn counted(&self) -> Ballot {
        self.counted
    }

    pub(super) fn vote_of(&self, acceptor: NodeId) -> Option<&Vote<V>> {
        self.votes.get(&acceptor)
    }
}
