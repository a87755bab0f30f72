//! `endpoint` and `defrag`: each member asked by itself.

use std::time::Instant;

use clap::{Args, Subcommand};
use quorate_etcdapi::etcdserverpb::cluster_client::ClusterClient;
use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb::{
    DefragmentRequest, HashKvRequest, MemberListRequest, RangeRequest, StatusRequest,
};
use tokio::task::JoinSet;

use super::{block_on, kv_client};
use crate::client_flags::{Context, Target};
use crate::connect::{Kind, Session};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format, HashAt, Health, StatusAt};

/// The end of the help of `endpoint`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate endpoint health --cluster           does each member serve?
  quorate endpoint status --cluster -w table  how far is each, and who leads?
  quorate endpoint hashkv --cluster           do all hold the same?";

/// The end of the help of `defrag`.
pub(crate) const DEFRAG_NOTES: &str = "\
Example:
  quorate defrag --cluster";

/// What members are asked.
#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// Ask whether each serves reads that see every write
    Health(ClusterFlag),
    /// Ask how far each is
    Status(ClusterFlag),
    /// Ask for a hash of what each holds
    Hashkv(HashFlags),
}

/// Which members are asked.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ClusterFlag {
    /// Ask all members that the cluster has, and not --endpoints
    #[arg(long)]
    cluster: bool,
}

/// The flags of `endpoint hashkv`.
#[derive(Args, Debug)]
pub(crate) struct HashFlags {
    #[command(flatten)]
    which: ClusterFlag,
    /// Hash what there was at this revision; 0 means the newest
    #[arg(long, value_name = "REVISION", default_value = "0", allow_hyphen_values = true)]
    rev: i64,
}

/// The flags of `defrag`.
#[derive(Args, Debug)]
pub(crate) struct DefragFlags {
    #[command(flatten)]
    which: ClusterFlag,
}

/// Asks.
pub(crate) fn run(command: EndpointCommand, context: &Context) -> Result<(), Failure> {
    block_on(async {
        match command {
            EndpointCommand::Health(which) => health(which, context).await,
            EndpointCommand::Status(which) => status(which, context).await,
            EndpointCommand::Hashkv(flags) => hash_kv(&flags, context).await,
        }
    })
}

/// The members to ask.
async fn targets(which: ClusterFlag, session: &Session) -> Result<Vec<Target>, Failure> {
    if !which.cluster {
        return Ok(session.targets().to_vec());
    }
    let send = |channel| async move {
        let request = MemberListRequest { linearizable: true };
        ClusterClient::new(channel).member_list(request).await
    };
    let before = "failed to fetch endpoints from etcd cluster member list: ";
    let listed = session.call(Kind::Read, send).await.map_err(|it| it.within(before, ""))?;
    let urls = listed.members.iter().flat_map(|member| &member.client_ur_ls);
    urls.map(|url| url.parse().map_err(Failure::error)).collect()
}

async fn health(which: ClusterFlag, context: &Context) -> Result<(), Failure> {
    let mut asked = JoinSet::new();
    for target in targets(which, &context.session).await? {
        asked.spawn(health_of(context.session.only(&target), target.text));
    }
    let found: Vec<Health> = asked.join_all().await;
    if context.printer.format() == Format::Simple {
        for health in &found {
            output::complain(health.line());
        }
    }
    context.printer.print(&found)?;
    if found.iter().all(Health::is_healthy) {
        return Ok(());
    }
    Err(Failure::error("unhealthy cluster"))
}

/// A read that must go through the whole cluster, of a key that need not be there.
async fn health_of(session: Session, endpoint: String) -> Health {
    let start = Instant::now();
    let send = |channel| async move {
        let request = RangeRequest { key: "health".into(), ..RangeRequest::default() };
        kv_client(channel).range(request).await
    };
    let asked = session.call(Kind::Read, send).await;
    let error = asked.err().map(|failure| failure.message().to_owned()).unwrap_or_default();
    Health { endpoint, took: start.elapsed(), error }
}

async fn status(which: ClusterFlag, context: &Context) -> Result<(), Failure> {
    let (mut found, mut failed) = (Vec::new(), None);
    for target in targets(which, &context.session).await? {
        let send =
            |channel| async move { MaintenanceClient::new(channel).status(StatusRequest {}).await };
        match context.session.only(&target).call(Kind::Read, send).await {
            Ok(status) => found.push(StatusAt { endpoint: target.text, status }),
            Err(failure) => {
                complain("status", &target, &failure);
                failed = Some(Failure::new(Exit::Error, ""));
            }
        }
    }
    context.printer.print(&found)?;
    failed.map_or(Ok(()), Err)
}

fn complain(what: &str, target: &Target, failure: &Failure) {
    output::complain(format_args!(
        "Failed to get the {what} of endpoint {} ({})",
        target.text,
        failure.message()
    ));
}

async fn hash_kv(flags: &HashFlags, context: &Context) -> Result<(), Failure> {
    let (mut found, mut failed) = (Vec::new(), None);
    let revision = flags.rev;
    for target in targets(flags.which, &context.session).await? {
        let send = |channel| async move {
            MaintenanceClient::new(channel).hash_kv(HashKvRequest { revision }).await
        };
        match context.session.only(&target).call(Kind::Read, send).await {
            Ok(hash) => found.push(HashAt { endpoint: target.text, hash }),
            Err(failure) => {
                complain("hash", &target, &failure);
                failed = Some(failure);
            }
        }
    }
    context.printer.print(&found)?;
    failed.map_or(Ok(()), Err)
}

/// Asks each member to give space back.
pub(crate) fn defrag(flags: &DefragFlags, context: &Context) -> Result<(), Failure> {
    block_on(async {
        let mut failures = 0;
        for target in targets(flags.which, &context.session).await? {
            let send = |channel| async move {
                MaintenanceClient::new(channel).defragment(DefragmentRequest {}).await
            };
            match context.session.only(&target).call(Kind::Repeatable, send).await {
                Ok(_) => output::say(format_args!(
                    "Finished defragmenting etcd member[{}]",
                    target.text
                ))?,
                Err(failure) => {
                    output::complain(format_args!(
                        "Failed to defragment etcd member[{}] ({})",
                        target.text,
                        failure.message()
                    ));
                    failures += 1;
                }
            }
        }
        if failures == 0 { Ok(()) } else { Err(Failure::new(Exit::Error, "")) }
    })
}
