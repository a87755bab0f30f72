//! Raft.

pub mod message;

pub use message::{AppendResult, Body, Cause, Confirmation, Message, Term, Verdict};
