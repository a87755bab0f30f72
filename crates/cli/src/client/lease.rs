//! `lease`: grants, renewals, revocations, and what there is.

use std::time::Duration;

use clap::{Args, Subcommand};
use quorate_etcdapi::ApiError;
use quorate_etcdapi::etcdserverpb::lease_client::LeaseClient;
use quorate_etcdapi::etcdserverpb::{
    LeaseGrantRequest, LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest,
};
use tokio::time::sleep;

use super::block_on;
use super::keys::hexadecimal;
use super::lease_session::Renewals;
use crate::client_flags::Context;
use crate::connect::Kind;
use crate::exit::{Exit, Failure};
use crate::output::{self, TimeToLive};

/// The end of the help of `lease`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate lease grant 60                      for 60 seconds; prints the ID
  quorate put here yes --lease ID             a key that goes with it
  quorate lease keep-alive ID                 renew it until it is revoked
  quorate lease timetolive ID --keys          what is left, and its keys
  quorate lease revoke ID                     end it, and its keys";

/// What can be done with leases.
#[derive(Debug, Subcommand)]
pub(crate) enum LeaseCommand {
    /// Make a lease
    Grant(GrantFlags),
    /// End a lease, and delete its keys
    Revoke(LeaseFlags),
    /// Print how much is left of a lease
    Timetolive(TimeToLiveFlags),
    /// List the leases
    List,
    /// Renew a lease again and again
    KeepAlive(KeepAliveFlags),
}

/// The flags of `lease grant`.
#[derive(Args, Debug)]
pub(crate) struct GrantFlags {
    /// For how many seconds it is to last
    #[arg(allow_hyphen_values = true)]
    ttl: i64,
}

/// A lease.
#[derive(Args, Debug)]
pub(crate) struct LeaseFlags {
    /// The lease, in hexadecimal
    #[arg(value_name = "ID", allow_hyphen_values = true, value_parser = hexadecimal)]
    lease_id: i64,
}

/// The flags of `lease timetolive`.
#[derive(Args, Debug)]
pub(crate) struct TimeToLiveFlags {
    #[command(flatten)]
    lease: LeaseFlags,
    /// Print its keys as well
    #[arg(long)]
    keys: bool,
}

/// The flags of `lease keep-alive`.
#[derive(Args, Debug)]
pub(crate) struct KeepAliveFlags {
    #[command(flatten)]
    lease: LeaseFlags,
    /// Renew it once
    #[arg(long)]
    once: bool,
}

/// Runs one of them.
pub(crate) fn run(command: LeaseCommand, context: &Context) -> Result<(), Failure> {
    context.printer.assert_simple_form()?;
    match command {
        LeaseCommand::Grant(flags) => grant(&flags, context),
        LeaseCommand::Revoke(flags) => revoke(&flags, context),
        LeaseCommand::Timetolive(flags) => time_to_live(&flags, context),
        LeaseCommand::List => list(context),
        LeaseCommand::KeepAlive(flags) => block_on(keep_alive(&flags, context)),
    }
}

fn grant(flags: &GrantFlags, context: &Context) -> Result<(), Failure> {
    let request = LeaseGrantRequest { ttl: flags.ttl, id: 0 };
    let send = |channel| async move { LeaseClient::new(channel).lease_grant(request).await };
    let granted = block_on(context.session.call(Kind::Write, send));
    let granted = granted.map_err(|failure| {
        failure.within("failed to grant lease (", ")").if_unknown(|| {
            "grant another: a lease that nobody uses ends by itself; `quorate lease list` shows all"
                .to_owned()
        })
    });
    context.printer.print(&granted?)
}

fn revoke(flags: &LeaseFlags, context: &Context) -> Result<(), Failure> {
    let id = flags.lease_id;
    let send = |channel| async move {
        LeaseClient::new(channel).lease_revoke(LeaseRevokeRequest { id }).await
    };
    let revoked = block_on(context.session.call(Kind::Write, send));
    let revoked = revoked.map_err(|failure| {
        failure.within("failed to revoke lease (", ")").if_unknown(|| {
            format!(
                "`quorate lease revoke {id:x}` again; E-NOLEASE then means that this one happened"
            )
        })
    })?;
    context.printer.print(&(id, revoked))
}

fn time_to_live(flags: &TimeToLiveFlags, context: &Context) -> Result<(), Failure> {
    let request = LeaseTimeToLiveRequest { id: flags.lease.lease_id, keys: flags.keys };
    let send = |channel| async move { LeaseClient::new(channel).lease_time_to_live(request).await };
    let asked = block_on(context.session.call(Kind::Read, send));
    let response = asked.map_err(|failure| match failure.exit() {
        Exit::Error => failure.with_exit(Exit::BadConnection),
        _ => failure,
    })?;
    context.printer.print(&TimeToLive { response, with_keys: flags.keys })
}

fn list(context: &Context) -> Result<(), Failure> {
    let send = |channel| async move {
        LeaseClient::new(channel).lease_leases(LeaseLeasesRequest {}).await
    };
    context.printer.print(&block_on(context.session.call(Kind::Read, send))?)
}

async fn keep_alive(flags: &KeepAliveFlags, context: &Context) -> Result<(), Failure> {
    let id = flags.lease.lease_id;
    let mut renewals = Renewals::new(&context.session, 0);
    loop {
        let response = renewals.renew(id).await?;
        let is_there = 0 < response.ttl;
        match (flags.once, is_there) {
            (true, false) => {
                let missing = ApiError::LeaseNotFound.text();
                return Err(Failure::new(Exit::BadConnection, missing));
            }
            (true, true) => return context.printer.print(&response),
            (false, false) => {
                return output::say(format_args!("lease {id:016x} expired or revoked."));
            }
            (false, true) => context.printer.stream(&response)?,
        }
        sleep(pause(response.ttl)).await;
    }
}

/// How long to wait before the next renewal of a lease of so many seconds.
fn pause(ttl: i64) -> Duration {
    /// Renewals in one time to live, so that one may be lost.
    const RENEWALS: f64 = 3.0;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a lease are far below 2^53")]
    let seconds = ttl.max(1) as f64 / RENEWALS;
    Duration::from_secs_f64(seconds)
}
