//! Snapshots: taken under writes, stored, restored into a new cluster; and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb as pb;
use quorate_server::{
    Bump, Foreign, HashCheck, RestoreError, SnapshotFile, SnapshotFileError, inspect, restore,
};
use quorate_storage::{PlantError, RealDisk};
use sha2::{Digest, Sha256};
use tonic::Code;
use tonic::transport::Channel;

use crate::cluster::Cluster;

fn put(key: String, value: Vec<u8>) -> pb::PutRequest {
    pb::PutRequest { key: key.into(), value: value.into(), ..pb::PutRequest::default() }
}

fn everything() -> pb::RangeRequest {
    let (key, range_end) = (vec![0].into(), vec![0].into());
    pb::RangeRequest { key, range_end, ..pb::RangeRequest::default() }
}

async fn maintenance(cluster: &Cluster, member: usize) -> MaintenanceClient<Channel> {
    MaintenanceClient::new(cluster.channel(member).await)
}

/// Keys that were put, put again and deleted, with some history compacted.
async fn fill(cluster: &Cluster) {
    let mut kv = cluster.kv(0).await;
    for place in 0..150_u32 {
        let value = vec![place as u8; 1_000 + 10 * place as usize];
        kv.put(put(format!("k{:03}", place % 100), value)).await.expect("the server answers");
    }
    let key = "k050".into();
    kv.delete_range(pb::DeleteRangeRequest { key, ..Default::default() })
        .await
        .expect("the server answers");
    kv.compact(pb::CompactionRequest { revision: 60, physical: false })
        .await
        .expect("the server answers");
}

/// Takes a snapshot as a client does, checking what comes with each blob.
async fn save(cluster: &Cluster, path: &Path) {
    let mut stream = maintenance(cluster, 1)
        .await
        .snapshot(pb::SnapshotRequest {})
        .await
        .expect("the server answers")
        .into_inner();
    let (mut bytes, mut blobs) = (Vec::new(), Vec::new());
    while let Some(response) = stream.message().await.expect("the server answers") {
        assert!(response.blob.len() <= 32 << 10 && !response.version.is_empty());
        bytes.extend_from_slice(&response.blob);
        blobs.push((response.remaining_bytes, bytes.len() as u64));
    }
    let data = bytes.len() - 32;
    assert!(data.is_multiple_of(512), "clients know the hash by the length");
    assert_eq!(Sha256::digest(&bytes[..data])[..], bytes[data..]);
    let (_, data_blobs) = blobs.split_last().expect("the hash is the last");
    for (remaining, sent) in data_blobs {
        assert_eq!(remaining + sent, data as u64, "what remains is told exactly");
    }
    fs::write(path, bytes).expect("the file is written");
}

fn restore_member(
    cluster: &Cluster,
    member: usize,
    path: &Path,
    bump: Bump,
) -> Result<i64, RestoreError> {
    let disk = Arc::new(RealDisk);
    let config = cluster.config(member);
    let entropy = 77 + member as u64;
    let restored = restore(config, disk, entropy, path, HashCheck::Verify, bump)?;
    Ok(restored.revision)
}

async fn restored_cluster(path: &Path, bump: Bump) -> Cluster {
    let mut cluster = Cluster::prepare(3);
    for member in 0..3 {
        restore_member(&cluster, member, path, bump).expect("it is restored");
    }
    for member in 0..3 {
        cluster.start_member(member).await;
    }
    cluster
}

