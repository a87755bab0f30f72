//! A follower that stands still, and a disk that does not answer.

use std::process::Command;
use std::sync::Arc;

use quorate_etcdapi::etcdserverpb as pb;
use tempfile::TempDir;

use super::{PATIENCE, assert_memory_bounded, client, put};
use crate::support::guardian::{Guardian, Notice};
use crate::support::volume::Volume;
use crate::support::{Cluster, Options, Program, audit, poll};

/// What is written while a member stands still: more than a leader keeps in memory for it.
const WRITES: usize = 1_600;
const VALUE_BYTES: usize = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_stands_still_costs_the_others_nothing_and_catches_up() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    let leader = cluster.wait_leader().await;
    let follower = (leader + 1) % 3;
    cluster.stop(follower);
    let mut writer = client(&cluster, leader);
    let value = bytes::Bytes::from(vec![b'v'; VALUE_BYTES]);
    for number in 0..WRITES {
        let put = put(&format!("while/{number:06}"), value.clone());
        poll::until("two of three members take a write", PATIENCE, async || {
            writer.put(put.clone()).await.ok()
        })
        .await;
    }
    cluster.resume(follower);
    let last = pb::RangeRequest {
        key: format!("while/{:06}", WRITES - 1).into(),
        serializable: true,
        ..Default::default()
    };
    let mut reader = client(&cluster, follower);
    poll::until("the follower has caught up", PATIENCE, async || {
        let read = reader.range(last.clone()).await.ok()?.into_inner();
        (read.count == 1).then_some(())
    })
    .await;
    assert_memory_bounded(&cluster, "a follower that stood still");
    audit::assert_equal_states(&cluster).await;
    cluster.assert_no_panic();
}

/// Nothing is read from or written to a file system, until this is dropped: before the cluster,
/// whose processes may not even end before.
struct Frozen<'a> {
    volume: &'a Volume,
}

impl<'a> Frozen<'a> {
    fn new(volume: &'a Volume) -> Self {
        freeze("-f", volume);
        Self { volume }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        freeze("-u", self.volume);
    }
}

fn freeze(flag: &str, volume: &Volume) {
    let status = Command::new("fsfreeze").arg(flag).arg(volume.path()).status();
    assert!(status.expect("util-linux is installed").success(), "fsfreeze {flag}");
}

/// The first of three members on a file system of its own. An error says why this machine cannot.
fn start_beside_volume() -> Result<(Cluster, Volume, TempDir), String> {
    let guardian = Arc::new(Guardian::new());
    let directory = tempfile::Builder::new().prefix("quorate-stall-").tempdir();
    let directory = directory.expect("a temporary directory can be made");
    guardian.tell(Notice::Directory(directory.path()));
    let volume = Volume::new(directory.path(), "v1", guardian)?;
    let others = ["v2", "v3"].map(|name| directory.path().join(name));
    for other in &others {
        std::fs::create_dir(other).expect("a new directory can be made");
    }
    let homes = std::iter::once(volume.path().to_owned()).chain(others).collect();
    let cluster = Cluster::start(Options { homes, ..Options::new(Program::Quorate, 3) });
    Ok((cluster, volume, directory))
}

#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn skipped(why: &str) {
    eprintln!("skipped: a disk of its own for a member: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_does_not_answer_gives_way_and_comes_back() {
    let (mut cluster, volume, _directory) = match start_beside_volume() {
        Ok(started) => started,
        Err(why) => return skipped(&why),
    };
    cluster.wait_ready().await;
    lead(&mut cluster, 0).await;

    let frozen = Frozen::new(&volume);
    let mut other = client(&cluster, 1);
    poll::until("the others take writes without it", PATIENCE, async || {
        other.put(put("during", vec![b'v'; 10])).await.ok()?;
        cluster.leader().await.filter(|leader| *leader != 0)
    })
    .await;
    assert!(cluster.is_running(0), "a disk that does not answer is no reason to end");
    drop(frozen);

    cluster.wait_serving(0).await;
    let mut first = client(&cluster, 0);
    poll::until("the member takes writes again", PATIENCE, async || {
        first.put(put("after", vec![b'v'; 10])).await.ok()
    })
    .await;
    audit::assert_equal_states(&cluster).await;
    cluster.assert_no_panic();
}

/// Moves leadership to this member.
async fn lead(cluster: &mut Cluster, member: usize) {
    poll::until("the member leads", PATIENCE, async || {
        let leader = cluster.leader().await?;
        if leader == member {
            return Some(());
        }
        let target = cluster.status(member).await?.header?.member_id;
        let request = pb::MoveLeaderRequest { target_id: target };
        // The next look tells whether it worked.
        let _ = cluster.maintenance(leader).move_leader(request).await;
        None
    })
    .await;
}
