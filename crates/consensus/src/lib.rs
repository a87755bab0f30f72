//! Raft and Multi-Paxos as pure state machines
