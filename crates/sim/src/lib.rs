//! Deterministic simulation: many replicas, their clients and an operator in one thread, driven by
//! one seed, on a network, disks and clocks that fail as drawn.
//!
//! The replicas are the server's: the same engines, state machine, log and bytes. Only what
//! surrounds them is simulated. The same seed gives the same run to the byte, in every process and
//! build, so a violation is found once and replayed for ever.

pub mod broken;
pub mod campaign;
pub mod check;
pub mod clients;
pub mod draws;
pub mod explore;
pub mod marks;
pub mod mutants;
pub mod profile;
pub mod protocol;
mod shrink;
pub mod story;
mod watched;
pub mod world;

pub use broken::{Broken, Lesson};
pub use draws::{Draws, Site};
pub use profile::{Named, Profile};
pub use protocol::{PaxosProtocol, Protocol, RaftProtocol};
pub use quorate_consensus::Seed;
pub use shrink::shrink;
pub use world::World;
