//! Whole nodes in one thread, with every message as bytes and every disk in a test's hands.

mod disk;
mod half;
mod hostile;
mod leasing;
mod mutants;
mod node;
mod random;
mod reading;
mod schedules;
mod snapshots;
mod watching;
mod world;
mod writing;
