//! Exhaustive search of small worlds: every order of everything that can happen to a few nodes
//! within bounds, with the real engine, breadth first, so that what is found wrong comes with
//! a shortest way to it.
//!
//! A world is the state of each node (engine, disk, writes on the way there), the messages in
//! flight, and a memory of what was promised. What keeps the number of worlds small enough:
//!
//! - The network never has to lose a message, since nobody has to deliver one. Only where more are
//!   in flight than the bounds allow, each choice of those that stay is another world.
//! - A message that can change nothing any more is gone (`Explored::is_spent`, `stays_idle`).
//! - Worlds that differ in the names of the nodes alone are one ([`Symmetry`]).
//! - A crash and the start after it are one step: to be down is to get no messages.
//! - Nobody has to ask before it campaigns ([`Courtesies::Free`]): safety must not rest on that.
//!
//! What keeps each of them cheap: node states, messages and memories are kept once and have
//! numbers, a world is some twenty bytes of them, and the engine runs once for everything that can
//! happen to a node in one of its states, however many worlds that is part of.

mod audit;
mod bounds;
mod disk;
mod finding;
mod ghost;
mod lessons;
mod node;
mod paxos;
mod protocol;
mod raft;
mod search;
mod space;
mod states;
mod trail;
mod world;

#[cfg(test)]
mod tests;

pub use bounds::{Bounds, Courtesies, Delivery, Drops, Persistence, Scope, Seeded, Symmetry};
pub use finding::{Cause, Finding};
pub use lessons::{Lore, lore};
pub use node::{Event, Held, View};
pub use protocol::{Explored, Renaming};
pub use search::{End, Exploration, Progress, explore};
pub use trail::{Happening, replay, tell};
