//! Members and directories of the other engine: refused by name, with the remedy, and nothing
//! changed.

use super::directories::{TOKEN, flags, refused};
use super::{Witness, assert_serving, three, wait_log};
use crate::support::{Cluster, Options, Program};

#[tokio::test]
async fn a_directory_of_the_other_engine_is_refused() {
    let mut cluster = three().await;
    let witness = Witness::start(&cluster);
    assert!(cluster.terminate(0).success());
    let data = cluster.data_directory(0).to_owned();

    let mut other = flags(&cluster, 0, &data, TOKEN);
    other.push("--engine=paxos".to_owned());
    let text = refused(other).await;
    assert!(text.contains(&data.display().to_string()), "{text}");
    assert!(text.contains("was made for raft, not paxos"), "{text}");
    assert!(text.contains("start with --engine=raft"), "{text}");

    witness.more().await;
    cluster.restart(0);
    cluster.wait_serving(0).await;
    assert_serving(&cluster, &[0, 1, 2]).await;
    witness.judge(&cluster).await;
}

#[tokio::test]
async fn a_member_on_the_other_engine_joins_nobody() {
    for (program, other) in
        [(Program::Quorate, "--engine=paxos"), (Program::QuoratePaxos, "--engine=raft")]
    {
        let mut cluster = Cluster::prepare(Options::new(program, 3));
        cluster.restart(0);
        cluster.restart(1);
        cluster.restart_with(2, &[other]);
        cluster.wait_serving(0).await;
        cluster.wait_serving(1).await;
        for member in 0..cluster.size() {
            wait_log(&cluster, member, "start both nodes with one --engine").await;
        }
        assert_serving(&cluster, &[0, 1]).await;
        cluster.assert_no_panic();
    }
}
