//! Requests beyond the limits on their size.

use quorate_etcdapi::etcdserverpb as pb;
use tonic::{Code, Status};

use super::{assert_serving, three};
use crate::support::{Cluster, Options, Program};

/// The largest request by default, in bytes.
const REQUEST_BYTES_MAX: usize = 1_572_864;

/// What a message may exceed that by and still be read, in bytes.
const SLACK_BYTES: usize = 512 << 10;

/// A put whose encoded message has exactly this length.
fn put_of(bytes: usize) -> pb::PutRequest {
    // Key: tag, length, one byte. Value: tag and a length of three or four bytes.
    let length_bytes = if bytes - 7 < 1 << 21 { 3 } else { 4 };
    let value = vec![b'x'; bytes - 4 - length_bytes];
    pb::PutRequest { key: "k".into(), value: value.into(), ..Default::default() }
}

async fn refusal(cluster: &Cluster, member: usize, bytes: usize) -> Status {
    let refused = cluster.kv(member).put(put_of(bytes)).await;
    refused.expect_err("a request beyond the limit is refused")
}

async fn assert_limits(cluster: &Cluster, limit: usize) {
    for member in 0..cluster.size() {
        let put = cluster.kv(member).put(put_of(limit - 64)).await;
        put.expect("a request within the limit is taken");
        for bytes in [limit + 1, limit + SLACK_BYTES] {
            let status = refusal(cluster, member, bytes).await;
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            assert_eq!(status.message(), "etcdserver: request is too large");
        }
        for bytes in [limit + SLACK_BYTES + 1, limit + 3 * SLACK_BYTES] {
            let status = refusal(cluster, member, bytes).await;
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            let max = limit + SLACK_BYTES;
            let text = format!("grpc: received message larger than max ({bytes} vs. {max})");
            assert_eq!(status.message(), text);
        }
    }
}

#[tokio::test]
async fn requests_beyond_the_limits_are_refused_by_name() {
    let cluster = three().await;
    assert_limits(&cluster, REQUEST_BYTES_MAX).await;
    assert_serving(&cluster, &[0, 1, 2]).await;
    cluster.assert_no_panic();
}

#[tokio::test]
async fn the_limit_follows_its_flag() {
    let limit = 100_000;
    let flags = vec![format!("--max-request-bytes={limit}")];
    let cluster = Cluster::ready(Options { flags, ..Options::new(Program::Quorate, 1) }).await;
    assert_limits(&cluster, limit).await;
    cluster.assert_no_panic();
}
