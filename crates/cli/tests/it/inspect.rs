//! Data directories that real members have left, looked at: nothing in them changes.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::{run, stdout};
use crate::support::{Cluster, Options, Program};

/// All files with their bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).expect("it can be read");
            found.insert(path, bytes);
        }
    }
    found
}

fn inspect(directory: &Path, more: &[&str]) -> (Option<i32>, String) {
    let path = directory.to_str().expect("the path is UTF-8");
    let output = run(&[&["inspect", path], more].concat());
    (output.status.code(), stdout(&output).to_owned())
}

fn inspect_json(directory: &Path) -> Value {
    let (_, told) = inspect(directory, &["-w", "json"]);
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_of_raft_is_read_and_left_as_it_was() {
    assert_read(Program::Quorate, "raft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_of_multi_paxos_is_read_and_left_as_it_was() {
    assert_read(Program::QuoratePaxos, "paxos").await;
}

async fn assert_read(program: Program, engine: &str) {
    let mut options = Options::new(program, 3);
    options.flags = vec!["--wal-segment-bytes=1048576".to_owned()];
    let mut cluster = Cluster::ready(options).await;
    let endpoints = format!("--endpoints={}", cluster.endpoints());
    for arguments in [["put", "kept", "yes"], ["put", "gone", "soon"]] {
        assert!(run(&[&arguments[..], &[endpoints.as_str()]].concat()).status.success());
    }
    assert!(run(&["del", "gone", &endpoints]).status.success());
    let directory = cluster.data_directory(0).to_owned();
    let (_, told) = inspect(&directory, &[]);
    assert!(told.contains("in use      a server has it open"), "{told}");
    cluster.kill_all();

    let before = contents(&directory);
    let (code, told) = inspect(&directory, &["--records", "100"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("engine {engine}")) && !told.contains("in use"), "{told}");
    let line = |words: &[&str]| told.lines().any(|line| words.iter().all(|it| line.contains(it)));
    assert!(line(&["put", "kept", "value of 3 bytes"]), "{told}");
    assert!(line(&["delete", "gone"]) && line(&["m1", "peers http://"]), "{told}");
    assert!(told.ends_with("sound: every checksum holds, and a server would start from it\n"));
    let json = inspect_json(&directory);
    assert_eq!((&json["sound"], &json["engine"]), (&true.into(), &engine.into()));
    assert_eq!(json["log"]["members"].as_array().map(Vec::len), Some(3));
    assert!(contents(&directory) == before, "it was changed");

    let allow = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    };
    for file in before.keys() {
        allow(file, 0o400);
    }
    allow(&directory, 0o500);
    assert_eq!(inspect(&directory, &[]).0, Some(0), "a copy that nobody may write will do");
    allow(&directory, 0o700);
    assert_damage_is_told(&directory);
}

/// Rot in the first batch of the log, which others follow.
fn assert_damage_is_told(directory: &Path) {
    let json = inspect_json(directory);
    let file = PathBuf::from(json["segments"][0]["file"].as_str().expect("there is a segment"));
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    let mut bytes = fs::read(&file).expect("it can be read");
    bytes[4096 + 40] ^= 1;
    fs::write(&file, &bytes).expect("it can be written");
    let before = contents(directory);
    let (code, told) = inspect(directory, &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("is damaged at byte 4096: a batch fails its checksum"), "{told}");
    assert!(told.contains("a server would not start"), "{told}");
    assert!(contents(directory) == before, "nothing is repaired");
}

#[test]
fn what_is_no_data_directory_is_refused_with_a_hint() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let output = run(&["inspect", directory.path().to_str().expect("the path is UTF-8")]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("identity") && said.contains("name that of one member"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_looks_at_everything_and_names_a_fix_for_what_is_wrong() {
    let mut cluster = Cluster::ready(Options::new(Program::Quorate, 3)).await;
    let endpoints = format!("--endpoints={}", cluster.endpoints());
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let data_dir = format!("--data-dir={}", directory.path().display());
    let examine = || {
        let output = run(&["doctor", &endpoints, &data_dir, "-w", "json"]);
        let json: Value = serde_json::from_str(stdout(&output)).expect("it is JSON");
        (output.status.code(), json)
    };
    let (_, told) = examine();
    let findings = told["findings"].as_array().expect("it is a list");
    for topic in ["cluster", "timing", "leaders", "ports", "clocks", "disk", "files", "probe"] {
        assert!(findings.iter().any(|it| it["topic"] == topic), "{topic} is missing: {told}");
    }
    let is_fixed = |it: &Value| it["level"] == "ok" || it["fix"] != "";
    assert!(findings.iter().all(is_fixed), "{told}");
    cluster.kill(1);
    cluster.wait_leader().await;
    let (code, told) = examine();
    assert_eq!(code, Some(1));
    let findings = told["findings"].as_array().expect("it is a list");
    let is_named = |it: &&Value| it["topic"] == "ports" && it["level"] == "bad";
    assert_eq!(findings.iter().filter(is_named).count(), 2, "client and peer port: {told}");
}
