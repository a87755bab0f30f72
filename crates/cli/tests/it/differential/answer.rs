//! An answer as a list of named fields, so that two can be compared one by one.

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_etcdapi::{etcdserverpb as pb, mvccpb, v3electionpb, v3lockpb};
use tonic::Status;

/// A field of an answer, not yet normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Where it stands, such as `kvs[0].key`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) value: Value,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text, or bytes with everything unprintable escaped.
    Text(String),
    /// A number of any kind.
    Number(i128),
}

/// The name of the field that says why a request failed.
pub(crate) const ERROR: &str = "error";

/// Builds the list of fields.
#[derive(Default)]
pub(crate) struct Fields {
    prefix: String,
    fields: Vec<Field>,
}

impl Fields {
    /// The fields of whatever a request brought.
    pub(crate) fn of<T: Flatten>(answer: &Result<T, Status>) -> Vec<Field> {
        let mut fields = Self::default();
        match answer {
            Ok(answer) => answer.flatten(&mut fields),
            Err(status) => {
                fields.text(ERROR, &format!("{:?}: {}", status.code(), status.message()));
            }
        }
        fields.fields
    }

    fn push(&mut self, name: &str, value: Value) {
        self.fields.push(Field { path: format!("{}{name}", self.prefix), value });
    }

    fn text(&mut self, name: &str, text: &str) {
        self.push(name, Value::Text(text.to_owned()));
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.text(name, &bytes.escape_ascii().to_string());
    }

    fn number(&mut self, name: &str, number: impl Into<i128>) {
        self.push(name, Value::Number(number.into()));
    }

    fn flag(&mut self, name: &str, flag: impl Into<bool>) {
        self.number(name, i32::from(flag.into()));
    }

    fn within(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let outer = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        fill(self);
        self.prefix.truncate(outer);
    }

    /// A message that may be absent.
    fn optional<T: Flatten>(&mut self, name: &str, message: Option<&T>) {
        match message {
            Some(message) => self.within(name, |fields| message.flatten(fields)),
            None => self.text(name, "absent"),
        }
    }

    fn list<T: Flatten>(&mut self, name: &str, messages: &[T]) {
        self.number(&format!("{name}.length"), messages.len() as i128);
        for (position, message) in messages.iter().enumerate() {
            self.within(&format!("{name}[{position}]"), |fields| message.flatten(fields));
        }
    }
}

/// What has named fields.
pub(crate) trait Flatten {
    /// Adds each field.
    fn flatten(&self, fields: &mut Fields);
}

impl Flatten for pb::ResponseHeader {
    fn flatten(&self, fields: &mut Fields) {
        fields.number("cluster_id", self.cluster_id);
        fields.number("member_id", self.member_id);
        fields.number("revision", self.revision);
        fields.number("raft_term", self.raft_term);
    }
}

impl Flatten for mvccpb::KeyValue {
    fn flatten(&self, fields: &mut Fields) {
        fields.bytes("key", &self.key);
        fields.number("create_revision", self.create_revision);
        fields.number("mod_revision", self.mod_revision);
        fields.number("version", self.version);
        fields.bytes("value", &self.value);
        fields.number("lease", self.lease);
    }
}

impl Flatten for pb::RangeResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.list("kvs", &self.kvs);
        fields.flag("more", self.more);
        fields.number("count", self.count);
    }
}

impl Flatten for pb::PutResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.optional("prev_kv", self.prev_kv.as_ref());
    }
}

impl Flatten for pb::DeleteRangeResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.number("deleted", self.deleted);
        fields.list("prev_kvs", &self.prev_kvs);
    }
}

impl Flatten for pb::TxnResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.flag("succeeded", self.succeeded);
        fields.list("responses", &self.responses);
    }
}

impl Flatten for pb::ResponseOp {
    fn flatten(&self, fields: &mut Fields) {
        use pb::response_op::Response;
        match &self.response {
            Some(Response::ResponseRange(range)) => fields.optional("range", Some(range)),
            Some(Response::ResponsePut(put)) => fields.optional("put", Some(put)),
            Some(Response::ResponseDeleteRange(delete)) => {
                fields.optional("delete_range", Some(delete));
            }
            Some(Response::ResponseTxn(txn)) => fields.optional("txn", Some(txn)),
            None => fields.text("response", "absent"),
        }
    }
}

impl Flatten for pb::CompactionResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

