//! The first words on a connection between nodes: who is calling, and may it.
//!
//! Both travel in frames of version 0, whose layout never changes; a newer program may add fields
//! at the end, which an older one ignores. The caller sends its hello, the called node one reply.
//!
//! ```text
//! hello       "QUORATE>", u8 protocol min, u8 protocol max, u64 cluster, u8 engine, u8 channel,
//!             u64 node, u64 incarnation, u64 target
//! reply       "QUORATE<", u8 tag, then
//!               0 welcome         u8 protocol, u64 incarnation
//!               1 wrong cluster   u64 cluster
//!               2 wrong engine    u8 engine
//!               3 protocol range  u8 min, u8 max
//!               4 unknown node    u64 node
//!               5 incarnation     u64 known
//!               6 wrong target    u64 node
//!               7 removed         u64 node
//! engine      u8: 0 raft, 1 paxos
//! channel     u8: 0 messages, 1 bulk
//!
//! cluster id  xxh3-64 of: u8 engine, string token, list (string name, string url) ascending
//! ```

use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use quorate_consensus::{Incarnation, NodeId};

use crate::error::DecodeError;
use crate::primitives::{Layout, put_length};
use crate::reader::Reader;
use crate::wire::Wire;

/// The version of a frame that carries a handshake.
pub const HANDSHAKE_VERSION: u8 = 0;

/// The longest handshake taken, in bytes. Leaves room for the fields of newer programs.
pub const HANDSHAKE_BYTES_MAX: usize = 1024;

/// The protocol versions this program speaks.
pub const PROTOCOL: ProtocolRange = ProtocolRange { min: 2, max: 2 };

const HELLO_MAGIC: [u8; 8] = *b"QUORATE>";
const REPLY_MAGIC: [u8; 8] = *b"QUORATE<";

/// Names a cluster: nodes of different ones never talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

impl ClusterId {
    /// The id of the cluster that starts with these members (name and peer URL each, in any
    /// order), under this token. Never zero.
    pub fn of<'a>(
        initial: impl IntoIterator<Item = (&'a str, &'a str)>,
        token: &str,
        engine: EngineKind,
    ) -> Self {
        let mut members: Vec<_> = initial.into_iter().collect();
        members.sort_unstable();
        members.dedup();

        let mut bytes = BytesMut::new();
        engine.put(&mut bytes);
        put_str(token, &mut bytes);
        put_length(members.len(), &mut bytes);
        for (name, url) in members {
            put_str(name, &mut bytes);
            put_str(url, &mut bytes);
        }
        Self(xxhash_rust::xxh3::xxh3_64(&bytes).max(1))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}", self.0)
    }
}

fn put_str(text: &str, out: &mut BytesMut) {
    put_length(text.len(), out);
    out.put_slice(text.as_bytes());
}

/// Which protocol a cluster agrees by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EngineKind {
    /// Raft.
    Raft,
    /// Multi-Paxos.
    Paxos,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Raft => "raft",
            Self::Paxos => "paxos",
        })
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Messages that somebody waits for.
    Messages,
    /// Snapshots, which must not delay them.
    Bulk,
}

/// The peer protocol's versions that a node speaks, from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolRange {
    /// The oldest.
    pub min: u8,
    /// The newest.
    pub max: u8,
}

impl ProtocolRange {
    /// The newest version that both speak.
    pub fn common(self, other: Self) -> Option<u8> {
        let newest = self.max.min(other.max);
        let oldest = self.min.max(other.min);
        (oldest <= newest).then_some(newest)
    }
}

/// What a node says when it calls another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The versions it speaks.
    pub protocol: ProtocolRange,
    /// Its cluster.
    pub cluster: ClusterId,
    /// How that cluster agrees.
    pub engine: EngineKind,
    /// What this connection is for.
    pub channel: Channel,
    /// Who it is.
    pub node: NodeId,
    /// Which life of its data directory.
    pub incarnation: Incarnation,
    /// Whom it means to reach.
    pub target: NodeId,
}

