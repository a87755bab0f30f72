//! A full disk is a state: writes are refused by name, reads go on, nothing is lost, and writes go
//! on by themselves once there is room.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;
use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;
use tonic::Code;

use super::{ANSWER_LIMIT, assert_serving, wait_log};
use crate::support::guardian::{Guardian, Notice};
use crate::support::volume::Volume;
use crate::support::{Cluster, Options, Program, audit, poll};

/// A log segment is 64 MiB, and two of them are reserved at most: more writes than these do not fit
/// a full disk.
const WRITES_MAX: usize = 400;

const VALUE_BYTES: usize = 512 << 10;

/// What a member without room says.
const FULL: &str =
    "the disk is full: this member takes no writes until there is room; free some space";

/// How long a write may take to be refused, or to succeed again.
const LIMIT: Duration = Duration::from_mins(1);

/// Three members, each on a file system of its own.
struct Volumes {
    cluster: Cluster,
    volumes: Vec<Volume>,
    /// Last, so that it goes after what is mounted in it.
    _directory: TempDir,
}

impl Volumes {
    /// An error says why this machine cannot.
    fn start() -> Result<Self, String> {
        let guardian = Arc::new(Guardian::new());
        let directory = tempfile::Builder::new().prefix("quorate-full-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        guardian.tell(Notice::Directory(directory.path()));
        let volumes: Result<Vec<Volume>, String> = (1..=3)
            .map(|member| Volume::new(directory.path(), &format!("v{member}"), guardian.clone()))
            .collect();
        let volumes = volumes?;
        let homes = volumes.iter().map(|volume| volume.path().to_owned()).collect();
        let cluster = Cluster::start(Options { homes, ..Options::new(Program::Quorate, 3) });
        Ok(Self { cluster, volumes, _directory: directory })
    }

    fn ballast(&self, member: usize) -> PathBuf {
        self.volumes[member].path().join("ballast")
    }

    /// Takes all the room that is left.
    fn fill(&self, member: usize) {
        let file = File::create(self.ballast(member)).expect("a file can be made");
        let mut length: u64 = 0;
        let mut step: u64 = 1 << 28;
        while 512 <= step {
            match fallocate(&file, FallocateFlags::empty(), length, step) {
                Ok(()) => length += step,
                Err(_) => step /= 2,
            }
        }
    }

    fn free(&self, member: usize) {
        std::fs::remove_file(self.ballast(member)).expect("the ballast is there");
    }
}

/// Writes through one member, and remembers what was acknowledged.
#[derive(Default)]
struct Writer {
    acknowledged: Vec<(String, i64)>,
}

impl Writer {
    async fn write(&mut self, cluster: &Cluster, member: usize) -> Result<(), tonic::Status> {
        let mut kv = pb::kv_client::KvClient::new(cluster.connect(member, ANSWER_LIMIT));
        let key = format!("big/{:06}", self.acknowledged.len());
        let value = vec![b'x'; VALUE_BYTES].into();
        let put = pb::PutRequest { key: key.clone().into(), value, ..Default::default() };
        let header = kv.put(put).await?.into_inner().header;
        self.acknowledged.push((key, header.expect("an answer has a header").revision));
        Ok(())
    }

