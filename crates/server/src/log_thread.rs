//! The thread that makes the log durable: what waits goes into one write and one sync, up to some
//! MiB, so that the engine hears of a slow disk's progress.

use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::{StorageState, WriteBatch};
use quorate_replica::OrderingInput;
use quorate_storage::{Progress, Reservation, Wal, WalError, one_sync};

use crate::fatal::{Alarm, Failure};
use crate::metrics::Metrics;
use crate::queue::{Nothing, Receiver, Sender};
use crate::waiter::{ToLog, ToOrdering};

/// How often a full disk is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Pause between two steps of a reservation, so that its writes leave room for syncs.
const RESERVE_PAUSE: Duration = Duration::from_millis(1);

/// The log's writer.
pub(crate) struct LogThread<M> {
    wal: Wal,
    inbox: Receiver<ToLog>,
    ordering: Sender<ToOrdering<M>>,
    reserver: Sender<Box<Reservation>>,
    alarm: Alarm,
    /// Batches that are not durable yet, in order.
    waiting: Vec<WriteBatch>,
    /// Whether the first of them found no room.
    is_blocked: bool,
    storage: StorageState,
    metrics: Arc<Metrics>,
    is_stopping: bool,
}

impl<M: Send + 'static> LogThread<M> {
    /// A writer that reports to `ordering` and has its reservations made by `reserver`.
    pub(crate) fn new(
        wal: Wal,
        inbox: Receiver<ToLog>,
        ordering: Sender<ToOrdering<M>>,
        reserver: Sender<Box<Reservation>>,
        alarm: Alarm,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            wal,
            inbox,
            ordering,
            reserver,
            alarm,
            waiting: Vec::new(),
            is_blocked: false,
            storage: StorageState::Writable,
            metrics,
            is_stopping: false,
        }
    }

    /// Runs until told to stop, or until the disk fails.
    pub(crate) fn run(mut self) {
        let _guard = self.alarm.guard("log");
        while !self.is_stopping || self.has_work() {
            if !self.receive() {
                return;
            }
            if let Err(failure) = self.append().and_then(|()| self.check()) {
                self.alarm.raise(failure);
                return;
            }
            self.reserve();
            self.tell_storage();
        }
    }

    /// Whether something waits that the last sync had no place for.
    fn has_work(&self) -> bool {
        !self.waiting.is_empty() && !self.is_blocked
    }

    /// Takes all work there is, and waits for some if nothing is left of before. False once nobody
    /// can send any.
    fn receive(&mut self) -> bool {
        if !self.has_work() && !self.wait() {
            return false;
        }
        while let Some(next) = self.inbox.try_recv() {
            self.take(next);
        }
        true
    }

    /// Waits for work, or until a full disk is to be tried again.
    fn wait(&mut self) -> bool {
        let first = if self.is_blocked || self.storage == StorageState::Full {
            match self.inbox.recv_timeout(RETRY_INTERVAL) {
                Ok(first) => Some(first),
                Err(Nothing::Timeout) => None,
                Err(Nothing::Disconnected) => return false,
            }
        } else {
            match self.inbox.recv() {
                Some(first) => Some(first),
                None => return false,
            }
        };
        if let Some(first) = first {
            self.take(first);
        }
        true
    }

    fn take(&mut self, message: ToLog) {
        match message {
            ToLog::Append(batch) => self.waiting.push(batch),
            ToLog::Reserved(reservation) => self.wal.reserved(*reservation),
            ToLog::Stop => self.is_stopping = true,
        }
    }

    fn append(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batches = one_sync(&self.waiting);
        let next = &self.waiting[..batches];
        let writes: usize = next.iter().map(|batch| batch.writes.len()).sum();
        match self.metrics.threads.log_sync.time(|| self.wal.append(next)) {
            Ok(write) => {
                self.waiting.drain(..batches);
                self.is_blocked = false;
                self.metrics.threads.log_batch.observe(writes as u64);
                self.tell(OrderingInput::Persisted(write));
                Ok(())
            }
            Err(WalError::Full { .. }) => self.append_first(),
            Err(error @ WalError::Poisoned(_)) => Err(Failure::Log(error.to_string())),
        }
    }

    /// A reservation that failed may have poisoned the log while nothing waits to be written: on a
    /// full disk nothing may come for long (simulator, default 1225).
    fn check(&self) -> Result<(), Failure> {
        let poison = self.wal.poisoned().map(WalError::Poisoned);
        poison.map_or(Ok(()), |error| Err(Failure::Log(error.to_string())))
    }

    /// All of it does not fit: what comes first may.
    fn append_first(&mut self) -> Result<(), Failure> {
        self.is_blocked = false;
        while let Some(first) = self.waiting.first() {
            match self.wal.append(std::slice::from_ref(first)) {
                Ok(write) => {
                    self.waiting.remove(0);
                    self.tell(OrderingInput::Persisted(write));
                }
                Err(WalError::Full { .. }) => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Err(error @ WalError::Poisoned(_)) => return Err(Failure::Log(error.to_string())),
            }
        }
        Ok(())
    }

    fn reserve(&mut self) {
        if let Some(reservation) = self.wal.reservation() {
            // Its thread ends only after this one.
            let _ = self.reserver.send(Box::new(reservation));
        }
    }

    fn tell_storage(&mut self) {
        let storage = self.wal.storage_state();
        if storage == self.storage {
            return;
        }
        self.storage = storage;
        match storage {
            StorageState::Full => tracing::warn!(
                "the disk is full: this member takes no writes until there is room; free some space"
            ),
            StorageState::Writable => tracing::info!("the disk has room again"),
        }
        self.tell(OrderingInput::Storage(storage));
    }

    fn tell(&self, input: OrderingInput<M>) {
        // The ordering thread is gone only when the node stops.
        let _ = self.ordering.send(input.into());
    }
}

/// The thread that reserves log segments ahead of need, in small steps.
pub(crate) fn run_reserver(
    mut inbox: Receiver<Box<Reservation>>,
    log: &Sender<ToLog>,
    alarm: &Alarm,
) {
    let _guard = alarm.guard("reserver");
    while let Some(mut reservation) = inbox.recv() {
        while reservation.step() == Progress::More {
            std::thread::sleep(RESERVE_PAUSE);
        }
        if log.send(ToLog::Reserved(reservation)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
