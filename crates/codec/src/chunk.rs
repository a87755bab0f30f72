//! Parts of snapshots on the wire, in two forms: the first can say all but leases.
//!
//! ```text
//! chunk           u64 transfer, revision from, option revision next, option checkpoint,
//!                 list (revision, record)
//! leased chunk    u64 transfer, place from, option place next, option leased checkpoint,
//!                 list (revision, record), list lease
//! place           u8 tag, then
//!                   0 records  revision
//!                   1 leases   i64 lease
//! ```
//! The second form is written only where the first cannot say it, and refused elsewhere, so that
//! each value has one form.

use bytes::{BufMut, BytesMut};
use quorate_kv::{Checkpoint, LeaseId, Revision, SnapshotPlace};

use crate::error::DecodeError;
use crate::peer::{SnapshotChunk, TransferId};
use crate::primitives::Layout;
use crate::reader::Reader;
use crate::record::{needs_second_form, put_leased, read_leased};

const PLACE_RECORDS: u8 = 0;
const PLACE_LEASES: u8 = 1;

/// The places of a chunk that the first form can say.
fn plain(chunk: &SnapshotChunk) -> Option<(Revision, Option<Revision>)> {
    let SnapshotPlace::Records(from) = chunk.from else { return None };
    let has_leases =
        !chunk.leases.is_empty() || chunk.checkpoint.as_deref().is_some_and(needs_second_form);
    match chunk.next {
        _ if has_leases => None,
        None => Some((from, None)),
        Some(SnapshotPlace::Records(next)) => Some((from, Some(next))),
        Some(SnapshotPlace::Leases(_)) => None,
    }
}

/// Whether only the second form can say it.
pub(crate) fn is_leased(chunk: &SnapshotChunk) -> bool {
    plain(chunk).is_none()
}

/// Appends a chunk in the form it needs.
pub(crate) fn put_chunk(chunk: &SnapshotChunk, out: &mut BytesMut) {
    chunk.transfer.put(out);
    let Some((from, next)) = plain(chunk) else {
        put_rest_leased(chunk, out);
        return;
    };
    from.put(out);
    next.put(out);
    chunk.checkpoint.put(out);
    chunk.records.put(out);
}

fn put_rest_leased(chunk: &SnapshotChunk, out: &mut BytesMut) {
    chunk.from.put(out);
    chunk.next.put(out);
    chunk.checkpoint.is_some().put(out);
    if let Some(checkpoint) = &chunk.checkpoint {
        put_leased(checkpoint, out);
    }
    chunk.records.put(out);
    chunk.leases.put(out);
}

/// Reads the first form.
pub(crate) fn read_chunk(reader: &mut Reader<'_>) -> Result<SnapshotChunk, DecodeError> {
    Ok(SnapshotChunk {
        transfer: TransferId::read(reader)?,
        from: SnapshotPlace::Records(Revision::read(reader)?),
        next: Option::<Revision>::read(reader)?.map(SnapshotPlace::Records),
        checkpoint: Option::<Box<Checkpoint>>::read(reader)?,
        records: Vec::read(reader)?,
        leases: Vec::new(),
    })
}

/// Reads the second form.
pub(crate) fn read_leased_chunk(reader: &mut Reader<'_>) -> Result<SnapshotChunk, DecodeError> {
    let transfer = TransferId::read(reader)?;
    let from = SnapshotPlace::read(reader)?;
    let next = Option::<SnapshotPlace>::read(reader)?;
    let has_checkpoint = bool::read(reader)?;
    let checkpoint = if has_checkpoint { Some(Box::new(read_leased(reader)?)) } else { None };
    let (records, leases) = (Vec::read(reader)?, Vec::read(reader)?);
    let chunk = SnapshotChunk { transfer, from, records, leases, next, checkpoint };
    if !is_leased(&chunk) {
        return Err(DecodeError::Redundant { what: "snapshot chunk" });
    }
    Ok(chunk)
}

impl Layout for SnapshotPlace {
    const NAME: &'static str = "place in a snapshot";
    const BYTES_MIN: usize = 9;

    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Records(revision) => {
                out.put_u8(PLACE_RECORDS);
                revision.put(out);
            }
            Self::Leases(lease) => {
                out.put_u8(PLACE_LEASES);
                lease.put(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte(Self::NAME)? {
            PLACE_RECORDS => Revision::read(reader).map(Self::Records),
            PLACE_LEASES => LeaseId::read(reader).map(Self::Leases),
            found => Err(DecodeError::BadTag { what: Self::NAME, found }),
        }
    }
}
