//! `put`, `get`, `del` and `compact`, with etcdctl's flags and output.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

use clap::{Args, ValueEnum};
use quorate_etcdapi::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest,
};

use super::keys::{Keys, bytes_of, hexadecimal};
use super::{block_on, kv_client};
use crate::client_flags::Context;
use crate::code::Code;
use crate::connect::Kind;
use crate::exit::{Failure, Personality};
use crate::output::{self, Format, Parts, Table, quoted};

/// The end of the help of `put`.
pub(crate) const PUT_NOTES: &str = "\
Examples:
  quorate put hello world
  quorate put note < note.txt               the value from standard input
  quorate put here yes --lease 694d5765fc71500b    gone when the lease ends
  quorate put hello world --prev-kv -w table

The exit code is 0 for success, 1 for a refusal, 2 for wrong usage, 69 if the
cluster cannot be reached and nothing was done, 75 if a write may or may not
have happened. That is so for all client commands.";

/// The end of the help of `get`.
pub(crate) const GET_NOTES: &str = "\
Examples:
  quorate get hello
  quorate get --prefix config/ --keys-only
  quorate get a z --limit 10 --rev 42       as it was at revision 42
  quorate get hello --require || echo new   exit code 3 if it is not there
  quorate get --prefix config/ -w table     with revisions and leases";

/// The end of the help of `del`.
pub(crate) const DEL_NOTES: &str = "\
Examples:
  quorate del hello --prev-kv
  quorate del --prefix config/
  quorate del a z                           from a up to z, and z stays";

/// The end of the help of `compact`.
pub(crate) const COMPACT_NOTES: &str = "\
Examples:
  quorate compact 1000                what was before revision 1000 is forgotten
  quorate compact 1000 --physical     and the space is free when this ends
  quorate compact 1000 -w json

Reads and watches of older revisions are refused from then on.";

/// The flags of `put`.
#[derive(Args, Debug)]
pub(crate) struct PutFlags {
    /// The key
    #[arg(allow_negative_numbers = true)]
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
    /// The lease it goes with, in hexadecimal; 0 means none
    #[arg(long, value_name = "ID", default_value = "0", allow_hyphen_values = true)]
    #[arg(value_parser = hexadecimal)]
    lease: i64,
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
    #[command(flatten)]
    shown: Shown,
    /// Exit with code 3 if nothing is found
    #[arg(long)]
    require: bool,
    /// Order of the pairs
    #[arg(long, value_name = "ORDER", ignore_case = true)]
    order: Option<Order>,
    /// What the order is by
    #[arg(long, value_name = "TARGET", ignore_case = true)]
    sort_by: Option<Target>,
    /// Linearizable, or serializable: as this member knows it
    #[arg(long, value_name = "KIND", default_value = "l")]
    consistency: Consistency,
}

/// Which parts of what is found are printed.
#[derive(Args, Clone, Copy, Debug)]
struct Shown {
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// Print only how many keys there are
    #[arg(long)]
    count_only: bool,
    /// Leave the keys out
    #[arg(long)]
    print_value_only: bool,
}

/// The flags of `del`.
#[derive(Args, Debug)]
pub(crate) struct DelFlags {
    #[command(flatten)]
    keys: Keys,
    /// Print the pairs that are deleted
    #[arg(long)]
    prev_kv: bool,
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

/// The flags of `compact`.
#[derive(Args, Debug)]
pub(crate) struct CompactFlags {
    /// The oldest revision that is kept
    #[arg(allow_hyphen_values = true)]
    revision: i64,
    /// Wait until the space is free
    #[arg(long)]
    physical: bool,
}

/// Puts one pair.
pub(crate) fn put(flags: PutFlags, context: &Context) -> Result<(), Failure> {
    context.assert_form_of_keys()?;
    let read = if flags.reads_value() { Some(read_value()?) } else { None };
    let mut request = flags.request();
    if let Some(value) = read {
        request.value = value.into();
    }
    let send = |channel| {
        let request = request.clone();
        async move { kv_client(channel).put(request).await }
    };
    let sent = block_on(context.session.call(Kind::Write, send));
    let response = sent.map_err(|failure| failure.if_unknown(|| look_at(&request.key)))?;
    context.printer.print(&response)
}

impl PutFlags {
    /// What is asked of the cluster. The value is empty if it is still to be read.
    pub(crate) fn request(self) -> PutRequest {
        PutRequest {
            key: bytes_of(self.key),
            value: self.value.map(OsStringExt::into_vec).unwrap_or_default().into(),
            lease: self.lease,
            prev_kv: self.prev_kv,
            ignore_value: self.ignore_value,
            ignore_lease: self.ignore_lease,
        }
    }

