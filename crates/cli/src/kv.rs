//! `quorate put`, `get` and `del`, with etcdctl's flags and output.

use std::ffi::OsString;
use std::future::Future;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use quorate_etcdapi::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest};
use tokio::runtime;
use tonic::transport::Channel;

use crate::connect::{ClientFlags, Kind};
use crate::exit::Failure;
use crate::output::{self, Parts};

/// The flags of `put`.
#[derive(Args, Debug)]
pub(crate) struct PutFlags {
    /// The key
    #[arg(allow_hyphen_values = true)]
    key: OsString,
    /// The value; read from standard input if it is left out
    #[arg(allow_hyphen_values = true, conflicts_with = "ignore_value")]
    value: Option<OsString>,
    /// Print the pair that is replaced
    #[arg(long)]
    prev_kv: bool,
    /// Keep the value the key has
    #[arg(long)]
    ignore_value: bool,
    /// Keep the lease the key has
    #[arg(long)]
    ignore_lease: bool,
    #[command(flatten)]
    client: ClientFlags,
}

/// Which keys a command is about.
#[derive(Args, Debug)]
struct Keys {
    /// The key, or the first of the range
    #[arg(allow_hyphen_values = true)]
    key: OsString,
    /// The end of the range, which is not part of it
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["prefix", "from_key"])]
    range_end: Option<OsString>,
    /// All keys that begin with KEY
    #[arg(long, conflicts_with = "from_key")]
    prefix: bool,
    /// All keys from KEY on
    #[arg(long)]
    from_key: bool,
}

/// The flags of `get`.
#[derive(Args, Debug)]
pub(crate) struct GetFlags {
    #[command(flatten)]
    keys: Keys,
    /// Most pairs to print; 0 means all
    #[arg(long, value_name = "N", default_value = "0")]
    limit: i64,
    /// Read as of this revision; 0 means the newest
    #[arg(long, value_name = "REVISION", default_value = "0")]
    rev: i64,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// Print only how many keys there are
    #[arg(long)]
    count_only: bool,
    /// Leave the keys out
    #[arg(long)]
    print_value_only: bool,
    /// Order of the pairs
    #[arg(long, value_name = "ORDER", ignore_case = true)]
    order: Option<Order>,
    /// What the order is by
    #[arg(long, value_name = "TARGET", ignore_case = true)]
    sort_by: Option<Target>,
    /// Linearizable, or serializable: as this member knows it
    #[arg(long, value_name = "KIND", default_value = "l")]
    consistency: Consistency,
    #[command(flatten)]
    client: ClientFlags,
}

/// The flags of `del`.
#[derive(Args, Debug)]
pub(crate) struct DelFlags {
    #[command(flatten)]
    keys: Keys,
    /// Print the pairs that are deleted
    #[arg(long)]
    prev_kv: bool,
    #[command(flatten)]
    client: ClientFlags,
}

/// The order of pairs, with etcd's numbers.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Order {
    Ascend = 1,
    Descend = 2,
}

/// What pairs are sorted by, with etcd's numbers.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Target {
    Key = 0,
    Version = 1,
    Create = 2,
    Modify = 3,
    Value = 4,
}

/// How fresh a read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Consistency {
    L,
    S,
}

/// Puts one pair.
pub(crate) fn put(flags: PutFlags) -> Result<(), Failure> {
    let session = flags.client.session()?;
    let value = match flags.value {
        Some(value) => value.into_vec(),
        None if flags.ignore_value => Vec::new(),
        None => read_value()?,
    };
    let request = PutRequest {
        key: bytes_of(flags.key),
        value: value.into(),
        lease: 0,
        prev_kv: flags.prev_kv,
        ignore_value: flags.ignore_value,
        ignore_lease: flags.ignore_lease,
    };
    let send = |channel| {
        let request = request.clone();
        async move { client(channel).put(request).await }
    };
    let response = run(session.call(Kind::Write, send))?;
    let mut printed = b"OK\n".to_vec();
    output::pairs(&mut printed, response.prev_kv.as_slice(), Parts::Pair);
    output::flush(&printed)
}

/// Prints pairs.
pub(crate) fn get(flags: GetFlags) -> Result<(), Failure> {
    let session = flags.client.session()?;
    let parts = if flags.print_value_only { Parts::Value } else { Parts::Pair };
    let is_count_only = flags.count_only;
    let request = range_request(flags);
    let send = |channel| {
        let request = request.clone();
        async move { client(channel).range(request).await }
    };
    let response = run(session.call(Kind::Read, send))?;
    let mut printed = Vec::new();
    if is_count_only {
        output::line(&mut printed, response.count.to_string().as_bytes());
    }
    output::pairs(&mut printed, &response.kvs, parts);
    output::flush(&printed)
}

