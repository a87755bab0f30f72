//! Only one holds a lock, or leads an election, at a time: a counter that is read, and written
//! without a comparison by who holds it, loses no count while leaders are killed.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::v3lockpb::{LockRequest, UnlockRequest, lock_client::LockClient};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::task::LocalSet;
use tonic::Code;
use tonic::transport::Channel;

use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;

use super::{KeepAlive, REQUEST_LIMIT, cluster};
use crate::support::cluster::READY_LIMIT;
use crate::support::{Cluster, Program, poll};

const COUNTER: &str = "counter";

const CONTENDERS: usize = 4;

/// Seconds of a contender's lease: longer than an election takes.
const TTL: i64 = 10;

/// What all contenders share.
struct Arena {
    cluster: Mutex<Cluster>,
    channels: Vec<Channel>,
    endpoints: String,
    turns: AtomicUsize,
    holders: AtomicUsize,
    counted: AtomicUsize,
    /// The highest create revision of a key that held.
    newest: Mutex<i64>,
}

impl Arena {
    async fn open(program: Program) -> Arc<Self> {
        let cluster = cluster(program).await;
        let channels = (0..cluster.size()).map(|member| cluster.connect(member, REQUEST_LIMIT));
        Arc::new(Self {
            channels: channels.collect(),
            endpoints: cluster.endpoints(),
            cluster: Mutex::new(cluster),
            turns: AtomicUsize::new(0),
            holders: AtomicUsize::new(0),
            counted: AtomicUsize::new(0),
            newest: Mutex::new(0),
        })
    }

    /// Reads the counter and writes one more, by whichever member answers. To write the same
    /// number again does no harm while nobody else writes.
    async fn count(&self, key: &[u8]) {
        assert_eq!(self.holders.fetch_add(1, Ordering::SeqCst), 0, "another holds it too");
        self.fence(key).await;
        let value = self.read(COUNTER.as_bytes()).await.map_or(0, |kv| number(&kv.value));
        let next = value + 1;
        poll::until("the counter is written", READY_LIMIT, async || {
            let value = next.to_string().into();
            let put = pb::PutRequest { key: COUNTER.into(), value, ..Default::default() };
            self.try_each(async |mut kv| kv.put(put.clone()).await.ok().map(|_| ())).await
        })
        .await;
        self.counted.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.holders.fetch_sub(1, Ordering::SeqCst), 1, "another holds it too");
    }

    /// The create revision of the key that holds is what to fence by: it only grows.
    async fn fence(&self, key: &[u8]) {
        let created = self.read(key).await.expect("who holds has its key").create_revision;
        let mut newest = self.newest.lock().await;
        assert!(*newest < created, "{created} holds after {newest}");
        *newest = created;
    }

    async fn read(&self, key: &[u8]) -> Option<quorate_etcdapi::mvccpb::KeyValue> {
        let get = pb::RangeRequest { key: key.to_vec().into(), ..Default::default() };
        let read = poll::until("a key is read", READY_LIMIT, async || {
            self.try_each(async |mut kv| kv.range(get.clone()).await.ok()).await
        });
        read.await.into_inner().kvs.into_iter().next()
    }

    /// One member after the other.
    fn channel_in_turn(&self) -> Channel {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        self.channels[turn % self.channels.len()].clone()
    }

    async fn try_each<T>(
        &self,
        mut attempt: impl AsyncFnMut(KvClient<Channel>) -> Option<T>,
    ) -> Option<T> {
        for channel in &self.channels {
            if let Some(answer) = attempt(KvClient::new(channel.clone())).await {
                return Some(answer);
            }
        }
        None
    }

    /// Kills the leader each time that so many more have counted, and starts it again.
    async fn kill_leaders(&self, times: usize, apart: usize) {
        for kill in 1..=times {
            poll::until("they count", READY_LIMIT, async || {
                (kill * apart <= self.counted.load(Ordering::SeqCst)).then_some(())
            })
            .await;
            let mut cluster = self.cluster.lock().await;
            let leader = cluster.wait_leader().await;
            cluster.kill(leader);
            cluster.wait_ready().await;
            cluster.restart(leader);
            cluster.wait_ready().await;
        }
    }

    async fn finish(&self, counted: usize) {
        let value = self.read(COUNTER.as_bytes()).await.expect("it was counted").value;
        assert_eq!(number(&value), counted as u64);
        self.cluster.lock().await.assert_no_panic();
    }
}

/// Runs all contenders, and something else beside them.
async fn all_beside(
    contenders: impl Iterator<Item = impl Future<Output = ()> + 'static>,
    beside: impl Future<Output = ()>,
) {
    let set = LocalSet::new();
    let contenders: Vec<_> = contenders.map(|contender| set.spawn_local(contender)).collect();
    let all = async {
        beside.await;
        for contender in contenders {
            contender.await.expect("a contender goes on");
        }
    };
    set.run_until(all).await;
}

fn number(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).expect("a number is text");
    text.parse().expect("it is a number")
}

#[tokio::test]
async fn the_lock_service_excludes_while_leaders_are_killed() {
    assert_locks_exclude(Program::Quorate).await;
}

#[tokio::test]
async fn the_lock_service_excludes_while_leaders_are_killed_on_paxos() {
    assert_locks_exclude(Program::QuoratePaxos).await;
}

