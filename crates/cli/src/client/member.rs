//! `member` and `move-leader`: who the members are, and who leads them.

use clap::{Args, Subcommand};
use quorate_etcdapi::etcdserverpb::cluster_client::ClusterClient;
use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb::{MemberListRequest, MoveLeaderRequest, StatusRequest};

use super::block_on;
use crate::client_flags::{Context, Target};
use crate::connect::{Kind, Session};
use crate::exit::Failure;

/// The end of the help of `member`.
pub(crate) const NOTES: &str = "\
Example:
  quorate member list -w table";

/// The end of the help of `move-leader`.
pub(crate) const MOVE_NOTES: &str = "\
Example:
  quorate member list                  prints their IDs
  quorate move-leader 8211f1d0f64f3269

--endpoints must name the member that leads.";

/// What the cluster is asked about its members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// List the members
    List,
}

/// The flags of `move-leader`.
#[derive(Args, Debug)]
pub(crate) struct MoveLeaderFlags {
    /// The member that is to lead, in hexadecimal
    #[arg(value_name = "ID", value_parser = member_id)]
    member_id: u64,
}

fn member_id(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16)
        .map_err(|_| "expecting an identifier in hexadecimal digits".to_owned())
}

/// Asks.
pub(crate) fn run(command: MemberCommand, context: &Context) -> Result<(), Failure> {
    match command {
        MemberCommand::List => {
            let send = |channel| async move {
                let request = MemberListRequest { linearizable: true };
                ClusterClient::new(channel).member_list(request).await
            };
            context.printer.print(&block_on(context.session.call(Kind::Read, send))?)
        }
    }
}

/// Has the leader hand over.
pub(crate) fn move_leader(flags: &MoveLeaderFlags, context: &Context) -> Result<(), Failure> {
    context.printer.assert_simple_form()?;
    block_on(async {
        let (target, leader) = leader_of(&context.session).await?;
        let request = MoveLeaderRequest { target_id: flags.member_id };
        let send =
            |channel| async move { MaintenanceClient::new(channel).move_leader(request).await };
        let moved = context.session.only(&target).call(Kind::Write, send).await?;
        context.printer.print(&(leader, flags.member_id, moved))
    })
}

/// Which of the endpoints leads.
async fn leader_of(session: &Session) -> Result<(Target, u64), Failure> {
    for target in session.targets() {
        let send =
            |channel| async move { MaintenanceClient::new(channel).status(StatusRequest {}).await };
        // Another one may lead.
        let Ok(status) = session.only(target).call(Kind::Read, send).await else { continue };
        let member = status.header.as_ref().map_or(0, |header| header.member_id);
        if member == status.leader {
            return Ok((target.clone(), member));
        }
    }
    let endpoints: Vec<&str> = session.targets().iter().map(|it| it.text.as_str()).collect();
    Err(Failure::usage(format!("no leader endpoint given at [{}]", endpoints.join(" "))))
}
