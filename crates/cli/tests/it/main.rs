//! Tests of the whole program: real processes, on this machine.

mod cli;
mod commands;
mod completion;
mod differential;
mod errors;
mod hostile;
mod inspect;
mod kills;
mod leases;
mod overload;
mod personality;
mod power;
mod snapshot;
mod status;
mod support;
