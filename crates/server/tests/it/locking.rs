//! What clients of locks and elections are promised, beyond what etcd promises too.

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::v3electionpb::{CampaignRequest, election_client::ElectionClient};
use quorate_etcdapi::v3lockpb::{
    LockRequest, LockResponse, UnlockRequest, lock_client::LockClient,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::cluster::Cluster;
use crate::watching::{Watcher, create};

/// Longer than any test.
const LONG: i64 = 600;

/// One member, and the lock `m` held under lease 1.
struct Held {
    cluster: Cluster,
    channel: Channel,
    /// Tells of all keys in line.
    line: Watcher,
}

impl Held {
    async fn new() -> Self {
        let cluster = Cluster::start(1).await;
        let channel = cluster.channel(0).await;
        let mut line = Watcher::open(&cluster, 0).await;
        line.create(create("m/", "m0")).await;
        let held = Self { cluster, channel, line };
        held.grant(1).await;
        held.lock(1).await.expect("the lock is free");
        let mut held = held;
        assert_eq!(held.change().await, (0, "m/1".to_owned()));
        held
    }

    async fn grant(&self, id: i64) {
        let mut client = pb::lease_client::LeaseClient::new(self.channel.clone());
        client.lease_grant(pb::LeaseGrantRequest { ttl: LONG, id }).await.expect("it is granted");
    }

    async fn revoke(&self, id: i64) {
        let mut client = pb::lease_client::LeaseClient::new(self.channel.clone());
        client.lease_revoke(pb::LeaseRevokeRequest { id }).await.expect("it is revoked");
    }

    async fn leases(&self) -> Vec<i64> {
        let mut client = pb::lease_client::LeaseClient::new(self.channel.clone());
        let list = client
            .lease_leases(pb::LeaseLeasesRequest {})
            .await
            .expect("they are told")
            .into_inner();
        list.leases.into_iter().map(|lease| lease.id).collect()
    }

    fn lock(
        &self,
        lease: i64,
    ) -> impl Future<Output = Result<LockResponse, Status>> + Send + use<> {
        let mut client = LockClient::new(self.channel.clone());
        let request = LockRequest { name: "m".into(), lease };
        async move { Ok(client.lock(request).await?.into_inner()) }
    }

    async fn unlock(&self, key: &str) {
        let request = UnlockRequest { key: key.to_owned().into() };
        LockClient::new(self.channel.clone()).unlock(request).await.expect("it is unlocked");
    }

    /// The next change in line: 0 for a key that enters, 1 for one that leaves.
    async fn change(&mut self) -> (i32, String) {
        let (kind, key, _, _) = self.line.events(1).await.remove(0);
        (kind, key)
    }

    /// A call for the lock that waits, under a lease.
    async fn waiting(
        &mut self,
        lease: i64,
    ) -> tokio::task::JoinHandle<Result<LockResponse, Status>> {
        let call = tokio::spawn(self.lock(lease));
        let (kind, _) = self.change().await;
        assert_eq!(kind, 0, "it enters");
        call
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_waiting_leaves_the_line() {
    let mut held = Held::new().await;
    held.grant(2).await;
    let call = held.waiting(2).await;
    call.abort();
    assert_eq!(held.change().await, (1, "m/2".to_owned()));
    assert_eq!(held.leases().await.len(), 2, "the lease is the client's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_without_a_lease_takes_along_the_one_it_was_granted() {
    let mut held = Held::new().await;
    let call = held.waiting(0).await;
    assert_eq!(held.leases().await.len(), 2);
    call.abort();
    assert_eq!(held.change().await.0, 1, "it leaves");
    assert_eq!(held.leases().await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_lease_ends_learns_it_while_the_lock_is_held() {
    let mut held = Held::new().await;
    held.grant(2).await;
    let call = held.waiting(2).await;
    held.revoke(2).await;
    let lost = call.await.unwrap().unwrap_err();
    assert_eq!((lost.code(), lost.message()), (Code::Unknown, "mutex: session is expired"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_is_served_in_order_and_each_departure_wakes_the_next() {
    let mut held = Held::new().await;
    let mut calls = Vec::new();
    for lease in 2..20 {
        held.grant(lease).await;
        calls.push(held.waiting(lease).await);
    }
    // History that nobody waits for any more.
    let mut kv = held.cluster.kv(0).await;
    let put = pb::PutRequest { key: "x".into(), ..Default::default() };
    let revision = kv.put(put).await.unwrap().into_inner().header.unwrap().revision;
    let compaction = pb::CompactionRequest { revision, physical: true };
    kv.compact(compaction).await.unwrap();
    let mut holder = "m/1".to_owned();
    for call in calls {
        assert!(!call.is_finished(), "it waits for {holder}");
        held.unlock(&holder).await;
        let locked = call.await.unwrap().unwrap();
        holder = String::from_utf8(locked.key.to_vec()).unwrap();
        assert_eq!(held.change().await.0, 1);
    }
    assert_eq!(holder, "m/13");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_whose_key_is_gone_is_not_told_that_it_leads() {
    let mut held = Held::new().await;
    held.grant(2).await;
    let mut client = ElectionClient::new(held.channel.clone());
    let request = CampaignRequest { name: "m".into(), lease: 2, value: "v".into() };
    let call = tokio::spawn(async move { client.campaign(request).await });
    assert_eq!(held.change().await, (0, "m/2".to_owned()));
    held.revoke(2).await;
    let lost = call.await.unwrap().unwrap_err();
    assert_eq!((lost.code(), lost.message()), (Code::Unknown, "election: not leader"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_what_waits() {
    let mut held = Held::new().await;
    held.grant(2).await;
    let call = held.waiting(2).await;
    held.cluster.stop_member(0).await;
    let ended = call.await.unwrap().unwrap_err();
    assert!(ended.message().contains("server stopped"), "{ended}");
}
