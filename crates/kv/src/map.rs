//! The ordered map under the store: the contract that its memory and disk forms share.

use crate::{Checkpoint, Lease, LeaseId, MapError, Record, Revision};

/// An ordered map from revision to record, and beside it another from id to lease, and one
/// checkpoint.
///
/// Reads may run while a commit does, and then see the map either before or after it.
pub trait Records: Send + Sync {
    /// The record stored under `revision`.
    fn get(&self, revision: Revision) -> Result<Option<Record>, MapError>;

    /// The records at `from` and above, ascending, as many as `limit` allows. At least one, if
    /// there is any; an empty answer means that there is none.
    fn scan(&self, from: Revision, limit: ScanLimit) -> Result<Vec<(Revision, Record)>, MapError>;

    /// The leases from this id on, ascending, at most `count_max`, which is at least 1. An empty
    /// answer means that there is none.
    fn leases(&self, from: LeaseId, count_max: usize) -> Result<Vec<Lease>, MapError>;

    /// The checkpoint of the last commit; none if there never was a commit.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, MapError>;

    /// Stores the puts, removes the removes, does the same to leases, and replaces the checkpoint,
    /// all or nothing, durable on return. Removing what is not there is no error. After an error
    /// the map is poisoned: nothing is known about what is stored until it is opened again.
    fn commit(&self, commit: &Commit) -> Result<(), MapError>;
}

/// How much one scan may return. The bytes of the last record returned may go over `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimit {
    /// The most records, at least 1.
    pub records: usize,
    /// Stop at the record that reaches this many bytes of keys and values.
    pub bytes: usize,
}

/// Names a commit from begin to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(pub u64);

/// What the store asks the map to make durable in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name, for [`crate::Store::finish_commit`].
    pub id: CommitId,
    /// New records, ascending by revision.
    pub puts: Vec<(Revision, Record)>,
    /// Records that compaction has freed.
    pub removes: Vec<Revision>,
    /// Leases that began, were renewed, or ended (`None`), ascending by id, each once.
    pub leases: Vec<(LeaseId, Option<Lease>)>,
    /// The state of the store that the map then holds.
    pub checkpoint: Checkpoint,
}
