//! Receiving a snapshot into a file of its own.

use std::sync::Arc;

use quorate_consensus::Meta;
use quorate_kv::{Checkpoint, Record, Records, Revision};

use crate::error::InstallError;

/// Receives snapshots, and puts them in the place of the state machine.
#[derive(Clone)]
pub struct Installer {}

impl Installer {
    /// Begins to receive the snapshot at `meta`. An unfinished earlier one is abandoned.
    pub fn begin(&self, meta: &Meta) -> Result<Staging, InstallError> {
        let _ = meta;
        unreachable!("arrives in the next step")
    }

    /// Puts the staged snapshot in place of the state machine's map, and removes the old file.
    /// Only after [`crate::Wal::append`] has made the `Install` of this `meta` durable.
    pub fn activate(&self, meta: &Meta) -> Result<Arc<dyn Records>, InstallError> {
        let _ = meta;
        unreachable!("arrives in the next step")
    }
}

/// A snapshot that is being received.
pub struct Staging {}

impl Staging {
    /// The smallest revision that is still wanted: where to pull from, also after a broken
    /// connection.
    pub fn next(&self) -> Revision {
        unreachable!("arrives in the next step")
    }

    /// Adds records, ascending, none below [`Staging::next`]. Written in bounded commits.
    pub fn add(&mut self, records: &[(Revision, Record)]) -> Result<(), InstallError> {
        let _ = records;
        unreachable!("arrives in the next step")
    }

    /// Ends it: checks that the records are those the checkpoint speaks of, and makes the file
    /// durable. After this `Write::Install` may be issued.
    pub fn finish(self, checkpoint: &Checkpoint) -> Result<(), InstallError> {
        let _ = checkpoint;
        unreachable!("arrives in the next step")
    }
}
