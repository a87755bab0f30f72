//! Alarms raised by hand in the naive model: a set, looked through for each command.

use super::Naive;
use crate::{
    ALARMS_MAX, Alarm, AlarmAction, AlarmKind, AlarmRequest, AlarmResponse, Command, CommandError,
    RequestOp,
};

impl Naive {
    pub(super) fn check_alarms(&self, command: &Command) -> Result<(), CommandError> {
        let raised = |kind| self.alarms.iter().any(|alarm: &Alarm| alarm.kind == kind);
        let (is_write, puts) = match command {
            Command::Put(_) | Command::LeaseGrant(_) => (true, 1),
            Command::Txn(txn) => (true, puts(&txn.success) + puts(&txn.failure)),
            Command::DeleteRange(_) | Command::Compact(_) | Command::LeaseRevoke(_) => (true, 0),
            _ => (false, 0),
        };
        if is_write && raised(AlarmKind::Corrupt) {
            return Err(CommandError::Corrupt);
        }
        if 0 < puts && raised(AlarmKind::NoSpace) {
            return Err(CommandError::NoSpace);
        }
        Ok(())
    }

    pub(super) fn alarm_by_hand(&mut self, request: AlarmRequest) -> AlarmResponse {
        let alarm = request.alarm;
        let alike = self.alarms.iter().filter(|other| other.kind == alarm.kind).count();
        let mut is_meant = self.alarms.contains(&alarm);
        match request.action {
            AlarmAction::Raise if alike < ALARMS_MAX => {
                self.alarms.insert(alarm);
                is_meant = true;
            }
            AlarmAction::Raise => {}
            AlarmAction::End => {
                self.alarms.remove(&alarm);
                if alarm.kind == AlarmKind::NoSpace {
                    is_meant |= self.alarm.take().is_some();
                }
            }
        }
        AlarmResponse { revision: self.standing.revision, alarm: is_meant.then_some(alarm) }
    }
}

fn puts(ops: &[RequestOp]) -> usize {
    let each = ops.iter().map(|op| match op {
        RequestOp::Put(_) => 1,
        RequestOp::Txn(txn) => puts(&txn.success) + puts(&txn.failure),
        RequestOp::Range(_) | RequestOp::DeleteRange(_) => 0,
    });
    each.sum()
}
