//! One record of the log in a few words.

use bytes::Bytes;
use quorate_codec::decode_command;
use quorate_consensus::{Ballot, Entry, Payload, Write};
use quorate_kv::{Command, RequestOp};
use quorate_storage::RecordView;

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLine {
    /// The segment it is in.
    pub segment: u64,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// The position it is about, if it is about one.
    pub index: Option<u64>,
    /// The ballot of that position: a Raft term and its leader, or the ballot of a Paxos vote.
    pub ballot: Option<Ballot>,
    /// What it is.
    pub kind: &'static str,
    /// The key it is about, if it is about one.
    pub key: Option<Bytes>,
    /// What else it says.
    pub detail: String,
}

impl RecordLine {
    pub(super) fn of(record: RecordView) -> Self {
        let RecordView { segment, offset, bytes, write } = record;
        let base = |kind, detail: String| Self {
            segment,
            offset,
            bytes,
            index: None,
            ballot: None,
            kind,
            key: None,
            detail,
        };
        let at = |index: u64, ballot: Option<Ballot>, line: Self| Self {
            index: Some(index),
            ballot,
            ..line
        };
        if let Some(entry) = write.as_ref().and_then(|write| write.entries().first()) {
            let (kind, key, detail) = described(entry);
            return at(entry.index.0, Some(entry.ballot), Self { key, ..base(kind, detail) });
        }
        match write {
            None | Some(Write::Put(_)) => base("unreadable", String::new()),
            Some(Write::Hard(hard)) => {
                let to = hard.promise.to.map_or_else(|| "nobody".to_owned(), |to| to.to_string());
                let committed = hard.committed.0;
                let round = hard.promise.round;
                base("hard state", format!("round {round} to {to}, committed {committed}"))
            }
            Some(Write::TruncateFrom(index)) => {
                at(index.0, None, base("truncate", "from here on".to_owned()))
            }
            Some(Write::CompactTo(meta)) => {
                at(meta.index.0, Some(meta.ballot), base("compact log", "up to here".to_owned()))
            }
            Some(Write::Install(meta)) => {
                at(meta.index.0, Some(meta.ballot), base("install", "a snapshot".to_owned()))
            }
        }
    }
}

type Described = (&'static str, Option<Bytes>, String);

fn described(entry: &Entry) -> Described {
    match &entry.payload {
        Payload::Noop => ("no-op", None, String::new()),
        Payload::Members(members) => {
            ("members", None, format!("{} members", members.details.len()))
        }
        Payload::Command(bytes) => match decode_command(bytes.clone()) {
            Ok(command) => command_described(command),
            Err(error) => ("unknown command", None, error.to_string()),
        },
    }
}

fn command_described(command: Command) -> Described {
    match command {
        Command::Put(put) => {
            let lease = match put.lease.0 {
                0 => String::new(),
                lease => format!(", lease {lease:x}"),
            };
            let detail = format!("value of {} bytes{lease}", put.value.len());
            ("put", Some(put.key), detail)
        }
        Command::DeleteRange(delete) => {
            let detail = range_detail(&delete.range_end);
            ("delete", Some(delete.key), detail)
        }
        Command::Txn(txn) => {
            let (compares, success, failure) =
                (txn.compares.len(), txn.success.len(), txn.failure.len());
            let key = txn.success.iter().chain(&txn.failure).find_map(key_of);
            ("txn", key, format!("{compares} compares, {success} operations or {failure}"))
        }
        Command::Compact(compact) => {
            ("compact", None, format!("up to revision {}", compact.revision))
        }
        Command::SetQuota(quota) => ("quota", None, format!("{} bytes", quota.quota_bytes)),
        Command::Publish(publish) => ("publish", None, format!("member {:x}", publish.member)),
        Command::Advance => ("clock", None, String::new()),
        Command::Alarm(alarm) => {
            ("alarm", None, format!("{:?} {:?}", alarm.action, alarm.alarm.kind))
        }
        Command::LeaseGrant(grant) => {
            let detail = format!("{:x}, {} s", grant.id.0, grant.ttl.seconds());
            ("lease grant", None, detail)
        }
        Command::LeaseRevoke(revoke) => ("lease revoke", None, format!("{:x}", revoke.id.0)),
        Command::LeaseRenew(renew) => ("lease renew", None, format!("{} leases", renew.ids.len())),
    }
}

fn range_detail(end: &Bytes) -> String {
    match &end[..] {
        b"" => String::new(),
        b"\0" => "and all keys behind it".to_owned(),
        end => format!("up to {}", end.escape_ascii()),
    }
}

fn key_of(operation: &RequestOp) -> Option<Bytes> {
    match operation {
        RequestOp::Put(put) => Some(put.key.clone()),
        RequestOp::DeleteRange(delete) => Some(delete.key.clone()),
        RequestOp::Range(_) | RequestOp::Txn(_) => None,
    }
}
