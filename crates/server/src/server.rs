//! A whole server: the node, its client port, and its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_etcdapi::{etcdserverpb as pb, health, v3electionpb, v3lockpb};
use quorate_storage::Disk;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::service::Routes;
use tower::util::MapResponseLayer;

use crate::admission::Admission;
use crate::api::{
    ClusterService, ElectionService, HealthService, KvService, LeaseService, Lines, LockService,
    MaintenanceService, WatchService,
};
use crate::client::Client;
use crate::config::{Config, ConfigError};
use crate::connection::{self, Front, Keys};
use crate::edge::{self, Edge};
use crate::fatal::{Alarm, Failure};
use crate::gateway;
use crate::http;
use crate::metrics::GrpcLayer;
use crate::node::{Node, StartError};
use crate::oversize;
use crate::publish;
use crate::url::HttpUrl;
use crate::windows::Windows;

/// What a message may exceed `max_request_bytes` by before it is cut off unread, as in etcd.
const MESSAGE_SLACK_BYTES: u64 = 512 << 10;

/// Most connections of clients.
const CONNECTIONS_MAX: usize = 16_384;

/// Most connections of those who only observe: they get in where clients are too many.
const OBSERVERS_MAX: usize = 1_024;

/// How long requests under way may take to end when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a server did not start.
#[derive(Debug)]
pub enum ServeError {
    /// The configuration cannot work.
    Config(ConfigError),
    /// An address cannot be listened on.
    Listen {
        /// The address.
        url: HttpUrl,
        /// Why.
        error: io::Error,
    },
    /// The node did not start.
    Start(StartError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(formatter),
            Self::Listen { url, error } => write!(
                formatter,
                "cannot listen on {url}: {error}; is another server running there?"
            ),
            Self::Start(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ServeError {}

/// A running server.
pub struct Server {
    node: Node,
    stop: watch::Sender<bool>,
    failed: watch::Receiver<Option<Failure>>,
    client_addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
}

impl Server {
    /// Starts a server on this disk. `entropy` must differ at every start.
    ///
    /// Must be called in a tokio runtime. Returns once clients and peers are being accepted.
    pub async fn start(
        config: Config,
        disk: Arc<dyn Disk>,
        entropy: u64,
    ) -> Result<Self, ServeError> {
        config.validate().map_err(ServeError::Config)?;
        let client_listeners = listen(&config.listen_client_urls).await?;
        let peer_listeners = listen(&config.listen_peer_urls).await?;
        let metrics_listeners = listen(&config.listen_metrics_urls).await?;
        let client_addresses =
            client_listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let metrics_addresses =
            metrics_listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let (alarm, failed) = Alarm::new();
        let node = Node::start(&config, disk, entropy, peer_listeners, alarm)
            .map_err(ServeError::Start)?;
        let (stop, stopped) = watch::channel(false);
        let front = front(node.client.clone(), &config, &stopped);
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let windows = Windows::default();
        let acceptor = Acceptor { front, connections, windows, stopped: stopped.clone() };
        for listener in client_listeners {
            tokio::spawn(acceptor.clone().serve(listener));
        }
        let front = Front { keys: None, routes: http::observing_routes(node.client.clone()) };
        let connections = Arc::new(Semaphore::new(OBSERVERS_MAX));
        let acceptor = Acceptor { front, connections, ..acceptor };
        for listener in metrics_listeners {
            tokio::spawn(acceptor.clone().serve(listener));
        }
        tokio::spawn(publish::announce(node.client.clone(), stopped));
        tracing::info!(
            name = %config.name, member = %node.client.node(), cluster = %config.cluster_id(),
            engine = %config.engine, "ready to serve client requests"
        );
        Ok(Self { node, stop, failed, client_addresses, metrics_addresses })
    }

    /// Where clients are accepted.
    pub fn client_addresses(&self) -> &[SocketAddr] {
        &self.client_addresses
    }

    /// Where metrics and health are served besides.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Waits until the server must stop against its will.
    pub async fn failed(&mut self) -> Failure {
        match self.failed.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone().expect("it was waited for"),
            Err(_) => Failure::Thread { name: "every" },
        }
    }

    /// Stops: requests under way get a moment to end, then everything is put away.
    pub async fn stop(self) {
        // Nobody may be listening any more.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, self.stop.closed()).await;
        let node = self.node;
        // A panic in there has been reported already.
        let _ = tokio::task::spawn_blocking(move || node.stop()).await;
        tracing::info!("stopped");
    }
}

async fn listen(urls: &[HttpUrl]) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::new();
    for url in urls {
        let listener = TcpListener::bind(url.authority()).await;
        listeners.push(listener.map_err(|error| ServeError::Listen { url: url.clone(), error })?);
    }
    Ok(listeners)
}

fn front(client: Client, config: &Config, stopped: &watch::Receiver<bool>) -> Front {
    let limit = usize::try_from(config.max_request_bytes + MESSAGE_SLACK_BYTES);
    let limit = limit.unwrap_or(usize::MAX);
    let kv = pb::kv_server::KvServer::new(KvService::new(client.clone()))
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX);
    let cluster = pb::cluster_server::ClusterServer::new(ClusterService::new(client.clone()))
        .max_decoding_message_size(limit);
    let maintenance =
        pb::maintenance_server::MaintenanceServer::new(MaintenanceService::new(client.clone()))
            .max_decoding_message_size(limit);
    let watch = WatchService::new(client.clone(), stopped.clone());
    let watch = pb::watch_server::WatchServer::new(watch)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX);
    let lease = LeaseService::new(client.clone(), stopped.clone());
    let lease = pb::lease_server::LeaseServer::new(lease)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX);
    let lines = Lines::new(client.clone(), stopped.clone());
    let lock = v3lockpb::lock_server::LockServer::new(LockService::new(lines.clone()))
        .max_decoding_message_size(limit);
    let election = v3electionpb::election_server::ElectionServer::new(ElectionService::new(lines))
        .max_decoding_message_size(limit);
    let health = health::health_server::HealthServer::new(HealthService::new(client.clone()));
    let grpc = Routes::new(kv)
        .add_service(watch)
        .add_service(cluster)
        .add_service(maintenance)
        .add_service(lease)
        .add_service(lock)
        .add_service(election)
        .add_service(health);
    let named = MapResponseLayer::new(oversize::name_as_etcd);
    let metrics = client.metrics();
    let admission = Admission::new(limit, metrics.clone());
    let counted = GrpcLayer::new(metrics.grpc.clone(), admission);
    let grpc = grpc.prepare().into_axum_router().layer(named).layer(counted.clone());
    let keys = Some(Arc::new(Keys::new(&client, counted.clone())));
    let mut http = http::routes(client);
    if config.http.enable_grpc_gateway {
        let services = grpc.clone().fallback(http::not_found);
        http = http.merge(gateway::routes(services, limit, stopped.clone()));
    }
    let guarded = axum::middleware::from_fn_with_state(Edge::of(&config.http), edge::guard);
    Front { keys, routes: grpc.fallback_service(http.layer(guarded)) }
}

/// Accepts clients on one address.
#[derive(Clone)]
struct Acceptor {
    front: Front,
    connections: Arc<Semaphore>,
    windows: Windows,
    stopped: watch::Receiver<bool>,
}

impl Acceptor {
    async fn serve(mut self, listener: TcpListener) {
        loop {
            let Ok(permit) = self.connections.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = told_to_stop(&mut self.stopped) => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let this = self.clone();
                    tokio::spawn(async move {
                        connection::serve(stream, this.front, &this.windows, this.stopped).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// Waits until the server stops, or is gone.
pub(crate) async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody can stop it any more: it is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
