//! Tests of the formats, through the public functions only.

mod allocation;
mod frames;
mod golden;
mod handshake;
mod hostile;
mod paxos;
mod round_trip;
mod samples;
mod strategies;
