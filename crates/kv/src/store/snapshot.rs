//! Snapshots: the state at one moment, streamed to a peer: records by revision, then leases.

use super::pins::Hold;
use super::{Pin, Store};
use crate::{Checkpoint, Damage, LEASE_BYTES, Lease, LeaseId, Record, Revision, Rules};

/// The state at one moment, to be streamed to a peer. It holds compaction back until it is given
/// back with [`Store::end_snapshot`], however long that takes.
///
/// Records stay as they are while compaction is held back. Leases do not, so it has a copy of
/// them, 24 bytes each.
#[derive(Debug)]
#[must_use = "it holds compaction back until it is given back"]
pub struct SnapshotSource {
    checkpoint: Checkpoint,
    /// By name.
    leases: Vec<Lease>,
    pin: Pin,
}

impl SnapshotSource {
    /// The checkpoint that the receiver commits together with records and leases.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// Where a piece of a snapshot begins. Ordered as the pieces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapshotPlace {
    /// With the record at this revision, or the first above it.
    Records(Revision),
    /// With this lease, or the first above it.
    Leases(LeaseId),
}

impl SnapshotPlace {
    /// The beginning of a snapshot.
    pub const FIRST: Self = Self::Records(Revision::FIRST);
}

/// A piece of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Records, ascending. May be empty.
    pub records: Vec<(Revision, Record)>,
    /// Leases, ascending. None before the last record.
    pub leases: Vec<Lease>,
    /// Where the next piece begins; none if this is the last.
    pub next: Option<SnapshotPlace>,
}

/// The most records that one chunk looks at.
const CHUNK_RECORDS_MAX: usize = 4096;

impl<R: Rules> Store<R> {
    /// The state as it is now.
    pub fn snapshot(&mut self) -> SnapshotSource {
        let pin = self.pins.pin(self.state.compacted, Hold::Unlimited);
        let leases = self.leases.all().collect();
        SnapshotSource { checkpoint: self.state.clone(), leases, pin }
    }

    /// The part of a snapshot from a place on (the first call: [`SnapshotPlace::FIRST`]), about
    /// `bytes_max` of keys and values, or of leases. The same call gives the same part, so a
    /// transfer that broke off goes on where it was.
    ///
    /// What compaction has freed is left out even where it is still on the map, so that the
    /// receiver has exactly what the checkpoint counts.
    pub fn snapshot_chunk(
        &self,
        source: &SnapshotSource,
        from: SnapshotPlace,
        bytes_max: usize,
    ) -> Result<Chunk, Damage> {
        assert!(self.pins.holds(&source.pin), "the snapshot was not given back");
        match from {
            SnapshotPlace::Records(from) => self.chunk_of_records(source, from, bytes_max),
            SnapshotPlace::Leases(from) => Ok(chunk_of_leases(source, from, bytes_max)),
        }
    }

    fn chunk_of_records(
        &self,
        source: &SnapshotSource,
        from: Revision,
        bytes_max: usize,
    ) -> Result<Chunk, Damage> {
        let mut piece = self.scan(from, CHUNK_RECORDS_MAX, bytes_max)?;
        let Checkpoint { revision: upto, compacted, .. } = source.checkpoint;
        piece.records.retain(|(revision, record)| {
            revision.main <= upto && self.is_retained(record, *revision, compacted)
        });
        let next = piece.next.filter(|next| next.main <= upto).map(SnapshotPlace::Records);
        let leases = source.leases.first().map(|_| SnapshotPlace::Leases(LeaseId::FIRST));
        Ok(Chunk { records: piece.records, leases: Vec::new(), next: next.or(leases) })
    }

    /// Ends a snapshot; compaction goes on.
    pub fn end_snapshot(&mut self, source: SnapshotSource) {
        self.unpin(source.pin);
    }
}

fn chunk_of_leases(source: &SnapshotSource, from: LeaseId, bytes_max: usize) -> Chunk {
    let start = source.leases.partition_point(|lease| lease.id < from);
    let lease_bytes = usize::try_from(LEASE_BYTES).expect("a small number");
    let count = (bytes_max / lease_bytes).max(1);
    let end = (start + count).min(source.leases.len());
    let next = source.leases.get(end).map(|lease| SnapshotPlace::Leases(lease.id));
    Chunk { records: Vec::new(), leases: source.leases[start..end].to_vec(), next }
}
