//! `watch`: changes as they happen, printed or handed to a command.

use std::convert::Infallible;
use std::ffi::OsString;
use std::process::Stdio;

use clap::Args;
use quorate_etcdapi::ApiError;
use quorate_etcdapi::etcdserverpb::{WatchCreateRequest, WatchResponse};
use quorate_etcdapi::mvccpb::Event;
use tokio::process::Command;

use super::keys::Keys;
use super::watching::Watching;
use super::{block_on, interactive};
use crate::client_flags::Context;
use crate::exit::{Exit, Failure};
use crate::output::{self, quoted};

/// The end of the help of `watch`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate watch hello
  quorate watch --prefix config/ --rev 42 --prev-kv     replay since revision 42
  quorate watch job -- sh -c 'echo $ETCD_WATCH_KEY'     run for each change
  quorate watch -i                                      lines of `watch ...`

A command finds what happened in ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE,
ETCD_WATCH_KEY and ETCD_WATCH_VALUE, the last three in double quotes.";

/// The variables that stand for the keys.
const KEY_VARIABLE: &str = "ETCDCTL_WATCH_KEY";
const RANGE_END_VARIABLE: &str = "ETCDCTL_WATCH_RANGE_END";

/// The flags of `watch`.
#[derive(Args, Clone, Debug)]
pub(crate) struct WatchFlags {
    /// The key, or the first of the range
    key: Option<OsString>,
    /// The end of the range, which is not part of it
    range_end: Option<OsString>,
    /// Read what to watch from standard input, as lines of `watch ...`
    #[arg(short, long)]
    interactive: bool,
    /// All keys that begin with KEY
    #[arg(long)]
    prefix: bool,
    /// Begin with the changes of this revision; 0 means from now on
    #[arg(long, value_name = "REVISION", default_value = "0", allow_hyphen_values = true)]
    rev: i64,
    #[command(flatten)]
    told: Told,
    /// A command to run for each change, behind `--`
    #[arg(last = true, value_name = "COMMAND")]
    exec: Vec<OsString>,
}

/// What is told beside the changes.
#[derive(Args, Clone, Copy, Debug)]
struct Told {
    /// Print the pair as it was before as well
    #[arg(long)]
    prev_kv: bool,
    /// Have the member tell how far it is while nothing happens
    #[arg(long)]
    progress_notify: bool,
}

/// Watches until it is ended from outside, or by the cluster.
pub(crate) fn run(flags: WatchFlags, context: &Context) -> Result<(), Failure> {
    context.printer.assert_simple_form()?;
    check_environment()?;
    if flags.interactive {
        return block_on(interactive::run(context));
    }
    let exec = flags.exec.clone();
    let request = flags.request()?;
    let never = block_on(async {
        let watching = Watching::start(&context.session, request).await?;
        follow(watching, &exec, context).await
    })?;
    match never {}
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn check_environment() -> Result<(), Failure> {
    match variable(RANGE_END_VARIABLE) {
        Some(end) if variable(KEY_VARIABLE).is_none() => Err(Failure::usage(format!(
            "{KEY_VARIABLE} is empty but got {RANGE_END_VARIABLE}={}",
            quoted(end.as_encoded_bytes())
        ))),
        _ => Ok(()),
    }
}

impl WatchFlags {
    /// What is asked of the cluster. Keys come from the arguments or the environment.
    pub(crate) fn request(mut self) -> Result<WatchCreateRequest, Failure> {
        if let Some(key) = variable(KEY_VARIABLE) {
            if self.key.is_some() {
                return Err(Failure::usage(
                    "bad number of arguments (found conflicting environment key)",
                ));
            }
            (self.key, self.range_end) = (Some(key), variable(RANGE_END_VARIABLE));
        }
        let key = self.key.ok_or_else(|| Failure::usage("bad number of arguments"))?;
        if self.range_end.is_some() && self.prefix {
            return Err(Failure::usage("`range_end` and `--prefix` are mutually exclusive"));
        }
        let keys = Keys { key, range_end: self.range_end, prefix: self.prefix, from_key: false };
        let (key, range_end) = keys.into_range();
        Ok(WatchCreateRequest {
            key,
            range_end,
            start_revision: self.rev,
            prev_kv: self.told.prev_kv,
            progress_notify: self.told.progress_notify,
            ..WatchCreateRequest::default()
        })
    }

    /// The command to run for each change.
    pub(crate) fn exec(&self) -> &[OsString] {
        &self.exec
    }

    /// Whether a key is named, here or in the environment.
    pub(crate) fn names_key(&self) -> bool {
        self.key.is_some() || variable(KEY_VARIABLE).is_some()
    }
}

/// Prints what a watch tells, until the cluster ends it.
async fn follow(
    mut watching: Watching,
    exec: &[OsString],
    context: &Context,
) -> Result<Infallible, Failure> {
    loop {
        let response = watching.next().await?;
        tell(&response, exec, context).await?;
    }
}

/// Prints one response, and runs the command for what it tells. Fails if it was the last one.
pub(crate) async fn tell(
    response: &WatchResponse,
    exec: &[OsString],
    context: &Context,
) -> Result<(), Failure> {
    if response.canceled {
        output::complain(format_args!("watch was canceled ({})", reason(response)));
    }
    let revision = response.header.as_ref().map_or(0, |header| header.revision);
    if response.events.is_empty() && !response.canceled {
        output::say(format_args!("progress notify: {revision}"))?;
    }
    context.printer.stream(response)?;
    for event in &response.events {
        run_command(exec, event, revision).await?;
    }
    if response.canceled {
        return Err(Failure::new(Exit::Interrupted, "watch is canceled by the server"));
    }
    Ok(())
}

fn reason(response: &WatchResponse) -> &str {
    if response.compact_revision != 0 {
        ApiError::Compacted.text()
    } else if response.cancel_reason.is_empty() {
        ApiError::FutureRevision.text()
    } else {
        &response.cancel_reason
    }
}

async fn run_command(exec: &[OsString], event: &Event, revision: i64) -> Result<(), Failure> {
    let Some((program, arguments)) = exec.split_first() else { return Ok(()) };
    let pair = event.kv.clone().unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env("ETCD_WATCH_REVISION", revision.to_string())
        .env("ETCD_WATCH_EVENT_TYPE", quoted(event.r#type().as_str_name().as_bytes()))
        .env("ETCD_WATCH_KEY", quoted(&pair.key))
        .env("ETCD_WATCH_VALUE", quoted(&pair.value));
    let ended = match command.status().await {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Failure::error(format!("command {exec:?} error ({ended})")))
}
