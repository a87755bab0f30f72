//! `alarm`: what the cluster has raised, and its end.

use clap::Subcommand;
use quorate_etcdapi::etcdserverpb::alarm_request::AlarmAction;
use quorate_etcdapi::etcdserverpb::maintenance_client::MaintenanceClient;
use quorate_etcdapi::etcdserverpb::{AlarmMember, AlarmRequest, AlarmResponse, AlarmType};

use super::block_on;
use crate::client_flags::Context;
use crate::connect::{Kind, Session};
use crate::exit::Failure;

/// The end of the help of `alarm`.
pub(crate) const NOTES: &str = "\
Examples:
  quorate alarm list
  quorate alarm disarm      end those that were raised by hand

NOSPACE ends by itself once there is space again.";

/// What can be done about alarms.
#[derive(Debug, Subcommand)]
pub(crate) enum AlarmCommand {
    /// List the alarms
    List,
    /// End all alarms
    Disarm,
}

/// Lists or ends them.
pub(crate) fn run(command: AlarmCommand, context: &Context) -> Result<(), Failure> {
    context.printer.assert_simple_form()?;
    let session = &context.session;
    let answer = block_on(async {
        match command {
            AlarmCommand::List => list(session).await,
            AlarmCommand::Disarm => disarm(session).await,
        }
    })?;
    context.printer.print(&answer)
}

async fn ask(
    session: &Session,
    kind: Kind,
    request: AlarmRequest,
) -> Result<AlarmResponse, Failure> {
    let send = |channel| async move { MaintenanceClient::new(channel).alarm(request).await };
    session.call(kind, send).await
}

async fn list(session: &Session) -> Result<AlarmResponse, Failure> {
    let request = AlarmRequest { action: AlarmAction::Get.into(), ..AlarmRequest::default() };
    ask(session, Kind::Read, request).await
}

/// Ends each, and gives those that were ended. It prints no header, as etcdctl does not.
async fn disarm(session: &Session) -> Result<AlarmResponse, Failure> {
    let mut ended: Vec<AlarmMember> = Vec::new();
    for alarm in list(session).await?.alarms {
        if alarm.alarm() == AlarmType::None {
            continue;
        }
        let request = AlarmRequest {
            action: AlarmAction::Deactivate.into(),
            member_id: alarm.member_id,
            alarm: alarm.alarm,
        };
        ended.extend(ask(session, Kind::Repeatable, request).await?.alarms);
    }
    Ok(AlarmResponse { header: None, alarms: ended })
}
