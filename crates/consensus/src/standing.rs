//! How a node stands towards clients: whether it takes what they ask, and what it answers if not.

use crate::ids::NodeId;
use crate::input::StorageState;
use crate::members::Members;
use crate::outcome::{Refusal, TransferError};

/// What decides whether a node takes a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) node: NodeId,
    pub(crate) members: &'a Members,
    /// Who leads as far as it knows; itself, if it does.
    pub(crate) leader: Option<NodeId>,
    /// Whom it is handing its leadership to.
    pub(crate) handing_over_to: Option<NodeId>,
    pub(crate) storage: StorageState,
}

impl Standing<'_> {
    /// Why it does not answer for the cluster.
    pub(crate) fn read_refusal(&self) -> Option<Refusal> {
        let Self { node, members, leader, .. } = *self;
        if !members.contains(node) {
            return Some(Refusal::Removed);
        }
        (leader != Some(node)).then_some(Refusal::NotLeader { leader })
    }

    /// Why it takes no command, whatever awaits a quorum.
    pub(crate) fn write_refusal(&self) -> Option<Refusal> {
        if let Some(refusal) = self.read_refusal() {
            return Some(refusal);
        }
        if let Some(to) = self.handing_over_to {
            return Some(Refusal::Transferring { to });
        }
        (self.storage == StorageState::Full).then_some(Refusal::StorageFull)
    }

    /// Why it does not hand its leadership to `to`.
    pub(crate) fn transfer_refusal(&self, to: NodeId) -> Option<TransferError> {
        let Self { node, members, leader, handing_over_to, .. } = *self;
        if leader != Some(node) {
            return Some(TransferError::NotLeader { leader });
        }
        let is_able = to != node && members.is_voter(to) && handing_over_to.is_none();
        (!is_able).then_some(TransferError::BadTarget)
    }
}
