//! Tests of the whole program: real processes, on this machine.

mod kills;
mod power;
mod support;
