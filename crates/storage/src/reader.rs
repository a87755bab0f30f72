//! The log, as its readers see it.

use quorate_consensus::{Entry, Index};

use crate::error::ReadError;

/// Reads durable entries, from any thread, without waiting for a sync.
#[derive(Clone)]
pub struct LogReader {}

impl LogReader {
    /// The entries `first..=last`, or as many from `first` on as follow each other without a hole
    /// and as it takes to reach `bytes_max`, at least one.
    pub fn read(&self, first: Index, last: Index, bytes_max: u64) -> Result<Vec<Entry>, ReadError> {
        let _ = (first, last, bytes_max);
        unreachable!("arrives in the next step")
    }
}
