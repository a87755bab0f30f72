//! etcd's protobuf interface, and the one place where it meets our own types.
//!
//! - [`etcdserverpb`] and its neighbours are generated from `proto/` by `cargo xtask codegen` and
//!   committed; they hold messages, tonic servers and tonic clients. Byte fields are
//!   [`bytes::Bytes`], so that a key or value is never copied between the wire and the log.

pub mod error;
mod generated;

pub use generated::{authpb, etcdserverpb, health, mvccpb, v3electionpb, v3lockpb};
