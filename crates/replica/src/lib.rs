//! One node, still pure: an engine, a state machine, and the clients that wait for them.
//!
//! A node is two halves joined by a queue. [`Ordering`] holds the engine and decides the order of
//! commands; [`Applying`] holds the state machine and answers. The server gives each half a thread
//! of its own, the simulator runs both in one. Neither reads a clock, a random source, a file or
//! a socket.

mod applying;
mod applying_io;
mod backups;
mod compaction;
mod counts;
mod forwards;
mod incoming;
mod limits;
mod meta;
mod ordering;
mod ordering_io;
mod outbox;
mod outgoing;
mod proposals;
mod reading;
mod reads;
mod renewals;
mod request;
mod rules;
mod streams;
mod ticking;
mod wish;

pub use applying::Applying;
pub use applying_io::{Answer, ApplyingEffects, Note, StagingFailed};
pub use backups::BackupId;
pub use compaction::CommitPolicy;
pub use counts::Counts;
pub use incoming::StagingOp;
pub use limits::Limits;
pub use meta::{members_to_bytes, meta_of};
pub use ordering::Ordering;
pub use ordering_io::{LeaseClock, OrderingEffects, OrderingInput, Origin};
pub use reading::{KeepAlive, ReadRequest, ReadResponse};
pub use request::{Ending, KeptAlive, Ticket, Waiters};
pub use rules::{Mutant, Rule, Rules, Strict};
pub use streams::{RangeId, RangePiece};