impl Flatten for pb::StatusResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.text("version", &self.version);
        fields.number("db_size", self.db_size);
        fields.number("leader", self.leader);
        fields.number("raft_index", self.raft_index);
        fields.number("raft_term", self.raft_term);
        fields.number("raft_applied_index", self.raft_applied_index);
        fields.text("errors", &self.errors.join("; "));
        fields.number("db_size_in_use", self.db_size_in_use);
        fields.flag("is_learner", self.is_learner);
        fields.text("storage_version", &self.storage_version);
        fields.number("db_size_quota", self.db_size_quota);
        fields.text(
            "downgrade_info",
            &match &self.downgrade_info {
                Some(info) => format!("{} {:?}", info.enabled, info.target_version),
                None => "absent".to_owned(),
            },
        );
    }
}

impl Flatten for pb::AlarmResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.list("alarms", &self.alarms);
    }
}

impl Flatten for pb::AlarmMember {
    fn flatten(&self, fields: &mut Fields) {
        fields.number("member_id", self.member_id);
        fields.number("alarm", self.alarm);
    }
}

impl Flatten for pb::HashKvResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.number("hash", self.hash);
        fields.number("compact_revision", self.compact_revision);
        fields.number("hash_revision", self.hash_revision);
    }
}

impl Flatten for pb::DefragmentResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

impl Flatten for pb::MoveLeaderResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

/// The members are as many as the cluster was made with, which differs; what is compared is what
/// each of them tells, once if they all tell the same.
impl Flatten for pb::MemberListResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        for member in &self.members {
            fields.within("members[each]", |fields| member.flatten(fields));
        }
    }
}

impl Flatten for pb::Member {
    fn flatten(&self, fields: &mut Fields) {
        fields.number("id", self.id);
        fields.text("name", &self.name);
        fields.text("peer_urls", &self.peer_ur_ls.join(","));
        fields.text("client_urls", &self.client_ur_ls.join(","));
        fields.flag("is_learner", self.is_learner);
    }
}

impl Flatten for pb::LeaseGrantResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.number("lease", self.id);
        fields.number("ttl", self.ttl);
        fields.text("error_text", &self.error);
    }
}

impl Flatten for pb::LeaseRevokeResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

impl Flatten for pb::LeaseKeepAliveResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.number("lease", self.id);
        fields.number("ttl", self.ttl);
    }
}

/// The time left passes while it is asked for: what is told is where it lies. etcd tells the keys
/// in any order.
impl Flatten for pb::LeaseTimeToLiveResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.number("lease", self.id);
        match self.ttl {
            0.. if self.ttl <= self.granted_ttl => fields.text("ttl", "within what was granted"),
            ttl => fields.number("ttl", ttl),
        }
        fields.number("granted_ttl", self.granted_ttl);
        fields.number("keys.length", self.keys.len() as i128);
        let keys: BTreeSet<&Bytes> = self.keys.iter().collect();
        for (place, key) in keys.into_iter().enumerate() {
            fields.bytes(&format!("keys[{place}]"), key);
        }
    }
}

impl Flatten for pb::LeaseLeasesResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        let leases: Vec<String> = self.leases.iter().map(|lease| lease.id.to_string()).collect();
        fields.text("leases", &leases.join(","));
    }
}

impl Flatten for v3lockpb::LockResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.bytes("key", &self.key);
    }
}

impl Flatten for v3lockpb::UnlockResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

impl Flatten for v3electionpb::LeaderKey {
    fn flatten(&self, fields: &mut Fields) {
        fields.bytes("line", &self.name);
        fields.bytes("key", &self.key);
        fields.number("revision", self.rev);
        fields.number("lease", self.lease);
    }
}

impl Flatten for v3electionpb::CampaignResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.optional("leader_key", self.leader.as_ref());
    }
}

impl Flatten for v3electionpb::ProclaimResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

impl Flatten for v3electionpb::LeaderResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
        fields.optional("kv", self.kv.as_ref());
    }
}

impl Flatten for v3electionpb::ResignResponse {
    fn flatten(&self, fields: &mut Fields) {
        fields.optional("header", self.header.as_ref());
    }
}

/// The answers of a stream.
impl<T: Flatten> Flatten for Vec<T> {
    fn flatten(&self, fields: &mut Fields) {
        fields.list("answers", self);
    }
}
