//! Answers: from the state machine's types to etcd's messages, with their headers.

use quorate_kv as kv;

use crate::etcdserverpb as pb;
use crate::mvccpb;
use pb::response_op::Response;

/// Who answers: what a response header says beside the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responder {
    /// The cluster.
    pub cluster_id: u64,
    /// The member that the client spoke to.
    pub member_id: u64,
    /// The consensus term that member is in. It must never go back: clients compare it.
    pub raft_term: u64,
}

impl Responder {
    /// The header of an answer that was made at `revision`, 0 where the store was not asked.
    pub fn header(&self, revision: i64) -> pb::ResponseHeader {
        pb::ResponseHeader {
            cluster_id: self.cluster_id,
            member_id: self.member_id,
            revision,
            raft_term: self.raft_term,
        }
    }

    /// The answer to a range.
    pub fn range(&self, response: kv::RangeResponse) -> pb::RangeResponse {
        let header = self.header(response.revision);
        pb::RangeResponse { header: Some(header), ..response.into() }
    }

    /// The answer to a put.
    pub fn put(&self, response: kv::PutResponse) -> pb::PutResponse {
        let header = self.header(response.revision);
        pb::PutResponse { header: Some(header), ..response.into() }
    }

    /// The answer to a delete.
    pub fn delete_range(&self, response: kv::DeleteRangeResponse) -> pb::DeleteRangeResponse {
        let header = self.header(response.revision);
        pb::DeleteRangeResponse { header: Some(header), ..response.into() }
    }

    /// The answer to a transaction.
    pub fn txn(&self, response: kv::TxnResponse) -> pb::TxnResponse {
        let header = self.header(response.revision);
        pb::TxnResponse { header: Some(header), ..response.into() }
    }

    /// The answer to a compaction.
    pub fn compact(&self, response: kv::CompactResponse) -> pb::CompactionResponse {
        pb::CompactionResponse { header: Some(self.header(response.revision)) }
    }

    /// The answer to a hash of the keys, while the store stands at `revision`. etcd has 32 bits
    /// for the hash, so both halves of ours are folded into one.
    pub fn hash_kv(&self, revision: i64, content: kv::ContentAt) -> pb::HashKvResponse {
        pb::HashKvResponse {
            header: Some(self.header(revision)),
            hash: fold(content.hash),
            compact_revision: content.compact_revision,
            hash_revision: content.hash_revision,
        }
    }
}

/// Both halves of a content hash as one.
fn fold(hash: kv::ContentHash) -> u32 {
    (hash.0 >> 32) as u32 ^ hash.0 as u32
}

/// The header of an answer within a transaction: etcd sets the revision alone.
fn inner_header(revision: i64) -> pb::ResponseHeader {
    pb::ResponseHeader { revision, ..pb::ResponseHeader::default() }
}

/// As within a transaction.
impl From<kv::RangeResponse> for pb::RangeResponse {
    fn from(response: kv::RangeResponse) -> Self {
        Self {
            header: Some(inner_header(response.revision)),
            kvs: key_values(response.kvs),
            more: response.more,
            count: response.count,
        }
    }
}

/// As within a transaction.
impl From<kv::PutResponse> for pb::PutResponse {
    fn from(response: kv::PutResponse) -> Self {
        Self {
            header: Some(inner_header(response.revision)),
            prev_kv: response.prev_kv.map(mvccpb::KeyValue::from),
        }
    }
}

/// As within a transaction.
impl From<kv::DeleteRangeResponse> for pb::DeleteRangeResponse {
    fn from(response: kv::DeleteRangeResponse) -> Self {
        Self {
            header: Some(inner_header(response.revision)),
            deleted: response.deleted,
            prev_kvs: key_values(response.prev_kvs),
        }
    }
}

/// As within a transaction.
impl From<kv::TxnResponse> for pb::TxnResponse {
    fn from(response: kv::TxnResponse) -> Self {
        Self {
            header: Some(inner_header(response.revision)),
            succeeded: response.succeeded,
            responses: response.responses.into_iter().map(pb::ResponseOp::from).collect(),
        }
    }
}

impl From<kv::ResponseOp> for pb::ResponseOp {
    fn from(response: kv::ResponseOp) -> Self {
        let response = match response {
            kv::ResponseOp::Range(range) => Response::ResponseRange(range.into()),
            kv::ResponseOp::Put(put) => Response::ResponsePut(put.into()),
            kv::ResponseOp::DeleteRange(delete) => Response::ResponseDeleteRange(delete.into()),
            kv::ResponseOp::Txn(txn) => Response::ResponseTxn(txn.into()),
        };
        Self { response: Some(response) }
    }
}

fn key_values(kvs: Vec<kv::KeyValue>) -> Vec<mvccpb::KeyValue> {
    kvs.into_iter().map(mvccpb::KeyValue::from).collect()
}

impl From<kv::KeyValue> for mvccpb::KeyValue {
    fn from(kv: kv::KeyValue) -> Self {
        Self {
            key: kv.key,
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            value: kv.value,
            lease: kv.lease.0,
        }
    }
}

impl From<mvccpb::KeyValue> for kv::KeyValue {
    fn from(kv: mvccpb::KeyValue) -> Self {
        Self {
            key: kv.key,
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            value: kv.value,
            lease: kv::LeaseId(kv.lease),
        }
    }
}

#[cfg(test)]
mod tests;
