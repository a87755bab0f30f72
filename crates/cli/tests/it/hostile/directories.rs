//! Data directories that are not this member's, or not this program's: refused by name, with the
//! remedy, and left as they are.

use std::path::Path;
use std::process::Output;

use super::{Witness, assert_serving, three, wait_log};
use crate::support::{Cluster, Program};

/// Runs a server that must refuse to start, with these flags.
pub(super) async fn refused(flags: Vec<String>) -> String {
    let mut command = Program::Quorate.command();
    command.args(flags);
    let mut command = tokio::process::Command::from(command);
    let output = tokio::time::timeout(super::ANSWER_LIMIT, command.kill_on_drop(true).output());
    let output = output.await.expect("it ends at once").expect("it can be started");
    told(&output)
}

/// What a refused start says, in one line.
fn told(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line says what is wrong: {said}");
    errors[0].to_owned()
}

/// Flags of a server on a directory, under a name and a token, in a cluster with these peer
/// addresses. It listens on ports of its own.
pub(super) fn flags(cluster: &Cluster, name: usize, data: &Path, token: &str) -> Vec<String> {
    let members = (0..cluster.size())
        .map(|member| format!("m{}=http://{}", member + 1, cluster.peer_address(member)));
    let members: Vec<String> = members.collect();
    vec![
        format!("--name=m{}", name + 1),
        format!("--data-dir={}", data.display()),
        "--listen-client-urls=http://127.0.0.1:0".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:0".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        format!("--initial-advertise-peer-urls=http://{}", cluster.peer_address(name)),
        format!("--initial-cluster={}", members.join(",")),
        format!("--initial-cluster-token={token}"),
    ]
}

/// The token that the clusters here are started with.
pub(super) const TOKEN: &str = "quorate-it";

#[tokio::test]
async fn a_directory_in_use_of_another_cluster_or_member_is_refused() {
    let mut cluster = three().await;
    let witness = Witness::start(&cluster);
    let data = cluster.data_directory(0).to_owned();

    let text = refused(flags(&cluster, 0, &data, TOKEN)).await;
    assert!(text.contains(&data.display().to_string()), "{text}");
    assert!(text.contains("is locked by another process: stop it, or use another"), "{text}");

    assert!(cluster.terminate(0).success());
    let text = refused(flags(&cluster, 0, &data, "another-token")).await;
    assert!(text.contains(&data.display().to_string()), "{text}");
    assert!(text.contains("belongs to cluster"), "{text}");
    assert!(text.contains("check the data directory, the initial cluster and its token"), "{text}");

    let text = refused(flags(&cluster, 1, &data, TOKEN)).await;
    assert!(text.contains(&data.display().to_string()), "{text}");
    assert!(text.contains("belongs to node"), "{text}");
    assert!(text.contains("check the data directory and the node's name"), "{text}");

    // Refusals have changed nothing: the member goes on where it was.
    witness.more().await;
    cluster.restart(0);
    cluster.wait_serving(0).await;
    assert_serving(&cluster, &[0, 1, 2]).await;
    witness.judge(&cluster).await;
}

#[tokio::test]
async fn a_directory_of_a_newer_program_is_refused() {
    let mut cluster = three().await;
    let witness = Witness::start(&cluster);
    assert!(cluster.terminate(2).success());
    let data = cluster.data_directory(2).to_owned();
    let identity = data.join("identity");
    let written = std::fs::read(&identity).expect("the file is there");
    let mut newer = written.clone();
    // The version, after eight bytes of magic.
    newer[8..12].copy_from_slice(&99_u32.to_le_bytes());
    std::fs::write(&identity, &newer).expect("the file can be written");

    let text = refused(flags(&cluster, 2, &data, TOKEN)).await;
    assert!(text.contains(&identity.display().to_string()), "{text}");
    assert!(text.contains("has format version 99, this program reads up to 1"), "{text}");
    assert!(text.contains("run the newer program again"), "{text}");

    std::fs::write(&identity, &written).expect("the file can be written");
    witness.more().await;
    cluster.restart(2);
    cluster.wait_serving(2).await;
    witness.judge(&cluster).await;
}

#[tokio::test]
async fn a_damaged_directory_is_refused() {
    let mut cluster = three().await;
    let witness = Witness::start(&cluster);
    assert!(cluster.terminate(2).success());
    let data = cluster.data_directory(2).to_owned();
    let identity = data.join("identity");
    let written = std::fs::read(&identity).expect("the file is there");
    let mut damaged = written.clone();
    damaged[20] ^= 1;
    std::fs::write(&identity, &damaged).expect("the file can be written");

    let text = refused(flags(&cluster, 2, &data, TOKEN)).await;
    assert!(text.contains(&identity.display().to_string()), "{text}");
    assert!(text.contains("is damaged at byte 0"), "{text}");
    assert!(text.contains("remove the member from the cluster, wipe its data directory"), "{text}");

    std::fs::write(&identity, &written).expect("the file can be written");
    witness.more().await;
    cluster.restart(2);
    cluster.wait_serving(2).await;
    witness.judge(&cluster).await;
}

#[tokio::test]
async fn a_wiped_member_is_refused_and_told_to_join_as_new() {
    let mut cluster = three().await;
    let witness = Witness::start(&cluster);
    witness.more().await;
    assert!(cluster.terminate(1).success());
    let data = cluster.data_directory(1).to_owned();
    let kept = data.with_extension("kept");
    std::fs::rename(&data, &kept).expect("a directory can be renamed");

    // Its peers remember the directory that made its promises.
    cluster.restart(1);
    let ended = cluster.wait_exit(1).await;
    assert_eq!(ended.code(), Some(1));
    let log = cluster.log(1);
    assert!(
        log.contains("refuses this member: it knows this node with the data directory"),
        "{log}"
    );
    assert!(
        log.contains("restore that directory, or remove the member and add it as new"),
        "{log}"
    );
    witness.more().await;
    assert_serving(&cluster, &[0, 2]).await;

    // The remedy: the directory is restored.
    std::fs::remove_dir_all(&data).expect("the new directory can be removed");
    std::fs::rename(&kept, &data).expect("a directory can be renamed");
    cluster.restart(1);
    cluster.wait_serving(1).await;
    wait_log(&cluster, 1, "ready to serve client requests").await;
    witness.judge(&cluster).await;
}