/// Deletes pairs.
pub(crate) fn del(flags: DelFlags) -> Result<(), Failure> {
    let session = flags.client.session()?;
    let (key, range_end) = flags.keys.into_range();
    let request = DeleteRangeRequest { key, range_end, prev_kv: flags.prev_kv };
    let send = |channel| {
        let request = request.clone();
        async move { client(channel).delete_range(request).await }
    };
    let response = run(session.call(Kind::Write, send))?;
    let mut printed = Vec::new();
    output::line(&mut printed, response.deleted.to_string().as_bytes());
    output::pairs(&mut printed, &response.prev_kvs, Parts::Pair);
    output::flush(&printed)
}

fn range_request(flags: GetFlags) -> RangeRequest {
    let (key, range_end) = flags.keys.into_range();
    RangeRequest {
        key,
        range_end,
        limit: flags.limit,
        revision: flags.rev,
        sort_order: flags.order.map_or(0, |order| order as i32),
        sort_target: flags.sort_by.map_or(0, |target| target as i32),
        serializable: flags.consistency == Consistency::S,
        keys_only: flags.keys_only,
        count_only: flags.count_only,
        ..RangeRequest::default()
    }
}

impl Keys {
    /// The range as etcd's requests write it: `\0` is the first key of all, and as an end it
    /// stands for no end.
    fn into_range(self) -> (Bytes, Bytes) {
        const ZERO: Bytes = Bytes::from_static(b"\0");
        let key = bytes_of(self.key);
        let is_open = self.prefix || self.from_key;
        match self.range_end {
            Some(end) => (key, bytes_of(end)),
            None if is_open && key.is_empty() => (ZERO, ZERO),
            None if self.from_key => (key, ZERO),
            None if self.prefix => {
                let end = prefix_end(&key);
                (key, end)
            }
            None => (key, Bytes::new()),
        }
    }
}

/// The first key after all that begin with the prefix: its last byte that can grow is one larger.
fn prefix_end(prefix: &[u8]) -> Bytes {
    match prefix.iter().rposition(|byte| *byte < u8::MAX) {
        Some(place) => {
            let mut end = prefix[..=place].to_vec();
            end[place] += 1;
            end.into()
        }
        None => Bytes::from_static(b"\0"),
    }
}

fn bytes_of(argument: OsString) -> Bytes {
    argument.into_vec().into()
}

fn read_value() -> Result<Vec<u8>, Failure> {
    let mut value = Vec::new();
    let read = io::stdin().read_to_end(&mut value);
    read.map_err(|error| Failure::error(format!("the value cannot be read: {error}")))?;
    Ok(value)
}

/// A client without limits of its own: the server has them.
fn client(channel: Channel) -> KvClient<Channel> {
    KvClient::new(channel)
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX)
}

fn run<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::error)?.block_on(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str, range_end: Option<&str>) -> Keys {
        let range_end = range_end.map(OsString::from);
        Keys { key: key.into(), range_end, prefix: false, from_key: false }
    }

    fn range(keys: Keys) -> (Vec<u8>, Vec<u8>) {
        let (key, end) = keys.into_range();
        (key.to_vec(), end.to_vec())
    }

    #[test]
    fn ranges_are_written_as_etcdctl_writes_them() {
        assert_eq!(range(keys("a", None)), (b"a".to_vec(), b"".to_vec()));
        assert_eq!(range(keys("a", Some("c"))), (b"a".to_vec(), b"c".to_vec()));
        let prefix = |key| Keys { prefix: true, ..keys(key, None) };
        assert_eq!(range(prefix("ab")), (b"ab".to_vec(), b"ac".to_vec()));
        assert_eq!(range(prefix("")), (b"\0".to_vec(), b"\0".to_vec()));
        let from = |key| Keys { from_key: true, ..keys(key, None) };
        assert_eq!(range(from("ab")), (b"ab".to_vec(), b"\0".to_vec()));
        assert_eq!(range(from("")), (b"\0".to_vec(), b"\0".to_vec()));
    }

    #[test]
    fn the_end_of_a_prefix_skips_bytes_that_cannot_grow() {
        assert_eq!(prefix_end(b"a\xff\xff"), Bytes::from_static(b"b"));
        assert_eq!(prefix_end(b"\xff"), Bytes::from_static(b"\0"));
    }
}
