//! A load that hurts: very many clients, large values, large ranges, a follower that stands still,
//! a disk that does not answer.
//!
//! What is promised then: each request is acknowledged or refused by name, memory stays within its
//! bound, load makes no election, and when the load is gone the cluster serves at once.

mod clients;
mod slowness;

use std::time::{Duration, Instant};

use quorate_etcdapi::etcdserverpb as pb;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::support::{Cluster, poll};

use pb::kv_client::KvClient;

/// What a member may hold in memory: the sum of the bounds that ARCHITECTURE.md lists, beside the
/// keys and what little each connection costs.
const MEMORY_BYTES_MAX: u64 = 1536 << 20;

/// How soon every member must take a write once the load is gone, as is promised.
const RELIEF: Duration = Duration::from_secs(1);

/// What a busy machine adds to it, as so many times what the same writes take just after.
///
/// They take a few milliseconds where there is room, so that this adds nothing there.
const AGAIN: u32 = 8;

/// How often the load comes before its relief is called slow.
///
/// What other programs do to the machine in that moment comes and goes. A cluster that has to work
/// off what is left of a load, or to wait for something, has to each time.
const LOADS_MAX: usize = 3;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a refusal says: nothing was done, ask again later.
const TOO_MANY: &str = "etcdserver: too many requests";

/// What became of requests.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    acknowledged: usize,
    refused: usize,
    /// Told that it may have happened, or that there was no leader in time.
    unknown: usize,
}

impl Ends {
    /// Counts one end. An end that is none of etcd's words fails the test.
    fn count<T>(&mut self, end: Result<T, Status>) {
        match end {
            Ok(_) => self.acknowledged += 1,
            Err(status) if status.message() == TOO_MANY => self.refused += 1,
            Err(status) => {
                let is_unknown = status.code() == Code::Unavailable
                    && status.message().starts_with("etcdserver: ");
                assert!(is_unknown, "a request ended as nobody promised: {status:?}");
                self.unknown += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown += other.unknown;
    }
}

/// Lets this process and those it starts have so many connections, if the system does.
fn allow_connections() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("a limit may be raised to its maximum");
}

/// The most memory that a member has had resident, in bytes.
fn memory_peak(cluster: &Cluster, member: usize) -> u64 {
    let path = format!("/proc/{}/status", cluster.pid(member).as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("a running process has a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.expect("it tells its peak").trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("it is a number") << 10
}

/// Fails if a member has held more than it may, and tells what each has held.
#[expect(clippy::print_stderr, reason = "the figures are for people, too")]
fn assert_memory_bounded(cluster: &Cluster, what: &str) {
    for member in 0..cluster.size() {
        let peak = memory_peak(cluster, member);
        eprintln!("{what}: member {member} held {} MiB at most", peak >> 20);
        assert!(peak <= MEMORY_BYTES_MAX, "member {member} held {peak} bytes");
    }
}

/// The term, as the member that leads tells it.
async fn term(cluster: &mut Cluster) -> u64 {
    let leader = cluster.wait_leader().await;
    let status = async || cluster.status(leader).await;
    poll::until("the leader tells its term", PATIENCE, status).await.raft_term
}

/// Whether every member takes a write as soon as is promised. Tells how soon.
#[expect(clippy::print_stderr, reason = "the figures are for people, too")]
async fn is_relieved(cluster: &Cluster) -> bool {
    let took = write_everywhere(cluster).await;
    let again = write_everywhere(cluster).await;
    eprintln!("all members took a write {took:?} after the load, and in {again:?} once more");
    is_soon(took, again)
}

/// Whether writes that took so long came soon, where they take so long just after.
fn is_soon(took: Duration, again: Duration) -> bool {
    took <= RELIEF + again * AGAIN
}

/// How long it takes until every member has taken a write, one after the other.
async fn write_everywhere(cluster: &Cluster) -> Duration {
    let begun = Instant::now();
    for member in 0..cluster.size() {
        let mut kv = client(cluster, member);
        poll::until("a write is taken", PATIENCE, async || {
            kv.put(put("relief", vec![b'r'; 10])).await.ok()
        })
        .await;
    }
    begun.elapsed()
}

/// Fails unless a load is served as far as there is room, and all is well after it.
#[expect(clippy::print_stderr, reason = "the figures are for people, too")]
async fn assert_withstands(cluster: &Cluster, what: &str, load: impl AsyncFn() -> Ends) {
    let mut is_soon = false;
    for _ in 0..LOADS_MAX {
        let ends = load().await;
        eprintln!("{what}: {ends:?}");
        assert!(0 < ends.acknowledged, "{ends:?}");
        is_soon = is_relieved(cluster).await;
        if is_soon {
            break;
        }
    }
    assert!(is_soon, "{what}: more than {RELIEF:?} until all members took a write, each time");
    assert_memory_bounded(cluster, what);
    cluster.assert_no_panic();
}

#[test]
fn a_stall_is_told_from_a_busy_machine() {
    let millis = Duration::from_millis;
    assert!(is_soon(millis(130), millis(16)), "as it is");
    assert!(!is_soon(millis(1_500), millis(30)), "there was room, and yet it waited");
    assert!(is_soon(millis(3_000), millis(400)), "everything takes long here");
    assert!(!is_soon(millis(6_000), millis(400)), "but not so long");
}

fn put(key: &str, value: impl Into<bytes::Bytes>) -> pb::PutRequest {
    pb::PutRequest { key: key.to_owned().into(), value: value.into(), ..Default::default() }
}

/// A client on a connection of its own. On a busy machine it may take long to be made.
fn client(cluster: &Cluster, member: usize) -> KvClient<Channel> {
    let url = format!("http://{}", cluster.client_address(member));
    let endpoint = Endpoint::from_shared(url).expect("an address makes a URL");
    let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).tcp_nodelay(true);
    KvClient::new(endpoint.connect_lazy()).max_decoding_message_size(usize::MAX)
}
