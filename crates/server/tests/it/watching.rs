//! What clients that watch are promised by a cluster as a whole.

use quorate_etcdapi::{etcdserverpb as pb, mvccpb};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::cluster::Cluster;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;

/// A stream of watches.
pub(crate) struct Watcher {
    requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Watcher {
    pub(crate) async fn open(cluster: &Cluster, member: usize) -> Self {
        let (requests, receiver) = mpsc::channel(16);
        let mut client = WatchClient::new(cluster.channel(member).await);
        let watched = client.watch(ReceiverStream::new(receiver)).await;
        let responses = watched.expect("the server watches").into_inner();
        Self { requests, responses }
    }

    async fn ask(&self, union: RequestUnion) {
        let request = pb::WatchRequest { request_union: Some(union) };
        self.requests.send(request).await.expect("the stream is open");
    }

    pub(crate) async fn create(&mut self, create: pb::WatchCreateRequest) -> pb::WatchResponse {
        self.ask(RequestUnion::CreateRequest(create)).await;
        let response = self.next().await;
        assert!(response.created, "{response:?}");
        response
    }

    async fn next(&mut self) -> pb::WatchResponse {
        self.responses.message().await.expect("it goes on").expect("there is more")
    }

    /// The next events, as (kind, key, value, revision).
    pub(crate) async fn events(&mut self, count: usize) -> Vec<(i32, String, String, i64)> {
        let mut events = Vec::new();
        while events.len() < count {
            events.extend(self.next().await.events.into_iter().map(plain));
        }
        events
    }
}

fn plain(event: mvccpb::Event) -> (i32, String, String, i64) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kv = event.kv.expect("an event has a key");
    (event.r#type, text(&kv.key), text(&kv.value), kv.mod_revision)
}

pub(crate) fn create(key: &str, range_end: &str) -> pb::WatchCreateRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    pb::WatchCreateRequest { key, range_end, ..pb::WatchCreateRequest::default() }
}

async fn put(cluster: &Cluster, member: usize, key: &str, value: &str) -> i64 {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    let put = pb::PutRequest { key, value, ..pb::PutRequest::default() };
    let response = cluster.kv(member).await.put(put).await.expect("it is written").into_inner();
    response.header.expect("there is a header").revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_tells_of_every_write_from_history_and_live() {
    let cluster = Cluster::start(3).await;
    let first = put(&cluster, 0, "k1", "before").await;
    let mut watchers = Vec::new();
    for member in 0..3 {
        let mut watcher = Watcher::open(&cluster, member).await;
        watcher.create(pb::WatchCreateRequest { start_revision: first, ..create("k", "l") }).await;
        watchers.push(watcher);
    }
    put(&cluster, 1, "k2", "live").await;
    put(&cluster, 2, "other", "unseen").await;
    let delete = pb::DeleteRangeRequest { key: "k1".into(), ..pb::DeleteRangeRequest::default() };
    cluster.kv(0).await.delete_range(delete).await.unwrap();
    let expected = [
        (0, "k1".to_owned(), "before".to_owned(), first),
        (0, "k2".to_owned(), "live".to_owned(), first + 1),
        (1, "k1".to_owned(), String::new(), first + 3),
    ];
    for watcher in &mut watchers {
        assert_eq!(watcher.events(3).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_come_in_band_and_the_stream_goes_on() {
    let cluster = Cluster::start(1).await;
    let mut watcher = Watcher::open(&cluster, 0).await;
    let named = pb::WatchCreateRequest { watch_id: 5, ..create("k", "") };
    assert_eq!(watcher.create(named.clone()).await.watch_id, 5);
    let duplicate = watcher.create(named).await;
    assert!(duplicate.canceled);
    assert_eq!(duplicate.watch_id, -1);
    assert_eq!(duplicate.cancel_reason, "mvcc: duplicate watch ID provided on the WatchStream");
    let empty = watcher.create(create("k", "a")).await;
    assert_eq!((empty.canceled, empty.watch_id), (true, -1));
    assert_eq!(empty.cancel_reason, "mvcc: watcher range is empty");
    put(&cluster, 0, "k", "v").await;
    assert_eq!(watcher.events(1).await.len(), 1);
    watcher.ask(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: 5 })).await;
    let canceled = watcher.next().await;
    assert_eq!((canceled.canceled, canceled.watch_id, canceled.compact_revision), (true, 5, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_compacted_history_ends_with_the_revision_to_go_on_from() {
    let cluster = Cluster::start(1).await;
    put(&cluster, 0, "k", "1").await;
    put(&cluster, 0, "k", "2").await;
    let revision = put(&cluster, 0, "k", "3").await;
    let compact = pb::CompactionRequest { revision, ..pb::CompactionRequest::default() };
    cluster.kv(0).await.compact(compact).await.unwrap();
    let mut watcher = Watcher::open(&cluster, 0).await;
    watcher.create(pb::WatchCreateRequest { start_revision: 2, ..create("k", "") }).await;
    let canceled = watcher.next().await;
    assert!(canceled.canceled);
    assert_eq!(canceled.compact_revision, revision);
    assert_eq!(canceled.header.expect("there is a header").revision, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_behind_what_it_covers() {
    let cluster = Cluster::start(1).await;
    let last = put(&cluster, 0, "k", "1").await;
    let mut watcher = Watcher::open(&cluster, 0).await;
    watcher.create(pb::WatchCreateRequest { start_revision: 1, ..create("k", "") }).await;
    watcher.ask(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    assert_eq!(watcher.events(1).await[0].3, last);
    let progress = watcher.next().await;
    assert_eq!(progress.watch_id, -1);
    assert_eq!(progress.header.expect("there is a header").revision, last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_watch_is_told_how_far_it_is() {
    let cluster = Cluster::start(1).await;
    let last = put(&cluster, 0, "other", "1").await;
    let mut watcher = Watcher::open(&cluster, 0).await;
    watcher.create(pb::WatchCreateRequest { progress_notify: true, ..create("k", "") }).await;
    let progress = watcher.next().await;
    assert!(progress.events.is_empty() && !progress.canceled);
    assert_eq!(progress.watch_id, 0, "it is of one watch");
    assert_eq!(progress.header.expect("there is a header").revision, last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_misses_nothing_and_stops_nobody() {
    let cluster = Cluster::start(1).await;
    let mut slow = Watcher::open(&cluster, 0).await;
    slow.create(create("k", "")).await;
    let mut quick = Watcher::open(&cluster, 0).await;
    quick.create(create("k", "")).await;
    // More than connection, channel and outbox hold.
    let value = "v".repeat(500_000);
    for _ in 0..40 {
        put(&cluster, 0, "k", &value).await;
        assert_eq!(quick.events(1).await.len(), 1);
    }
    let revisions: Vec<i64> = slow.events(40).await.iter().map(|event| event.3).collect();
    let expected: Vec<i64> = (revisions[0]..).take(40).collect();
    assert_eq!(revisions, expected);
}
