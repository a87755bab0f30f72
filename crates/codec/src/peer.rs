//! What nodes say to each other: the engine's messages, forwarded requests, snapshots.
//!
//! ```text
//! message     u8 tag, then
//!               0  engine            the engine's message, to the end
//!               1  forward           ballot, list (proposal, string payload)
//!               2  forward refused   list (proposal, refusal)
//!               3  read              u64 request, ballot
//!               4  read released     u64 request, u64 index
//!               5  read refused      u64 request, refusal
//!               6  snapshot offer    u64 transfer, u64 records, meta
//!               7  snapshot pull     u64 transfer, revision from
//!               8  snapshot chunk    chunk
//!               9  snapshot held     u64 transfer, meta
//!               10 snapshot aborted  u64 transfer
//!               11 pull leases       u64 transfer, i64 from
//!               12 leased chunk      leased chunk
//! refusal     u8 tag, then
//!               0 not leader    option u64 leader
//!               1 transferring  u64 to
//!               2 overloaded    u32 in flight at most
//!               3 storage full
//!               4 removed
//!               5 unsupported
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::{Ballot, Index, Meta, NodeId, ProposalId, Refusal, RequestId};
use quorate_kv::{Checkpoint, Lease, LeaseId, Record, Revision, SnapshotPlace};

use crate::chunk::{is_leased, put_chunk, read_chunk, read_leased_chunk};
use crate::error::DecodeError;
use crate::primitives::Layout;
use crate::reader::Reader;
use crate::wire::Wire;

/// Names one stream of a snapshot to one peer. The sender's choice, new for each attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

/// A client's command on its way to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedProposal {
    /// Its name, made by the node that took it from the client.
    pub id: ProposalId,
    /// The command.
    pub payload: Bytes,
}

/// Part of a snapshot, as the receiver asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// The stream.
    pub transfer: TransferId,
    /// Copied from the pull.
    pub from: SnapshotPlace,
    /// Every record from there up to `next`, ascending. Within [`crate::PAYLOAD_BYTES_MAX`].
    pub records: Vec<(Revision, Record)>,
    /// Every lease from there up to `next`, ascending. Within [`crate::PAYLOAD_BYTES_MAX`].
    pub leases: Vec<Lease>,
    /// Where the next chunk starts; `None` in the last one.
    pub next: Option<SnapshotPlace>,
    /// The state beside records and leases; only in the last chunk.
    pub checkpoint: Option<Box<Checkpoint>>,
}

/// A message between nodes whose engines say `M`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage<M> {
    /// From engine to engine.
    Engine(M),
    /// Proposals taken by a node that does not lead. Only the leader of exactly `ballot` may
    /// take them. Never sent again once it may have left.
    Forward {
        /// The ballot whose leader is meant.
        ballot: Ballot,
        /// In the order of their sequence numbers. The sender splits what would exceed
        /// [`crate::PAYLOAD_BYTES_MAX`].
        proposals: Vec<ForwardedProposal>,
    },
    /// Definite: none of these was appended.
    ForwardRefused {
        /// Which, and why.
        refused: Vec<(ProposalId, Refusal)>,
    },
    /// One confirmation for all reads that wait at the sender.
    Read {
        /// The sender's name for it.
        id: RequestId,
        /// The ballot whose leader is meant.
        ballot: Ballot,
    },
    /// The reads may be served by a state machine that has applied `index`.
    ReadReleased {
        /// Copied from the request.
        id: RequestId,
        /// The position.
        index: Index,
    },
    /// The reads cannot be confirmed here.
    ReadRefused {
        /// Copied from the request.
        id: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// About the transfer of a snapshot.
    Snapshot(SnapshotMessage),
}

/// How a snapshot gets from one node's state machine to another's; engines take no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotMessage {
    /// "You need a snapshot; pull it."
    Offer {
        /// The sender's name for this attempt.
        transfer: TransferId,
        /// How far it reaches.
        meta: Meta,
        /// How many records it has.
        records: u64,
    },
    /// "Send what comes from here on." Also how a broken transfer goes on.
    Pull {
        /// Copied from the offer.
        transfer: TransferId,
        /// The first record or lease wanted.
        from: SnapshotPlace,
    },
    /// The answer to a pull.
    Chunk(SnapshotChunk),
    /// "I hold the whole snapshot, durably and verified."
    Held {
        /// Copied from the offer.
        transfer: TransferId,
        /// How far it reaches.
        meta: Meta,
    },
    /// The transfer is over on the sender's side, whatever the reason; from either end.
    Aborted {
        /// Copied from the offer.
        transfer: TransferId,
    },
}