    /// Writes until there is no room, and gives the refusal.
    async fn write_until_refused(&mut self, cluster: &Cluster, member: usize) -> tonic::Status {
        for _ in 0..WRITES_MAX {
            match self.write(cluster, member).await {
                Ok(()) => {}
                Err(status) if status.code() == Code::ResourceExhausted => return status,
                // Whoever leads may have found its disk full first, and the outcome is not known.
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
        }
        panic!("{WRITES_MAX} writes of {VALUE_BYTES} bytes fit a full disk");
    }

    /// The members that know the newest write. One whose disk was full before the others' may lack
    /// what they took since, and says so.
    async fn readers(&self, cluster: &Cluster) -> Vec<usize> {
        let (key, _) = self.acknowledged.last().expect("something was written");
        let mut readers = Vec::new();
        for member in 0..cluster.size() {
            let read = pb::RangeRequest { key: key.clone().into(), ..Default::default() };
            match cluster.kv(member).range(read).await {
                Ok(_) => readers.push(member),
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
        }
        readers
    }

    /// Every acknowledged write is there, on every one of these members.
    async fn assert_kept(&self, cluster: &Cluster, members: &[usize]) {
        for (place, (key, revision)) in self.acknowledged.iter().enumerate() {
            let read = pb::RangeRequest { key: key.clone().into(), ..Default::default() };
            let found = cluster.kv(members[place % members.len()]).range(read).await;
            let found = found.expect("a member reads").into_inner().kvs;
            assert_eq!(found.len(), 1, "the write of {key} is lost");
            assert!(*revision <= found[0].mod_revision, "the write of {key} is lost");
            assert_eq!(found[0].value.len(), VALUE_BYTES);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn skipped(why: &str) {
    eprintln!("skipped: a disk of its own for each member: {why}");
}

#[tokio::test]
async fn writes_go_on_by_themselves_once_a_full_disk_has_room() {
    let mut volumes = match Volumes::start() {
        Ok(volumes) => volumes,
        Err(why) => return skipped(&why),
    };
    volumes.cluster.wait_ready().await;
    let mut writer = Writer::default();

    // One member without room: the others go on, under another leader if it led.
    let leader = volumes.cluster.wait_leader().await;
    let other = (leader + 1) % 3;
    volumes.fill(leader);
    for _ in 0..WRITES_MAX {
        if volumes.cluster.log(leader).contains(FULL) {
            break;
        }
        poll::until("the others take a write", LIMIT, async || {
            writer.write(&volumes.cluster, other).await.ok()
        })
        .await;
    }
    wait_log(&volumes.cluster, leader, FULL).await;

    // No member has room: writes are refused by name, reads go on.
    for member in [other, (leader + 2) % 3] {
        volumes.fill(member);
    }
    let refusal = writer.write_until_refused(&volumes.cluster, other).await;
    assert_eq!(refusal.message(), "etcdserver: mvcc: database space exceeded");
    let readers = writer.readers(&volumes.cluster).await;
    assert!(2 <= readers.len(), "only {readers:?} read");
    writer.assert_kept(&volumes.cluster, &readers).await;

    // Room on two of them is enough, and nobody has to do anything else.
    for member in [leader, other] {
        volumes.free(member);
    }
    for member in [leader, other] {
        poll::until("a write is taken again", LIMIT, async || {
            writer.write(&volumes.cluster, member).await.ok()
        })
        .await;
    }
    volumes.free((leader + 2) % 3);
    poll::until("the last member takes writes again", LIMIT, async || {
        writer.write(&volumes.cluster, (leader + 2) % 3).await.ok()
    })
    .await;
    assert_serving(&volumes.cluster, &[0, 1, 2]).await;
    writer.assert_kept(&volumes.cluster, &[0, 1, 2]).await;
    audit::assert_equal_states(&volumes.cluster).await;
    volumes.cluster.assert_no_panic();
}

#[tokio::test]
async fn a_member_that_starts_without_room_says_what_it_needs() {
    let mut volumes = match Volumes::start() {
        Ok(volumes) => volumes,
        Err(why) => return skipped(&why),
    };
    volumes.cluster.wait_ready().await;
    assert_serving(&volumes.cluster, &[0, 1, 2]).await;
    assert!(volumes.cluster.terminate(1).success());
    volumes.fill(1);
    volumes.cluster.restart(1);
    let ended = volumes.cluster.wait_exit(1).await;
    assert_eq!(ended.code(), Some(1));
    let log = volumes.cluster.log(1);
    let error = log.lines().find(|line| line.starts_with("error: ")).unwrap_or(&log);
    let data = volumes.cluster.data_directory(1).display().to_string();
    assert!(error.contains(&data), "{error}");
    assert!(error.contains("No space left on device"), "{error}");
    assert!(error.contains("free some space, then start this member again"), "{error}");
    assert_serving(&volumes.cluster, &[0, 2]).await;

    volumes.free(1);
    volumes.cluster.restart(1);
    volumes.cluster.wait_serving(1).await;
    assert_serving(&volumes.cluster, &[0, 1, 2]).await;
    volumes.cluster.assert_no_panic();
}
