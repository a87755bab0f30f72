//! A sequence: the requests that both servers are sent, one after the other.

use std::fmt;

use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::v3electionpb as election;
use quorate_etcdapi::v3lockpb as lock;

use crate::flatten::{self, Field};
use crate::relative::InWords;

/// Streams of watches that a sequence uses.
pub(crate) const STREAMS: usize = 2;

/// One request. Its revisions and leases may be names ([`crate::relative`]).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// KV.Range.
    Range(pb::RangeRequest),
    /// KV.Put.
    Put(pb::PutRequest),
    /// KV.DeleteRange.
    DeleteRange(pb::DeleteRangeRequest),
    /// KV.Txn.
    Txn(pb::TxnRequest),
    /// KV.Compact.
    Compact(pb::CompactionRequest),
    /// Maintenance.HashKV.
    HashKv(pb::HashKvRequest),
    /// Lease.LeaseGrant.
    Grant(pb::LeaseGrantRequest),
    /// Lease.LeaseRevoke.
    Revoke(pb::LeaseRevokeRequest),
    /// Lease.LeaseKeepAlive, once.
    KeepAlive(pb::LeaseKeepAliveRequest),
    /// Lease.LeaseTimeToLive.
    TimeToLive(pb::LeaseTimeToLiveRequest),
    /// Lease.LeaseLeases.
    Leases(pb::LeaseLeasesRequest),
    /// A watch on one of the streams.
    Watch(usize, pb::WatchCreateRequest),
    /// The end of a watch of that stream.
    Cancel(usize, pb::WatchCancelRequest),
    /// The wish to know how far that stream is.
    Progress(usize, pb::WatchProgressRequest),
    /// Lock.Lock, which waits for nobody for long.
    Lock(lock::LockRequest),
    /// Lock.Unlock.
    Unlock(lock::UnlockRequest),
    /// Election.Campaign, which waits for nobody for long.
    Campaign(election::CampaignRequest),
    /// Election.Proclaim. A leader without a key is the last that was elected under its name.
    Proclaim(election::ProclaimRequest),
    /// Election.Leader.
    Leader(election::LeaderRequest),
    /// Election.Resign, of a leader as in `Proclaim`.
    Resign(election::ResignRequest),
}

impl Step {
    /// The kind of request, by which known differences name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Range(_) => "Range",
            Self::Put(_) => "Put",
            Self::DeleteRange(_) => "DeleteRange",
            Self::Txn(_) => "Txn",
            Self::Compact(_) => "Compact",
            Self::HashKv(_) => "HashKV",
            Self::Grant(_) => "LeaseGrant",
            Self::Revoke(_) => "LeaseRevoke",
            Self::KeepAlive(_) => "LeaseKeepAlive",
            Self::TimeToLive(_) => "LeaseTimeToLive",
            Self::Leases(_) => "LeaseLeases",
            Self::Watch(..) => "Watch",
            Self::Cancel(..) => "WatchCancel",
            Self::Progress(..) => "WatchProgress",
            Self::Lock(_) => "Lock",
            Self::Unlock(_) => "Unlock",
            Self::Campaign(_) => "Campaign",
            Self::Proclaim(_) => "Proclaim",
            Self::Leader(_) => "Leader",
            Self::Resign(_) => "Resign",
        }
    }

    /// The stream of watches that it is sent on.
    pub(crate) fn stream(&self) -> Option<usize> {
        match self {
            Self::Watch(stream, _) | Self::Cancel(stream, _) | Self::Progress(stream, _) => {
                Some(*stream)
            }
            _ => None,
        }
    }

    /// Every field of the request.
    pub(crate) fn fields(&self) -> Vec<Field> {
        match self {
            Self::Range(request) => flatten::fields(request),
            Self::Put(request) => flatten::fields(request),
            Self::DeleteRange(request) => flatten::fields(request),
            Self::Txn(request) => flatten::fields(request),
            Self::Compact(request) => flatten::fields(request),
            Self::HashKv(request) => flatten::fields(request),
            Self::Grant(request) => flatten::fields(request),
            Self::Revoke(request) => flatten::fields(request),
            Self::KeepAlive(request) => flatten::fields(request),
            Self::TimeToLive(request) => flatten::fields(request),
            Self::Leases(_) | Self::Progress(..) => Vec::new(),
            Self::Watch(_, request) => flatten::fields(request),
            Self::Cancel(_, request) => flatten::fields(request),
            Self::Lock(request) => flatten::fields(request),
            Self::Unlock(request) => flatten::fields(request),
            Self::Campaign(request) => flatten::fields(request),
            Self::Proclaim(request) => flatten::fields(request),
            Self::Leader(request) => flatten::fields(request),
            Self::Resign(request) => flatten::fields(request),
        }
    }
}

/// The kind, every key and every other field that says something.
impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind())?;
        if let Some(stream) = self.stream() {
            write!(formatter, " stream={stream}")?;
        }
        for field in self.fields() {
            let is_silent = matches!(field.value.as_str(), "0" | "false" | "b\"\"" | "[]");
            if is_silent && field.name() != "key" {
                continue;
            }
            match field.value.parse() {
                Ok(number) => write!(formatter, " {}={}", field.path, InWords(number))?,
                Err(_) => write!(formatter, " {}={}", field.path, field.value)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::relative::CURRENT;

    use super::*;

    #[test]
    fn a_step_tells_its_fields_and_leaves_out_what_says_nothing() {
        let range = pb::RangeRequest {
            key: "a\0".into(),
            revision: CURRENT - 1,
            keys_only: true,
            ..Default::default()
        };
        let expected =
            r#"Range key=b"a\0" revision=current-1 sort_order=None sort_target=Key keys_only=true"#;
        assert_eq!(Step::Range(range).to_string(), expected);
        let cancel = Step::Cancel(1, pb::WatchCancelRequest { watch_id: 7 });
        assert_eq!(cancel.to_string(), "WatchCancel stream=1 watch_id=7");
    }
}
