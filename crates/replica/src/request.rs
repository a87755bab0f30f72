//! What clients ask of a node, and how a request ends that never reached the state machine.

use quorate_consensus::{Refusal, TransferError};

/// Names a waiting client. The host's choice; never reused while the request lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The end of a request that the state machine did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing happened, for this reason. Safe to retry.
    Refused(Refusal),
    /// No leader took it before the deadline. Nothing happened. Safe to retry.
    NoLeader,
    /// The deadline passed while it may have been under way, or its traces were replaced by a
    /// snapshot: it may have happened.
    Unknown,
    /// The end of a request to hand over leadership.
    Transferred(Result<(), TransferError>),
}
