//! Tests of the flags of `serve`: etcd's defaults, and what depends on what.

use clap::{Command, FromArgMatches};

use super::*;

const DEFAULTS: Origins =
    Origins { listen_client_urls: Origin::Default, advertise_client_urls: Origin::Default };

fn flags(arguments: &[&str]) -> ServeFlags {
    let command = ServeFlags::augment_args(Command::new("serve"));
    let arguments = ["serve"].iter().chain(arguments);
    ServeFlags::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
}

fn config(arguments: &[&str]) -> Result<Config, Failure> {
    flags(arguments).into_config(DEFAULTS)
}

fn urls(text: &str) -> Vec<HttpUrl> {
    text.parse::<Urls>().unwrap().0
}

#[test]
fn the_defaults_are_etcds() {
    let config = config(&[]).unwrap();
    assert_eq!(config.name, "default");
    assert_eq!(config.data_dir, PathBuf::from("default.quorate"));
    assert_eq!(config.listen_client_urls, urls("http://localhost:2379"));
    assert_eq!(config.advertise_client_urls, urls("http://localhost:2379"));
    assert_eq!(config.listen_peer_urls, urls("http://localhost:2380"));
    assert_eq!(config.initial_advertise_peer_urls, urls("http://localhost:2380"));
    let cluster = BTreeMap::from([("default".to_owned(), urls("http://localhost:2380"))]);
    assert_eq!(config.initial_cluster, cluster);
    assert_eq!(config.initial_cluster_token, "etcd-cluster");
    assert_eq!(config.heartbeat_interval, Duration::from_millis(100));
    assert_eq!(config.election_timeout, Duration::from_secs(1));
    assert_eq!(config.snapshot_count, 10_000);
    assert_eq!(config.quota_backend_bytes, 2 << 30);
    assert_eq!(config.max_request_bytes, 1_572_864);
    assert_eq!(config.max_txn_ops, 128);
}

#[test]
fn the_cluster_is_this_member_unless_told_otherwise() {
    let peers = "--initial-advertise-peer-urls=http://a:1,http://b:2";
    let config = config(&["--name", "n1", peers]).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("n1.quorate"));
    let cluster = BTreeMap::from([("n1".to_owned(), urls("http://a:1,http://b:2"))]);
    assert_eq!(config.initial_cluster, cluster);
}

#[test]
fn a_quota_of_zero_is_the_default_and_a_negative_one_is_none() {
    for (flag, bytes) in [("0", 2 << 30), ("-1", u64::MAX), ("4096", 4096)] {
        let argument = format!("--quota-backend-bytes={flag}");
        assert_eq!(config(&[&argument]).unwrap().quota_backend_bytes, bytes, "{flag}");
    }
    let separate = config(&["--quota-backend-bytes", "-1"]).unwrap();
    assert_eq!(separate.quota_backend_bytes, u64::MAX);
}

#[test]
fn another_client_address_must_be_advertised() {
    let arguments = ["--listen-client-urls=http://a:1"];
    let origins = Origins { listen_client_urls: Origin::Given, ..DEFAULTS };
    let refusal = flags(&arguments).into_config(origins).unwrap_err();
    assert!(refusal.to_string().contains("--advertise-client-urls is required"), "{refusal}");
    let origins = Origins { advertise_client_urls: Origin::Given, ..origins };
    assert!(flags(&arguments).into_config(origins).is_ok());
}

#[test]
fn joining_is_refused_to_a_member_without_data() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = format!("--data-dir={}", directory.path().display());
    let arguments = [data_dir.as_str(), "--initial-cluster-state=existing"];
    let refusal = config(&arguments).unwrap_err();
    assert!(refusal.to_string().contains("holds no member"), "{refusal}");
    std::fs::write(directory.path().join("something"), "").unwrap();
    assert!(config(&arguments).is_ok());
}

#[test]
fn the_engine_is_chosen_by_name() {
    let engine = |arguments: &[&str]| config(arguments).map(|config| config.engine).ok();
    assert_eq!(engine(&[]), Some(EngineKind::Raft));
    assert_eq!(engine(&["--engine=raft"]), Some(EngineKind::Raft));
    assert_eq!(engine(&["--engine=paxos"]), Some(EngineKind::Paxos));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let bad: [&[&str]; 3] = [
        &["--election-timeout=100"],
        &["--initial-cluster=other=http://localhost:2380"],
        &["--initial-cluster=default=http://elsewhere:2380"],
    ];
    for arguments in bad {
        assert!(config(arguments).is_err(), "{arguments:?}");
    }
}
