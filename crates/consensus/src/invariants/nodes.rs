//! What the checks remember of each node.

use std::sync::Arc;

use super::mirror::Mirror;
use crate::ids::{Index, NodeId};
use crate::log::Position;
use crate::quorum::FlexibleQuorums;
use crate::status::Summary;

/// A set of nodes by their places, at most [`Nodes::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(super) fn has(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn shared(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Whether a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs.
    Up,
    /// It crashed and may come back.
    Down,
    /// Its disk is gone, and it with it.
    Lost,
}

/// The quorums in force from a position of the log on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) from: Index,
    pub(super) quorums: Arc<FlexibleQuorums>,
}

/// A vote that a node told others about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) round: u64,
    pub(super) candidate: NodeId,
    /// Where its durable log ended when it first said so.
    pub(super) last: Position,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) life: Life,
    /// Counts its starts.
    pub(super) starts: u32,
    pub(super) mirror: Mirror,
    /// Whether a disk of it was ever lost: what that held may have been counted before.
    pub(super) has_lost: bool,
    /// What it looked like when last seen, in its present life.
    pub(super) seen: Option<Summary>,
    /// Its votes, ascending by round, as it told others. Only the newest.
    votes: Vec<Vote>,
    /// The configurations in its log, ascending.
    pub(super) configurations: Vec<Configuration>,
    /// What it knew to be committed when it was first seen: nobody watched that happen.
    pub(super) adopted: Index,
    /// The last entry handed to its host.
    pub(super) delivered: Index,
    /// The last entry its state machine applied.
    pub(super) applied: Index,
}

impl Node {
    /// The most votes remembered: the durable promise keeps a node from any that are older.
    const VOTES_MAX: usize = 64;

    /// Remembers a vote; the one that was given in that round, now or before.
    pub(super) fn vote(&mut self, new: Vote) -> Vote {
        match self.votes.binary_search_by_key(&new.round, |vote| vote.round) {
            Ok(at) => self.votes[at],
            Err(0) if self.votes.len() == Self::VOTES_MAX => new,
            Err(at) => {
                self.votes.insert(at, new);
                if Self::VOTES_MAX < self.votes.len() {
                    self.votes.remove(0);
                }
                new
            }
        }
    }

    /// Its vote in a round, as it told others.
    pub(super) fn vote_in(&self, round: u64) -> Option<Vote> {
        let at = self.votes.binary_search_by_key(&round, |vote| vote.round).ok()?;
        Some(self.votes[at])
    }

    /// The votes remembered.
    pub(super) fn votes(&self) -> &[Vote] {
        &self.votes
    }

    /// The quorums that its newest configuration asks for.
    pub(super) fn quorums(&self) -> Option<&Arc<FlexibleQuorums>> {
        self.configurations.last().map(|configuration| &configuration.quorums)
    }
}

/// All nodes ever started, each at its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes(Vec<Node>);

impl Nodes {
    /// The most nodes that a [`Set`] can hold.
    pub(super) const MAX: usize = 64;

    /// Where a node is kept.
    pub(super) fn place(&self, node: NodeId) -> Option<usize> {
        self.0.iter().position(|known| known.id == node)
    }

    /// Where a node is kept that must have been started.
    pub(super) fn started(&self, node: NodeId) -> usize {
        self.place(node).expect("the host reports a node that it never started")
    }

    /// Where a node is kept, from now on if it is new.
    pub(super) fn admit(&mut self, node: NodeId) -> usize {
        if let Some(place) = self.place(node) {
            return place;
        }
        assert!(self.0.len() < Self::MAX, "a run has at most 64 nodes");
        self.0.push(Node {
            id: node,
            life: Life::Lost,
            starts: 0,
            mirror: Mirror::default(),
            has_lost: false,
            seen: None,
            votes: Vec::new(),
            configurations: Vec::new(),
            adopted: Index::ZERO,
            delivered: Index::ZERO,
            applied: Index::ZERO,
        });
        self.0.len() - 1
    }

    pub(super) fn at(&self, place: usize) -> &Node {
        &self.0[place]
    }

    pub(super) fn at_mut(&mut self, place: usize) -> &mut Node {
        &mut self.0[place]
    }

    pub(super) fn named(&self, node: NodeId) -> Option<&Node> {
        self.0.iter().find(|known| known.id == node)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.0.iter()
    }
}
