//! Snapshots on their way to peers: offered, then pulled chunk by chunk.
//!
//! The receiver asks for each chunk by revision, so a lost connection costs one chunk, and the
//! sender holds nothing but a pin that keeps compaction away. A peer that is silent is offered the
//! same snapshot again: the offer, or its word that it holds all, may be lost.

use core::time::Duration;
use std::collections::BTreeMap;

use quorate_codec::peer::{SnapshotChunk, SnapshotMessage, TransferId};
use quorate_consensus::{Instant, Meta, NodeId, SendSnapshot};
use quorate_kv::{Chunk, Damage, Rules, SnapshotPlace, SnapshotSource, Store};

/// How long a peer may be silent before its snapshot is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long a peer may be silent before its snapshot is offered again.
const OFFER_RETRY: Duration = Duration::from_secs(2);

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
    heard_at: Instant,
    offered_at: Instant,
}

impl Outgoing {
    /// No transfers. They are numbered above `first_transfer`.
    pub(crate) fn new(first_transfer: u64) -> Self {
        Self { next_transfer: first_transfer, transfers: BTreeMap::new() }
    }

    /// Offers a snapshot to a peer: the one it is pulling already if it reaches far enough, or a
    /// new one.
    pub(crate) fn offer<R: Rules>(
        &mut self,
        now: Instant,
        needed: SendSnapshot,
        store: &mut Store<R>,
        meta: impl FnOnce(&quorate_kv::Checkpoint) -> Meta,
    ) -> SnapshotMessage {
        let SendSnapshot { to, at_least } = needed;
        let mut under_way = self.transfers.iter_mut().filter(|(_, transfer)| transfer.to == to);
        if let Some((id, transfer)) = under_way.find(|(_, old)| at_least <= old.meta.index) {
            transfer.heard_at = now;
            transfer.offered_at = now;
            return transfer.to_offer(*id);
        }
        self.give_up(store, |transfer| transfer.to == to);
        self.next_transfer += 1;
        let id = TransferId(self.next_transfer);
        let source = store.snapshot();
        let meta = meta(source.checkpoint());
        let transfer = Transfer { to, meta, source, heard_at: now, offered_at: now };
        let offer = transfer.to_offer(id);
        self.transfers.insert(id, transfer);
        offer
    }

    /// The snapshots that have to be offered again, to whom.
    pub(crate) fn repeat_offers(&mut self, now: Instant) -> Vec<(NodeId, SnapshotMessage)> {
        let due = self.transfers.iter_mut().filter(|(_, transfer)| transfer.offer_due() <= now);
        due.map(|(id, transfer)| {
            transfer.offered_at = now;
            (transfer.to, transfer.to_offer(*id))
        })
        .collect()
    }

    /// Answers a pull. The last chunk carries the checkpoint.
    pub(crate) fn chunk<R: Rules>(
        &mut self,
        now: Instant,
        peer: NodeId,
        id: TransferId,
        from: SnapshotPlace,
        store: &Store<R>,
    ) -> Result<SnapshotMessage, Damage> {
        let transfer = self.transfers.get_mut(&id).filter(|transfer| transfer.to == peer);
        let Some(transfer) = transfer else {
            return Ok(SnapshotMessage::Aborted { transfer: id });
        };
        transfer.heard_at = now;
        let chunk = store.snapshot_chunk(&transfer.source, from, CHUNK_BYTES_MAX)?;
        let Chunk { records, leases, next } = chunk;
        let checkpoint = next.is_none().then(|| Box::new(transfer.source.checkpoint().clone()));
        let chunk = SnapshotChunk { transfer: id, from, records, leases, next, checkpoint };
        Ok(SnapshotMessage::Chunk(chunk))
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
        self.give_up(store, |transfer| transfer.expires_at() <= now)
    }

    fn give_up<R: Rules>(
        &mut self,
        store: &mut Store<R>,
        is_over: impl Fn(&Transfer) -> bool,
    ) -> Vec<NodeId> {
        let over = self.transfers.extract_if(.., |_, transfer| is_over(transfer));
        over.map(|(_, transfer)| {
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

    /// When the next transfer has to be given up, or offered again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.transfers.values();
        deadlines.map(|transfer| transfer.offer_due().min(transfer.expires_at())).min()
    }
}

impl Transfer {
    fn to_offer(&self, id: TransferId) -> SnapshotMessage {
        let records = self.source.checkpoint().records;
        SnapshotMessage::Offer { transfer: id, meta: self.meta.clone(), records }
    }

    fn offer_due(&self) -> Instant {
        self.heard_at.max(self.offered_at) + OFFER_RETRY
    }

    fn expires_at(&self) -> Instant {
        self.heard_at + SILENCE_MAX
    }
}