const ENGINE: u8 = 0;
const FORWARD: u8 = 1;
const FORWARD_REFUSED: u8 = 2;
const READ: u8 = 3;
const READ_RELEASED: u8 = 4;
const READ_REFUSED: u8 = 5;
const SNAPSHOT_OFFER: u8 = 6;
const SNAPSHOT_PULL: u8 = 7;
const SNAPSHOT_CHUNK: u8 = 8;
const SNAPSHOT_HELD: u8 = 9;
const SNAPSHOT_ABORTED: u8 = 10;
const SNAPSHOT_PULL_LEASES: u8 = 11;
const SNAPSHOT_LEASED_CHUNK: u8 = 12;

impl<M: Wire> Wire for PeerMessage<M> {
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(tag(self));
        match self {
            Self::Engine(message) => message.encode(out),
            Self::Forward { ballot, proposals } => {
                ballot.put(out);
                proposals.put(out);
            }
            Self::ForwardRefused { refused } => refused.put(out),
            Self::Read { id, ballot } => {
                id.put(out);
                ballot.put(out);
            }
            Self::ReadReleased { id, index } => {
                id.put(out);
                index.put(out);
            }
            Self::ReadRefused { id, refusal } => {
                id.put(out);
                refusal.put(out);
            }
            Self::Snapshot(message) => put_snapshot(message, out),
        }
    }

    fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&mut bytes);
        let tag = reader.byte(NAME)?;
        if tag == ENGINE {
            return M::decode(bytes).map(Self::Engine);
        }
        let message = match read_snapshot(tag, &mut reader)? {
            Some(message) => Self::Snapshot(message),
            None => read_request(tag, &mut reader)?,
        };
        reader.finish()?;
        Ok(message)
    }
}

const NAME: &str = "peer message";

fn tag<M>(message: &PeerMessage<M>) -> u8 {
    match message {
        PeerMessage::Engine(_) => ENGINE,
        PeerMessage::Forward { .. } => FORWARD,
        PeerMessage::ForwardRefused { .. } => FORWARD_REFUSED,
        PeerMessage::Read { .. } => READ,
        PeerMessage::ReadReleased { .. } => READ_RELEASED,
        PeerMessage::ReadRefused { .. } => READ_REFUSED,
        PeerMessage::Snapshot(message) => snapshot_tag(message),
    }
}

fn snapshot_tag(message: &SnapshotMessage) -> u8 {
    match message {
        SnapshotMessage::Offer { .. } => SNAPSHOT_OFFER,
        SnapshotMessage::Pull { from: SnapshotPlace::Records(_), .. } => SNAPSHOT_PULL,
        SnapshotMessage::Pull { from: SnapshotPlace::Leases(_), .. } => SNAPSHOT_PULL_LEASES,
        SnapshotMessage::Chunk(chunk) if is_leased(chunk) => SNAPSHOT_LEASED_CHUNK,
        SnapshotMessage::Chunk(_) => SNAPSHOT_CHUNK,
        SnapshotMessage::Held { .. } => SNAPSHOT_HELD,
        SnapshotMessage::Aborted { .. } => SNAPSHOT_ABORTED,
    }
}

fn put_snapshot(message: &SnapshotMessage, out: &mut BytesMut) {
    match message {
        SnapshotMessage::Offer { transfer, meta, records } => {
            transfer.put(out);
            records.put(out);
            meta.put(out);
        }
        SnapshotMessage::Pull { transfer, from } => {
            transfer.put(out);
            match from {
                SnapshotPlace::Records(revision) => revision.put(out),
                SnapshotPlace::Leases(lease) => lease.put(out),
            }
        }
        SnapshotMessage::Chunk(chunk) => put_chunk(chunk, out),
        SnapshotMessage::Held { transfer, meta } => {
            transfer.put(out);
            meta.put(out);
        }
        SnapshotMessage::Aborted { transfer } => transfer.put(out),
    }
}

