//! The standard gRPC health check.

use std::pin::Pin;
use std::time::Duration;

use pb::health_check_response::ServingStatus;
use quorate_etcdapi::health as pb;
use tokio_stream::Stream;
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use crate::client::Client;

/// How often a watched status is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// grpc.health.v1.
#[derive(Clone)]
pub(crate) struct HealthService {
    client: Client,
}

impl HealthService {
    /// The service of this node.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// A member serves while it knows a leader.
    fn serving(&self) -> ServingStatus {
        match self.client.leader() {
            Some(_) => ServingStatus::Serving,
            None => ServingStatus::NotServing,
        }
    }
}

fn response(status: ServingStatus) -> pb::HealthCheckResponse {
    pb::HealthCheckResponse { status: status.into() }
}

/// The services that can be asked about; the empty name is the whole server.
const NAMES: [&str; 8] = [
    "",
    "etcdserverpb.KV",
    "etcdserverpb.Watch",
    "etcdserverpb.Lease",
    "etcdserverpb.Maintenance",
    "etcdserverpb.Cluster",
    "v3lockpb.Lock",
    "v3electionpb.Election",
];

#[tonic::async_trait]
impl pb::health_server::Health for HealthService {
    async fn check(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<pb::HealthCheckResponse>, Status> {
        if !NAMES.contains(&request.get_ref().service.as_str()) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(response(self.serving())))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let is_known = NAMES.contains(&request.get_ref().service.as_str());
        let this = self.clone();
        let mut told = None;
        let ticks =
            tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(WATCH_INTERVAL));
        let changes = ticks.filter_map(move |_| {
            let status = if is_known { this.serving() } else { ServingStatus::ServiceUnknown };
            let is_news = told.replace(status) != Some(status);
            is_news.then(|| Ok(response(status)))
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
