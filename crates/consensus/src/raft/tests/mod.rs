//! Tests of the engine from inside.

mod chaos;
mod world;
