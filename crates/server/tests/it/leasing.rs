//! What clients are promised of leases by a cluster as a whole.

use quorate_etcdapi::etcdserverpb as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use pb::lease_client::LeaseClient;

/// Longer than any test.
const LONG: i64 = 600;

async fn leases(cluster: &Cluster, member: usize) -> LeaseClient<Channel> {
    LeaseClient::new(cluster.channel(member).await)
}

async fn put(cluster: &Cluster, key: &str, lease: i64) -> Result<i64, tonic::Status> {
    let (key, value) = (key.to_owned().into(), "v".into());
    let put = pb::PutRequest { key, value, lease, ..Default::default() };
    let response = cluster.kv(0).await.put(put).await?.into_inner();
    Ok(response.header.expect("there is a header").revision)
}

async fn count(cluster: &Cluster, member: usize) -> i64 {
    let (key, range_end) = ("\0".into(), "\0".into());
    let all = pb::RangeRequest { key, range_end, count_only: true, ..Default::default() };
    cluster.kv(member).await.range(all).await.expect("it reads").into_inner().count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_serves_every_lease() {
    let cluster = Cluster::start(3).await;
    let grant = pb::LeaseGrantRequest { ttl: LONG, id: 7 };
    leases(&cluster, 0).await.lease_grant(grant).await.unwrap();
    put(&cluster, "b", 7).await.unwrap();
    let last = put(&cluster, "a", 7).await.unwrap();
    for member in 0..3 {
        let mut client = leases(&cluster, member).await;
        let request = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
        let told = client.lease_time_to_live(request).await.unwrap().into_inner();
        assert_eq!((told.granted_ttl, told.keys.len()), (LONG, 2));
        assert!((LONG - 30..=LONG).contains(&told.ttl), "{} s are left", told.ttl);
        let list = client.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().into_inner();
        assert_eq!(list.leases, [pb::LeaseStatus { id: 7 }]);
        let once = tokio_stream::once(pb::LeaseKeepAliveRequest { id: 7 });
        let mut kept = client.lease_keep_alive(once).await.unwrap().into_inner();
        assert_eq!(kept.message().await.unwrap().unwrap().ttl, LONG);
        assert_eq!(kept.message().await.unwrap(), None, "it ends when the client asks no more");
    }
    let revoke = pb::LeaseRevokeRequest { id: 7 };
    let revoked = leases(&cluster, 2).await.lease_revoke(revoke).await.unwrap().into_inner();
    assert_eq!(revoked.header.unwrap().revision, last + 1);
    for member in 0..3 {
        assert_eq!(count(&cluster, member).await, 0);
    }
    let refused = put(&cluster, "a", 7).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: requested lease not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_renews_many_leases_and_answers_in_order() {
    let cluster = Cluster::start(1).await;
    let mut client = leases(&cluster, 0).await;
    for id in 1..=100 {
        client.lease_grant(pb::LeaseGrantRequest { ttl: LONG + id, id }).await.unwrap();
    }
    let (requests, receiver) = tokio::sync::mpsc::channel(16);
    let mut kept = client.lease_keep_alive(ReceiverStream::new(receiver)).await.unwrap();
    // Every third one does not exist.
    let ids: Vec<i64> = (1..=3_000).map(|n| n % 150 + 1).collect();
    let asked = ids.clone();
    tokio::spawn(async move {
        for id in asked {
            requests.send(pb::LeaseKeepAliveRequest { id }).await.expect("the stream is open");
        }
    });
    for id in ids {
        let answer = kept.get_mut().message().await.unwrap().unwrap();
        let ttl = if id <= 100 { LONG + id } else { 0 };
        assert_eq!((answer.id, answer.ttl), (id, ttl));
    }
    assert_eq!(kept.get_mut().message().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_id_is_refused_and_a_chosen_one_is_free() {
    let cluster = Cluster::start(1).await;
    let mut client = leases(&cluster, 0).await;
    let any = pb::LeaseGrantRequest { ttl: LONG, id: 0 };
    let first = client.lease_grant(any).await.unwrap().into_inner().id;
    let second = client.lease_grant(any).await.unwrap().into_inner().id;
    assert!(0 < first && 0 < second && first != second);
    let taken = client.lease_grant(pb::LeaseGrantRequest { id: first, ..any }).await.unwrap_err();
    assert_eq!(taken.code(), Code::FailedPrecondition);
    assert_eq!(taken.message(), "etcdserver: lease already exists");
}
