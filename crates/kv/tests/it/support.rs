//! One store on a memory map, and short names for requests.

use std::sync::Arc;

use bytes::Bytes;
use quorate_kv::{
    ClusterTime, Command, CommandError, CompactRequest, Compare, CompareResult, CompareTarget,
    Config, Context, DeleteRangeRequest, KeyValue, LogPosition, MemoryMap, PutRequest, PutResponse,
    RangeRequest, RangeResponse, Records, RequestOp, Response, Rules, Step, Store, Strict,
    TxnRequest, TxnResponse,
};

/// A store, its map, and the log that led here.
pub(crate) struct Node<R: Rules = Strict> {
    pub(crate) store: Store<R>,
    pub(crate) map: Arc<MemoryMap>,
}

pub(crate) fn node() -> Node {
    node_with(Strict)
}

pub(crate) fn node_with<R: Rules>(rules: R) -> Node<R> {
    let map = Arc::new(MemoryMap::new());
    Node { store: open(&map, rules), map }
}

pub(crate) fn open<R: Rules>(map: &Arc<MemoryMap>, rules: R) -> Store<R> {
    let records: Arc<dyn Records> = Arc::clone(map) as _;
    Store::open(records, Config::default(), rules).expect("the map is sound")
}

/// The context of the entry at `index`, one second after the one before.
pub(crate) fn at(index: u64) -> Context {
    Context {
        position: LogPosition { index, round: 1, node: 1 },
        time: ClusterTime(index * 1_000_000),
    }
}

impl<R: Rules> Node<R> {
    pub(crate) fn apply(&mut self, command: &Command) -> Result<Response, CommandError> {
        let context = at(self.store.position().index + 1);
        self.store.apply(context, command).expect("memory is sound")
    }

    /// Writes a key. Returns its revision.
    pub(crate) fn put(&mut self, key: &'static str, value: &'static str) -> i64 {
        self.put_with(&put(key, value)).expect("the put is sound").revision
    }

    pub(crate) fn put_with(&mut self, request: &PutRequest) -> Result<PutResponse, CommandError> {
        match self.apply(&Command::Put(request.clone()))? {
            Response::Put(response) => Ok(response),
            other => panic!("a put was answered with {other:?}"),
        }
    }

    /// Deletes a range. Returns how many keys.
    pub(crate) fn delete(&mut self, key: &'static str, end: &'static str) -> i64 {
        match self.apply(&Command::DeleteRange(delete(key, end))) {
            Ok(Response::DeleteRange(response)) => response.deleted,
            other => panic!("a delete was answered with {other:?}"),
        }
    }

    pub(crate) fn txn(&mut self, request: &TxnRequest) -> Result<TxnResponse, CommandError> {
        match self.apply(&Command::Txn(request.clone()))? {
            Response::Txn(response) => Ok(response),
            other => panic!("a transaction was answered with {other:?}"),
        }
    }

    pub(crate) fn compact(&mut self, revision: i64) -> Result<i64, CommandError> {
        let request = CompactRequest { revision, physical: false };
        match self.apply(&Command::Compact(request))? {
            Response::Compact(response) => Ok(response.revision),
            other => panic!("a compaction was answered with {other:?}"),
        }
    }

    pub(crate) fn range(&self, request: &RangeRequest) -> Result<RangeResponse, CommandError> {
        self.store.range(request).expect("memory is sound")
    }

    pub(crate) fn find(&self, key: &'static str) -> Option<KeyValue> {
        self.range(&range(key, "")).expect("the present is readable").kvs.pop()
    }

    /// The keys that exist at a revision.
    pub(crate) fn keys_at(&self, revision: i64) -> Result<Vec<String>, CommandError> {
        let request = RangeRequest { revision, ..range("\0", "\0") };
        Ok(keys(&self.range(&request)?))
    }

    /// Moves everything to the map.
    pub(crate) fn commit(&mut self) {
        if let Some(commit) = self.store.begin_commit(u64::MAX) {
            self.map.commit(&commit).expect("memory commits");
            self.store.finish_commit(commit.id);
        }
    }

    /// Removes everything that compaction freed, as far as pins allow.
    pub(crate) fn remove_freed(&mut self) {
        while self.store.compact_step(10).expect("memory is sound") == Step::More {}
    }

    /// How many records the map has.
    pub(crate) fn records_on_map(&self) -> usize {
        let unlimited = quorate_kv::ScanLimit { records: usize::MAX, bytes: usize::MAX };
        self.map.scan(quorate_kv::Revision::FIRST, unlimited).expect("memory scans").len()
    }
}

pub(crate) fn put(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

pub(crate) fn delete(key: &'static str, end: &'static str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), range_end: end.into(), prev_kv: false }
}

pub(crate) fn range(key: &'static str, end: &'static str) -> RangeRequest {
    RangeRequest { key: key.into(), range_end: end.into(), ..RangeRequest::default() }
}

pub(crate) fn compare(key: &'static str, result: CompareResult, target: CompareTarget) -> Compare {
    Compare { key: key.into(), range_end: Bytes::new(), result, target }
}

pub(crate) fn op_put(key: &'static str, value: &'static str) -> RequestOp {
    RequestOp::Put(put(key, value))
}

pub(crate) fn op_delete(key: &'static str, end: &'static str) -> RequestOp {
    RequestOp::DeleteRange(delete(key, end))
}

pub(crate) fn op_range(key: &'static str, end: &'static str) -> RequestOp {
    RequestOp::Range(range(key, end))
}

/// A transaction without conditions.
pub(crate) fn always(success: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { compares: Vec::new(), success, failure: Vec::new() }
}

pub(crate) fn keys(response: &RangeResponse) -> Vec<String> {
    response.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect()
}