/// The called node's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloReply {
    /// Go on, in frames of this protocol version.
    Welcome {
        /// The newest version both speak.
        protocol: u8,
        /// The called node's own incarnation, for the caller to check.
        incarnation: Incarnation,
    },
    /// The connection ends here.
    Refused(HandshakeRefusal),
}

/// Why a node does not talk to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeRefusal {
    /// The called node belongs to another cluster.
    WrongCluster {
        /// The called node's cluster.
        cluster: ClusterId,
    },
    /// The called node's cluster agrees by another protocol.
    WrongEngine {
        /// The called node's engine.
        engine: EngineKind,
    },
    /// No protocol version is common to both.
    ProtocolRange {
        /// What the called node speaks.
        range: ProtocolRange,
    },
    /// The caller is not a member.
    UnknownNode {
        /// The caller.
        node: NodeId,
    },
    /// The caller was known with another data directory: its disk was wiped or replaced, so it
    /// has forgotten what it promised.
    Incarnation {
        /// The incarnation that is a member.
        known: Incarnation,
    },
    /// The address leads to another node than the caller meant.
    WrongTarget {
        /// The called node.
        node: NodeId,
    },
    /// The caller was a member and is none any more.
    Removed {
        /// The caller.
        node: NodeId,
    },
}

impl fmt::Display for HandshakeRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCluster { cluster } => write!(
                formatter,
                "it belongs to cluster {cluster}: compare --initial-cluster and \
                 --initial-cluster-token, or the data directory, on both nodes"
            ),
            Self::WrongEngine { engine } => {
                write!(formatter, "its engine is {engine}: start both nodes with one --engine")
            }
            Self::ProtocolRange { range } => write!(
                formatter,
                "it speaks peer protocol {} to {}: upgrade one version at a time",
                range.min, range.max
            ),
            Self::UnknownNode { node } => {
                write!(formatter, "it knows no member {node}: add it to the cluster first")
            }
            Self::Incarnation { known } => write!(
                formatter,
                "it knows this node with the data directory {:x}, whose promises a new directory \
                 does not hold: restore that directory, or remove the member and add it as new",
                known.0
            ),
            Self::WrongTarget { node } => {
                write!(formatter, "it is {node}: the address belongs to another member")
            }
            Self::Removed { node } => write!(
                formatter,
                "{node} was removed from the cluster: add it as new, with an empty data directory"
            ),
        }
    }
}

impl Wire for Hello {
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&HELLO_MAGIC);
        self.protocol.put(out);
        self.cluster.put(out);
        self.engine.put(out);
        self.channel.put(out);
        self.node.put(out);
        self.incarnation.put(out);
        self.target.put(out);
    }

    fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&mut bytes);
        read_magic(HELLO_MAGIC, "hello", &mut reader)?;
        Ok(Self {
            protocol: ProtocolRange::read(&mut reader)?,
            cluster: ClusterId::read(&mut reader)?,
            engine: EngineKind::read(&mut reader)?,
            channel: Channel::read(&mut reader)?,
            node: NodeId::read(&mut reader)?,
            incarnation: Incarnation::read(&mut reader)?,
            target: NodeId::read(&mut reader)?,
        })
    }
}

fn read_magic(
    magic: [u8; 8],
    what: &'static str,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    if reader.array(what)? != magic {
        return Err(DecodeError::BadMagic { what });
    }
    Ok(())
}

const REPLY_WELCOME: u8 = 0;
const REPLY_WRONG_CLUSTER: u8 = 1;
const REPLY_WRONG_ENGINE: u8 = 2;
const REPLY_PROTOCOL_RANGE: u8 = 3;
const REPLY_UNKNOWN_NODE: u8 = 4;
const REPLY_INCARNATION: u8 = 5;
const REPLY_WRONG_TARGET: u8 = 6;
const REPLY_REMOVED: u8 = 7;

