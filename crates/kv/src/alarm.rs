//! Alarms raised by hand: what they are, and what a request about one says.

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// There is no space: what takes some is refused.
    NoSpace,
    /// Members differ: every write is refused.
    Corrupt,
}

/// An alarm that lasts until somebody ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm {
    /// The member it is about. Any number will do, as in etcd.
    pub member: u64,
    /// What it is about.
    pub kind: AlarmKind,
}

/// What is to happen with an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmAction {
    /// It begins.
    Raise,
    /// It ends; and with one for lack of space also the store's own, until the next write that
    /// does not fit.
    End,
}

/// Raise or end an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmRequest {
    /// Which of both.
    pub action: AlarmAction,
    /// The alarm.
    pub alarm: Alarm,
}

/// The answer to a request about an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmResponse {
    /// The store's current revision.
    pub revision: i64,
    /// The alarm, if it is raised now, or was until now.
    pub alarm: Option<Alarm>,
}

/// Most alarms of one kind that are kept: one more would change nothing but the list.
pub const ALARMS_MAX: usize = 1_000;
