//! The versions this server names.

/// The etcd version whose behaviour is followed. Plain `X.Y.Z`: clients parse it.
pub const ETCD_VERSION: &str = "3.6.0";

/// The version of the cluster's common behaviour.
pub const CLUSTER_VERSION: &str = "3.6.0";

/// The version of the storage schema, as etcd's tools expect it.
pub const STORAGE_VERSION: &str = "3.6.0";

/// This program's own version.
pub const QUORATE_VERSION: &str = env!("CARGO_PKG_VERSION");
