//! How large a world is explored, and which of its freedoms are taken.

use quorate_consensus::NodeId;

/// The limits of a search. Everything within them is explored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many nodes there are, all of them voters.
    pub nodes: u64,
    /// The highest round (Raft: term) that anyone campaigns in.
    pub rounds: u64,
    /// How many commands clients propose, beside what leaders add by themselves.
    pub commands: u8,
    /// No log grows beyond this index: who would have to make it longer does nothing.
    pub log_max: u64,
    /// How many linearizable reads clients ask for.
    pub reads: u8,
    /// How many times a node may crash and start again.
    pub crashes: u8,
    /// How many messages the network holds. Any of them is lost where there would be more.
    pub messages: usize,
    /// Most messages with entries that a leader has on the way to one peer.
    pub window: u32,
    /// What happens to a message that is delivered.
    pub delivery: Delivery,
    /// Whether a write and what it allows are one step.
    pub persistence: Persistence,
    /// How a node comes to campaign, and to know of a newer round.
    pub courtesies: Courtesies,
    /// Whether worlds that differ in the names of nodes alone are one.
    pub symmetry: Symmetry,
    /// Which messages are gone before anything has happened to them.
    pub drops: Drops,
    /// The rounds of the entries that each node's log begins with; empty: all logs are. A node's
    /// round is that of the last, or higher where the list of rounds says so.
    pub logs: Vec<Seeded>,
    /// Which promises are checked.
    pub checks: Scope,
    /// Most states kept.
    pub states_max: usize,
    /// Most bytes of memory used, as the search counts them.
    pub bytes_max: u64,
}

/// What happens to a message that is delivered. It may always be lost or late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is gone.
    Once,
    /// It stays and may be delivered again, until it is lost or can change nothing any more.
    Repeated,
}

/// Whether a write and what it allows are one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// A node's writes are durable, and what awaited them is sent, in the step that made them.
    WithSending,
    /// The disk takes a step of its own for each batch, and a crash keeps any prefix of the
    /// batches. At most this many are on the way to the disk.
    Apart {
        /// The most batches that are not durable.
        unsynced_max: usize,
    },
}

/// How a node comes to campaign, and to know of a newer round: what safety must not rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Courtesies {
    /// Any node may campaign at any time, and hear at any time of any round that has begun. More
    /// than can really happen, and far fewer states than with the messages it takes.
    Free,
    /// By messages: pre-votes are asked for and granted, stale requests answered.
    ByMessage,
}

/// Whether worlds that differ in the names of nodes alone are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetry {
    /// They are one. Needs [`Courtesies::Free`], since pre-votes prefer the higher name, and
    /// empty logs.
    Used,
    /// They are different.
    Unused,
}

/// Which messages are gone because they can change nothing any more. Multi-Paxos asks; Raft always
/// drops all it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drops {
    /// Those of a ballot that their receiver has left behind: easy to see.
    Past,
    /// Those of its present ballot as well that do nothing and never will: far fewer worlds.
    Idle,
}

/// A log to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// The round of each entry and the node that led it.
    pub entries: Vec<(u64, NodeId)>,
    /// The round the node takes part in, at least that of the last entry.
    pub round: u64,
}

/// Which promises are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All, of each node by itself as well.
    All,
    /// Only what clients and the paper's theorems speak of, so that a search for a broken rule ends
    /// with the harm that it does.
    Outcomes,
}

impl Bounds {
    /// A world of three nodes so small that every test run explores it.
    pub fn tiny() -> Self {
        Self {
            nodes: 3,
            rounds: 1,
            commands: 1,
            log_max: u64::MAX,
            reads: 0,
            crashes: 0,
            messages: 4,
            window: 1,
            delivery: Delivery::Repeated,
            persistence: Persistence::WithSending,
            courtesies: Courtesies::Free,
            symmetry: Symmetry::Used,
            drops: Drops::Idle,
            logs: Vec::new(),
            checks: Scope::All,
            states_max: 1 << 31,
            bytes_max: 2 << 30,
        }
    }
}
