//! A range in chunks is the range at once.

use quorate_etcdapi::etcdserverpb as pb;
use tonic::Code;

use crate::cluster::Cluster;

fn everything() -> pb::RangeRequest {
    let (key, range_end) = (vec![0].into(), vec![0].into());
    pb::RangeRequest { key, range_end, ..pb::RangeRequest::default() }
}

/// The chunks of a range.
async fn stream(cluster: &Cluster, request: pb::RangeRequest) -> Vec<pb::RangeResponse> {
    let mut stream =
        cluster.kv(0).await.range_stream(request).await.expect("the server answers").into_inner();
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.message().await.expect("the server answers") {
        chunks.push(chunk.range_response.expect("a chunk has an answer"));
    }
    chunks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chunks_of_a_range_are_the_range() {
    let cluster = Cluster::start(1).await;
    let mut kv = cluster.kv(0).await;
    for place in 0..1_200 {
        let put = pb::PutRequest {
            key: format!("k{place:05}").into(),
            value: vec![7; 1_000].into(),
            ..pb::PutRequest::default()
        };
        kv.put(put).await.unwrap();
    }
    let requests = [
        everything(),
        pb::RangeRequest { limit: 1, ..everything() },
        pb::RangeRequest { limit: 256, ..everything() },
        pb::RangeRequest { limit: 700, ..everything() },
        pb::RangeRequest { limit: 1_200, ..everything() },
        pb::RangeRequest { revision: 500, ..everything() },
        pb::RangeRequest { keys_only: true, serializable: true, ..everything() },
        pb::RangeRequest { count_only: true, ..everything() },
        pb::RangeRequest { key: "k00007".into(), ..pb::RangeRequest::default() },
        pb::RangeRequest { key: "missing".into(), ..pb::RangeRequest::default() },
    ];
    for request in requests {
        let whole = kv.range(request.clone()).await.unwrap().into_inner();
        let mut chunks = stream(&cluster, request.clone()).await;
        let last = chunks.pop().expect("there is an end");
        for chunk in &chunks {
            assert!(chunk.header.is_none() && !chunk.more && chunk.count == 0, "{request:?}");
            assert!(!chunk.kvs.is_empty());
        }
        assert_eq!((last.count, last.more), (whole.count, whole.more), "{request:?}");
        assert_eq!(last.header, whole.header);
        let kvs: Vec<_> = chunks.into_iter().chain([last]).flat_map(|chunk| chunk.kvs).collect();
        assert_eq!(kvs, whole.kvs, "{request:?}");
    }
    assert!(2 < stream(&cluster, everything()).await.len(), "a large range has several chunks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_streamed_is_refused() {
    let cluster = Cluster::start(1).await;
    let mut kv = cluster.kv(0).await;
    let descending = pb::range_request::SortOrder::Descend.into();
    let by_version = pb::range_request::SortTarget::Version.into();
    let refusals = [
        (pb::RangeRequest { sort_order: descending, ..everything() }, Code::Unimplemented),
        (pb::RangeRequest { sort_target: by_version, ..everything() }, Code::Unimplemented),
        (pb::RangeRequest { min_mod_revision: 1, ..everything() }, Code::Unimplemented),
        (pb::RangeRequest { max_create_revision: 1, ..everything() }, Code::Unimplemented),
        (pb::RangeRequest::default(), Code::InvalidArgument),
        (pb::RangeRequest { revision: 1_000, ..everything() }, Code::OutOfRange),
    ];
    for (request, code) in refusals {
        let refused = match kv.range_stream(request.clone()).await {
            Err(refused) => refused,
            Ok(stream) => stream.into_inner().message().await.unwrap_err(),
        };
        assert_eq!(refused.code(), code, "{request:?}: {refused}");
    }
}
