//! An engine's settings: fixed for its life, every limit with a number.

use core::time::Duration;

use crate::ids::NodeId;
use crate::quorum::FlexibleSizes;

/// Settings of a node. [`Config::new`] gives the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// A follower that hears from no leader for this long, up to twice this long, campaigns.
    pub election_timeout: Duration,
    /// How often an idle leader speaks. Well below `election_timeout`.
    pub heartbeat_interval: Duration,
    /// Whether deadlines exist.
    pub timers: Timers,
    /// A leader whose own disk acknowledges nothing for this long, though writes await it, steps
    /// down.
    pub disk_stall_timeout: Duration,
    /// Most bytes of entries in one message.
    pub append_bytes_max: u64,
    /// Most unanswered messages with entries per peer.
    pub window_messages_max: u32,
    /// Most unanswered bytes of entries per peer.
    pub window_bytes_max: u64,
    /// Most proposals that may await a quorum.
    pub in_flight_max: u32,
    /// Most bytes of proposals that may await a quorum.
    pub in_flight_bytes_max: u64,
    /// Most reads that may await a confirmation.
    pub reads_max: u32,
    /// Most bytes handed to the state machine beyond what it has applied.
    pub apply_bytes_max: u64,
    /// Bytes of applied and matched entries kept in memory for slow peers.
    pub tail_bytes_max: u64,
    /// How many voters each phase of Paxos asks for; majorities if not given. The host checks with
    /// [`crate::Quorum::flexible`] that they fit the members, and gives every node the same. Raft
    /// knows majorities alone.
    pub quorums: Option<FlexibleSizes>,
}

/// Whether an engine acts on time by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timers {
    /// Elections and heartbeats start by themselves.
    On,
    /// Only `Campaign` starts an election, and only messages cause messages: for scripts and
    /// exhaustive search.
    Off,
}

impl Config {
    /// The defaults for `node`: etcd's timing (100 ms, 1 s) and limits for one gigabyte of memory.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            election_timeout: Duration::from_secs(1),
            heartbeat_interval: Duration::from_millis(100),
            timers: Timers::On,
            disk_stall_timeout: Duration::from_secs(1),
            append_bytes_max: 1 << 20,
            window_messages_max: 128,
            window_bytes_max: 8 << 20,
            in_flight_max: 16_384,
            in_flight_bytes_max: 64 << 20,
            reads_max: 65_536,
            apply_bytes_max: 16 << 20,
            tail_bytes_max: 64 << 20,
            quorums: None,
        }
    }

    /// Most bytes of entries that may await the disk before no more are taken.
    pub(crate) fn waiting_bytes_max(&self) -> u64 {
        self.tail_bytes_max.max(self.window_bytes_max)
    }
}
