//! The server: the only crate that does I/O on its own.
//!
//! One thread orders, one applies, one writes the log, one writes the state machine's file; tokio
//! serves clients and peers. See ARCHITECTURE.md for a write followed through them.

mod about;
mod admission;
mod alarms;
mod api;
mod applying_thread;
mod authority;
mod backup;
mod client;
mod clock;
mod config;
mod connection;
mod directory;
mod edge;
mod fatal;
mod fetcher;
mod gateway;
mod gathered;
mod http;
mod leases;
mod log_thread;
mod member;
mod metrics;
mod node;
mod once;
mod ordering_thread;
mod oversize;
mod peers;
mod publish;
mod queue;
mod range_stream;
mod restore;
mod room;
mod server;
mod snapshot_file;
mod store_thread;
mod url;
mod version;
mod waiter;
mod watching;
mod windows;

pub use config::{Config, ConfigError, HttpSettings, MetricsDetail, parse_initial_cluster};
pub use directory::{DirectoryView, MemberView, RecordLine, StartView, StoreView, Wanted, look};
pub use fatal::Failure;
pub use gateway::PATHS as GATEWAY_PATHS;
pub use node::StartError;
pub use peers::KnownError;
pub use quorate_codec::backup::BackupHead;
pub use quorate_codec::handshake::EngineKind;
pub use quorate_kv::Lease;
pub use quorate_storage::{
    Disk, DiskFile, DiskLock, LockError, OpenError, OpenMode, RealDisk, SegmentView,
};
pub use restore::{Bump, RestoreError, Restored, restore};
pub use server::{ServeError, Server};
pub use snapshot_file::{Foreign, HashCheck, SnapshotFile, SnapshotFileError, Summary, inspect};
pub use url::{HttpUrl, UrlError};
pub use version::{CLUSTER_VERSION, ETCD_VERSION, QUORATE_VERSION, STORAGE_VERSION};
