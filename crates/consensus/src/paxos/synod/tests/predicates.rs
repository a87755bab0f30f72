//! What must hold whatever happens, said over all messages that were ever sent: the history. The
//! names are those of PMS §2.2.

use std::collections::{BTreeMap, BTreeSet};

use super::Tax;
use crate::ballot::Ballot;
use crate::ids::NodeId;
use crate::paxos::synod::{Message, Vote};

/// A predicate that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Broken {
    /// Two values are chosen.
    Agreement,
    /// A value was voted for that nobody proposed.
    Validity,
    /// An acceptor voted below what it had promised or voted before.
    P1a,
    /// A vote above a choice is for another value.
    P2a,
    /// A value above a choice is put to the vote that is another.
    P2b,
    /// A value was put to the vote that the votes of no quorum of promises allow.
    P2c,
    /// One ballot has two values.
    OneValue,
    /// A proposer learned what is not chosen.
    Learning,
}

impl Broken {
    pub(super) const ALL: [Self; 8] = [
        Self::Agreement,
        Self::Validity,
        Self::P1a,
        Self::P2a,
        Self::P2b,
        Self::P2c,
        Self::OneValue,
        Self::Learning,
    ];
}

/// Everything ever said, as the predicates see it. Acceptors are three.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// `issued(n, v)`: put to the vote.
    issued: BTreeSet<(Ballot, Tax)>,
    /// `acc(a, n, v)`: voted, durably.
    voted: BTreeSet<(NodeId, Ballot, Tax)>,
    /// Votes that are known from a promise: durable too, whether or not they were reported.
    reported: BTreeSet<(NodeId, Ballot, Tax)>,
    /// `prom(a, n)`.
    promised: BTreeSet<(NodeId, Ballot)>,
}

/// The acceptors that make a quorum, of three.
const QUORUM: usize = 2;

impl History {
    /// Adds what `from` says. The predicates that it breaks by saying so.
    pub(super) fn say(&mut self, from: NodeId, message: &Message<Tax>) -> Vec<Broken> {
        match message {
            Message::Promise { ballot, vote } => {
                self.promised.insert((from, *ballot));
                self.reported.extend(vote.map(|vote| (from, vote.ballot, vote.value)));
                Vec::new()
            }
            Message::Accept { ballot, value } => {
                self.issued.insert((*ballot, *value));
                self.check_issues()
            }
            Message::Accepted { ballot, value } => self.vote(from, *ballot, *value),
            Message::Prepare { .. } | Message::Nack { .. } | Message::Chosen { .. } => Vec::new(),
        }
    }

    fn vote(&mut self, from: NodeId, ballot: Ballot, value: Tax) -> Vec<Broken> {
        let mut broken = Vec::new();
        if self.voted.insert((from, ballot, value)) && self.is_sworn_above(from, ballot) {
            broken.push(Broken::P1a);
        }
        if !self.issued.contains(&(ballot, value)) {
            broken.push(Broken::Validity);
        }
        broken.extend(self.check_issues());
        broken.extend(self.check_choices());
        broken
    }

    fn is_sworn_above(&self, acceptor: NodeId, ballot: Ballot) -> bool {
        let promised = self.promised.iter().any(|&(a, n)| a == acceptor && ballot < n);
        promised || self.voted.iter().any(|&(a, n, _)| a == acceptor && ballot < n)
    }

    /// `Chosen(n, v)`.
    pub(super) fn chosen(&self) -> BTreeSet<(Ballot, Tax)> {
        let mut votes: BTreeMap<(Ballot, Tax), usize> = BTreeMap::new();
        for &(_, ballot, value) in &self.voted {
            *votes.entry((ballot, value)).or_default() += 1;
        }
        votes.into_iter().filter(|(_, count)| QUORUM <= *count).map(|(vote, _)| vote).collect()
    }

    fn check_choices(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (ballot, value) in self.chosen() {
            if self.chosen().iter().any(|&(_, other)| other != value) {
                broken.push(Broken::Agreement);
            }
            if self.voted.iter().any(|&(_, n, v)| ballot < n && v != value) {
                broken.push(Broken::P2a);
            }
            if self.issued.iter().any(|&(n, v)| ballot < n && v != value) {
                broken.push(Broken::P2b);
            }
        }
        broken
    }

    fn check_issues(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for &(ballot, value) in &self.issued {
            if self.issued.iter().any(|&(n, v)| n == ballot && v != value) {
                broken.push(Broken::OneValue);
            }
            if !self.is_safe(ballot, value) {
                broken.push(Broken::P2c);
            }
        }
        broken
    }

    /// P2c: some quorum has promised the ballot, and among its votes below the ballot there is
    /// none, or the highest is for this value.
    fn is_safe(&self, ballot: Ballot, value: Tax) -> bool {
        let promisers: BTreeSet<NodeId> =
            self.promised.iter().filter(|(_, n)| ballot <= *n).map(|(a, _)| *a).collect();
        let pairs = promisers.iter().flat_map(|a| promisers.iter().map(move |b| [*a, *b]));
        pairs.filter(|[a, b]| a < b).any(|quorum| {
            let votes = self.voted.union(&self.reported);
            let below = votes.filter(|(a, n, _)| quorum.contains(a) && *n < ballot);
            let highest = below.max_by_key(|(_, n, _)| *n);
            highest.is_none_or(|&(_, _, v)| v == value)
        })
    }

    /// Whether what a proposer learned is chosen.
    pub(super) fn learn(&self, vote: Vote<Tax>) -> Option<Broken> {
        let is_chosen = self.chosen().iter().any(|&(_, value)| value == vote.value);
        (!is_chosen).then_some(Broken::Learning)
    }
}