async fn assert_locks_exclude(program: Program) {
    const ROUNDS: usize = 15;
    let arena = Arena::open(program).await;
    let contenders = (0..CONTENDERS).map(|place| {
        let arena = arena.clone();
        async move {
            for round in 0..ROUNDS {
                let locker = Locker::new(&arena, place * ROUNDS + round + 1).await;
                arena.count(&locker.lock().await).await;
                locker.unlock().await;
            }
        }
    });
    all_beside(contenders, arena.kill_leaders(3, CONTENDERS * ROUNDS / 5)).await;
    arena.finish(CONTENDERS * ROUNDS).await;
}

/// A client of the Lock service for one turn, whose lease is kept alive at one member after the
/// other. The next turn has another lease, so another key: a removal that arrives late is not of
/// that.
struct Locker {
    arena: Arc<Arena>,
    lease: i64,
    keeping: tokio::task::JoinHandle<()>,
}

impl Locker {
    async fn new(arena: &Arc<Arena>, turn: usize) -> Self {
        let lease = i64::try_from(turn).expect("there are few turns");
        let grant = pb::LeaseGrantRequest { ttl: TTL, id: lease };
        poll::until("a lease is granted", READY_LIMIT, async || {
            match LeaseClient::new(arena.channel_in_turn()).lease_grant(grant).await {
                Err(status) if status.code() != Code::FailedPrecondition => None,
                // Granted, or granted by an attempt whose answer was lost.
                _ => Some(()),
            }
        })
        .await;
        let keeping = tokio::spawn(keep_alive(arena.channels.clone(), lease));
        Self { arena: arena.clone(), lease, keeping }
    }

    /// Asks at one member after the other: under the same lease it is the same place in line.
    async fn lock(&self) -> Bytes {
        let request = LockRequest { name: "mutex".into(), lease: self.lease };
        poll::until("the lock is held", 2 * READY_LIMIT, async || {
            let mut client = LockClient::new(self.arena.channel_in_turn());
            Some(client.lock(request.clone()).await.ok()?.into_inner().key)
        })
        .await
    }

    async fn unlock(&self) {
        let key = format!("mutex/{:x}", self.lease).into();
        let request = UnlockRequest { key };
        poll::until("the lock is let go", READY_LIMIT, async || {
            let mut client = LockClient::new(self.arena.channel_in_turn());
            client.unlock(request.clone()).await.ok()
        })
        .await;
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

async fn keep_alive(channels: Vec<Channel>, lease: i64) {
    loop {
        for channel in &channels {
            let Ok(mut stream) = KeepAlive::at(channel.clone()).await else { continue };
            while stream.renew(lease).await.is_ok_and(|ttl| 0 < ttl) {
                poll::let_pass(Duration::from_secs(1)).await;
            }
        }
        poll::back_off().await;
    }
}

#[tokio::test]
async fn etcdctl_lock_excludes_while_leaders_are_killed() {
    assert_etcdctl_excludes(Program::Quorate, &["lock", "mutex", "--ttl=10"]).await;
}

#[tokio::test]
async fn etcdctl_lock_excludes_while_leaders_are_killed_on_paxos() {
    assert_etcdctl_excludes(Program::QuoratePaxos, &["lock", "mutex", "--ttl=10"]).await;
}

#[tokio::test]
async fn etcdctl_elect_excludes_while_leaders_are_killed() {
    assert_etcdctl_excludes(Program::Quorate, &["elect", "election", "candidate"]).await;
}

async fn assert_etcdctl_excludes(program: Program, command: &'static [&'static str]) {
    const ROUNDS: usize = 4;
    let arena = Arena::open(program).await;
    let contenders = (0..CONTENDERS).map(|_| {
        let arena = arena.clone();
        async move {
            for _ in 0..ROUNDS {
                contend(&arena, command).await;
            }
        }
    });
    all_beside(contenders, arena.kill_leaders(1, CONTENDERS)).await;
    arena.finish(CONTENDERS * ROUNDS).await;
}

/// One run of etcdctl that comes to hold what it contends for: others may fail with their member.
async fn contend(arena: &Arena, command: &[&str]) {
    poll::until("etcdctl holds it", 4 * READY_LIMIT, async || {
        let mut etcdctl = etcdctl(arena, command);
        let output = etcdctl.stdout.take().expect("it is piped");
        // Open until it has ended: it tells more than the key, and would die of a pipe without a
        // reader, and its key live as long as its lease.
        let mut lines = BufReader::new(output).lines();
        let key = lines.next_line().await.expect("a pipe is read")?;
        arena.count(key.as_bytes()).await;
        let pid = etcdctl.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(pid.expect("it runs"), Signal::INT).expect("a child can be signalled");
        etcdctl.wait().await.expect("a child can be waited for");
        Some(())
    })
    .await;
}

fn etcdctl(arena: &Arena, command: &[&str]) -> Child {
    let mut etcdctl = Command::new("etcdctl");
    etcdctl.env("ETCDCTL_API", "3").arg("--endpoints").arg(&arena.endpoints).args(command);
    etcdctl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    etcdctl.kill_on_drop(true).spawn().expect("etcdctl is installed: apt-get install etcd-client")
}
