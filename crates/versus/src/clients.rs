//! The clients of one member.

use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use quorate_etcdapi::etcdserverpb::lease_client::LeaseClient;
use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::v3electionpb::election_client::ElectionClient;
use quorate_etcdapi::v3lockpb::lock_client::LockClient;
use tonic::transport::Channel;

/// One client of each service.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// The connection they share.
    pub(crate) channel: Channel,
    pub(crate) kv: KvClient<Channel>,
    pub(crate) lease: LeaseClient<Channel>,
    pub(crate) maintenance: MaintenanceClient<Channel>,
    pub(crate) lock: LockClient<Channel>,
    pub(crate) election: ElectionClient<Channel>,
}

impl Clients {
    /// Clients on a connection.
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            kv: KvClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
            lease: LeaseClient::new(channel.clone()),
            maintenance: MaintenanceClient::new(channel.clone()),
            lock: LockClient::new(channel.clone()),
            election: ElectionClient::new(channel.clone()),
            channel,
        }
    }
}
