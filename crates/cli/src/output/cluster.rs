//! How answers about members are printed: who they are, and how each is doing.

use std::time::Duration;

use prost::Message;
use quorate_etcdapi::etcdserverpb::{
    AlarmMember, AlarmResponse, HashKvResponse, MemberListResponse, MoveLeaderResponse,
    StatusResponse,
};

use super::{Answer, Json, Object, Table, Text, byte_count, duration};

/// A line of a table without a table.
fn joined(text: &mut Text, row: &[String]) {
    text.line(row.join(", ").as_bytes());
}

const MEMBER_TITLES: [&str; 6] =
    ["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"];

fn member_rows(list: &MemberListResponse) -> Vec<Vec<String>> {
    let row = |member: &quorate_etcdapi::etcdserverpb::Member| {
        let status = if member.name.is_empty() { "unstarted" } else { "started" };
        vec![
            format!("{:x}", member.id),
            status.to_owned(),
            member.name.clone(),
            member.peer_ur_ls.join(","),
            member.client_ur_ls.join(","),
            member.is_learner.to_string(),
        ]
    };
    list.members.iter().map(row).collect()
}

impl Answer for MemberListResponse {
    fn simple(&self, text: &mut Text) {
        for row in member_rows(self) {
            joined(text, &row);
        }
    }

    fn json(&self) -> Json {
        let members = Json::list(&self.members, |member| {
            Object::new()
                .with_some("ID", member.id)
                .with_some("name", member.name.as_str())
                .with_some("peerURLs", &member.peer_ur_ls[..])
                .with_some("clientURLs", &member.client_ur_ls[..])
                .with_some("isLearner", member.is_learner)
                .into()
        });
        Object::new()
            .with_some("header", self.header.as_ref().map(Object::from))
            .with_some("members", members)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        for member in &self.members {
            text.field("ID", member.id);
            text.quoted_field("Name", member.name.as_bytes());
            for url in &member.peer_ur_ls {
                text.quoted_field("PeerURL", url.as_bytes());
            }
            for url in &member.client_ur_ls {
                text.quoted_field("ClientURL", url.as_bytes());
            }
            text.field("IsLearner", member.is_learner);
            text.line(b"");
        }
    }

    fn table(&self) -> Option<Table> {
        Some(Table::new(&MEMBER_TITLES, member_rows(self)))
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
}

/// The status of the member behind an endpoint.
#[derive(Debug)]
pub(crate) struct StatusAt {
    /// Where it was asked.
    pub(crate) endpoint: String,
    /// What it said.
    pub(crate) status: StatusResponse,
}

const STATUS_TITLES: [&str; 10] = [
    "endpoint",
    "ID",
    "version",
    "db size",
    "is leader",
    "is learner",
    "raft term",
    "raft index",
    "raft applied index",
    "errors",
];

impl StatusAt {
    fn member(&self) -> u64 {
        self.status.header.as_ref().map_or(0, |header| header.member_id)
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.endpoint.clone(),
            format!("{:x}", self.member()),
            self.status.version.clone(),
            byte_count(self.status.db_size),
            (self.status.leader == self.member()).to_string(),
            self.status.is_learner.to_string(),
            self.status.raft_term.to_string(),
            self.status.raft_index.to_string(),
            self.status.raft_applied_index.to_string(),
            self.status.errors.join(", "),
        ]
    }

    fn json(&self) -> Json {
        let status = &self.status;
        let inner = Object::new()
            .with_some("header", status.header.as_ref().map(Object::from))
            .with_some("version", status.version.as_str())
            .with_some("dbSize", status.db_size)
            .with_some("leader", status.leader)
            .with_some("raftIndex", status.raft_index)
            .with_some("raftTerm", status.raft_term)
            .with_some("raftAppliedIndex", status.raft_applied_index)
            .with_some("errors", &status.errors[..])
            .with_some("dbSizeInUse", status.db_size_in_use)
            .with_some("isLearner", status.is_learner);
        Object::new().with("Endpoint", self.endpoint.as_str()).with("Status", inner).into()
    }

    fn fields(&self, text: &mut Text) {
        let status = &self.status;
        text.header_fields(status.header.as_ref());
        text.quoted_field("Version", status.version.as_bytes());
        text.field("DBSize", status.db_size);
        text.field("Leader", status.leader);
        text.field("IsLearner", status.is_learner);
        text.field("RaftIndex", status.raft_index);
        text.field("RaftTerm", status.raft_term);
        text.field("RaftAppliedIndex", status.raft_applied_index);
        text.field("Errors", format_args!("[{}]", status.errors.join(" ")));
        text.quoted_field("Endpoint", self.endpoint.as_bytes());
        text.line(b"");
    }
}

impl Answer for Vec<StatusAt> {
    fn simple(&self, text: &mut Text) {
        for at in self {
            joined(text, &at.row());
        }
    }

    fn json(&self) -> Json {
        Json::list(self, StatusAt::json)
    }

