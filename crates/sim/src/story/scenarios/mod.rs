//! The scripts of all stories, one file per group.

mod compare;
mod council;
mod duels;
mod election;
mod faults;
mod generals;
mod paxos;
mod replication;
mod timing;

use super::Story;

/// All groups.
pub(super) const ALL: &[&[Story]] = &[
    generals::STORIES,
    election::STORIES,
    replication::STORIES,
    faults::STORIES,
    timing::STORIES,
    council::STORIES,
    duels::STORIES,
    paxos::STORIES,
    compare::STORIES,
];
