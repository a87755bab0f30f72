//! What the tests of real processes share: clusters, clients, recorded histories and their judges.
//!
//! - [`cluster`] starts, kills, pauses and cleans up, for Quorate and etcd alike ([`program`]).
//! - [`workload`] calls and records; [`history`] is what it records.
//! - [`control`] tells what the machine adds to measured times; [`measure`] takes it off.
//! - [`audit`] reads what really happened; the simulator's checks judge by it.

pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod control;
pub(crate) mod guardian;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod measure;
pub(crate) mod poll;
pub(crate) mod program;
pub(crate) mod random;
pub(crate) mod volume;
pub(crate) mod workload;

pub(crate) use cluster::{Cluster, Options};
pub(crate) use program::Program;
