//! How answers about leases are printed. Identifiers are hexadecimal for people, decimal elsewhere.
//!
//! As a protobuf message only the header is printed: that is all etcdctl prints of these.

use prost::Message;
use quorate_etcdapi::etcdserverpb::{
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseRevokeResponse,
    LeaseTimeToLiveResponse, ResponseHeader,
};

use super::{Answer, Json, Object, Text};

impl Answer for LeaseGrantResponse {
    fn simple(&self, text: &mut Text) {
        text.line(format!("lease {:016x} granted with TTL({}s)", self.id, self.ttl).as_bytes());
    }

    fn json(&self) -> Json {
        Object::new()
            .with_header(self.header.as_ref())
            .with("ID", self.id)
            .with("TTL", self.ttl)
            .with("Error", self.error.as_str())
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        text.field("ID", self.id);
        text.field("TTL", self.ttl);
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.header.as_ref()))
    }
}

/// A lease that was revoked, and what was answered.
impl Answer for (i64, LeaseRevokeResponse) {
    fn simple(&self, text: &mut Text) {
        text.line(format!("lease {:016x} revoked", self.0).as_bytes());
    }

    fn json(&self) -> Json {
        Object::new().with_some("header", self.1.header.as_ref().map(Object::from)).into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.1.header.as_ref());
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.1.encode_to_vec())
    }
}

impl Answer for LeaseKeepAliveResponse {
    fn simple(&self, text: &mut Text) {
        text.line(format!("lease {:016x} keepalived with TTL({})", self.id, self.ttl).as_bytes());
    }

    fn json(&self) -> Json {
        Object::new()
            .with_header(self.header.as_ref())
            .with("ID", self.id)
            .with("TTL", self.ttl)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        text.field("ID", self.id);
        text.field("TTL", self.ttl);
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.header.as_ref()))
    }
}

/// What is left of a lease.
#[derive(Debug)]
pub(crate) struct TimeToLive {
    /// What was answered.
    pub(crate) response: LeaseTimeToLiveResponse,
    /// Whether its keys were asked for.
    pub(crate) with_keys: bool,
}

impl TimeToLive {
    fn keys(&self) -> String {
        if !self.with_keys {
            return String::new();
        }
        let keys = self.response.keys.iter().map(|key| String::from_utf8_lossy(key));
        format!(", attached keys([{}])", keys.collect::<Vec<_>>().join(" "))
    }
}

impl Answer for TimeToLive {
    fn simple(&self, text: &mut Text) {
        let LeaseTimeToLiveResponse { id, ttl, granted_ttl, .. } = self.response;
        if granted_ttl == 0 && ttl == -1 {
            return text.line(format!("lease {id:016x} already expired").as_bytes());
        }
        let line = format!(
            "lease {id:016x} granted with TTL({granted_ttl}s), remaining({ttl}s){}",
            self.keys()
        );
        text.line(line.as_bytes());
    }

    fn json(&self) -> Json {
        let keys = &self.response.keys;
        let keys =
            if keys.is_empty() { Json::Null } else { Json::list(keys, |key| key.clone().into()) };
        Object::new()
            .with_header(self.response.header.as_ref())
            .with("id", self.response.id)
            .with("ttl", self.response.ttl)
            .with("granted-ttl", self.response.granted_ttl)
            .with("keys", keys)
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.response.header.as_ref());
        text.field("ID", self.response.id);
        text.field("TTL", self.response.ttl);
        text.field("GrantedTTL", self.response.granted_ttl);
        self.response.keys.iter().for_each(|key| text.quoted_field("Key", key));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.response.header.as_ref()))
    }
}

impl Answer for LeaseLeasesResponse {
    fn simple(&self, text: &mut Text) {
        text.line(format!("found {} leases", self.leases.len()).as_bytes());
        for lease in &self.leases {
            text.line(format!("{:016x}", lease.id).as_bytes());
        }
    }

    fn json(&self) -> Json {
        let each = |id: i64| Object::new().with("id", id).into();
        Object::new()
            .with_header(self.header.as_ref())
            .with("leases", Json::list(&self.leases, |lease| each(lease.id)))
            .into()
    }

    fn fields(&self, text: &mut Text) {
        text.header_fields(self.header.as_ref());
        self.leases.iter().for_each(|lease| text.field("ID", lease.id));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.header.as_ref()))
    }
}

fn header_bytes(header: Option<&ResponseHeader>) -> Vec<u8> {
    header.map(Message::encode_to_vec).unwrap_or_default()
}
