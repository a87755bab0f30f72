//! The scripts of all stories, one file per group.

mod council;
mod duels;

use super::Story;

/// All groups.
pub(super) const ALL: &[&[Story]] = &[council::STORIES, duels::STORIES];
