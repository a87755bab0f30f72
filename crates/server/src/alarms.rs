//! What is wrong, as clients are told: alarms raised by hand, and the one of a full quota.

use quorate_etcdapi::error::ApiError;
use quorate_kv::{Alarm, AlarmAction, AlarmKind, AlarmRequest, Command, Response};
use quorate_replica::ReadRequest;

use crate::client::{Client, Freshness};
use crate::waiter::Figures;

/// The alarms that are on. The quota is the cluster's, so whoever is asked names itself for it.
pub(crate) fn all(client: &Client, figures: &Figures) -> Vec<Alarm> {
    let mut alarms = figures.alarms.clone();
    if figures.sizes.is_out_of_space {
        alarms.insert(Alarm { member: client.node().0, kind: AlarmKind::NoSpace });
    }
    alarms.into_iter().collect()
}

/// etcd's name of a kind.
pub(crate) fn name_of(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    }
}

impl Client {
    /// How the state machine is, not older than any write that was acknowledged by now.
    pub(crate) async fn fresh_figures(&self) -> Result<Figures, ApiError> {
        self.read(ReadRequest::Revision, Freshness::Linearizable).await?;
        self.figures().await
    }

    /// Raises or ends an alarm. Answers with it, if it is on now or was until now.
    pub(crate) async fn set_alarm(
        &self,
        action: AlarmAction,
        alarm: Alarm,
    ) -> Result<(i64, Option<Alarm>), ApiError> {
        match self.write(Command::Alarm(AlarmRequest { action, alarm })).await? {
            Response::Alarm(response) => Ok((response.revision, response.alarm)),
            other => unreachable!("to an alarm: {other:?}"),
        }
    }
}
