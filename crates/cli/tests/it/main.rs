//! Tests of the whole program: real processes, on this machine.

mod cli;
mod differential;
mod kills;
mod power;
mod support;
