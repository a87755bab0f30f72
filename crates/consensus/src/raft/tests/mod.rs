//! Tests of the engine from inside.

mod chaos;
mod elections;
mod limits;
mod reading;
mod replicating;
mod world;
