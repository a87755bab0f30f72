//! What the simulator needs of an engine beyond the contract.

use quorate_codec::{EngineKind, Wire};
use quorate_consensus::Engine;
use quorate_consensus::raft::Raft;

use crate::broken::Broken;

/// An engine that can be simulated.
pub trait Protocol: 'static {
    /// The engine, which asks [`Broken`] about each of its rules.
    type Engine: Engine<Rules = Broken, Message = Self::Message> + Clone;
    /// What its nodes say to each other.
    type Message: Wire + Clone + core::fmt::Debug + PartialEq + Send + 'static;

    /// Which engine it is, in files, handshakes and on the command line.
    const KIND: EngineKind;
}

/// Raft, simulated.
#[derive(Clone, Copy, Debug)]
pub enum RaftProtocol {}

impl Protocol for RaftProtocol {
    type Engine = Raft<Broken>;
    type Message = quorate_consensus::raft::Message;

    const KIND: EngineKind = EngineKind::Raft;
}