    /// Whether the value is to be read from standard input.
    pub(crate) fn reads_value(&self) -> bool {
        self.value.is_none() && !self.ignore_value
    }
}

/// Prints pairs.
pub(crate) fn get(flags: GetFlags, context: &Context) -> Result<(), Failure> {
    let (shown, is_required) = (flags.shown, flags.require);
    let printer = if shown.print_value_only {
        if context.printer.format() != Format::Simple {
            return Err(Failure::usage("print-value-only is only for `--write-out=simple`"));
        }
        context.printer.with_parts(Parts::Value)
    } else {
        context.printer
    };
    context.assert_form_of_keys()?;
    let is_count_only = shown.count_only && printer.format() == Format::Simple;
    let request = flags.request();
    let send = |channel| {
        let request = request.clone();
        async move { kv_client(channel).range(request).await }
    };
    let response = block_on(context.session.call(Kind::Read, send))?;
    if is_required && response.count == 0 {
        return Err(not_found(&request));
    }
    if is_count_only {
        return output::say(response.count);
    }
    if shown.count_only && printer.format() == Format::Table {
        return output::flush(counted(response.count).to_string().as_bytes());
    }
    printer.print(&response)
}

/// A table of keys that were only counted.
fn counted(count: i64) -> Table {
    Table::new(&["Count"], vec![vec![count.to_string()]])
}

fn not_found(request: &RangeRequest) -> Failure {
    let key = quoted(&request.key);
    let what =
        if request.range_end.is_empty() { "there is no key" } else { "no key is found from" };
    let when = match request.revision {
        0 => String::new(),
        revision => format!(" at revision {revision}"),
    };
    Failure::coded(Code::NotFound, format!("{what} {key}{when}"))
}

impl GetFlags {
    /// What is asked of the cluster.
    pub(crate) fn request(self) -> RangeRequest {
        let (key, range_end) = self.keys.into_range();
        RangeRequest {
            key,
            range_end,
            limit: self.limit,
            revision: self.rev,
            sort_order: self.order.map_or(0, |order| order as i32),
            sort_target: self.sort_by.map_or(0, |target| target as i32),
            serializable: self.consistency == Consistency::S,
            keys_only: self.shown.keys_only,
            count_only: self.shown.count_only,
            ..RangeRequest::default()
        }
    }
}

/// Deletes pairs.
pub(crate) fn del(flags: DelFlags, context: &Context) -> Result<(), Failure> {
    context.assert_form_of_keys()?;
    let request = flags.request();
    let send = |channel| {
        let request = request.clone();
        async move { kv_client(channel).delete_range(request).await }
    };
    let sent = block_on(context.session.call(Kind::Write, send));
    let response = sent.map_err(|failure| failure.if_unknown(|| look_at(&request.key)))?;
    context.printer.print(&response)
}

impl DelFlags {
    /// What is asked of the cluster.
    pub(crate) fn request(self) -> DeleteRangeRequest {
        let (key, range_end) = self.keys.into_range();
        DeleteRangeRequest { key, range_end, prev_kv: self.prev_kv }
    }
}

/// Compacts. Whatever form is asked for, etcdctl prints the simple one.
pub(crate) fn compact(flags: &CompactFlags, context: &Context) -> Result<(), Failure> {
    let request = CompactionRequest { revision: flags.revision, physical: flags.physical };
    let send = |channel| async move { kv_client(channel).compact(request).await };
    let sent = block_on(context.session.call(Kind::Write, send));
    let compacted = (flags.revision, sent.map_err(|failure| beside(failure, flags.revision))?);
    match context.personality {
        Personality::Quorate => context.printer.print(&compacted),
        Personality::Etcdctl => context.printer.in_simple_form().print(&compacted),
    }
}

/// A failure to compact, with what to do about it, which is less than elsewhere.
fn beside(failure: Failure, revision: i64) -> Failure {
    failure
        .if_it_is(Code::Compacted, || {
            "nothing is to be done: what was before that revision is gone already".to_owned()
        })
        .if_it_is(Code::Future, || "`quorate status --wide` shows the newest revision".to_owned())
        .if_unknown(|| {
            format!(
                "`quorate compact {revision}` again does no harm; E-COMPACTED then means that \
                 this one happened"
            )
        })
}

/// What shows whether a write happened.
fn look_at(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    let is_plain =
        key.chars().all(|letter| letter.is_ascii_graphic() && !"'\"$`\\".contains(letter));
    let key = if is_plain { key.into_owned() } else { format!("'{}'", key.escape_default()) };
    format!(
        "`quorate get {key} -w json` shows what is there, and mod_revision when it was written; \
         write again only then"
    )
}

fn read_value() -> Result<Vec<u8>, Failure> {
    let mut value = Vec::new();
    let read = io::stdin().read_to_end(&mut value);
    read.map_err(|error| Failure::error(format!("the value cannot be read: {error}")))?;
    Ok(value)
}
