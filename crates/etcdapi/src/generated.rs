//! What `cargo xtask codegen` makes of `proto/`: messages, tonic servers and tonic clients.
//!
//! Generated code answers to no house rule, so every lint that would judge it is off here.
#![allow(missing_docs, unreachable_pub, unused_qualifications)]
#![allow(clippy::all, clippy::pedantic, rustdoc::all)]

#[path = "gen/authpb.rs"]
pub mod authpb;
#[path = "gen/etcdserverpb.rs"]
pub mod etcdserverpb;
#[path = "gen/grpc.health.v1.rs"]
pub mod health;
#[path = "gen/mvccpb.rs"]
pub mod mvccpb;
#[path = "gen/v3electionpb.rs"]
pub mod v3electionpb;
#[path = "gen/v3lockpb.rs"]
pub mod v3lockpb;
