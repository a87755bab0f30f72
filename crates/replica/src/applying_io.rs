//! What comes out of the applying half: the whole list.

use bytes::Bytes;
use quorate_codec::peer::SnapshotMessage;
use quorate_consensus::{Clock, Index, Meta, NodeId};
use quorate_kv::{CommandError, Commit, Response, StreamId};

use crate::incoming::StagingOp;
use crate::ordering_io::LeaseClock;
use crate::reading::ReadResponse;
use crate::request::{KeptAlive, Ticket};

/// An answer of the state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a command: a deterministic refusal is an answer too.
    Command(Result<Response, CommandError>),
    /// To a read.
    Read(Result<ReadResponse, CommandError>),
    /// To a renewal of a lease.
    KeptAlive(KeptAlive),
    /// The read waited too long for the state machine to come this far.
    Behind,
    /// The ranges under way have found as much as they may hold: ask again later, or for less.
    Overloaded,
}

impl Answer {
    /// The bytes of keys and values that it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Command(Ok(response)) => response.bytes(),
            Self::Read(Ok(ReadResponse::Range(range))) => range.bytes(),
            Self::Read(Ok(ReadResponse::Txn(txn))) => txn.bytes(),
            Self::Read(_)
            | Self::Command(Err(_))
            | Self::KeptAlive(_)
            | Self::Behind
            | Self::Overloaded => 0,
        }
    }
}

/// What the applying half tells the ordering half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Applied up to here, where the cluster's clock is this.
    Applied {
        /// The last applied position.
        upto: Index,
        /// The clock there.
        clock: Clock,
    },
    /// The state machine is durable here, and the log below is no longer needed.
    Compacted(Meta),
    /// This snapshot is whole and durable, ready to be installed.
    Staged(Meta),
    /// The peer holds this snapshot.
    SnapshotSent {
        /// The peer.
        to: NodeId,
        /// The snapshot.
        meta: Meta,
    },
    /// The transfer to the peer broke off.
    SnapshotFailed {
        /// The peer.
        to: NodeId,
    },
    /// The state machine was replaced.
    Installed(Meta),
    /// How many bytes the disk has not taken yet.
    Backlog(u64),
    /// A command that this node wants in the log if it leads; `None` if it wants none any more.
    Wish(Option<Bytes>),
    /// How the cluster's clock stands to the leases, if there are any.
    Leases(Option<LeaseClock>),
}

/// What the host must do for the applying half.
#[derive(Debug, Default)]
pub struct ApplyingEffects {
    /// For the waiting clients.
    pub answers: Vec<(Ticket, Answer)>,
    /// For peers; may be lost.
    pub messages: Vec<(NodeId, SnapshotMessage)>,
    /// For the ordering half, in order.
    pub notes: Vec<Note>,
    /// To be made durable in the map, then acknowledged by [`crate::Applying::on_committed`].
    pub commit: Option<Commit>,
    /// To be done to the staged file in order, then acknowledged by [`crate::Applying::on_staged`].
    pub staging: Vec<StagingOp>,
    /// Streams whose clients have something new to take from [`crate::Applying::watches`].
    pub watched: Vec<StreamId>,
}

/// The host could not stage a snapshot: the bytes were wrong, or there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagingFailed;
