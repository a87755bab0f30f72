//! Paxos: acceptors promise, proposers adopt what may already be chosen, and a quorum of votes of
//! one ballot chooses (Lamport, "The Part-Time Parliament", 1998; "Paxos Made Simple", 2001).
//!
//! - [`acceptor`]: the rule that everything rests on, shared by both protocols here
//! - [`synod`]: one decision: proposer, acceptor and learner of single-decree Paxos
//! - [`message`]: what Multi-Paxos nodes say to each other

pub mod acceptor;
pub mod message;
pub mod synod;

pub use acceptor::{Acceptor, Decision};
pub use message::{ElectionRound, Message, PromisePart};
