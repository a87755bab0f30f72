//! Snapshots on their way to peers: offered once, then pulled chunk by chunk.
//!
//! The receiver asks for each chunk by revision, so a lost connection costs one chunk, and the
//! sender holds nothing but a pin that keeps compaction away.

use core::time::Duration;
use std::collections::BTreeMap;

use quorate_codec::peer::{SnapshotChunk, SnapshotMessage, TransferId};
use quorate_consensus::{Instant, Meta, NodeId};
use quorate_kv::{Damage, Revision, Rules, SnapshotSource, Store};

/// How long a peer may be silent before its snapshot is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Most bytes of records in one chunk.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// The snapshots that peers are pulling.
#[derive(Debug)]
pub(crate) struct Outgoing {
    next_transfer: u64,
    transfers: BTreeMap<TransferId, Transfer>,
}

#[derive(Debug)]
struct Transfer {
    to: NodeId,
    meta: Meta,
    source: SnapshotSource,
    expires_at: Instant,
}

impl Outgoing {
    /// No transfers. They are numbered above `first_transfer`.
    pub(crate) fn new(first_transfer: u64) -> Self {
        Self { next_transfer: first_transfer, transfers: BTreeMap::new() }
    }

    /// Offers a snapshot to a peer: the one it is pulling already, or a new one.
    pub(crate) fn offer<R: Rules>(
        &mut self,
        now: Instant,
        to: NodeId,
        store: &mut Store<R>,
        meta: impl FnOnce(&quorate_kv::Checkpoint) -> Meta,
    ) -> SnapshotMessage {
        let under_way = self.transfers.iter_mut().find(|(_, transfer)| transfer.to == to);
        if let Some((id, transfer)) = under_way {
            transfer.expires_at = now + SILENCE_MAX;
            let records = transfer.source.checkpoint().records;
            return SnapshotMessage::Offer { transfer: *id, meta: transfer.meta.clone(), records };
        }
        self.next_transfer += 1;
        let id = TransferId(self.next_transfer);
        let source = store.snapshot();
        let meta = meta(source.checkpoint());
        let records = source.checkpoint().records;
        let expires_at = now + SILENCE_MAX;
        self.transfers.insert(id, Transfer { to, meta: meta.clone(), source, expires_at });
        SnapshotMessage::Offer { transfer: id, meta, records }
    }

    /// Answers a pull. The last chunk carries the checkpoint.
    pub(crate) fn chunk<R: Rules>(
        &mut self,
        now: Instant,
        peer: NodeId,
        id: TransferId,
        from: Revision,
        store: &Store<R>,
    ) -> Result<SnapshotMessage, Damage> {
        let transfer = self.transfers.get_mut(&id).filter(|transfer| transfer.to == peer);
        let Some(transfer) = transfer else {
            return Ok(SnapshotMessage::Aborted { transfer: id });
        };
        transfer.expires_at = now + SILENCE_MAX;
        let chunk = store.snapshot_chunk(&transfer.source, from, CHUNK_BYTES_MAX)?;
        let checkpoint = chunk.next.is_none().then(|| transfer.source.checkpoint().clone());
        let (records, next) = (chunk.records, chunk.next);
        Ok(SnapshotMessage::Chunk(SnapshotChunk { transfer: id, from, records, next, checkpoint }))
    }

    /// Ends a transfer: what was sent, if this peer was pulling it.
    pub(crate) fn end<R: Rules>(
        &mut self,
        peer: NodeId,
        id: TransferId,
        store: &mut Store<R>,
    ) -> Option<Meta> {
        if self.transfers.get(&id)?.to != peer {
            return None;
        }
        let transfer = self.transfers.remove(&id)?;
        store.end_snapshot(transfer.source);
        Some(transfer.meta)
    }

    /// Gives up the transfers whose peers have been silent for too long.
    pub(crate) fn expire<R: Rules>(&mut self, now: Instant, store: &mut Store<R>) -> Vec<NodeId> {
        let silent: Vec<TransferId> = self
            .transfers
            .iter()
            .filter(|(_, transfer)| transfer.expires_at <= now)
            .map(|(id, _)| *id)
            .collect();
        silent
            .into_iter()
            .filter_map(|id| self.transfers.remove(&id))
            .map(|transfer| {
                store.end_snapshot(transfer.source);
                transfer.to
            })
            .collect()
    }

    /// Forgets all transfers: their store was replaced.
    pub(crate) fn clear(&mut self) -> Vec<NodeId> {
        let transfers = core::mem::take(&mut self.transfers);
        transfers.into_values().map(|transfer| transfer.to).collect()
    }

    /// When the next transfer would be given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.transfers.values().map(|transfer| transfer.expires_at).min()
    }
}
