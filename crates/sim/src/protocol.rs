//! What the simulator needs of an engine beyond the contract.

use quorate_codec::peer::{PeerMessage, SnapshotMessage};
use quorate_codec::{EngineKind, Wire};
use quorate_consensus::invariants::Claims;
use quorate_consensus::paxos::{self, Paxos};
use quorate_consensus::raft::{AppendResult, Body, Raft, Verdict};

use crate::broken::Broken;

/// An engine that can be simulated.
pub trait Protocol: 'static {
    /// The engine, which asks [`Broken`] about each of its rules.
    type Engine: Claims<Rules = Broken, Message = Self::Message> + Clone;
    /// What its nodes say to each other.
    type Message: Wire + Clone + core::fmt::Debug + PartialEq + Send + 'static;

    /// Which engine it is, in files, handshakes and on the command line.
    const KIND: EngineKind;

    /// What a message is called in traces and scripts.
    fn kind(message: &Self::Message) -> &'static str;
}

/// Raft, simulated.
#[derive(Clone, Copy, Debug)]
pub enum RaftProtocol {}

impl Protocol for RaftProtocol {
    type Engine = Raft<Broken>;
    type Message = quorate_consensus::raft::Message;

    const KIND: EngineKind = EngineKind::Raft;

    fn kind(message: &Self::Message) -> &'static str {
        match &message.body {
            Body::PreVote { .. } => "pre-vote",
            Body::PreVoteReply { verdict: Verdict::Granted, .. } => "pre-vote-granted",
            Body::PreVoteReply { verdict: Verdict::Refused, .. } => "pre-vote-refused",
            Body::Vote { .. } => "vote",
            Body::VoteReply { verdict: Verdict::Granted, .. } => "vote-granted",
            Body::VoteReply { verdict: Verdict::Refused, .. } => "vote-refused",
            Body::Append { entries, .. } if entries.is_empty() => "probe",
            Body::Append { .. } => "append",
            Body::AppendReply { result: AppendResult::Matched { .. }, .. } => "append-matched",
            Body::AppendReply { result: AppendResult::Rejected { .. }, .. } => "append-rejected",
            Body::AppendReply { result: AppendResult::Busy, .. } => "append-busy",
            Body::Heartbeat { .. } => "heartbeat",
            Body::HeartbeatReply { .. } => "heartbeat-reply",
            Body::Snapshot { .. } => "snapshot",
            Body::TimeoutNow => "timeout-now",
            Body::StaleTerm => "stale-term",
        }
    }
}

/// Multi-Paxos, simulated.
#[derive(Clone, Copy, Debug)]
pub enum PaxosProtocol {}

impl Protocol for PaxosProtocol {
    type Engine = Paxos<Broken>;
    type Message = paxos::Message;

    const KIND: EngineKind = EngineKind::Paxos;

    fn kind(message: &Self::Message) -> &'static str {
        match message {
            paxos::Message::Elect { .. } => "elect",
            paxos::Message::ElectReply { .. } => "elect-reply",
            paxos::Message::Prepare { .. } => "prepare",
            paxos::Message::Promise { part, .. } if part.last.is_some() => "promise-part",
            paxos::Message::Promise { .. } => "promise",
            paxos::Message::Nack { .. } => "nack",
            paxos::Message::Accept { .. } => "accept",
            paxos::Message::Accepted { votes, .. } if votes.is_empty() => "accept-busy",
            paxos::Message::Accepted { .. } => "accepted",
            paxos::Message::Commit { .. } => "commit",
            paxos::Message::CommitAck { .. } => "commit-ack",
            paxos::Message::Learn { .. } => "learn",
            paxos::Message::Learned { .. } => "learned",
            paxos::Message::Snapshot { .. } => "snapshot",
            paxos::Message::TakeOver { .. } => "take-over",
        }
    }
}

/// What a message between nodes is called in traces and scripts.
pub fn kind_of<P: Protocol>(message: &PeerMessage<P::Message>) -> &'static str {
    match message {
        PeerMessage::Engine(message) => P::kind(message),
        PeerMessage::Forward { .. } => "forward",
        PeerMessage::ForwardRefused { .. } => "forward-refused",
        PeerMessage::Read { .. } => "read",
        PeerMessage::ReadReleased { .. } => "read-released",
        PeerMessage::ReadRefused { .. } => "read-refused",
        PeerMessage::Snapshot(SnapshotMessage::Offer { .. }) => "offer",
        PeerMessage::Snapshot(SnapshotMessage::Pull { .. }) => "pull",
        PeerMessage::Snapshot(SnapshotMessage::Chunk(_)) => "chunk",
        PeerMessage::Snapshot(SnapshotMessage::Held { .. }) => "held",
        PeerMessage::Snapshot(SnapshotMessage::Aborted { .. }) => "aborted",
    }
}
