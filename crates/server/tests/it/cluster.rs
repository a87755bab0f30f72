//! Servers for a test, each with a directory of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use quorate_server::{Config, HttpSettings, HttpUrl, MetricsDetail, Server};
use quorate_storage::{EngineKind, RealDisk};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// A few servers that form one cluster.
pub(crate) struct Cluster {
    configs: Vec<Config>,
    servers: Vec<Option<Server>>,
    _directory: TempDir,
}

/// How long a client waits at most.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

impl Cluster {
    /// Starts `count` members.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_with(count, HttpSettings::default()).await
    }

    /// Starts `count` members with these settings.
    pub(crate) async fn start_with(count: usize, http: HttpSettings) -> Self {
        let mut cluster = Self::prepare(count);
        for config in &mut cluster.configs {
            config.http = http.clone();
        }
        for member in 0..count {
            cluster.start_member(member).await;
        }
        cluster
    }

    /// Chooses addresses and directories for `count` members, and starts none.
    pub(crate) fn prepare(count: usize) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let configs = configs(count, &directory);
        let servers = (0..count).map(|_| None).collect();
        Self { configs, servers, _directory: directory }
    }

    /// What a member is started with.
    pub(crate) fn config(&self, member: usize) -> &Config {
        &self.configs[member]
    }

    /// The same, to be changed before it starts.
    pub(crate) fn config_mut(&mut self, member: usize) -> &mut Config {
        &mut self.configs[member]
    }

    /// Starts a member that does not run.
    pub(crate) async fn start_member(&mut self, member: usize) {
        assert!(self.servers[member].is_none(), "it runs already");
        let config = self.configs[member].clone();
        let entropy = 0x9e37_79b9_u64 * (member as u64 + 1) + u64::from(std::process::id());
        let server = Server::start(config, Arc::new(RealDisk), entropy).await;
        self.servers[member] = Some(server.expect("the server starts"));
    }

    /// Stops a member in good order.
    pub(crate) async fn stop_member(&mut self, member: usize) {
        self.servers[member].take().expect("it runs").stop().await;
    }

    /// A client of one member.
    pub(crate) async fn kv(&self, member: usize) -> KvClient<Channel> {
        KvClient::new(self.channel(member).await).max_decoding_message_size(usize::MAX)
    }

    /// A connection to one member.
    pub(crate) async fn channel(&self, member: usize) -> Channel {
        let url = self.url(member);
        let endpoint = Endpoint::from_shared(url).expect("it is a URL").timeout(CLIENT_TIMEOUT);
        endpoint.connect().await.expect("the server listens")
    }

    /// Where a member serves metrics besides.
    pub(crate) fn metrics_address(&self, member: usize) -> SocketAddr {
        self.servers[member].as_ref().expect("it runs").metrics_addresses()[0]
    }

    /// Where a member serves its clients.
    pub(crate) fn url(&self, member: usize) -> String {
        self.configs[member].listen_client_urls[0].to_string()
    }
}

fn configs(count: usize, directory: &TempDir) -> Vec<Config> {
    let name = |member: usize| format!("n{}", member + 1);
    let urls = free_urls(2 * count);
    let (clients, peers) = urls.split_at(count);
    let initial_cluster: BTreeMap<String, Vec<HttpUrl>> =
        (0..count).map(|member| (name(member), vec![peers[member].clone()])).collect();
    (0..count)
        .map(|member| Config {
            name: name(member),
            data_dir: directory.path().join(name(member)),
            listen_client_urls: vec![clients[member].clone()],
            advertise_client_urls: vec![clients[member].clone()],
            listen_peer_urls: vec![peers[member].clone()],
            initial_advertise_peer_urls: vec![peers[member].clone()],
            initial_cluster: initial_cluster.clone(),
            initial_cluster_token: "test".to_owned(),
            heartbeat_interval: Duration::from_millis(50),
            election_timeout: Duration::from_millis(500),
            snapshot_count: 100,
            quota_backend_bytes: 2 << 30,
            max_request_bytes: 1_572_864,
            max_txn_ops: 128,
            watch_progress_notify_interval: Duration::from_millis(200),
            http: HttpSettings::default(),
            engine: EngineKind::Raft,
            wal_segment_bytes: 1 << 20,
            listen_metrics_urls: vec![HttpUrl::new("127.0.0.1", 0)],
            metrics: MetricsDetail::Extensive,
        })
        .collect()
}

/// Addresses that were free a moment ago, all different: on a loopback host of this process's own,
/// not on 127.0.0.1, from which connections go out and take ports. So no other process's connection
/// or test can be in the way of a member that starts again.
fn free_urls(count: usize) -> Vec<HttpUrl> {
    let [.., high, middle, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, 1 + high % 250, middle, low.clamp(1, 254));
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((host, 0)).expect("a port is free")).collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
    let host = host.to_string();
    listeners.iter().map(|listener| HttpUrl::new(&host, port(listener))).collect()
}
