//! What waits for one client, and which watches it has.

use std::collections::{BTreeSet, VecDeque};

use super::types::{WatchId, WatchResponse};

/// A client's side of a stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    watches: BTreeSet<WatchId>,
    /// Those that a compaction ended. Their names stay taken until the client cancels them too.
    ended: BTreeSet<WatchId>,
    /// Those whose cursors stand still until the client takes what waits here.
    stuck: BTreeSet<WatchId>,
    outbox: VecDeque<WatchResponse>,
    /// What the outbox counts for.
    bytes: usize,
    /// The least name that was not given out.
    next: i64,
}

impl Stream {
    pub(super) fn watches(&self) -> impl Iterator<Item = WatchId> {
        self.watches.iter().copied()
    }

    pub(super) fn has_watches(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Names a new watch: as asked for, or the next free number for 0. None if the name is taken.
    pub(super) fn admit(&mut self, asked: i64) -> Option<WatchId> {
        if asked != 0 {
            return self.admit_as(WatchId(asked)).then_some(WatchId(asked));
        }
        while !self.admit_as(WatchId(self.next)) {
            self.next += 1;
        }
        self.next += 1;
        Some(WatchId(self.next - 1))
    }

    fn admit_as(&mut self, name: WatchId) -> bool {
        !self.ended.contains(&name) && self.watches.insert(name)
    }

    /// A compaction ends a watch.
    pub(super) fn end(&mut self, watch: WatchId) {
        assert!(self.remove(watch), "what is ended was there");
        self.ended.insert(watch);
    }

    /// Frees the name of a watch that a compaction ended. Whether it was one.
    pub(super) fn release(&mut self, watch: WatchId) -> bool {
        self.ended.remove(&watch)
    }

    /// How many names are taken without a watch.
    pub(super) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Forgets a watch. Whether there was one.
    pub(super) fn remove(&mut self, watch: WatchId) -> bool {
        self.stuck.remove(&watch);
        self.watches.remove(&watch)
    }

    pub(super) fn push(&mut self, response: WatchResponse) {
        self.bytes += bytes_of(&response);
        self.outbox.push_back(response);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest responses, as many as come to about these bytes; at least one if there is any.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<WatchResponse> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.is_empty() || bytes < bytes_max {
            let Some(response) = self.outbox.pop_front() else { break };
            bytes += bytes_of(&response);
            taken.push(response);
        }
        self.bytes -= bytes;
        taken
    }

    pub(super) fn stick(&mut self, watch: WatchId) {
        self.stuck.insert(watch);
    }

    /// The watches that may go on.
    pub(super) fn unstick(&mut self) -> BTreeSet<WatchId> {
        core::mem::take(&mut self.stuck)
    }
}

/// What a response counts for, beside the changes in it a little for itself.
fn bytes_of(response: &WatchResponse) -> usize {
    let changes = match response {
        WatchResponse::Changes { changes, .. } => changes.iter().map(|it| it.bytes()).sum(),
        WatchResponse::Created { .. }
        | WatchResponse::Refused { .. }
        | WatchResponse::Progress { .. }
        | WatchResponse::Canceled { .. } => 0,
    };
    64_usize + changes
}
