//! Snapshots that clients take, between their connections and the applying thread.

use quorate_kv::{Checkpoint, Chunk, Damage, SnapshotPlace, Strict};
use quorate_replica::{Applying, BackupId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::queue::Sender;
use crate::waiter::ToApplying;

/// For the backups.
pub(crate) enum ToBackups {
    /// Hold the state as it is.
    Begin(oneshot::Sender<(BackupId, Checkpoint)>),
    /// The piece that begins there.
    Pull { id: BackupId, from: SnapshotPlace, answer: oneshot::Sender<Option<Chunk>> },
    /// Let it go.
    End(BackupId),
}

/// Does what a client's side asks for.
pub(crate) fn take(message: ToBackups, applying: &mut Applying<Strict>) -> Result<(), Damage> {
    match message {
        ToBackups::Begin(answer) => {
            let (id, checkpoint) = applying.begin_backup();
            if answer.send((id, checkpoint)).is_err() {
                applying.end_backup(id);
            }
        }
        ToBackups::Pull { id, from, answer } => {
            // Whoever asked may have gone.
            let _ = answer.send(applying.backup_piece(id, from)?);
        }
        ToBackups::End(id) => applying.end_backup(id),
    }
    Ok(())
}

/// A client's side of a backup. Dropping it lets the state go.
pub(crate) struct Backup {
    id: BackupId,
    checkpoint: Checkpoint,
    next: Option<SnapshotPlace>,
    applying: Sender<ToApplying>,
    /// One of few.
    _permit: OwnedSemaphorePermit,
}

/// The backup is over before its end: the member stops, or took over the state of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackupLost;

impl Backup {
    /// Holds the state as it is.
    pub(crate) async fn begin(
        applying: Sender<ToApplying>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, BackupLost> {
        let (answer, begun) = oneshot::channel();
        // The applying thread is gone only when the node stops.
        let _ = applying.send(ToApplying::Backups(ToBackups::Begin(answer)));
        let (id, checkpoint) = begun.await.map_err(|_| BackupLost)?;
        let next = Some(SnapshotPlace::FIRST);
        Ok(Self { id, checkpoint, next, applying, _permit: permit })
    }

    /// What goes with all pieces.
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The next piece; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, BackupLost> {
        let Some(from) = self.next else { return Ok(None) };
        let (answer, pulled) = oneshot::channel();
        let pull = ToBackups::Pull { id: self.id, from, answer };
        let _ = self.applying.send(ToApplying::Backups(pull));
        let chunk = pulled.await.ok().flatten().ok_or(BackupLost)?;
        self.next = chunk.next;
        Ok(Some(chunk))
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = self.applying.send(ToApplying::Backups(ToBackups::End(self.id)));
    }
}
