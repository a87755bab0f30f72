//! Bytes of peer messages, log records and commands. Nothing else knows an encoding.
//!
//! Everything is fixed little-endian, without a schema language, and each file's header draws its
//! format. Outermost things carry a version byte: the log record, the command, the stored record
//! and the checkpoint each their own, a peer message its frame's. What every program refuses
//! alike, a tag that none has used, may gain a meaning within a version; any other change of bytes
//! is a new version. Tags are never used again, and the golden files under `tests/golden` keep
//! every old version.
//!
//! Reading never panics and allocates no more than the bytes at hand justify. Every value has one
//! form only. Byte strings are slices of what was decoded, so they keep all of it in memory:
//! whoever keeps a few bytes for long copies them.
//!
//! A message from one node to another:
//!
//! ```
//! use bytes::BytesMut;
//! use quorate_codec::{FrameDecoder, PAYLOAD_BYTES_MAX, PROTOCOL, PeerMessage, encode_frame};
//! use quorate_consensus::raft::{Body, Message, Term};
//!
//! let sent = PeerMessage::Engine(Message { term: Term(3), body: Body::TimeoutNow });
//! let mut connection = BytesMut::new();
//! encode_frame(PROTOCOL.max, &sent, &mut connection).expect("it is short");
//!
//! let mut decoder = FrameDecoder::new(PAYLOAD_BYTES_MAX);
//! decoder.push(&connection);
//! let frame = decoder.next_frame().expect("it is intact").expect("it is whole");
//! assert_eq!(frame.message::<PeerMessage<Message>>(PROTOCOL.max), Ok(sent));
//! ```

mod alarm;
pub mod backup;
mod chunk;
pub mod command;
pub mod entry;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod lease;
mod paxos;
pub mod peer;
mod primitives;
mod raft;
mod reader;
pub mod record;
pub mod wire;
pub mod write;

pub use backup::{
    BACKUP_HASH_BYTES, BACKUP_HEAD_BYTES, BACKUP_ITEM_BYTES_MAX, BACKUP_ITEM_HEAD_BYTES,
    BACKUP_VERSION, BackupHead, BackupItem, BackupItemHead, encode_backup_item,
};
pub use command::{COMMAND_VERSION, decode_command, encode_command};
pub use entry::{
    ENTRY_HEAD_BYTES_MAX, decode_entry, decode_members, decode_meta, encode_entry, encode_members,
    encode_meta,
};
pub use error::DecodeError;
pub use frame::{
    COMMAND_BYTES_MAX, COPY_BYTES_MAX, FRAME_HEAD_BYTES, Frame, FrameDecoder, FrameError,
    PAYLOAD_BYTES_MAX, PayloadTooLong, encode_frame,
};
pub use handshake::{
    Channel, ClusterId, EngineKind, HANDSHAKE_BYTES_MAX, HANDSHAKE_VERSION, HandshakeRefusal,
    Hello, HelloReply, PROTOCOL, ProtocolRange,
};
pub use lease::{LEASE_VERSION, decode_lease, encode_lease};
pub use peer::{ForwardedProposal, PeerMessage, SnapshotChunk, SnapshotMessage, TransferId};
pub use record::{
    CHECKPOINT_VERSION, RECORD_VERSION, decode_checkpoint, decode_record, encode_checkpoint,
    encode_record,
};
pub use wire::Wire;
pub use write::{
    HARD_BYTES_MAX, WRITE_VERSION, decode_hard, decode_write, encode_hard, encode_put, encode_write,
};
