//! What the host must do: the whole list.

use crate::entries::Entries;
use crate::entry::{Entry, Meta};
use crate::ids::{Index, NodeId, ProposalId};
use crate::outcome::{Outcome, Proposed, Refusal};
use crate::trace::{Reason, TraceEvent, What};
use crate::write::{Write, WriteBatch};

/// Everything an engine wants done since it was last asked.
///
/// The parts are independent: the host may do them in any order and at the same time, with one
/// rule. Write batches are made durable in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects<M> {
    /// To be made durable, then acknowledged by [`crate::Input::Persisted`].
    pub write: Option<WriteBatch>,
    /// Safe to send now: whatever a message promises is already durable. May be lost,
    /// duplicated and reordered on the way.
    pub messages: Vec<Envelope<M>>,
    /// Committed entries in the order of the log, each exactly once, without gaps, in parts none
    /// of which is empty.
    pub committed: Vec<Entries>,
    /// Requests that ended.
    pub outcomes: Vec<Outcome>,
    /// Entries to be read from the durable log.
    pub fetches: Vec<Fetch>,
    /// Snapshots to be streamed to peers by the host.
    pub snapshots: Vec<SendSnapshot>,
    /// Replace the state machine by the staged snapshot of this `meta`, once the write batch
    /// drained with it is durable; then say [`crate::Input::Installed`].
    pub install: Option<Box<Meta>>,
    /// Peers that sent what no correct peer sends. To be counted, and the connection dropped.
    pub misbehaved: Vec<Misbehaved>,
    /// What happened and why, for people, checkers and logs.
    pub trace: Vec<TraceEvent>,
}

impl<M> Default for Effects<M> {
    fn default() -> Self {
        Self {
            write: None,
            messages: Vec::new(),
            committed: Vec::new(),
            outcomes: Vec::new(),
            fetches: Vec::new(),
            snapshots: Vec::new(),
            install: None,
            misbehaved: Vec::new(),
            trace: Vec::new(),
        }
    }
}

impl<M> Effects<M> {
    /// Drops what is in here and keeps the memory. The writes, if they are still here, are given
    /// back.
    pub(crate) fn clear(&mut self) -> Option<Vec<Write>> {
        let Self { messages, committed, outcomes, fetches, snapshots, misbehaved, trace, .. } =
            self;
        messages.clear();
        committed.clear();
        outcomes.clear();
        fetches.clear();
        snapshots.clear();
        misbehaved.clear();
        trace.clear();
        self.install = None;
        self.write.take().map(|batch| batch.writes)
    }

    /// The committed entries, one by one.
    pub fn committed_entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.committed.iter().flatten()
    }

    /// Says what happened and why.
    pub(crate) fn trace(&mut self, what: What, reason: Reason) {
        self.trace.push(TraceEvent { what, reason });
    }

    /// Reports a peer.
    pub(crate) fn misbehaved(&mut self, peer: NodeId, reason: &'static str) {
        self.misbehaved.push(Misbehaved { peer, reason });
    }

    /// Sends a message at once.
    pub(crate) fn send(&mut self, to: NodeId, message: M) {
        self.messages.push(Envelope { to, message });
    }

    /// Refuses a proposal.
    pub(crate) fn refuse(&mut self, id: ProposalId, refusal: Refusal) {
        let result = Proposed::Refused(refusal);
        self.outcomes.push(Outcome::Proposal { id, result });
    }
}

/// A message and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<M> {
    /// The receiver.
    pub to: NodeId,
    /// What to send.
    pub message: M,
}

/// A request for entries that are no longer in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// What they are for; copied into the answer.
    pub reason: FetchReason,
    /// The first entry wanted.
    pub first: Index,
    /// The last entry wanted.
    pub last: Index,
    /// Stop when this many bytes are reached, though never before the first entry.
    pub bytes_max: u64,
}

/// Why entries are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchReason {
    /// To send them to this peer.
    Replicate(NodeId),
    /// To hand them to the state machine.
    Apply,
}

/// A request to stream a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendSnapshot {
    /// The peer that needs it.
    pub to: NodeId,
    /// The snapshot must reach at least this far.
    pub at_least: Index,
}

/// A peer that broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misbehaved {
    /// Who.
    pub peer: NodeId,
    /// What was impossible about its message.
    pub reason: &'static str,
}
