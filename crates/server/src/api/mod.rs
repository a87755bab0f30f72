//! The gRPC services. Handlers turn messages into requests and answers into messages; no tonic
//! type goes below them.

mod cluster;
mod health;
mod kv;
mod maintenance;
mod watch;

pub(crate) use cluster::ClusterService;
pub(crate) use health::HealthService;
pub(crate) use kv::KvService;
pub(crate) use maintenance::MaintenanceService;
pub(crate) use watch::WatchService;

use quorate_etcdapi::error::ApiError;
use tonic::{Response, Status};

/// What gRPC is told of a plain answer.
fn reply<T>(result: Result<T, ApiError>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(Status::from)
}

/// A method of etcd that this version does not offer.
fn unimplemented<T>(what: &str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("quorate: {what} is not available in this version")))
}
