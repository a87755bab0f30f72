//! The simulator from outside.

mod found;
mod history;
mod mutants;
mod stories;
