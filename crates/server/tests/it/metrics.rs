//! What is scraped: its form, its names, and that it moves with the work.

use std::collections::{BTreeMap, BTreeSet};

use quorate_etcdapi::etcdserverpb as pb;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;

/// The families that etcd's dashboards and alerts need, with etcd's types.
const OF_ETCDS_DASHBOARDS: [(&str, &str); 20] = [
    ("etcd_server_has_leader", "gauge"),
    ("etcd_server_leader_changes_seen_total", "counter"),
    ("etcd_server_proposals_committed_total", "gauge"),
    ("etcd_server_proposals_applied_total", "gauge"),
    ("etcd_server_proposals_pending", "gauge"),
    ("etcd_server_proposals_failed_total", "counter"),
    ("etcd_server_quota_backend_bytes", "gauge"),
    ("etcd_mvcc_db_total_size_in_bytes", "gauge"),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "gauge"),
    ("etcd_disk_wal_fsync_duration_seconds", "histogram"),
    ("etcd_disk_backend_commit_duration_seconds", "histogram"),
    ("etcd_network_peer_sent_bytes_total", "counter"),
    ("etcd_network_peer_received_bytes_total", "counter"),
    ("etcd_network_peer_sent_failures_total", "counter"),
    ("etcd_network_peer_round_trip_time_seconds", "histogram"),
    ("etcd_network_client_grpc_sent_bytes_total", "counter"),
    ("etcd_network_client_grpc_received_bytes_total", "counter"),
    ("grpc_server_started_total", "counter"),
    ("grpc_server_handled_total", "counter"),
    ("process_resident_memory_bytes", "gauge"),
];

/// A page of metrics: types by family, values by sample.
struct Scrape {
    types: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("there is no {sample}"))
    }

    /// The sum of a family's samples whose names and labels contain all of this.
    fn sum(&self, parts: &[&str]) -> f64 {
        let named = self.samples.iter();
        let named = named.filter(|(name, _)| parts.iter().all(|part| name.contains(part)));
        named.map(|(_, value)| value).sum()
    }
}

async fn fetch(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the server answers in text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_owned(), body.to_owned())
}

async fn scrape(address: &str) -> Scrape {
    let (head, body) = fetch(address, "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    parse(&body)
}

/// Reads the exposition format strictly: families begin with help and type and are not taken up
/// again, samples belong to the family that was begun last, none comes twice.
fn parse(body: &str) -> Scrape {
    let mut scrape = Scrape { types: BTreeMap::new(), samples: BTreeMap::new() };
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a family has help");
            assert!(!text.is_empty() && helped.insert(name.to_owned()), "{line}");
            name.clone_into(&mut family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a family has a type");
            assert!(name == family && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            scrape.types.insert(name.to_owned(), kind.to_owned());
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
            let value: f64 = value.parse().expect("a value is a number");
            assert_belongs(name, &family, &scrape.types[&family]);
            assert!(scrape.samples.insert(name.to_owned(), value).is_none(), "twice: {name}");
        }
    }
    assert_eq!(helped, scrape.types.keys().cloned().collect());
    scrape
}

fn assert_belongs(sample: &str, family: &str, kind: &str) {
    let name = sample.split('{').next().expect("a split has a first part");
    let suffix = name.strip_prefix(family);
    let suffixes: &[&str] =
        if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    assert!(suffix.is_some_and(|suffix| suffixes.contains(&suffix)), "{sample} in {family}");
    let letters = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    assert!(letters(name), "{sample}");
    if let Some(labels) = sample.strip_prefix(name).filter(|labels| !labels.is_empty()) {
        let inner = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}'));
        let inner = inner.expect("labels are in braces");
        for label in inner.split("\",") {
            let (key, value) = label.split_once("=\"").expect("a label has a quoted value");
            assert!(letters(key) && !value.trim_end_matches('"').contains('"'), "{sample}");
        }
    }
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_has_etcds_names_and_moves_with_the_work() {
    let cluster = Cluster::start(3).await;
    let mut kv = cluster.kv(0).await;
    let listed = include_str!("../../../../docs/metrics.md");
    let put = pb::PutRequest { key: "k".into(), value: "v".into(), ..pb::PutRequest::default() };
    kv.put(put.clone()).await.unwrap();
    let address = authority(&cluster.url(0));
    let before = scrape(&address).await;
    for (name, kind) in OF_ETCDS_DASHBOARDS {
        assert_eq!(before.types.get(name).map(String::as_str), Some(kind), "{name}");
    }
    for name in before.types.keys().filter(|name| !name.starts_with("process_")) {
        assert!(listed.contains(&format!("`{name}")), "docs/metrics.md lacks {name}");
    }
    for _ in 0..20 {
        kv.put(put.clone()).await.unwrap();
    }
    let range = pb::RangeRequest { key: "k".into(), ..pb::RangeRequest::default() };
    kv.range(range).await.unwrap();
    kv.range(pb::RangeRequest::default()).await.unwrap_err();
    let after = scrape(&address).await;

    let rise = |sample: &str| after.value(sample) - before.value(sample);
    let labels = "grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"";
    assert!((rise(&format!("grpc_server_started_total{{{labels}}}")) - 20.0).abs() < 0.5);
    let handled = |code: &str, method: &str| {
        after.sum(&["grpc_server_handled_total", code, &format!("\"{method}\"")])
    };
    assert!((handled("OK", "Put") - 21.0).abs() < 0.5);
    assert!((handled("InvalidArgument", "Range") - 1.0).abs() < 0.5);
    assert!((rise("etcd_mvcc_put_total") - 20.0).abs() < 0.5);
    assert!((rise("etcd_mvcc_range_total") - 1.0).abs() < 0.5);
    assert!((rise("etcd_debugging_mvcc_current_revision") - 20.0).abs() < 0.5);
    assert!(20.0 <= rise("etcd_server_proposals_applied_total"));
    assert!(1.0 <= rise("etcd_disk_wal_fsync_duration_seconds_count"));
    assert!(0.0 < rise("etcd_disk_wal_fsync_duration_seconds_sum"));
    assert!(0.0 < rise("etcd_network_client_grpc_received_bytes_total"));
    let timed = format!("grpc_server_handling_seconds_count{{{labels}}}");
    assert!((rise(&timed) - 20.0).abs() < 0.5);
    let peers = |scrape: &Scrape| scrape.sum(&["etcd_network_peer_sent_bytes_total"]);
    assert!(peers(&before) < peers(&after));
    assert!((after.value("etcd_server_has_leader") - 1.0).abs() < 0.5);
    assert!((after.sum(&["quorate_role{"]) - 1.0).abs() < 0.5, "one role at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_can_be_served_apart_and_nothing_else_is_there() {
    let cluster = Cluster::start(1).await;
    let put = pb::PutRequest { key: "k".into(), ..pb::PutRequest::default() };
    cluster.kv(0).await.put(put).await.unwrap();
    let address = cluster.metrics_address(0).to_string();
    let page = scrape(&address).await;
    assert!(page.types.contains_key("etcd_server_has_leader"));
    let (head, _) = fetch(&address, "/health").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let page = scrape(&address).await;
    assert!((page.value("etcd_server_health_success") - 1.0).abs() < 0.5);
    let (head, _) = fetch(&address, "/version").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}