impl Wire for HelloReply {
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&REPLY_MAGIC);
        match self {
            Self::Welcome { protocol, incarnation } => {
                out.put_u8(REPLY_WELCOME);
                out.put_u8(*protocol);
                incarnation.put(out);
            }
            Self::Refused(refusal) => put_refusal(*refusal, out),
        }
    }

    fn decode(mut bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(&mut bytes);
        read_magic(REPLY_MAGIC, "reply", &mut reader)?;
        let tag = reader.byte("reply")?;
        if tag == REPLY_WELCOME {
            let protocol = reader.byte("protocol")?;
            return Ok(Self::Welcome { protocol, incarnation: Incarnation::read(&mut reader)? });
        }
        read_refusal(tag, &mut reader).map(Self::Refused)
    }
}

fn put_refusal(refusal: HandshakeRefusal, out: &mut BytesMut) {
    match refusal {
        HandshakeRefusal::WrongCluster { cluster } => {
            out.put_u8(REPLY_WRONG_CLUSTER);
            cluster.put(out);
        }
        HandshakeRefusal::WrongEngine { engine } => {
            out.put_u8(REPLY_WRONG_ENGINE);
            engine.put(out);
        }
        HandshakeRefusal::ProtocolRange { range } => {
            out.put_u8(REPLY_PROTOCOL_RANGE);
            range.put(out);
        }
        HandshakeRefusal::UnknownNode { node } => {
            out.put_u8(REPLY_UNKNOWN_NODE);
            node.put(out);
        }
        HandshakeRefusal::Incarnation { known } => {
            out.put_u8(REPLY_INCARNATION);
            known.put(out);
        }
        HandshakeRefusal::WrongTarget { node } => {
            out.put_u8(REPLY_WRONG_TARGET);
            node.put(out);
        }
        HandshakeRefusal::Removed { node } => {
            out.put_u8(REPLY_REMOVED);
            node.put(out);
        }
    }
}

fn read_refusal(tag: u8, reader: &mut Reader<'_>) -> Result<HandshakeRefusal, DecodeError> {
    Ok(match tag {
        REPLY_WRONG_CLUSTER => HandshakeRefusal::WrongCluster { cluster: ClusterId::read(reader)? },
        REPLY_WRONG_ENGINE => HandshakeRefusal::WrongEngine { engine: EngineKind::read(reader)? },
        REPLY_PROTOCOL_RANGE => {
            HandshakeRefusal::ProtocolRange { range: ProtocolRange::read(reader)? }
        }
        REPLY_UNKNOWN_NODE => HandshakeRefusal::UnknownNode { node: NodeId::read(reader)? },
        REPLY_INCARNATION => HandshakeRefusal::Incarnation { known: Incarnation::read(reader)? },
        REPLY_WRONG_TARGET => HandshakeRefusal::WrongTarget { node: NodeId::read(reader)? },
        REPLY_REMOVED => HandshakeRefusal::Removed { node: NodeId::read(reader)? },
        found => return Err(DecodeError::BadTag { what: "reply", found }),
    })
}

impl Layout for ClusterId {
    const NAME: &'static str = "cluster";
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.number(Self::NAME).map(Self)
    }
}

impl Layout for ProtocolRange {
    const NAME: &'static str = "protocol range";
    const BYTES_MIN: usize = 2;

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(&[self.min, self.max]);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array(Self::NAME).map(|[min, max]| Self { min, max })
    }
}

impl Layout for EngineKind {
    const NAME: &'static str = "engine";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Raft => 0,
            Self::Paxos => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Raft),
            1 => Ok(Self::Paxos),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}

impl Layout for Channel {
    const NAME: &'static str = "channel";
    const BYTES_MIN: usize = 1;

    fn put(&self, out: &mut BytesMut) {
        out.put_u8(match self {
            Self::Messages => 0,
            Self::Bulk => 1,
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            0 => Ok(Self::Messages),
            1 => Ok(Self::Bulk),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}
