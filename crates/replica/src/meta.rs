//! Checkpoints and log positions: the two halves' words for the same thing.

use bytes::{Bytes, BytesMut};
use quorate_codec::{DecodeError, decode_members, encode_members};
use quorate_consensus::{Ballot, Clock, ClusterTime, Index, Members, Meta, NodeId};
use quorate_kv::{Checkpoint, LogPosition, Reign, Rules, Store};

/// Where in the log a checkpoint of this node stands.
pub fn meta_of(checkpoint: &Checkpoint) -> Meta {
    decode_meta_of(checkpoint).expect("the checkpoint's members were checked before they came here")
}

/// Where in the log a checkpoint says it stands, wherever it comes from.
pub(crate) fn decode_meta_of(checkpoint: &Checkpoint) -> Result<Meta, DecodeError> {
    let LogPosition { index, round, node } = checkpoint.position;
    Ok(Meta {
        index: Index(index),
        ballot: Ballot { round, node: NodeId(node) },
        time: ClusterTime(checkpoint.time.0),
        members: members_of(&checkpoint.members)?,
    })
}

/// The cluster's clock where the state machine stands.
pub(crate) fn clock_of<R: Rules>(store: &Store<R>) -> Clock {
    let Reign { round, node, is_broken } = store.reign();
    let born = Ballot { round, node: NodeId(node) };
    Clock { time: ClusterTime(store.now().0), born, is_broken }
}

/// Whose entries move the clock, as the state machine keeps it.
pub(crate) fn reign_of(clock: Clock) -> Reign {
    let Clock { born, is_broken, .. } = clock;
    Reign { round: born.round, node: born.node.0, is_broken }
}

/// The members in a checkpoint: none in one that was made before any were known.
fn members_of(bytes: &Bytes) -> Result<Members, DecodeError> {
    if bytes.is_empty() {
        return Ok(Members::default());
    }
    let mut rest = bytes.clone();
    let members = decode_members(&mut rest)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing { bytes: rest.len() });
    }
    Ok(members)
}

/// The members as the state machine keeps them, opaque to it.
pub fn members_to_bytes(members: &Members) -> Bytes {
    let mut bytes = BytesMut::new();
    encode_members(members, &mut bytes);
    bytes.freeze()
}
