//! Tests of the whole program: real processes, on this machine.

mod cli;
mod differential;
mod hostile;
mod kills;
mod leases;
mod power;
mod support;