    fn fields(&self, text: &mut Text) {
        for at in self {
            at.fields(text);
        }
    }

    fn table(&self) -> Option<Table> {
        Some(Table::new(&STATUS_TITLES, self.iter().map(StatusAt::row).collect()))
    }
}

/// The hash of what the member behind an endpoint holds.
#[derive(Debug)]
pub(crate) struct HashAt {
    /// Where it was asked.
    pub(crate) endpoint: String,
    /// What it said.
    pub(crate) hash: HashKvResponse,
}

impl HashAt {
    fn row(&self) -> Vec<String> {
        vec![self.endpoint.clone(), self.hash.hash.to_string()]
    }

    fn json(&self) -> Json {
        let inner = Object::new()
            .with_some("header", self.hash.header.as_ref().map(Object::from))
            .with_some("hash", self.hash.hash)
            .with_some("compact_revision", self.hash.compact_revision);
        Object::new().with("Endpoint", self.endpoint.as_str()).with("HashKV", inner).into()
    }
}

impl Answer for Vec<HashAt> {
    fn simple(&self, text: &mut Text) {
        for at in self {
            joined(text, &at.row());
        }
    }

    fn json(&self) -> Json {
        Json::list(self, HashAt::json)
    }

    fn fields(&self, text: &mut Text) {
        for at in self {
            text.header_fields(at.hash.header.as_ref());
            text.quoted_field("Endpoint", at.endpoint.as_bytes());
            text.field("Hash", at.hash.hash);
            text.line(b"");
        }
    }

    fn table(&self) -> Option<Table> {
        Some(Table::new(&["Endpoint", "Hash"], self.iter().map(HashAt::row).collect()))
    }
}

/// Whether the member behind an endpoint serves linearizable reads.
#[derive(Debug)]
pub(crate) struct Health {
    /// Where it was asked.
    pub(crate) endpoint: String,
    /// How long it took to know.
    pub(crate) took: Duration,
    /// Why it does not; empty if it does.
    pub(crate) error: String,
}

impl Health {
    /// Whether it serves.
    pub(crate) fn is_healthy(&self) -> bool {
        self.error.is_empty()
    }

    /// What is told of it in the simple form, which etcdctl writes to standard error.
    pub(crate) fn line(&self) -> String {
        let (endpoint, error) = (&self.endpoint, &self.error);
        if self.is_healthy() {
            let took = duration(self.took);
            return format!(
                "{endpoint} is healthy: successfully committed proposal: took = {took}"
            );
        }
        format!("{endpoint} is unhealthy: failed to commit proposal: {error}")
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.endpoint.clone(),
            self.is_healthy().to_string(),
            duration(self.took),
            self.error.clone(),
        ]
    }
}

impl Answer for Vec<Health> {
    fn simple(&self, _: &mut Text) {}

    fn json(&self) -> Json {
        Json::list(self, |health| {
            Object::new()
                .with("endpoint", health.endpoint.as_str())
                .with("health", health.is_healthy())
                .with("took", duration(health.took))
                .with_some("error", health.error.as_str())
                .into()
        })
    }

    fn fields(&self, text: &mut Text) {
        for health in self {
            text.quoted_field("Endpoint", health.endpoint.as_bytes());
            text.field("Health", health.is_healthy());
            text.field("Took", duration(health.took));
            text.field("Error", &health.error);
            text.line(b"");
        }
    }

    fn table(&self) -> Option<Table> {
        let titles = ["Endpoint", "Health", "Took", "Error"];
        Some(Table::new(&titles, self.iter().map(Health::row).collect()))
    }
}

impl Answer for AlarmResponse {
    fn simple(&self, text: &mut Text) {
        for alarm in &self.alarms {
            let line = format!("memberID:{} alarm:{} ", alarm.member_id, name_of(alarm));
            text.line(line.as_bytes());
        }
    }

    fn json(&self) -> Json {
        let alarms = Json::list(&self.alarms, |alarm| {
            Object::new()
                .with_some("memberID", alarm.member_id)
                .with_some("alarm", alarm.alarm)
                .into()
        });
        Object::new()
            .with_some("header", self.header.as_ref().map(Object::from))
            .with_some("alarms", alarms)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        for alarm in &self.alarms {
            text.field("MemberID", alarm.member_id);
            text.field("AlarmType", name_of(alarm));
            text.line(b"");
        }
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }
}

fn name_of(alarm: &AlarmMember) -> &'static str {
    alarm.alarm().as_str_name()
}

/// Who led, who leads now, and what was answered.
impl Answer for (u64, u64, MoveLeaderResponse) {
    fn simple(&self, text: &mut Text) {
        let line = format!("Leadership transferred from {:x} to {:x}", self.0, self.1);
        text.line(line.as_bytes());
    }

    fn json(&self) -> Json {
        Object::new().with_some("header", self.2.header.as_ref().map(Object::from)).into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.2.header.as_ref());
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.2.encode_to_vec())
    }
}
