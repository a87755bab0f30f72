//! Very many clients, large values, and large ranges.

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb as pb;
use tokio::task::JoinSet;

use super::{Ends, allow_connections, assert_withstands, client, put, term};
use crate::support::{Cluster, Options, Program};

/// So many connections, with so many requests under way on each.
const CONNECTIONS: usize = 1_000;
const REQUESTS_PER_CONNECTION: usize = 10;

/// How often each of these is asked again when it has ended.
const ROUNDS: usize = 3;

/// A busy machine may not run a thread for a while: the load is to make no election, not the rest
/// of the machine.
const ELECTION_TIMEOUT: &str = "--election-timeout=5000";
const HEARTBEAT_INTERVAL: &str = "--heartbeat-interval=500";

async fn cluster(program: Program) -> Cluster {
    allow_connections();
    let flags = vec![ELECTION_TIMEOUT.to_owned(), HEARTBEAT_INTERVAL.to_owned()];
    Cluster::ready(Options { flags, ..Options::new(program, 3) }).await
}

/// Puts of many clients at once, and what became of them.
async fn put_from_everywhere(
    cluster: &Cluster,
    connections: usize,
    each: usize,
    rounds: usize,
    value: &Bytes,
) -> Ends {
    let mut clients = JoinSet::new();
    for connection in 0..connections {
        let kv = client(cluster, connection % cluster.size());
        for request in 0..each {
            let (mut kv, value) = (kv.clone(), value.clone());
            clients.spawn(async move {
                let mut ends = Ends::default();
                for _ in 0..rounds {
                    let key = format!("load/{connection}/{request}");
                    ends.count(kv.put(put(&key, value.clone())).await);
                }
                ends
            });
        }
    }
    total(clients).await
}

async fn total(mut clients: JoinSet<Ends>) -> Ends {
    let mut all = Ends::default();
    while let Some(ends) = clients.join_next().await {
        all.add(ends.expect("a client ends"));
    }
    all
}

async fn many_connections(program: Program) {
    let mut cluster = cluster(program).await;
    let before = term(&mut cluster).await;
    let value = Bytes::from(vec![b'v'; 256]);
    assert_withstands(&cluster, "many connections", async || {
        put_from_everywhere(&cluster, CONNECTIONS, REQUESTS_PER_CONNECTION, ROUNDS, &value).await
    })
    .await;
    assert_eq!(term(&mut cluster).await, before, "the load made an election");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_on_a_thousand_connections_are_all_answered() {
    many_connections(Program::Quorate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_on_a_thousand_connections_are_all_answered_by_paxos() {
    many_connections(Program::QuoratePaxos).await;
}

/// Far more than may await a quorum. Where the disk stands still for as long as an election timeout
/// the leader gives way: that is no failure here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_a_mebibyte_are_taken_as_far_as_there_is_room() {
    let cluster = cluster(Program::Quorate).await;
    let value = Bytes::from(vec![b'v'; 1 << 20]);
    assert_withstands(&cluster, "values of a MiB", async || {
        put_from_everywhere(&cluster, 60, 10, 1, &value).await
    })
    .await;
}

/// Each answer is of 24 MiB; all of them together are far more than there is room for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_ranges_are_answered_as_far_as_there_is_room() {
    let mut cluster = cluster(Program::Quorate).await;
    let before = term(&mut cluster).await;
    let mut writer = client(&cluster, 0);
    for key in 0..24 {
        let value = vec![b'v'; 1 << 20];
        writer.put(put(&format!("large/{key:02}"), value)).await.expect("there is no load yet");
    }
    assert_withstands(&cluster, "large ranges", async || read_much(&cluster).await).await;
    assert_eq!(term(&mut cluster).await, before, "the load made an election");
}

async fn read_much(cluster: &Cluster) -> Ends {
    let mut clients = JoinSet::new();
    for number in 0..90 {
        let mut kv = client(cluster, number % 3);
        clients.spawn(async move {
            let mut ends = Ends::default();
            let range = pb::RangeRequest {
                key: "large/".into(),
                range_end: "large0".into(),
                ..Default::default()
            };
            let end = kv.range(range).await;
            let count = end.as_ref().map_or(24, |answer| answer.get_ref().kvs.len());
            assert_eq!(count, 24, "what is answered is answered whole");
            ends.count(end);
            ends
        });
    }
    total(clients).await
}
