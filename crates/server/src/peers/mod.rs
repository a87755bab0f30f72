//! The connections to the other members: one to each for messages, one for snapshots.
//!
//! Each member dials the others to speak and accepts their calls to listen. What cannot be sent is
//! dropped: the engines expect that of a network.

mod dial;
mod direct;
mod known;
mod listen;

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_codec::handshake::{Channel, ClusterId, EngineKind};
use quorate_codec::peer::PeerMessage;
use quorate_codec::wire::Wire;
use quorate_consensus::{Incarnation, NodeId};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use self::direct::Direct;
use crate::fatal::Alarm;
use crate::metrics::Metrics;
use crate::queue::Sender;
use crate::url::HttpUrl;
use crate::waiter::{ToApplying, ToOrdering};

pub(crate) use known::Known;
pub use known::KnownError;

/// Most messages that wait for one connection; what comes on top is dropped.
const QUEUE_MAX: usize = 8192;

/// Who this node is to its peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Self_ {
    pub(crate) cluster: ClusterId,
    pub(crate) engine: EngineKind,
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
}

/// The way out to the other members.
#[derive(Debug)]
pub(crate) struct Peers<M> {
    links: BTreeMap<NodeId, Link<M>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Link<M> {
    messages: mpsc::Sender<PeerMessage<M>>,
    bulk: mpsc::Sender<PeerMessage<M>>,
    direct: Arc<Direct>,
    hang_up: Arc<Notify>,
}

/// What the connections need to know and reach.
pub(crate) struct Exchange<M> {
    pub(crate) own: Self_,
    pub(crate) known: Arc<Known>,
    pub(crate) ordering: Sender<ToOrdering<M>>,
    pub(crate) applying: Sender<ToApplying>,
    pub(crate) alarm: Alarm,
    pub(crate) metrics: Arc<Metrics>,
}

impl<M> Clone for Exchange<M> {
    fn clone(&self) -> Self {
        Self {
            own: self.own,
            known: self.known.clone(),
            ordering: self.ordering.clone(),
            applying: self.applying.clone(),
            alarm: self.alarm.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

impl<M: Wire> Peers<M> {
    /// The way out, and the queues that [`dial_all`] serves.
    pub(crate) fn new(
        members: &BTreeMap<NodeId, Vec<HttpUrl>>,
        metrics: Arc<Metrics>,
    ) -> (Self, Vec<Dial<M>>) {
        let mut links = BTreeMap::new();
        let mut dials = Vec::new();
        for (node, urls) in members {
            let (messages, messages_queue) = mpsc::channel(QUEUE_MAX);
            let (bulk, bulk_queue) = mpsc::channel(QUEUE_MAX);
            let hang_up = Arc::new(Notify::new());
            let direct = Arc::new(Direct::default());
            for (channel, queue, direct) in [
                (Channel::Messages, messages_queue, direct.clone()),
                (Channel::Bulk, bulk_queue, Arc::default()),
            ] {
                let (urls, hang_up) = (urls.clone(), hang_up.clone());
                dials.push(Dial { peer: *node, urls, channel, queue, direct, hang_up });
            }
            links.insert(*node, Link { messages, bulk, direct, hang_up });
        }
        (Self { links, metrics }, dials)
    }

    /// Sends a message, or drops it if the connection does not keep up.
    pub(crate) fn send(&self, to: NodeId, message: PeerMessage<M>) {
        let Some(link) = self.links.get(&to) else { return };
        // A full queue drops, as a network would.
        let queue = |queue: &mpsc::Sender<_>, message| {
            if queue.try_send(message).is_err() {
                self.metrics.peers.of(to).inspect(|peer| peer.dropped.increment());
            }
        };
        match message {
            PeerMessage::Snapshot(_) => queue(&link.bulk, message),
            _ => link.direct.send(message, |message| queue(&link.messages, message)),
        }
    }

    /// Writes out what was sent. To be called when a turn's messages were.
    pub(crate) fn flush(&self) {
        for (to, link) in &self.links {
            let written = link.direct.flush();
            if 0 < written {
                self.metrics.peers.of(*to).inspect(|peer| peer.sent_bytes.add(written as u64));
            }
        }
    }

    /// Closes the connections with a peer that broke the protocol. They are made anew.
    pub(crate) fn disconnect(&self, peer: NodeId) {
        if let Some(link) = self.links.get(&peer) {
            link.hang_up.notify_waiters();
        }
    }

    /// What the listeners need to hang up on a peer.
    pub(crate) fn hang_ups(&self) -> BTreeMap<NodeId, Arc<Notify>> {
        self.links.iter().map(|(node, link)| (*node, link.hang_up.clone())).collect()
    }
}

/// A connection to be made and kept.
pub(crate) struct Dial<M> {
    peer: NodeId,
    urls: Vec<HttpUrl>,
    channel: Channel,
    queue: mpsc::Receiver<PeerMessage<M>>,
    direct: Arc<Direct>,
    hang_up: Arc<Notify>,
}

/// Makes and keeps all connections, in tasks of their own.
pub(crate) fn dial_all<M: Wire + Send + 'static>(
    dials: Vec<Dial<M>>,
    exchange: &Exchange<M>,
    tasks: &mut JoinSet<()>,
) {
    for dial in dials {
        tasks.spawn(dial::keep(dial, exchange.clone()));
    }
}

pub(crate) use listen::Listener;
