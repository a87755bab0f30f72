//! The simulator from outside.

mod stories;
