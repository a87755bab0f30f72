//! Snapshots: the state at one moment, streamed to a peer by revision.

use super::pins::Hold;
use super::{Pin, Store};
use crate::{Checkpoint, Damage, Record, Revision, Rules};

/// The state at one moment, to be streamed to a peer. It holds compaction back until it is given
/// back with [`Store::end_snapshot`], however long that takes.
#[derive(Debug)]
#[must_use = "it holds compaction back until it is given back"]
pub struct SnapshotSource {
    checkpoint: Checkpoint,
    pin: Pin,
}

impl SnapshotSource {
    /// The checkpoint that the receiver commits together with the records.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Records, ascending. May be empty.
    pub records: Vec<(Revision, Record)>,
    /// Where the next piece begins; none if this is the last.
    pub next: Option<Revision>,
}

/// The most records that one chunk looks at.
const CHUNK_RECORDS_MAX: usize = 4096;

impl<R: Rules> Store<R> {
    /// The state as it is now.
    pub fn snapshot(&mut self) -> SnapshotSource {
        let pin = self.pins.pin(self.state.compacted, Hold::Unlimited);
        SnapshotSource { checkpoint: self.state.clone(), pin }
    }

    /// The records of a snapshot from a revision on (the first call: [`Revision::FIRST`]), about
    /// `bytes_max` of keys and values. The same call gives the same records, so a transfer that
    /// broke off goes on where it was.
    ///
    /// What compaction has freed is left out even where it is still on the map, so that the
    /// receiver has exactly what the checkpoint counts.
    pub fn snapshot_chunk(
        &self,
        source: &SnapshotSource,
        from: Revision,
        bytes_max: usize,
    ) -> Result<Chunk, Damage> {
        assert!(self.pins.holds(&source.pin), "the snapshot was not given back");
        let mut piece = self.scan(from, CHUNK_RECORDS_MAX, bytes_max)?;
        let Checkpoint { revision: upto, compacted, .. } = source.checkpoint;
        piece.records.retain(|(revision, record)| {
            revision.main <= upto && self.is_retained(record, *revision, compacted)
        });
        Ok(Chunk { records: piece.records, next: piece.next.filter(|next| next.main <= upto) })
    }

    /// Ends a snapshot; compaction goes on.
    pub fn end_snapshot(&mut self, source: SnapshotSource) {
        self.unpin(source.pin);
    }
}
