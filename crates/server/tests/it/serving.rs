//! What clients are promised by a cluster as a whole.

use quorate_etcdapi::etcdserverpb as pb;
use tonic::Code;

use crate::cluster::Cluster;

fn put(key: &str, value: &str) -> pb::PutRequest {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    pb::PutRequest { key, value, ..pb::PutRequest::default() }
}

fn get(key: &str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.to_owned().into(), ..pb::RangeRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_serves_by_itself_and_remembers() {
    let mut cluster = Cluster::start(1).await;
    let written = cluster.kv(0).await.put(put("a", "1")).await.unwrap().into_inner();
    let revision = written.header.unwrap().revision;
    cluster.stop_member(0).await;
    cluster.start_member(0).await;
    let read = cluster.kv(0).await.range(get("a")).await.unwrap().into_inner();
    assert_eq!(read.kvs[0].value, "1");
    assert_eq!(read.kvs[0].mod_revision, revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_writes_and_every_member_reads_it_at_once() {
    let cluster = Cluster::start(3).await;
    for writer in 0..3 {
        let value = format!("from {writer}");
        cluster.kv(writer).await.put(put("k", &value)).await.unwrap();
        for reader in 0..3 {
            let read = cluster.kv(reader).await.range(get("k")).await.unwrap().into_inner();
            assert_eq!(read.kvs[0].value, value, "written at {writer}, read at {reader}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_missed_more_than_the_log_holds_catches_up() {
    let mut cluster = Cluster::start(3).await;
    cluster.kv(0).await.put(put("first", "1")).await.unwrap();
    cluster.stop_member(2).await;
    let mut client = cluster.kv(0).await;
    let value = "v".repeat(2000);
    for key in 0..8000 {
        client.put(put(&format!("k{}", key % 500), &value)).await.unwrap();
    }
    cluster.start_member(2).await;
    let read = cluster.kv(2).await.range(get("k499")).await.unwrap().into_inner();
    assert_eq!(read.kvs[0].version, 16);
    let mut local = get("first");
    local.serializable = true;
    let read = cluster.kv(2).await.range(local).await.unwrap().into_inner();
    assert_eq!(read.kvs[0].value, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_acknowledged() {
    let mut cluster = Cluster::start(3).await;
    cluster.kv(0).await.put(put("k", "before")).await.unwrap();
    cluster.stop_member(1).await;
    cluster.stop_member(2).await;
    let mut client = cluster.kv(0).await;
    let refused = client.put(put("k", "after")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let refused = client.range(get("k")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let mut local = get("k");
    local.serializable = true;
    assert_eq!(client.range(local).await.unwrap().into_inner().kvs[0].value, "before");
}
