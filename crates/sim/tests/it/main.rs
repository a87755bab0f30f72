//! The simulator from outside.

mod history;
mod mutants;
mod stories;
