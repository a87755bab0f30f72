//! What the log holds.

use bytes::Bytes;

use crate::ballot::Ballot;
use crate::ids::{Index, ProposalId};
use crate::members::Members;
use crate::time::ClusterTime;

/// One command at one position of the log: the tutorials' `<term, index, cmd>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position.
    pub index: Index,
    /// Raft: the term that created it and that term's leader. Paxos: the ballot of the vote.
    pub ballot: Ballot,
    /// The ballot in which its value was first proposed, by the leader that stamped it; zero for
    /// what fills a hole, which is nobody's. Raft: the same as `ballot`.
    pub born: Ballot,
    /// Whose proposal it is; `None` for what an engine adds by itself.
    pub id: Option<ProposalId>,
    /// The stamp of the leader that first proposed it; see [`crate::Clock`]. Raft: never less than
    /// that of the entry before it.
    pub time: ClusterTime,
    /// What it does when applied.
    pub payload: Payload,
}

impl Entry {
    /// What this entry costs against byte limits: its payload and a fixed allowance for the rest.
    pub fn cost(&self) -> u64 {
        let payload = match &self.payload {
            Payload::Noop => 0,
            Payload::Command(bytes) => bytes.len() as u64,
            Payload::Members(members) => members.cost(),
        };
        payload + Self::OVERHEAD_BYTES
    }

    /// How many of these entries, in their order, fit `bytes_max`, at least one if there is any,
    /// and what they cost.
    pub(crate) fn fitting<'a>(
        entries: impl Iterator<Item = &'a Self>,
        bytes_max: u64,
    ) -> (usize, u64) {
        let (mut count, mut bytes) = (0, 0_u64);
        for entry in entries {
            let more = bytes.saturating_add(entry.cost());
            if 0 < count && bytes_max < more {
                break;
            }
            (count, bytes) = (count + 1, more);
        }
        (count, bytes)
    }

    /// The fixed part of [`Entry::cost`].
    pub const OVERHEAD_BYTES: u64 = 64;
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: a new leader's first entry, or a filled hole.
    Noop,
    /// A command for the state machine, opaque here.
    Command(Bytes),
    /// A new configuration of the cluster. Boxed, for it is rare and much larger than the others.
    Members(Box<Members>),
}

/// The state of the log up to and including `index`, without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The last position covered.
    pub index: Index,
    /// The ballot of the entry at that position.
    pub ballot: Ballot,
    /// What the cluster's clock shows there.
    pub time: ClusterTime,
    /// The configuration in force there.
    pub members: Members,
}
