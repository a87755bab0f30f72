//! The simulator from outside.

mod history;
mod stories;
