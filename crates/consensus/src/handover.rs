//! Leadership on its way to another node.

use crate::ballot::Ballot;
use crate::ids::{NodeId, RequestId};
use crate::time::Instant;

/// A handover. Proposals are refused meanwhile, but never longer than an election timeout, and only
/// under the ballot it began in (hashicorp/raft#696).
///
/// It outlives the leadership until it is known who leads, so that the request ends with the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handover {
    /// Who asked; nobody, when the disk is full.
    pub(crate) id: Option<RequestId>,
    pub(crate) to: NodeId,
    /// The leadership that is handed over.
    pub(crate) ballot: Ballot,
    pub(crate) deadline: Instant,
    pub(crate) is_told: bool,
}
