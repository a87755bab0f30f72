//! Traffic with each of the other members.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_consensus::{Members, NodeId};

use super::Count;
use super::histogram::{FINE_BOUNDS, Histogram};
use super::text::Exposition;

/// What is counted of each peer.
#[derive(Debug)]
pub(crate) struct PeerMetrics {
    own: String,
    peers: BTreeMap<NodeId, PeerCounts>,
}

/// What is counted of one peer. One that is no member is not counted.
#[derive(Debug)]
pub(crate) struct PeerCounts {
    name: String,
    /// Bytes written to it.
    pub(crate) sent_bytes: Count,
    /// Bytes read from it.
    pub(crate) received_bytes: Count,
    /// Messages that its queue had no room for.
    pub(crate) dropped: Count,
    /// Connections to it that broke.
    pub(crate) disconnected: Count,
    /// Connections that it keeps to this member now.
    pub(crate) connected: Count,
    /// Snapshots that it has taken whole.
    pub(crate) snapshots_sent: Count,
    /// Snapshots that broke off.
    pub(crate) snapshots_failed: Count,
    round_trip: Histogram,
}

impl PeerCounts {
    /// A handshake with it took that long.
    pub(crate) fn on_handshake(&self, took: Duration) {
        self.round_trip.observe_duration(took);
    }
}

impl PeerMetrics {
    /// Counts for every member but this one.
    pub(super) fn new(members: &Members, own: NodeId) -> Self {
        let peers = members.details.keys().filter(|node| **node != own);
        let peers = peers.map(|node| (*node, PeerCounts::new(*node))).collect();
        Self { own: name_of(own), peers }
    }

    /// The counts of one peer.
    pub(crate) fn of(&self, peer: NodeId) -> Option<&PeerCounts> {
        self.peers.get(&peer)
    }

    /// All families.
    pub(super) fn write(&self, text: &mut Exposition) {
        self.write_totals(text);
        self.write_connections(text);
        let name = "etcd_network_peer_round_trip_time_seconds";
        let help = "Round-trip time between peers, measured by the handshake of each connection.";
        text.family(name, "histogram", help);
        for peer in self.peers.values() {
            text.distribution(name, &[("To", &peer.name)], &peer.round_trip);
        }
    }

    fn write_totals(&self, text: &mut Exposition) {
        let families: [(&str, &str, &str, Picked); 6] = [
            (
                "etcd_network_peer_sent_bytes_total",
                "To",
                "The total number of bytes sent to peers.",
                |peer| &peer.sent_bytes,
            ),
            (
                "etcd_network_peer_received_bytes_total",
                "From",
                "The total number of bytes received from peers.",
                |peer| &peer.received_bytes,
            ),
            (
                "etcd_network_peer_sent_failures_total",
                "To",
                "The total number of messages to peers that were dropped.",
                |peer| &peer.dropped,
            ),
            (
                "quorate_peer_disconnects_total",
                "To",
                "Connections to the peer that broke.",
                |peer| &peer.disconnected,
            ),
            (
                "etcd_network_snapshot_send_success",
                "To",
                "Total number of successful snapshot sends.",
                |peer| &peer.snapshots_sent,
            ),
            (
                "etcd_network_snapshot_send_failures",
                "To",
                "Total number of snapshot send failures.",
                |peer| &peer.snapshots_failed,
            ),
        ];
        for (name, label, help, picked) in families {
            text.family(name, "counter", help);
            for peer in self.peers.values() {
                text.sample(name, &[(label, &peer.name)], picked(peer).value());
            }
        }
    }

    fn write_connections(&self, text: &mut Exposition) {
        let name = "etcd_network_active_peers";
        text.family(name, "gauge", "The current number of active peer connections.");
        for peer in self.peers.values() {
            let labels = [("Local", self.own.as_str()), ("Remote", &peer.name)];
            text.sample(name, &labels, u64::from(0 < peer.connected.value()));
        }
        let name = "etcd_network_known_peers";
        text.family(name, "gauge", "The current number of known peers.");
        for peer in self.peers.values() {
            text.sample(name, &[("Local", &self.own), ("Remote", &peer.name)], 1);
        }
    }
}

type Picked = fn(&PeerCounts) -> &Count;

impl PeerCounts {
    fn new(node: NodeId) -> Self {
        Self {
            name: name_of(node),
            sent_bytes: Count::default(),
            received_bytes: Count::default(),
            dropped: Count::default(),
            disconnected: Count::default(),
            connected: Count::default(),
            snapshots_sent: Count::default(),
            snapshots_failed: Count::default(),
            round_trip: Histogram::of_durations(&FINE_BOUNDS),
        }
    }
}

/// etcd names members in hexadecimal.
pub(super) fn name_of(node: NodeId) -> String {
    format!("{:x}", node.0)
}
