//! etcd's protobuf interface, and the one place where it meets our own types.
//!
//! - [`etcdserverpb`] and its neighbours are generated from `proto/` by `cargo xtask codegen` and
//!   committed; they hold messages, tonic servers and tonic clients. Byte fields are
//!   [`bytes::Bytes`], so that a key or value is never copied between the wire and the log.
//! - [`DESCRIPTORS`] tells programs that read other encodings of the same messages what is in them.
//! - Requests become [`quorate_kv`]'s types with `try_from` or `from`, and go back the same way.
//! - [`Responder`] makes answers of what the state machine returns, with their headers.
//! - [`error`] knows the code and text of everything that a client can be told.
//!
//! ```
//! use quorate_etcdapi::{ApiError, etcdserverpb as pb};
//! use quorate_kv as kv;
//!
//! let range = pb::RangeRequest { key: "name".into(), sort_order: 7, ..Default::default() };
//! assert_eq!(kv::RangeRequest::try_from(range), Err(ApiError::InvalidSortOption));
//! assert_eq!(ApiError::InvalidSortOption.text(), "etcdserver: invalid sort option");
//! ```

mod codec;
mod encode;
pub mod error;
mod generated;
mod lease;
mod request;
mod response;
mod watch;

pub use error::{ApiError, Code};
pub use generated::{authpb, etcdserverpb, health, mvccpb, v3electionpb, v3lockpb};
pub use request::check_txn;
pub use response::Responder;

/// Every message and service of the interface, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.binpb");
