//! Leases of real processes, measured against the wall clock, while their leader is killed or
//! paused; and locks and elections that rest on them.
//!
//! - [`lifetime`]: how long a lease lives, and what ends with it.
//! - [`exclusion`]: only one holds a lock or leads an election at a time.

mod exclusion;
mod lifetime;

use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::support::{Cluster, Options, Program};

/// How long one request may take, elections included.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

const MEMBERS: usize = 3;

async fn cluster(program: Program) -> Cluster {
    Cluster::ready(Options::new(program, MEMBERS)).await
}

/// A member that is not this one.
fn other_than(member: usize) -> usize {
    (member + 1) % MEMBERS
}

async fn grant(cluster: &Cluster, member: usize, id: i64, ttl: i64) {
    let mut client = pb::lease_client::LeaseClient::new(cluster.connect(member, REQUEST_LIMIT));
    let granted = client.lease_grant(pb::LeaseGrantRequest { ttl, id }).await;
    assert_eq!(granted.expect("a lease is granted").into_inner().ttl, ttl);
}

/// The seconds left of a lease, -1 if it is gone.
async fn time_to_live(cluster: &Cluster, member: usize, id: i64) -> i64 {
    let mut client = pb::lease_client::LeaseClient::new(cluster.connect(member, REQUEST_LIMIT));
    let request = pb::LeaseTimeToLiveRequest { id, keys: false };
    let told = client.lease_time_to_live(request).await;
    told.expect("it is told of a lease").into_inner().ttl
}

async fn put(cluster: &Cluster, member: usize, key: &str, lease: i64) {
    let (key, value) = (key.to_owned().into(), "v".into());
    let put = pb::PutRequest { key, value, lease, ..Default::default() };
    let mut client = pb::kv_client::KvClient::new(cluster.connect(member, REQUEST_LIMIT));
    client.put(put).await.expect("a key is put");
}

/// A stream of renewals at one member.
struct KeepAlive {
    requests: mpsc::Sender<pb::LeaseKeepAliveRequest>,
    answers: Streaming<pb::LeaseKeepAliveResponse>,
}

impl KeepAlive {
    async fn open(cluster: &Cluster, member: usize) -> Result<Self, tonic::Status> {
        Self::at(cluster.channel(member)).await
    }

    async fn at(channel: Channel) -> Result<Self, tonic::Status> {
        let (requests, receiver) = mpsc::channel(16);
        let mut client = pb::lease_client::LeaseClient::new(channel);
        let opened = client.lease_keep_alive(ReceiverStream::new(receiver)).await?;
        Ok(Self { requests, answers: opened.into_inner() })
    }

    async fn send(&self, id: i64) {
        let sent = self.requests.send(pb::LeaseKeepAliveRequest { id }).await;
        sent.expect("the stream is open");
    }

    /// The TTL of the next answer.
    async fn answer(&mut self) -> Result<i64, tonic::Status> {
        let answer = self.answers.message().await?;
        Ok(answer.expect("the stream goes on").ttl)
    }

    async fn renew(&mut self, id: i64) -> Result<i64, tonic::Status> {
        self.send(id).await;
        self.answer().await
    }
}
