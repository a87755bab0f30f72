//! What really happened: every revision of every key, read back, and whether members agree.

use std::time::Duration;

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::mvccpb::KeyValue;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;

use pb::kv_client::KvClient;

use super::cluster::Cluster;
use super::history::{Operation, Outcome, Record, Truth, Value};
use super::poll;

/// Keys in one answer.
const PAGE_KEYS: i64 = 2_000;

/// Requests under way at once.
const AT_ONCE: usize = 16;

/// How long members may take to apply what the others have.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(30);

/// The key and value as the tests write them.
pub(crate) fn record(found: &KeyValue) -> Record {
    Record {
        key: String::from_utf8(found.key.to_vec()).expect("the tests' keys are text"),
        value: decode(&found.value),
        create_revision: found.create_revision,
        mod_revision: found.mod_revision,
        version: found.version,
    }
}

/// A value's bytes.
pub(crate) fn encode(value: Value) -> Vec<u8> {
    format!("{:016x}", value.0).into_bytes()
}

fn decode(bytes: &[u8]) -> Value {
    let text = std::str::from_utf8(bytes).expect("the tests' values are text");
    Value(u64::from_str_radix(text, 16).expect("the tests' values are numbers"))
}

/// The key after all that begin with the prefix.
pub(crate) fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    let last = end.last_mut().expect("the tests' prefixes are not empty");
    *last += 1;
    end
}

/// Every revision, by walking each key back from its last one. Nothing may have been compacted, nor
/// ever deleted.
pub(crate) async fn truth(cluster: &Cluster) -> Truth {
    let mut walks: JoinSet<Vec<Record>> = JoinSet::new();
    let mut records = Vec::new();
    for (place, found) in all_keys(cluster.kv(0)).await.into_iter().enumerate() {
        if found.version == 1 {
            records.push(record(&found));
            continue;
        }
        walks.spawn(walk_back(cluster.kv(place % cluster.size()), found));
        if AT_ONCE <= walks.len() {
            records.extend(joined(&mut walks).await);
        }
    }
    while !walks.is_empty() {
        records.extend(joined(&mut walks).await);
    }
    let mut truth = Truth::new();
    for record in records {
        truth.entry(record.mod_revision).or_default().push(record);
    }
    truth
}

async fn joined<T: 'static>(tasks: &mut JoinSet<T>) -> T {
    tasks.join_next().await.expect("it is not empty").expect("the task did not panic")
}

/// All keys at one revision, page by page.
async fn all_keys(mut client: KvClient<Channel>) -> Vec<KeyValue> {
    let mut found: Vec<KeyValue> = Vec::new();
    let mut revision = 0;
    loop {
        let key = found.last().map_or(vec![0], |last| [&last.key[..], &[0]].concat());
        let page = pb::RangeRequest {
            key: key.into(),
            range_end: vec![0].into(),
            limit: PAGE_KEYS,
            revision,
            ..Default::default()
        };
        let page = client.range(page).await.expect("the cluster serves reads").into_inner();
        revision = revision.max(page.header.expect("an answer has a header").revision);
        found.extend(page.kvs);
        if !page.more {
            return found;
        }
    }
}

async fn walk_back(mut client: KvClient<Channel>, last: KeyValue) -> Vec<Record> {
    let mut records = vec![record(&last)];
    let mut revision = last.mod_revision;
    while records.last().is_some_and(|record| 1 < record.version) {
        let found = at_revision(&mut client, &last.key, revision - 1).await;
        let found = found.expect("a later version says that this one was there");
        revision = found.mod_revision;
        records.push(record(&found));
    }
    records
}

async fn at_revision(
    client: &mut KvClient<Channel>,
    key: &[u8],
    revision: i64,
) -> Option<KeyValue> {
    let read = pb::RangeRequest {
        key: key.to_vec().into(),
        revision,
        serializable: true,
        ..Default::default()
    };
    match client.range(read).await {
        Ok(answer) => answer.into_inner().kvs.pop(),
        // The revision is not there, or not any more: nor is what was written at it.
        Err(status) if status.code() == Code::OutOfRange => None,
        Err(status) => panic!("the member serves reads: {status}"),
    }
}

/// Reads each acknowledged write back at its own revision, each member's share from that member
/// itself. Gives how many were read, or one that was not as written.
pub(crate) async fn read_back(
    cluster: &Cluster,
    history: &[Operation],
) -> Result<usize, Operation> {
    let acknowledged: Vec<Operation> =
        history.iter().filter(|operation| operation.is_acknowledged_write()).cloned().collect();
    let count = acknowledged.len();
    wait_level(cluster).await;
    let mut readers = JoinSet::new();
    for (place, part) in acknowledged.chunks(count.div_ceil(AT_ONCE).max(1)).enumerate() {
        readers.spawn(read_part(cluster.kv(place % cluster.size()), part.to_vec()));
    }
    while !readers.is_empty() {
        joined(&mut readers).await?;
    }
    Ok(count)
}

async fn read_part(
    mut client: KvClient<Channel>,
    operations: Vec<Operation>,
) -> Result<(), Operation> {
    for operation in operations {
        let Outcome::Wrote { revision } = operation.outcome else { continue };
        for (key, value) in operation.call.writes() {
            let found = at_revision(&mut client, key.as_bytes(), revision).await;
            let is_there = found.is_some_and(|found| {
                decode(&found.value) == value && found.mod_revision == revision
            });
            if !is_there {
                return Err(operation);
            }
        }
    }
    Ok(())
}

/// Waits until every member has applied the same entries.
async fn wait_level(cluster: &Cluster) {
    poll::until("all members have applied the same", CATCH_UP_LIMIT, async || {
        let mut applied = Vec::new();
        for member in 0..cluster.size() {
            let status = cluster.status(member).await?;
            applied.push((status.raft_applied_index, status.header?.revision));
        }
        applied.windows(2).all(|pair| pair[0] == pair[1]).then_some(())
    })
    .await;
}

/// Waits until every member has applied the same entries, and asserts that all have made the same
/// of them. Gives the revision and the hash.
pub(crate) async fn assert_equal_states(cluster: &Cluster) -> (i64, u32) {
    wait_level(cluster).await;
    let mut hashes = Vec::new();
    let mut revision = 0;
    for member in 0..cluster.size() {
        let asked = pb::HashKvRequest { revision };
        let answer = cluster.maintenance(member).hash_kv(asked).await;
        let answer = answer.expect("the member hashes").into_inner();
        revision = answer.header.expect("an answer has a header").revision;
        hashes.push(answer.hash);
    }
    let is_equal = hashes.windows(2).all(|pair| pair[0] == pair[1]);
    assert!(is_equal, "the members' states differ at revision {revision}: {hashes:x?}");
    (revision, hashes[0])
}
