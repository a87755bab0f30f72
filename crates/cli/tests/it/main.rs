//! Tests of the whole program: real processes, on this machine.

mod cli;
mod commands;
mod differential;
mod hostile;
mod kills;
mod leases;
mod personality;
mod power;
mod snapshot;
mod support;
