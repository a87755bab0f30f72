//! Answers that clients take piece by piece: long ranges, and the whole state.

use quorate_kv::{Checkpoint, Chunk, CommandError, Damage, RangeRequest, SnapshotPlace};

use super::Applying;
use crate::backups::BackupId;
use crate::rules::Rules;
use crate::streams::{RangeId, RangePiece};

impl<R: quorate_kv::Rules, N: Rules> Applying<R, N> {
    /// Begins a range whose answer is taken piece by piece, all at one revision.
    pub fn begin_range(&mut self, request: RangeRequest) -> Result<RangeId, CommandError> {
        self.streams.begin(request, &mut self.store)
    }

    /// The next piece; none if the range is over, because the state machine was replaced.
    pub fn range_piece(&mut self, id: RangeId) -> Result<Option<RangePiece>, Damage> {
        self.streams.piece(id, &self.store)
    }

    /// The client has all it wants.
    pub fn end_range(&mut self, id: RangeId) {
        self.has_compaction_work |= self.streams.end(id, &mut self.store);
    }

    /// A client wants the state as it is now, piece by piece. It holds compaction back until
    /// [`Applying::end_backup`].
    pub fn begin_backup(&mut self) -> (BackupId, Checkpoint) {
        self.backups.begin(&mut self.store)
    }

    /// The piece of a backup that begins there; none if the backup is over, because the state
    /// machine was replaced.
    pub fn backup_piece(&self, id: BackupId, from: SnapshotPlace) -> Result<Option<Chunk>, Damage> {
        self.backups.piece(id, from, &self.store)
    }

    /// The client has all it wants.
    pub fn end_backup(&mut self, id: BackupId) {
        self.has_compaction_work |= self.backups.end(id, &mut self.store);
    }
}
