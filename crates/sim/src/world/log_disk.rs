//! The log's disk, as the server's log thread uses it: what waits goes into one write and one sync,
//! up to some MiB, reservations are made beside, old entries are read back.

use core::time::Duration;

use quorate_consensus::{Fetch, NodeId, StorageState};
use quorate_replica::OrderingInput;
use quorate_storage::{Progress, ReadError, WalError, one_sync};

use super::World;
use super::event::Event;
use super::trace::Fact;
use crate::draws::Site;
use crate::protocol::Protocol;

/// How often a full disk is tried again, as in the server.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

const WRITE: Site = Site::new("a write of the log");
const RESERVE: Site = Site::new("a reservation");

/// Nobody writes the log any more: what is durable is not known.
pub(super) struct LogFailed;

impl<P: Protocol> World<P> {
    /// Begins to write what waits, unless the disk is at work.
    pub(super) fn write_log(&mut self, node: NodeId) {
        let life = self.node(node).life;
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        let log = &mut running.log;
        if log.is_busy || log.waiting.is_empty() && log.writing.is_empty() {
            return;
        }
        log.is_busy = true;
        log.begun += 1;
        log.writing.append(&mut log.waiting);
        log.waiting = log.writing.split_off(one_sync(&log.writing));
        let begun = log.begun;
        let delay = self.log_delay(node, begun);
        self.spring_ambush(node, delay);
        self.queue.push(self.now + delay, Event::LogWritten { node, life });
    }

    fn log_delay(&self, node: NodeId, begun: u64) -> Duration {
        let keys = [node.0, u64::from(self.node(node).life), begun];
        self.profile.timing.log.draw(self.draws, WRITE, keys) * self.node(node).disk_factor
    }

    pub(super) fn on_log_written(&mut self, node: NodeId, life: u32) {
        let Some(running) = self.node_mut(node).process(life) else { return };
        running.log.is_busy = false;
        self.steps += 1;
        if self.append(node).is_err() {
            self.fail(node, "the log's disk failed");
            return;
        }
        self.after_log_work(node);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        if !running.log.waiting.is_empty() {
            self.write_log(node);
        }
    }

    pub(super) fn on_log_retry(&mut self, node: NodeId, life: u32) {
        let Some(running) = self.node_mut(node).process(life) else { return };
        running.log.is_retrying = false;
        self.steps += 1;
        self.write_log(node);
        self.after_log_work(node);
    }

    /// What the server's log thread does at the end of each of its rounds.
    fn after_log_work(&mut self, node: NodeId) {
        self.reserve(node);
        self.tell_storage(node);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        let log = &mut running.log;
        let has_left = !log.is_busy && !log.writing.is_empty();
        if has_left || log.told == StorageState::Full {
            self.retry_log(node);
        }
    }

    /// Appends what the disk has been given, or as much of it as fits.
    pub(super) fn append(&mut self, node: NodeId) -> Result<(), LogFailed> {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Ok(()) };
        if running.log.writing.is_empty() {
            return Ok(());
        }
        match running.wal.append(&running.log.writing) {
            Ok(write) => {
                running.log.writing.clear();
                self.on_durable(node, write);
                Ok(())
            }
            Err(WalError::Full { .. }) => self.append_first(node),
            Err(WalError::Poisoned(_)) => Err(LogFailed),
        }
    }

    /// All of it does not fit: what comes first may.
    fn append_first(&mut self, node: NodeId) -> Result<(), LogFailed> {
        loop {
            let Some(running) = self.node_mut(node).running.as_deref_mut() else { return Ok(()) };
            let Some(first) = running.log.writing.first() else { return Ok(()) };
            match running.wal.append(core::slice::from_ref(first)) {
                Ok(write) => {
                    running.log.writing.remove(0);
                    self.on_durable(node, write);
                }
                Err(WalError::Full { .. }) => return Ok(()),
                Err(WalError::Poisoned(_)) => return Err(LogFailed),
            }
        }
    }

    fn on_durable(&mut self, node: NodeId, write: quorate_consensus::WriteId) {
        self.note(node, Fact::Persisted { write });
        self.checks.on_persisted(node, write);
        self.feed(node, OrderingInput::Persisted(write));
    }

    /// Begins the next reservation, if one is needed.
    pub(super) fn reserve(&mut self, node: NodeId) {
        let life = self.node(node).life;
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        if running.log.reservation.is_some() {
            return;
        }
        let Some(reservation) = running.wal.reservation() else { return };
        running.log.reservation = Some(reservation);
        running.log.begun += 1;
        let keys = [node.0, u64::from(life), running.log.begun];
        let delay = self.profile.timing.disk.draw(self.draws, RESERVE, keys);
        let delay = delay * self.node(node).disk_factor;
        self.queue.push(self.now + delay, Event::Reserved { node, life });
    }

    pub(super) fn on_reserved(&mut self, node: NodeId, life: u32) {
        if self.node_mut(node).process(life).is_none() {
            return;
        }
        self.steps += 1;
        self.finish_reservation(node);
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        if running.wal.poisoned().is_some() {
            self.fail(node, "the log's disk failed");
            return;
        }
        let is_full = running.wal.storage_state() == StorageState::Full;
        if is_full {
            self.tell_storage(node);
            self.retry_log(node);
        } else {
            self.after_log_work(node);
        }
    }

    fn retry_log(&mut self, node: NodeId) {
        let life = self.node(node).life;
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        if !running.log.is_retrying {
            running.log.is_retrying = true;
            self.queue.push(self.now + RETRY_INTERVAL, Event::LogRetry { node, life });
        }
    }

    /// Runs the reservation under way to its end.
    pub(super) fn finish_reservation(&mut self, node: NodeId) {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        let Some(mut reservation) = running.log.reservation.take() else { return };
        while reservation.step() == Progress::More {}
        running.wal.reserved(reservation);
    }

    fn tell_storage(&mut self, node: NodeId) {
        let Some(running) = self.node_mut(node).running.as_deref_mut() else { return };
        let state = running.wal.storage_state();
        if state == running.log.told {
            return;
        }
        running.log.told = state;
        let word = match state {
            StorageState::Full => "full",
            StorageState::Writable => "writable",
        };
        self.note(node, Fact::Storage { state: word });
        self.feed(node, OrderingInput::Storage(state));
    }

    pub(super) fn on_fetched(&mut self, node: NodeId, life: u32, fetch: Fetch) {
        let Some(running) = self.node_mut(node).process(life) else { return };
        let read = running.reader.read(fetch.first, fetch.last, fetch.bytes_max);
        self.steps += 1;
        let entries = match read {
            Ok(entries) => entries,
            Err(ReadError::Compacted { .. }) => Vec::new(),
            Err(ReadError::Absent | ReadError::Damaged(_) | ReadError::Io(_)) => {
                self.fail(node, "the log cannot be read");
                return;
            }
        };
        self.note(node, Fact::ReadBack { first: fetch.first, entries: entries.len() });
        self.feed(node, OrderingInput::Fetched { reason: fetch.reason, entries });
    }
}
