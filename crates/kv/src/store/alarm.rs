//! Alarms raised by hand, and what they refuse. The one that a full quota raises is in `write`.

use std::collections::BTreeSet;

use super::Store;
use crate::{
    ALARMS_MAX, Alarm, AlarmAction, AlarmKind, AlarmRequest, AlarmResponse, Command, CommandError,
    Rules,
};

impl<R: Rules> Store<R> {
    /// The alarms raised by hand.
    pub fn alarms(&self) -> &BTreeSet<Alarm> {
        &self.state.alarms
    }

    /// Whether an alarm forbids a command. One about corruption is looked at first, as in etcd.
    /// Leases that are over end all the same: their time is the cluster's, and goes on.
    pub(super) fn check_alarms(&self, command: &Command) -> Result<(), CommandError> {
        if command.changes_data() && self.has_alarm(AlarmKind::Corrupt) {
            return Err(CommandError::Corrupt);
        }
        if command.takes_space() && self.has_alarm(AlarmKind::NoSpace) {
            return Err(CommandError::NoSpace);
        }
        Ok(())
    }

    fn has_alarm(&self, kind: AlarmKind) -> bool {
        self.state.alarms.iter().any(|alarm| alarm.kind == kind)
    }

    pub(super) fn on_alarm(&mut self, request: AlarmRequest) -> AlarmResponse {
        let AlarmRequest { action, alarm } = request;
        self.effects.push(match (action, alarm.kind) {
            (AlarmAction::Raise, AlarmKind::NoSpace) => 301,
            (AlarmAction::Raise, AlarmKind::Corrupt) => 302,
            (AlarmAction::End, AlarmKind::NoSpace) => 303,
            (AlarmAction::End, AlarmKind::Corrupt) => 304,
        });
        self.effects.push(alarm.member);
        let is_meant = match action {
            AlarmAction::Raise => self.raise(alarm),
            AlarmAction::End => self.end(alarm),
        };
        AlarmResponse { revision: self.state.revision, alarm: is_meant.then_some(alarm) }
    }

    /// Whether it is raised now.
    fn raise(&mut self, alarm: Alarm) -> bool {
        let alike = self.state.alarms.iter().filter(|other| other.kind == alarm.kind).count();
        if alike < ALARMS_MAX {
            self.state.alarms.insert(alarm);
        }
        self.state.alarms.contains(&alarm)
    }

    /// Whether it was raised until now.
    fn end(&mut self, alarm: Alarm) -> bool {
        let was_raised = self.state.alarms.remove(&alarm);
        let had_no_space =
            alarm.kind == AlarmKind::NoSpace && self.state.space_alarm.take().is_some();
        was_raised || had_no_space
    }
}
