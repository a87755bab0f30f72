//! Whether the log's disk has room, and what is taken while it has none.

use crate::config::Config;
use crate::entry::{Entry, Payload};
use crate::input::StorageState;

/// The log's disk as the engine knows it, and what it still takes while there is no room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Room {
    state: StorageState,
    /// Bytes of commands taken since the disk ran full.
    bytes_while_full: u64,
}

impl Room {
    /// Whether the log has room.
    pub(crate) fn state(self) -> StorageState {
        self.state
    }

    /// The disk ran full, or has room again.
    pub(crate) fn set(&mut self, state: StorageState) {
        *self = Self { state, bytes_while_full: 0 };
    }

    /// Counts what a full disk still takes. Entries without a command are few and small, and a new
    /// leader needs one to serve reads.
    pub(crate) fn count(&mut self, entry: &Entry) {
        if self.state == StorageState::Full && entry.payload != Payload::Noop {
            self.bytes_while_full += entry.cost();
        }
    }

    /// Whether to take nothing for now: the disk does not keep up with what awaits it, or has
    /// little room left. Both bounds keep what awaits the disk finite.
    pub(crate) fn is_congested(self, unpersisted_bytes: u64, config: &Config) -> bool {
        config.waiting_bytes_max() < unpersisted_bytes
            || config.append_bytes_max < self.bytes_while_full
    }
}
