//! Snapshots from the command line: saved, looked at, restored and started.

use std::path::Path;
use std::process::{Command, Output};

use quorate_etcdapi::etcdserverpb as pb;

use crate::support::{Cluster, Options, Program};

fn quorate(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_quorate");
    Command::new(program).args(arguments).output().expect("the program runs")
}

fn printed(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("it prints text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_saved_looked_at_and_restored() {
    let old = Cluster::ready(Options::new(Program::Quorate, 1)).await;
    let put = pb::PutRequest { key: "a".into(), value: "1".into(), ..pb::PutRequest::default() };
    old.kv(0).put(put).await.expect("it serves");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("backup.db");
    printed(quorate(&["snapshot", "save", text(&file), "--endpoints", &old.endpoints()]));
    let status = printed(quorate(&["snapshot", "status", text(&file), "-w", "json"]));
    let status: serde_json::Value = serde_json::from_str(&status).expect("it prints JSON");
    assert_eq!((&status["revision"], &status["totalKey"]), (&2.into(), &1.into()));

    let mut new = Cluster::prepare(Options::new(Program::Quorate, 1));
    let peer = format!("http://{}", new.peer_address(0));
    let flags = [
        "--name=m1".to_owned(),
        format!("--data-dir={}", new.data_directory(0).display()),
        format!("--initial-cluster=m1={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        "--initial-cluster-token=quorate-it".to_owned(),
    ];
    let mut restore = vec!["snapshot", "restore", text(&file)];
    restore.extend(flags.iter().map(String::as_str));
    assert!(printed(quorate(&restore)).starts_with("Restored 1 keys and 0 leases at revision 2"));
    let again = quorate(&restore);
    assert_eq!(again.status.code(), Some(1), "the directory exists");
    new.start_all();
    new.wait_ready().await;
    let get = pb::RangeRequest { key: "a".into(), ..pb::RangeRequest::default() };
    let read = new.kv(0).range(get).await.expect("it serves").into_inner();
    assert_eq!((read.kvs[0].value.as_ref(), read.kvs[0].mod_revision), (&b"1"[..], 2));
}

#[test]
fn a_file_of_etcd_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let file = directory.path().join("etcd.db");
    let mut page = vec![0; 4096];
    page[16..20].copy_from_slice(&[0xed, 0xda, 0x0c, 0xed]);
    std::fs::write(&file, page).expect("the file is written");
    for command in ["status", "restore"] {
        let output = quorate(&["snapshot", command, text(&file)]);
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("bbolt file of etcd"), "{errors}");
    }
}
