//! How long a lease lives, and what ends with it.

use std::time::{Duration, Instant};

use quorate_etcdapi::{etcdserverpb as pb, mvccpb};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;

use super::{KeepAlive, MEMBERS, REQUEST_LIMIT, cluster, grant, other_than, put, time_to_live};
use crate::support::cluster::READY_LIMIT;
use crate::support::{Cluster, Program, poll};

/// How far a measurement may be off that begins before a request and ends behind its answer, on
/// a machine that runs other tests too.
const SLACK: Duration = Duration::from_millis(2_500);

/// How much clocks of one machine may differ over a test.
const CLOCK_ERROR: Duration = Duration::from_millis(50);

/// A watch of all keys with a prefix, which has begun.
struct Watcher {
    _requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Watcher {
    async fn begin(cluster: &Cluster, member: usize, key: &str, range_end: &str) -> Self {
        let (requests, receiver) = mpsc::channel(1);
        let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
        let create = pb::WatchCreateRequest { key, range_end, ..Default::default() };
        let request_union = Some(RequestUnion::CreateRequest(create));
        requests.send(pb::WatchRequest { request_union }).await.expect("the channel is open");
        let mut client = WatchClient::new(cluster.channel(member));
        let opened = client.watch(ReceiverStream::new(receiver)).await;
        let mut responses = opened.expect("a watch opens").into_inner();
        let created = responses.message().await.expect("it goes on").expect("there is an answer");
        assert!(created.created, "{created:?}");
        Self { _requests: requests, responses }
    }

    /// The next response with events.
    async fn next(&mut self) -> pb::WatchResponse {
        let told = tokio::time::timeout(READY_LIMIT, self.responses.message()).await;
        told.expect("it is told in time").expect("it goes on").expect("there is more")
    }

    /// The deletions of the next response that has some: each key, and the revision.
    async fn deletions(&mut self) -> Vec<(String, i64)> {
        loop {
            let deleted = deletions(&self.next().await);
            if !deleted.is_empty() {
                return deleted;
            }
        }
    }
}

fn is_deletion(event: &mvccpb::Event) -> bool {
    event.r#type() == mvccpb::event::EventType::Delete
}

/// Each deleted key, and the revision of its deletion.
fn deletions(response: &pb::WatchResponse) -> Vec<(String, i64)> {
    let deleted = response.events.iter().filter(|event| is_deletion(event));
    let kvs = deleted.map(|event| event.kv.as_ref().expect("it has a key"));
    kvs.map(|kv| (String::from_utf8_lossy(&kv.key).into_owned(), kv.mod_revision)).collect()
}

#[tokio::test]
async fn expiry_deletes_the_keys_on_all_members_in_one_revision() {
    assert_expires_at_once(Program::Quorate).await;
}

#[tokio::test]
async fn expiry_deletes_the_keys_on_all_members_in_one_revision_on_paxos() {
    assert_expires_at_once(Program::QuoratePaxos).await;
}

async fn assert_expires_at_once(program: Program) {
    let cluster = cluster(program).await;
    let mut watchers = Vec::new();
    for member in 0..MEMBERS {
        watchers.push(Watcher::begin(&cluster, member, "k", "l").await);
    }
    grant(&cluster, 0, 7, 5).await;
    for key in ["k3", "k1", "k2"] {
        put(&cluster, 1, key, 7).await;
    }
    put(&cluster, 2, "k4", 0).await;
    let mut told = Vec::new();
    for watcher in &mut watchers {
        told.push(watcher.deletions().await);
    }
    let revision = told[0][0].1;
    let expected = ["k1", "k2", "k3"].map(|key| (key.to_owned(), revision));
    for told in told {
        assert_eq!(told, expected);
    }
    for member in 0..MEMBERS {
        assert_eq!(time_to_live(&cluster, member, 7).await, -1, "asked of member {member}");
    }
    cluster.assert_no_panic();
}

#[tokio::test]
async fn killing_the_leader_neither_shortens_a_lease_nor_prolongs_it() {
    assert_lives_as_granted(Program::Quorate).await;
}

#[tokio::test]
async fn killing_the_leader_neither_shortens_a_lease_nor_prolongs_it_on_paxos() {
    assert_lives_as_granted(Program::QuoratePaxos).await;
}

/// The time without a leader does not count. etcd would begin the whole TTL anew.
async fn assert_lives_as_granted(program: Program) {
    const TTL: Duration = Duration::from_secs(10);
    const KILLED_AFTER: Duration = Duration::from_secs(6);
    let mut cluster = cluster(program).await;
    let leader = cluster.wait_leader().await;
    let member = other_than(leader);
    let mut watcher = Watcher::begin(&cluster, member, "k", "").await;
    let before = Instant::now();
    grant(&cluster, member, 7, 10).await;
    let granted = Instant::now();
    put(&cluster, member, "k", 7).await;
    poll::let_pass(KILLED_AFTER.saturating_sub(granted.elapsed())).await;
    let killed = Instant::now();
    cluster.kill(leader);
    cluster.wait_ready().await;
    let outage = killed.elapsed();
    watcher.deletions().await;
    let deleted = Instant::now();
    let lived = deleted - before;
    assert!(TTL <= lived + CLOCK_ERROR, "it lived {lived:?} only");
    let lived = deleted - granted;
    assert!(lived <= TTL + outage + SLACK, "it lived {lived:?}, {outage:?} without a leader");
    cluster.assert_no_panic();
}

#[tokio::test]
async fn a_paused_leader_neither_renews_nor_revokes_when_it_goes_on() {
    assert_a_paused_leader_does_nothing(Program::Quorate).await;
}

#[tokio::test]
async fn a_paused_leader_neither_renews_nor_revokes_when_it_goes_on_on_paxos() {
    assert_a_paused_leader_does_nothing(Program::QuoratePaxos).await;
}

async fn assert_a_paused_leader_does_nothing(program: Program) {
    const KEPT: i64 = 7;
    const LOST: i64 = 8;
    let mut cluster = cluster(program).await;
    let old = cluster.wait_leader().await;
    let member = other_than(old);
    for (id, ttl) in [(KEPT, 6), (LOST, 3)] {
        grant(&cluster, old, id, ttl).await;
        put(&cluster, old, &format!("k{id}"), id).await;
    }
    let granted = Instant::now();
    let mut at_old = KeepAlive::open(&cluster, old).await.expect("a stream opens");
    assert_eq!(at_old.renew(LOST).await.expect("it is renewed"), 3);
    cluster.stop(old);
    at_old.send(LOST).await;

    poll::until("another leads", READY_LIMIT, async || {
        let status = cluster.status(member).await?;
        let old = status.leader == 0 || cluster.leader().await.is_none_or(|leader| leader == old);
        (!old).then_some(())
    })
    .await;
    let mut kept = KeepAlive::open(&cluster, member).await.expect("a stream opens");
    // Beyond the end that the old leader knows of, with some time to spare.
    while granted.elapsed() < Duration::from_secs(8) {
        assert_eq!(kept.renew(KEPT).await.expect("it is renewed"), 6);
        poll::let_pass(Duration::from_millis(500)).await;
    }
    poll::until("the other lease is over", READY_LIMIT, async || {
        (time_to_live(&cluster, member, LOST).await == -1).then_some(())
    })
    .await;

    cluster.resume(old);
    let answered = tokio::time::timeout(REQUEST_LIMIT, at_old.answer()).await;
    if let Ok(ttl) = answered.expect("a stream answers or ends") {
        assert_eq!(ttl, 0, "a lease that was over is renewed");
    }
    let resumed = Instant::now();
    while resumed.elapsed() < Duration::from_secs(3) {
        assert_eq!(kept.renew(KEPT).await.expect("it is renewed"), 6);
        poll::let_pass(Duration::from_millis(500)).await;
    }
    assert_eq!(time_to_live(&cluster, member, LOST).await, -1);
    let (key, range_end) = ("k".into(), "l".into());
    let read = pb::RangeRequest { key, range_end, ..Default::default() };
    let kvs = cluster.kv(old).range(read).await.expect("it reads").into_inner().kvs;
    assert_eq!(kvs.len(), 1);
    assert_eq!((kvs[0].key.as_ref(), kvs[0].version), (b"k7".as_ref(), 1));
    cluster.assert_no_panic();
}

#[tokio::test]
async fn a_lease_is_kept_alive_across_changes_of_leader() {
    assert_is_kept_alive(Program::Quorate).await;
}

#[tokio::test]
async fn a_lease_is_kept_alive_across_changes_of_leader_on_paxos() {
    assert_is_kept_alive(Program::QuoratePaxos).await;
}

/// Two clients: one whose member dies goes to another, and one at a follower notices nothing.
async fn assert_is_kept_alive(program: Program) {
    const MOVED: i64 = 7;
    const STAYING: i64 = 8;
    let mut cluster = cluster(program).await;
    let leader = cluster.wait_leader().await;
    let follower = other_than(leader);
    for id in [MOVED, STAYING] {
        grant(&cluster, leader, id, 5).await;
        put(&cluster, leader, &format!("k{id}"), id).await;
    }
    let mut moved = KeepAlive::open(&cluster, leader).await.expect("a stream opens");
    let mut staying = KeepAlive::open(&cluster, follower).await.expect("a stream opens");
    assert_eq!(moved.renew(MOVED).await.expect("it is renewed"), 5);
    assert_eq!(staying.renew(STAYING).await.expect("it is renewed"), 5);

    cluster.kill(leader);
    staying.send(STAYING).await;
    moved.requests.send(pb::LeaseKeepAliveRequest { id: MOVED }).await.ok();
    assert!(moved.answer().await.is_err(), "nobody is there to answer");
    let mut moved = KeepAlive::open(&cluster, follower).await.expect("a stream opens");
    let begun = Instant::now();
    assert_eq!(staying.answer().await.expect("the stream goes on"), 5);
    while begun.elapsed() < Duration::from_secs(8) {
        assert_eq!(moved.renew(MOVED).await.expect("it is renewed"), 5);
        assert_eq!(staying.renew(STAYING).await.expect("it is renewed"), 5);
        poll::let_pass(Duration::from_millis(500)).await;
    }
    let (key, range_end, count_only) = ("k".into(), "l".into(), true);
    let read = pb::RangeRequest { key, range_end, count_only, ..Default::default() };
    let counted = cluster.kv(follower).range(read).await.expect("it reads").into_inner();
    assert_eq!(counted.count, 2);
    cluster.assert_no_panic();
}