/// What follows a tag of a snapshot message; nothing is read for any other tag.
fn read_snapshot(tag: u8, reader: &mut Reader<'_>) -> Result<Option<SnapshotMessage>, DecodeError> {
    Ok(Some(match tag {
        SNAPSHOT_OFFER => {
            let transfer = TransferId::read(reader)?;
            let records = u64::read(reader)?;
            SnapshotMessage::Offer { transfer, meta: Meta::read(reader)?, records }
        }
        SNAPSHOT_PULL => SnapshotMessage::Pull {
            transfer: TransferId::read(reader)?,
            from: SnapshotPlace::Records(Revision::read(reader)?),
        },
        SNAPSHOT_PULL_LEASES => SnapshotMessage::Pull {
            transfer: TransferId::read(reader)?,
            from: SnapshotPlace::Leases(LeaseId::read(reader)?),
        },
        SNAPSHOT_CHUNK => SnapshotMessage::Chunk(read_chunk(reader)?),
        SNAPSHOT_LEASED_CHUNK => SnapshotMessage::Chunk(read_leased_chunk(reader)?),
        SNAPSHOT_HELD => {
            SnapshotMessage::Held { transfer: TransferId::read(reader)?, meta: Meta::read(reader)? }
        }
        SNAPSHOT_ABORTED => SnapshotMessage::Aborted { transfer: TransferId::read(reader)? },
        _ => return Ok(None),
    }))
}

/// What follows a tag of a forwarded request or its answer.
fn read_request<M>(tag: u8, reader: &mut Reader<'_>) -> Result<PeerMessage<M>, DecodeError> {
    Ok(match tag {
        FORWARD => {
            PeerMessage::Forward { ballot: Ballot::read(reader)?, proposals: Vec::read(reader)? }
        }
        FORWARD_REFUSED => PeerMessage::ForwardRefused { refused: Vec::read(reader)? },
        READ => PeerMessage::Read { id: RequestId::read(reader)?, ballot: Ballot::read(reader)? },
        READ_RELEASED => {
            PeerMessage::ReadReleased { id: RequestId::read(reader)?, index: Index::read(reader)? }
        }
        READ_REFUSED => PeerMessage::ReadRefused {
            id: RequestId::read(reader)?,
            refusal: Refusal::read(reader)?,
        },
        found => return Err(DecodeError::BadTag { what: NAME, found }),
    })
}

impl Layout for TransferId {
    const NAME: &'static str = "transfer";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for ForwardedProposal {
    const NAME: &'static str = "forwarded proposal";
    const BYTES_MIN: usize = 28;

    fn put(&self, out: &mut BytesMut) {
        self.id.put(out);
        self.payload.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: ProposalId::read(reader)?, payload: Bytes::read(reader)? })
    }
}

const REFUSAL_NOT_LEADER: u8 = 0;
const REFUSAL_TRANSFERRING: u8 = 1;
const REFUSAL_OVERLOADED: u8 = 2;
const REFUSAL_STORAGE_FULL: u8 = 3;
const REFUSAL_REMOVED: u8 = 4;
const REFUSAL_UNSUPPORTED: u8 = 5;

impl Layout for Refusal {
    const NAME: &'static str = "refusal";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::NotLeader { leader } => {
                out.put_u8(REFUSAL_NOT_LEADER);
                leader.put(out);
            }
            Self::Transferring { to } => {
                out.put_u8(REFUSAL_TRANSFERRING);
                to.put(out);
            }
            Self::Overloaded { in_flight_max } => {
                out.put_u8(REFUSAL_OVERLOADED);
                in_flight_max.put(out);
            }
            Self::StorageFull => out.put_u8(REFUSAL_STORAGE_FULL),
            Self::Removed => out.put_u8(REFUSAL_REMOVED),
            Self::Unsupported => out.put_u8(REFUSAL_UNSUPPORTED),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            REFUSAL_NOT_LEADER => Ok(Self::NotLeader { leader: Option::<NodeId>::read(reader)? }),
            REFUSAL_TRANSFERRING => Ok(Self::Transferring { to: NodeId::read(reader)? }),
            REFUSAL_OVERLOADED => Ok(Self::Overloaded { in_flight_max: u32::read(reader)? }),
            REFUSAL_STORAGE_FULL => Ok(Self::StorageFull),
            REFUSAL_REMOVED => Ok(Self::Removed),
            REFUSAL_UNSUPPORTED => Ok(Self::Unsupported),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}
