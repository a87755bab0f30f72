//! Raft and Multi-Paxos as pure state machines.
//!
//! The contract is [`Engine`]: inputs in, effects out, time and seeds as arguments. No engine reads
//! a clock, a random source or a file, and each is the same to the byte in production, in the
//! simulator and in tests.

pub mod ballot;
mod canon;
pub mod clock;
pub mod config;
mod delivery;
mod durability;
pub mod effects;
pub mod engine;
pub mod entries;
pub mod entry;
mod handover;
pub mod ids;
pub mod input;
pub mod invariants;
pub mod log;
pub mod members;
pub mod outcome;
mod patience;
pub mod paxos;
mod proposals;
pub mod quorum;
pub mod raft;
mod random;
mod ranges;
mod reads;
mod room;
pub mod rules;
mod slots;
mod snapshots;
mod standing;
pub mod status;
mod tail;
mod tenure;
pub mod time;
pub mod trace;
mod window;
pub mod write;

pub use ballot::{Ballot, Promise};
pub use clock::Clock;
pub use config::{Config, Timers};
pub use effects::{Effects, Envelope, Fetch, FetchReason, Misbehaved, SendSnapshot};
pub use engine::Engine;
pub use entries::Entries;
pub use entry::{Entry, Meta, Payload};
pub use ids::{
    Confirmation, Incarnation, Index, NodeId, ProposalId, RequestId, Seed, Span, WriteId,
};
pub use input::{Input, StorageState};
pub use log::Position;
pub use members::{Change, Members};
pub use outcome::{Outcome, Proposed, Refusal, TransferError};
pub use quorum::{FlexibleError, FlexibleQuorums, FlexibleSizes, Quorum, Tally};
pub use rules::{Mutant, Rule, Rules, Strict};
pub use status::{Fingerprint, Flow, PeerStatus, Role, Status, Summary};
pub use time::{ClusterTime, Instant};
pub use trace::{Reason, TraceEvent, What};
pub use write::{BallotRun, HardState, Recovered, Write, WriteBatch};
