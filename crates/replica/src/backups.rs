//! Snapshots that clients take: the state at one moment, handed out piece by piece.

use std::collections::BTreeMap;

use quorate_kv::{Checkpoint, Chunk, Damage, Rules, SnapshotPlace, SnapshotSource, Store};

/// Names a backup under way. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(pub u64);

/// Most bytes of records in one piece: small, because entries wait while it is read.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The backups under way. Each holds compaction back until it is ended.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    last: u64,
    sources: BTreeMap<BackupId, SnapshotSource>,
}

impl Backups {
    /// Begins a backup of the state as it is.
    pub(crate) fn begin<R: Rules>(&mut self, store: &mut Store<R>) -> (BackupId, Checkpoint) {
        self.last += 1;
        let id = BackupId(self.last);
        let source = store.snapshot();
        let checkpoint = source.checkpoint().clone();
        self.sources.insert(id, source);
        (id, checkpoint)
    }

    /// The piece that begins there; none if the backup is over.
    pub(crate) fn piece<R: Rules>(
        &self,
        id: BackupId,
        from: SnapshotPlace,
        store: &Store<R>,
    ) -> Result<Option<Chunk>, Damage> {
        let Some(source) = self.sources.get(&id) else { return Ok(None) };
        store.snapshot_chunk(source, from, PIECE_BYTES_MAX).map(Some)
    }

    /// Ends a backup, if it is not over already. Whether compaction may now go on.
    pub(crate) fn end<R: Rules>(&mut self, id: BackupId, store: &mut Store<R>) -> bool {
        let Some(source) = self.sources.remove(&id) else { return false };
        store.end_snapshot(source);
        true
    }

    /// The state machine was replaced: what was being read is gone.
    pub(crate) fn clear(&mut self) {
        self.sources.clear();
    }
}
