//! The log, as its one writer sees it.

use quorate_consensus::{StorageState, WriteBatch, WriteId};

use crate::error::WalError;
use crate::reserve::Reservation;

/// The write-ahead log.
pub struct Wal {}

impl Wal {
    /// Makes the batches durable: one write and one sync for all. Returns the last one's id.
    pub fn append(&mut self, batches: &[WriteBatch]) -> Result<WriteId, WalError> {
        let _ = batches;
        unreachable!("arrives in the next step")
    }

    /// Work that the log needs done soon: reserving the next segment, dropping old ones. To be
    /// run by another thread, and handed back through [`Wal::reserved`]. One at a time; after a
    /// failure there is always another, so the caller paces the attempts.
    pub fn reservation(&mut self) -> Option<Reservation> {
        unreachable!("arrives in the next step")
    }

    /// Takes a finished reservation back.
    pub fn reserved(&mut self, reservation: Reservation) {
        let _ = reservation;
        unreachable!("arrives in the next step")
    }

    /// Whether the disk has room for more than is reserved.
    pub fn storage_state(&self) -> StorageState {
        unreachable!("arrives in the next step")
    }
}
