//! Streams of watches between their connections and the applying thread.

use std::collections::BTreeMap;

use quorate_consensus::Instant;
use quorate_kv::{Damage, StreamId, Strict, WatchId, WatchRequest, WatchResponse};
use quorate_replica::Applying;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::queue::Sender;
use crate::waiter::ToApplying;

/// What a stream is told, in batches.
pub(crate) type Outlet = mpsc::Sender<Vec<WatchResponse>>;

/// Batches that wait for one stream's connection.
const BATCHES_MAX: usize = 2;

/// About how many bytes go into one batch.
const BATCH_BYTES: usize = 256 << 10;

/// For the watches.
pub(crate) enum ToWatches {
    /// A client has opened a stream.
    Open { stream: StreamId, outlet: Outlet },
    /// Begin a watch.
    Create { stream: StreamId, request: Box<WatchRequest> },
    /// End one.
    Cancel { stream: StreamId, watch: WatchId },
    /// How far are they?
    Progress { stream: StreamId },
    /// The connection has taken a batch.
    Taken { stream: StreamId },
    /// The client has gone.
    Close { stream: StreamId },
}

/// A connection's side of a stream: what comes in, and the way to ask. Dropping it closes the
/// stream.
pub(crate) struct WatchClient {
    pub(crate) stream: StreamId,
    pub(crate) applying: Sender<ToApplying>,
    pub(crate) inbox: mpsc::Receiver<Vec<WatchResponse>>,
    /// One more request under way, as long as the stream is open.
    _permit: OwnedSemaphorePermit,
}

impl WatchClient {
    /// Opens a stream of a name that no other has had.
    pub(crate) fn open(
        stream: StreamId,
        applying: Sender<ToApplying>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (outlet, inbox) = mpsc::channel(BATCHES_MAX);
        let client = Self { stream, applying, inbox, _permit: permit };
        client.tell(ToWatches::Open { stream, outlet });
        client
    }

    /// Tells the applying thread something. It is gone only when the node stops.
    pub(crate) fn tell(&self, message: ToWatches) {
        let _ = self.applying.send(ToApplying::Watches(message));
    }
}

impl Drop for WatchClient {
    fn drop(&mut self) {
        self.tell(ToWatches::Close { stream: self.stream });
    }
}

/// The applying thread's side: the open streams.
#[derive(Default)]
pub(crate) struct Streams {
    open: BTreeMap<StreamId, Outlet>,
    told: u64,
}

impl Streams {
    /// Changes told on all of them so far.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Does what a stream asks for.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        message: ToWatches,
        applying: &mut Applying<Strict>,
    ) -> Result<(), Damage> {
        match message {
            ToWatches::Open { stream, outlet } => {
                applying.watches().open(stream);
                self.open.insert(stream, outlet);
            }
            ToWatches::Create { stream, request } => {
                // A request may come in behind the news that its stream is gone.
                if self.open.contains_key(&stream) {
                    applying.watch(now, stream, &request)?;
                }
            }
            ToWatches::Cancel { stream, watch } => applying.watches().cancel(stream, watch),
            ToWatches::Progress { stream } => applying.watches().request_progress(stream),
            ToWatches::Taken { stream } => self.hand_out(stream, applying),
            ToWatches::Close { stream } => {
                applying.watches().close(stream);
                self.open.remove(&stream);
            }
        }
        Ok(())
    }

    /// Gives a stream what waits for it, as far as its connection takes it. The rest goes out when
    /// that says so.
    pub(crate) fn hand_out(&mut self, stream: StreamId, applying: &mut Applying<Strict>) {
        let Some(outlet) = self.open.get(&stream) else { return };
        while let Ok(slot) = outlet.try_reserve() {
            let batch = applying.watches().take(stream, BATCH_BYTES);
            if batch.is_empty() {
                return;
            }
            self.told += batch.iter().map(changes_in).sum::<u64>();
            slot.send(batch);
        }
    }
}

fn changes_in(response: &WatchResponse) -> u64 {
    match response {
        WatchResponse::Changes { changes, .. } => changes.len() as u64,
        _ => 0,
    }
}
