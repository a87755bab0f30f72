//! The gRPC services. Handlers turn messages into requests and answers into messages; no tonic
//! type goes below them.

mod cluster;
mod election;
mod health;
mod kv;
mod lease;
mod line;
mod lock;
mod maintenance;
mod observe;
mod own_watch;
mod range_stream;
mod snapshot;
mod watch;

pub(crate) use cluster::ClusterService;
pub(crate) use election::ElectionService;
pub(crate) use health::HealthService;
pub(crate) use kv::{KeyRequest, KvService, Told};
pub(crate) use lease::LeaseService;
pub(crate) use line::Lines;
pub(crate) use lock::LockService;
pub(crate) use maintenance::MaintenanceService;
pub(crate) use watch::WatchService;

use quorate_etcdapi::error::ApiError;
use tonic::{Response, Status};

/// What gRPC is told of a plain answer.
fn reply<T>(result: Result<T, ApiError>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(Status::from)
}

/// What gRPC is told by a service that etcd builds on a client of its own: the texts are those of
/// the errors, but on the way through that client each code but success becomes `Unknown`.
fn reply_embedded<T>(result: Result<T, ApiError>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(status_embedded)
}

/// An error as such a service tells it.
fn status_embedded(error: ApiError) -> Status {
    Status::unknown(error.text())
}

/// A method of etcd that this version does not offer.
fn unimplemented<T>(what: &str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("quorate: {what} is not available in this version")))
}
