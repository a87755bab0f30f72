//! The thread that reads old entries back from the log, so that nobody waits for it.

use quorate_consensus::Fetch;
use quorate_replica::OrderingInput;
use quorate_storage::{LogReader, ReadError};

use crate::fatal::{Alarm, Failure};
use crate::queue::{Receiver, Sender};
use crate::waiter::ToOrdering;

/// An order to the fetcher.
pub(crate) enum FetchOrder {
    /// Read these.
    Fetch(Fetch),
    /// End.
    Stop,
}

/// Reads until told to stop.
pub(crate) fn run<M: Send + 'static>(
    reader: &LogReader,
    mut inbox: Receiver<FetchOrder>,
    ordering: &Sender<ToOrdering<M>>,
    alarm: &Alarm,
) {
    let _guard = alarm.guard("fetcher");
    while let Some(FetchOrder::Fetch(fetch)) = inbox.recv() {
        let entries = match reader.read(fetch.first, fetch.last, fetch.bytes_max) {
            Ok(entries) => entries,
            Err(ReadError::Compacted { .. }) => Vec::new(),
            Err(error @ (ReadError::Absent | ReadError::Damaged(_) | ReadError::Io(_))) => {
                alarm.raise(Failure::Log(error.to_string()));
                return;
            }
        };
        let input = OrderingInput::Fetched { reason: fetch.reason, entries };
        if ordering.send(input.into()).is_err() {
            return;
        }
    }
}
