//! Paxos: acceptors promise, proposers adopt what may already be chosen, and a quorum of votes of
//! one ballot chooses (Lamport, "The Part-Time Parliament", 1998; "Paxos Made Simple", 2001).
//!
//! - [`acceptor`]: the rule that everything rests on, shared by both protocols here

pub mod acceptor;

pub use acceptor::{Acceptor, Decision};
