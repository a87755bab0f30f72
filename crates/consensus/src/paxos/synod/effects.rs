//! What goes into a councillor and what comes out: the whole lists.

use super::message::{Message, Phase, Vote};
use crate::ballot::Ballot;
use crate::effects::{Envelope, Misbehaved};
use crate::ids::{NodeId, WriteId};

/// What a councillor must remember across crashes, one small record. A new one has remembered
/// nothing: `Durable::default()`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durable<V> {
    /// The highest ballot it has used as a proposer.
    pub tried: Ballot,
    /// `MaxN`: the highest ballot promised as an acceptor.
    pub promised: Ballot,
    /// `(AcceptN, AcceptV)`: its vote.
    pub vote: Option<Vote<V>>,
}

impl<V> Default for Durable<V> {
    fn default() -> Self {
        Self { tried: Ballot::ZERO, promised: Ballot::ZERO, vote: None }
    }
}

/// What happens to a councillor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<V> {
    /// "Have this decided." Starts a ballot; without timers, each repetition starts a new one.
    Propose {
        /// What to propose if the choice is free. Repetitions may change it.
        value: V,
    },
    /// A message came.
    Message {
        /// From whom.
        from: NodeId,
        /// What it says.
        message: Message<V>,
    },
    /// This write and all before it are durable.
    Persisted {
        /// The name from [`Effects::write`].
        write: WriteId,
    },
    /// The deadline has come.
    Wake,
}

/// What a councillor wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects<V> {
    /// To be made durable in place of what was written before.
    pub write: Option<(WriteId, Durable<V>)>,
    /// Safe to send now: what they promise is durable.
    pub messages: Vec<Envelope<Message<V>>>,
    /// Decisions: one for each ballot whose votes it counted, or the news of one. Equal values, if
    /// the rules are kept.
    pub learned: Vec<Vote<V>>,
    /// Who sent what no correct councillor sends.
    pub misbehaved: Vec<Misbehaved>,
    /// What happened and why, for people.
    pub events: Vec<Event<V>>,
}

impl<V> Default for Effects<V> {
    fn default() -> Self {
        Self {
            write: None,
            messages: Vec::new(),
            learned: Vec::new(),
            misbehaved: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// What happened in a councillor, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<V> {
    /// It starts a ballot.
    Prepared {
        /// Which.
        ballot: Ballot,
    },
    /// It promised, and reports its vote.
    Promised {
        /// What.
        ballot: Ballot,
        /// The vote it reports.
        vote: Option<Vote<V>>,
    },
    /// It refused: the ballot is below its promise.
    Refused {
        /// What it refused.
        ballot: Ballot,
        /// Which request.
        phase: Phase,
        /// Its promise.
        promised: Ballot,
    },
    /// A quorum of promises reported no vote: it proposes its own value.
    Free {
        /// In which ballot.
        ballot: Ballot,
        /// What.
        value: V,
    },
    /// A quorum of promises reported votes: it proposes the value of the highest.
    Adopted {
        /// In which ballot.
        ballot: Ballot,
        /// The vote adopted.
        vote: Vote<V>,
    },
    /// It voted.
    Voted {
        /// In which ballot.
        ballot: Ballot,
        /// For what.
        value: V,
    },
    /// Its ballot lost to a higher one.
    Preempted {
        /// Its ballot.
        ballot: Ballot,
        /// The higher one.
        by: Ballot,
    },
    /// Its ballot got no quorum of answers in time.
    TimedOut {
        /// Which.
        ballot: Ballot,
    },
    /// It counted a quorum of votes.
    Chosen {
        /// The ballot of the votes, and their value.
        vote: Vote<V>,
    },
    /// It was told the decision.
    Told {
        /// By whom.
        by: NodeId,
        /// What.
        vote: Vote<V>,
    },
}