async fn hash_at(cluster: &Cluster, member: usize, revision: i64) -> pb::HashKvResponse {
    let request = pb::HashKvRequest { revision };
    maintenance(cluster, member)
        .await
        .hash_kv(request)
        .await
        .expect("the server answers")
        .into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_taken_under_writes_is_restored_into_a_new_cluster() {
    let old = Cluster::start(3).await;
    fill(&old).await;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("backup");
    let is_saved = Arc::new(AtomicBool::new(false));
    let (mut kv, told) = (old.kv(2).await, is_saved.clone());
    let writer = tokio::spawn(async move {
        let mut place = 0;
        while !told.load(Ordering::Relaxed) {
            kv.put(put(format!("w{place}"), vec![1; 100])).await.expect("the server answers");
            place += 1;
        }
    });
    save(&old, &path).await;
    is_saved.store(true, Ordering::Relaxed);
    writer.await.expect("the server answers");

    let summary =
        inspect(SnapshotFile::open(&path, HashCheck::Verify).expect("the server answers"))
            .expect("the server answers");
    let mut new = restored_cluster(&path, Bump::Nothing).await;
    let at = pb::RangeRequest { revision: summary.revision, ..everything() };
    let before = old.kv(0).await.range(at.clone()).await.expect("the server answers").into_inner();
    assert!(99 <= before.kvs.len());
    for member in 0..3 {
        let after =
            new.kv(member).await.range(at.clone()).await.expect("the server answers").into_inner();
        assert_eq!(after.kvs, before.kvs);
        assert_ne!(
            after.header.expect("the server answers").cluster_id,
            before.header.expect("the server answers").cluster_id
        );
        let (old_hash, new_hash) = (
            hash_at(&old, 0, summary.revision).await,
            hash_at(&new, member, summary.revision).await,
        );
        assert_eq!(old_hash.hash, new_hash.hash);
        assert_eq!(old_hash.compact_revision, new_hash.compact_revision);
    }
    let older = pb::RangeRequest { revision: 100, ..everything() };
    let of_old =
        old.kv(0).await.range(older.clone()).await.expect("the server answers").into_inner();
    assert_eq!(
        new.kv(1).await.range(older).await.expect("the server answers").into_inner().kvs,
        of_old.kvs
    );
    let written = new
        .kv(2)
        .await
        .put(put("new".to_owned(), vec![]))
        .await
        .expect("the server answers")
        .into_inner();
    assert_eq!(written.header.expect("the server answers").revision, summary.revision + 1);
    new.stop_member(0).await;
    new.start_member(0).await;
    let read = new.kv(0).await.range(everything()).await.expect("the server answers").into_inner();
    assert_eq!(read.count, before.count + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_not_restored_is_sent_the_state() {
    let old = Cluster::start(1).await;
    fill_one(&old).await;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("backup");
    save_from(&old, 0, &path).await;
    let mut new = Cluster::prepare(3);
    for member in 0..2 {
        restore_member(&new, member, &path, Bump::Nothing).expect("it is restored");
    }
    for member in 0..3 {
        new.start_member(member).await;
    }
    let read = new.kv(2).await.range(everything()).await.expect("the server answers").into_inner();
    assert_eq!(read.count, 2);
    let revision = read.header.expect("the server answers").revision;
    assert_eq!(hash_at(&new, 2, revision).await.hash, hash_at(&new, 0, revision).await.hash);
}

async fn fill_one(cluster: &Cluster) {
    for key in ["a", "b"] {
        cluster
            .kv(0)
            .await
            .put(put(key.to_owned(), vec![7; 50]))
            .await
            .expect("the server answers");
    }
}

async fn save_from(cluster: &Cluster, member: usize, path: &Path) {
    let mut client = maintenance(cluster, member).await;
    let mut stream =
        client.snapshot(pb::SnapshotRequest {}).await.expect("the server answers").into_inner();
    let mut bytes = Vec::new();
    while let Some(response) = stream.message().await.expect("the server answers") {
        bytes.extend_from_slice(&response.blob);
    }
    fs::write(path, bytes).expect("the file is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bump_goes_on_higher_and_can_compact_what_is_below() {
    let old = Cluster::start(1).await;
    fill_one(&old).await;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("backup");
    save_from(&old, 0, &path).await;

    let bumped = restored_cluster(&path, Bump::RevisionCompacted(1_000)).await;
    let read =
        bumped.kv(0).await.range(everything()).await.expect("the server answers").into_inner();
    assert_eq!(read.header.expect("the server answers").revision, 1_003);
    assert_eq!(read.kvs.iter().map(|kv| kv.mod_revision).collect::<Vec<_>>(), [2, 3]);
    let below = pb::RangeRequest { revision: 1_002, ..everything() };
    let refused = bumped.kv(1).await.range(below).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    let written = bumped
        .kv(1)
        .await
        .put(put("c".to_owned(), vec![]))
        .await
        .expect("the server answers")
        .into_inner();
    assert_eq!(written.header.expect("the server answers").revision, 1_004);
}

/// A stored snapshot of one small member, and a place to restore it to.
async fn stored() -> (tempfile::TempDir, PathBuf, Cluster) {
    let old = Cluster::start(1).await;
    fill_one(&old).await;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("backup");
    save_from(&old, 0, &path).await;
    (directory, path, Cluster::prepare(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_is_refused_and_leaves_nothing_behind() {
    let (_directory, path, new) = stored().await;
    let whole = fs::read(&path).expect("the server answers");
    for place in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&path, &bytes).expect("the server answers");
        restore_member(&new, 0, &path, Bump::Nothing).expect_err("a byte was changed");
    }
    for length in (0..whole.len()).step_by(101) {
        fs::write(&path, &whole[..length]).expect("the server answers");
        restore_member(&new, 0, &path, Bump::Nothing).expect_err("the end is missing");
    }
    assert!(!new.config(0).data_dir.exists());
    fs::write(&path, &whole).expect("the server answers");
    restore_member(&new, 0, &path, Bump::Nothing).expect("it is restored");
    let again = restore_member(&new, 0, &path, Bump::Nothing).unwrap_err();
    assert!(matches!(again, RestoreError::Plant(PlantError::Exists { .. })), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_hash_a_file_is_taken_only_if_that_is_asked_for() {
    let (_directory, path, _) = stored().await;
    let mut bytes = fs::read(&path).expect("the server answers");
    bytes.truncate(bytes.len() - 32);
    fs::write(&path, &bytes).expect("the server answers");
    let refused = SnapshotFile::open(&path, HashCheck::Verify).unwrap_err();
    assert!(matches!(refused, SnapshotFileError::Truncated { .. }), "{refused}");
    let summary = inspect(SnapshotFile::open(&path, HashCheck::Skip).expect("the server answers"))
        .expect("the server answers");
    assert_eq!((summary.revision, summary.keys), (3, 2));
    // Each part has a checksum of its own, so that damage is noticed all the same.
    bytes[100] ^= 1;
    fs::write(&path, &bytes).expect("the server answers");
    let damaged = inspect(SnapshotFile::open(&path, HashCheck::Skip).expect("the server answers"))
        .unwrap_err();
    assert!(matches!(damaged, SnapshotFileError::Damaged { .. }), "{damaged}");
}

#[test]
fn files_of_others_are_named() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("file");
    let mut bbolt = vec![0; 4096];
    bbolt[16..20].copy_from_slice(&[0xed, 0xda, 0x0c, 0xed]);
    let samples = [
        (bbolt, Foreign::Bbolt),
        (b"redb\x1a\x0a\xa9\x0d\x0a and so on".to_vec(), Foreign::DataFile),
        (Vec::new(), Foreign::Empty),
        (vec![7; 600], Foreign::Unknown),
    ];
    for (bytes, expected) in samples {
        fs::write(&path, bytes).expect("the server answers");
        match SnapshotFile::open(&path, HashCheck::Verify).unwrap_err() {
            SnapshotFileError::Foreign { looks_like, .. } => assert_eq!(looks_like, expected),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcdctl_stores_a_snapshot() {
    let cluster = Cluster::start(1).await;
    fill_one(&cluster).await;
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().join("backup");
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").arg("--endpoints").arg(cluster.url(0));
    command.args(["snapshot", "save"]).arg(&path);
    let ended =
        tokio::task::spawn_blocking(move || command.output()).await.expect("the server answers");
    let output = match ended {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        ended => ended.expect("the server answers"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary =
        inspect(SnapshotFile::open(&path, HashCheck::Verify).expect("the server answers"))
            .expect("the server answers");
    assert_eq!((summary.revision, summary.keys), (3, 2));
}
