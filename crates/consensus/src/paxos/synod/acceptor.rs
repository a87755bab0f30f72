//! The acceptor: the tutorials' triple `(MaxN, AcceptN, AcceptV)`.

use super::message::Vote;
use crate::ballot::Ballot;
use crate::paxos::acceptor::{Acceptor, Decision};
use crate::rules::Rules;

/// An acceptor of one decision. Its whole state is durable before any answer that depends on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SynodAcceptor<V> {
    promise: Acceptor,
    vote: Option<Vote<V>>,
}

impl<V: Clone> SynodAcceptor<V> {
    /// An acceptor with what its disk holds; [`Ballot::ZERO`] and no vote for a new one.
    pub fn new(promised: Ballot, vote: Option<Vote<V>>) -> Self {
        let is_promised = vote.as_ref().is_none_or(|vote| vote.ballot <= promised);
        assert!(is_promised, "a vote is a promise");
        Self { promise: Acceptor::new(promised), vote }
    }

    /// `MaxN`.
    pub fn promised(&self) -> Ballot {
        self.promise.promised()
    }

    /// `AcceptN` and `AcceptV`.
    pub fn vote(&self) -> Option<&Vote<V>> {
        self.vote.as_ref()
    }

    /// Phase 1b. A granted prepare is answered with [`Self::vote`].
    pub fn on_prepare(&mut self, ballot: Ballot) -> Decision {
        self.promise.on_prepare(ballot)
    }

    /// Phase 2b. A granted accept replaces the vote, whatever it was.
    pub fn on_accept(&mut self, ballot: Ballot, value: V, rules: &impl Rules) -> Decision {
        let decision = self.promise.on_accept(ballot, rules);
        if decision.is_granted() {
            self.vote = Some(Vote { ballot, value });
        }
        decision
    }
}
